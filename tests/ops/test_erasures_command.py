"""The ledger of erased people: kept outside, checked, and replayed on a backup that has brought somebody back."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.factories import a_contact, get
from tests.jobs.test_erasure import erased, everywhere
from tests.jobs.webhooks import until
from tests.ops.commands import environment, helpdesk
from tests.stage import Client, Stage

NAME = "Teofrasto Malinconico"


def verdicts(stage: Stage, api: Client) -> tuple[int, list[str]]:
    outcome = helpdesk(
        "erasures", "verify", "--tenant", str(api.tenant.id), "--json", env=environment(stage.services)
    )  # fmt: skip
    return outcome.code, [line["verdict"] for line in outcome.told]


def ledger(stage: Stage, api: Client) -> list[dict[str, Any]]:
    outcome = helpdesk("erasures", "ledger", "--tenant", str(api.tenant.id), env=environment(stage.services))
    assert outcome.code == 0, outcome.said
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_the_ledger_holds_a_signed_line_for_everybody_who_was_erased(stage: Stage, api: Client) -> None:
    person = a_contact(api, name=NAME)
    done = erased(api, f"contacts/{person['id']}")

    (line,) = ledger(stage, api)

    assert line == done["record"]
    assert NAME not in json.dumps(line)
    assert verdicts(stage, api) == (0, ["intact"])


def test_a_person_who_is_back_and_a_record_that_was_changed_are_found(stage: Stage, api: Client) -> None:
    person = a_contact(api, name=NAME)
    erased(api, f"contacts/{person['id']}")
    stage.sql("UPDATE contacts SET name = $2 WHERE id = $1", UUID(person["id"]), NAME)
    assert verdicts(stage, api) == (1, ["the person is back"])

    stage.sql(
        "UPDATE erasures SET record = jsonb_set(record, '{document,reason}', '\"another\"') WHERE person_id = $1",
        UUID(person["id"]),
    )

    assert verdicts(stage, api) == (1, ["not signed by this key"])


def test_what_was_done_to_events_is_part_of_the_proof(stage: Stage, api: Client) -> None:
    person = a_contact(api, name=NAME)
    erased(api, f"contacts/{person['id']}")

    stage.sql("DELETE FROM event_redactions WHERE tenant_id = $1", api.tenant.id)

    assert verdicts(stage, api) == (1, ["the event log is not as it was left"])


def test_replaying_the_ledger_erases_again_whom_a_backup_has_brought_back(
    stage: Stage, api: Client, tmp_path: Path
) -> None:
    person, other = a_contact(api, name=NAME), a_contact(api, name="Someone Else")
    done = erased(api, f"contacts/{person['id']}")
    erased(api, f"contacts/{other['id']}")
    file = tmp_path / "ledger.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in ledger(stage, api)) + "\n", encoding="utf-8")
    stage.sql("DELETE FROM event_redactions WHERE erasure_id = $1", UUID(done["id"]))
    stage.sql("UPDATE contacts SET name = $2 WHERE id = $1", UUID(person["id"]), NAME)
    stage.sql("DELETE FROM erasures WHERE id = $1", UUID(done["id"]))
    assert everywhere(stage, api, NAME) != []

    replayed = helpdesk("erasures", "replay", str(file), "--json", env=environment(stage.services))

    assert replayed.code == 0, replayed.said
    assert [line["verdict"] for line in replayed.told] == ["to be erased again", "erased already"]

    until(lambda: get(api, f"erasures/{done['id']}")["state"] == "done" or None)
    assert everywhere(stage, api, NAME) == []


def test_a_ledger_that_was_forged_is_not_replayed(stage: Stage, api: Client, tmp_path: Path) -> None:
    person, victim = a_contact(api, name=NAME), a_contact(api, name="A Victim")
    erased(api, f"contacts/{person['id']}")
    (line,) = ledger(stage, api)
    line["document"]["person_id"] = victim["id"]
    file = tmp_path / "ledger.jsonl"
    file.write_text(json.dumps(line), encoding="utf-8")

    outcome = helpdesk("erasures", "replay", str(file), env=environment(stage.services))

    assert outcome.code == 1
    assert "line 1 is not signed by this key; nothing was done" in outcome.said
    assert get(api, f"contacts/{victim['id']}")["name"] == "A Victim"


def test_what_is_no_ledger_is_refused_with_the_name_of_the_file(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not JSON", encoding="utf-8")

    outcome = helpdesk("erasures", "replay", str(file), env=environment(stage.services))

    assert outcome.code == 1
    assert "notes.txt cannot be read as a ledger" in outcome.said
