"""Which contract covers what: every case by hand, in one table.

Contracts are told in a few words: `A=we, asset:printer, from:3` is contract A for us, covering the printer, since the
3rd of the month. Without a subject it covers everything of its clients, without clients it is for all.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pytest

from helpdesk_api.domain.contracts import ContractTerms, Renewal, ServiceTerms
from helpdesk_api.domain.coverage import Asked, Candidate, Coverage, decide


def an_id(name: str) -> UUID:
    return uuid5(UUID(int=5), name)


def day(number: str) -> datetime:
    return datetime(2026, 3, int(number), tzinfo=UTC)


def a_candidate(told: str) -> Candidate:
    number, _, said = told.partition("=")
    words = said.split(", ")
    if words == ["nothing"]:
        return Candidate(an_id(number), number, None)
    of: dict[str, list[str]] = {}
    for word in words[1:]:
        kind, _, value = word.partition(":")
        of.setdefault(kind, []).append(value)
    ids = {kind: frozenset(map(an_id, of.get(kind, []))) for kind in ("place", "asset", "kind")}
    terms = ContractTerms(
        starts_at=day(of.get("from", ["1"])[0]),
        ends_at=day(of["until"][0]) if "until" in of else None,
        renewal=Renewal.TACIT if "tacit" in of else Renewal.FIXED,
        renewal_months=1 if "tacit" in of else None,
        is_suspended="suspended" in of,
        company_ids=frozenset() if words[0] == "all" else frozenset(map(an_id, words[0].split("+"))),
        covers_everything=not any(ids.values()) or "everything" in of,
        location_ids=ids["place"],
        asset_ids=ids["asset"],
        asset_type_ids=ids["kind"],
        services=tuple(ServiceTerms(an_id(name)) for name in of.get("service", [])),
    )
    return Candidate(an_id(number), number, terms)


def asked(told: str) -> Asked:
    of = dict(word.split(":") for word in told.split(", ") if word)
    names = {name: an_id(of[word]) for word, name in _WORDS.items() if word in of}
    service = ServiceTerms(an_id(of["service"])) if "service" in of else None
    return Asked(company_id=an_id(of.get("for", "we")), at=day(of.get("on", "10")), service=service, **names)


_WORDS = {
    "place": "location_id",
    "asset": "asset_id",
    "kind": "asset_type_id",
    "by": "contract_id",
}


def told(coverage: Coverage) -> str:
    found = "none" if coverage.chosen is None else f"{coverage.chosen.number} by {coverage.match}"
    return "; ".join([found, *(f"{candidate.number} {reason}" for candidate, reason in coverage.rejected)])


PRINTER = "asset:printer, kind:printers, place:dock"
CASES = [
    # Nothing, and one contract of each extent.
    ("", [], "none"),
    ("", ["A=we"], "A by company"),
    ("", ["A=all"], "A by default"),
    ("", ["A=we, everything"], "A by company"),
    (PRINTER, ["A=we"], "A by company"),
    (PRINTER, ["A=all"], "A by default"),
    (PRINTER, ["A=we, asset:printer"], "A by asset"),
    (PRINTER, ["A=we, kind:printers"], "A by asset_type"),
    (PRINTER, ["A=we, place:dock"], "A by location"),
    (PRINTER, ["A=all, kind:printers"], "A by asset_type"),
    ("place:dock", ["A=we, place:dock"], "A by location"),
    # What is named is the nearest that counts.
    (PRINTER, ["A=we, asset:printer, place:dock, kind:printers"], "A by asset"),
    (PRINTER, ["A=we, place:dock, kind:printers"], "A by asset_type"),
    (PRINTER, ["A=we, asset:scanner, place:dock"], "A by location"),
    (PRINTER, ["A=we, asset:scanner, everything"], "A by company"),
    # Not covered: other things, other places, nothing said.
    (PRINTER, ["A=we, asset:scanner"], "none; A subject_not_covered"),
    (PRINTER, ["A=we, kind:scanners"], "none; A subject_not_covered"),
    (PRINTER, ["A=we, place:office"], "none; A subject_not_covered"),
    ("", ["A=we, asset:printer"], "none; A subject_not_covered"),
    ("", ["A=we, place:dock"], "none; A subject_not_covered"),
    ("", ["A=we, kind:printers"], "none; A subject_not_covered"),
    ("place:dock", ["A=we, asset:printer"], "none; A subject_not_covered"),
    # Moved: the asset is at another place, or with another client.
    ("asset:printer, place:office", ["A=we, place:dock"], "none; A subject_not_covered"),
    ("asset:printer, place:office", ["A=we, asset:printer"], "A by asset"),
    ("asset:printer, place:office", ["A=we, place:dock", "B=we, place:office"], "B by location; A subject_not_covered"),
    ("asset:printer, for:others", ["A=we, asset:printer"], "none; A not_client"),
    ("asset:printer, for:others", ["A=we, asset:printer", "B=others"], "B by company; A not_client"),
    # Clients: several, others, all.
    ("", ["A=we+others"], "A by company"),
    ("for:others", ["A=we+others"], "A by company"),
    ("for:strangers", ["A=we+others"], "none; A not_client"),
    ("for:strangers", ["A=we", "B=all"], "B by default; A not_client"),
    # Time: gaps, first and last instants, renewal.
    ("", ["A=nothing"], "none; A no_terms"),
    ("on:9", ["A=we, from:10"], "none; A not_begun"),
    ("on:10", ["A=we, from:10"], "A by company"),
    ("on:19", ["A=we, until:20"], "A by company"),
    ("on:20", ["A=we, until:20"], "none; A expired"),
    ("on:25", ["A=we, until:20, tacit"], "A by company"),
    ("", ["A=we, suspended"], "none; A suspended"),
    ("on:25", ["A=we, until:20, suspended"], "none; A expired"),
    ("on:5", ["A=we, from:9, suspended"], "none; A not_begun"),
    ("on:15", ["A=we, until:12", "B=we, from:18"], "none; A expired; B not_begun"),
    ("on:12", ["A=we, until:12", "B=we, from:12"], "B by company; A expired"),
    ("on:12", ["A=we, until:14", "B=we, from:12"], "B by company; A began_earlier"),
    ("", ["A=we, suspended", "B=all"], "B by default; A suspended"),
    (PRINTER, ["A=we, asset:printer, suspended", "B=we"], "B by company; A suspended"),
    (PRINTER, ["A=we, asset:printer, until:5", "B=we, place:dock"], "B by location; A expired"),
    # Services: named, not named, not asked for.
    ("service:repair", ["A=we"], "A by company"),
    ("service:repair", ["A=we, service:repair"], "A by company"),
    ("service:repair", ["A=we, service:training"], "none; A service_not_offered"),
    ("service:repair", ["A=we, service:training, service:repair"], "A by company"),
    ("", ["A=we, service:repair"], "none; A service_not_said"),
    ("service:repair", ["A=we", "B=we, service:repair"], "B by company; A service_not_named"),
    ("service:repair", ["A=we, from:8", "B=we, service:repair"], "B by company; A service_not_named"),
    ("service:repair", ["A=we, service:training", "B=all, service:repair"], "B by default; A service_not_offered"),
    (PRINTER + ", service:repair", ["A=we, asset:printer", "B=we, service:repair"], "A by asset; B less_specific"),
    # Rank: nearer goes before farther, whatever else.
    (
        PRINTER,
        ["A=all", "B=we", "C=we, place:dock", "D=we, kind:printers", "E=we, asset:printer"],
        "E by asset; A less_specific; B less_specific; C less_specific; D less_specific",
    ),
    (PRINTER, ["A=we, kind:printers", "B=we, place:dock, from:9"], "A by asset_type; B less_specific"),
    ("place:dock", ["A=we, place:dock", "B=we, from:9"], "A by location; B less_specific"),
    ("", ["A=we", "B=all, from:9"], "A by company; B less_specific"),
    # Ties: the later beginning, then the number.
    ("", ["A=we", "B=we, from:2"], "B by company; A began_earlier"),
    ("", ["B=we", "A=we"], "A by company; B number_comes_later"),
    ("", ["C=we", "B=we, from:2", "A=we, from:2"], "A by company; B number_comes_later; C began_earlier"),
    (PRINTER, ["A=we, asset:printer", "B=we, asset:printer, from:4"], "B by asset; A began_earlier"),
    ("", ["A=all", "B=all"], "A by default; B number_comes_later"),
    ("service:repair", ["A=we, service:repair", "B=we, service:repair"], "A by company; B number_comes_later"),
    # A contract that is named decides alone.
    ("by:A", ["A=we", "B=we, from:9"], "A by named; B another_named"),
    (PRINTER + ", by:A", ["A=we", "B=we, asset:printer"], "A by named; B another_named"),
    ("by:A", ["A=we, until:5", "B=we"], "none; A expired; B another_named"),
    ("by:A", ["A=others", "B=we"], "none; A not_client; B another_named"),
    (PRINTER + ", by:A", ["A=we, asset:scanner", "B=we"], "none; A subject_not_covered; B another_named"),
    ("by:A", ["A=all"], "A by named"),
    ("by:A", ["A=nothing", "B=we"], "none; A no_terms; B another_named"),
]


@pytest.mark.parametrize(("question", "contracts", "answer"), CASES)
def test_what_is_covered_by_which_contract_and_why_by_none_of_the_others(
    question: str, contracts: list[str], answer: str
) -> None:
    assert told(decide(asked(question), [a_candidate(each) for each in contracts])) == answer


# Who promises something, and what follows from it.
PROMISES = [
    ([], "none, none"),
    (["service"], "service, service"),
    (["contract", "service"], "contract, contract"),
    (["contract_service", "contract", "service"], "contract_service, contract_service"),
    (["contract_service's calendar", "contract", "service"], "contract, contract_service"),
    (["contract_service's policy", "service"], "contract_service, service"),
    (["contract's policy", "service's calendar"], "contract, service"),
    (["contract's calendar"], "none, contract"),
    (["uncovered", "contract_service", "contract", "service"], "service, service"),
    (["uncovered", "contract"], "none, none"),
]


@pytest.mark.parametrize(("said", "answer"), PROMISES)
def test_policy_and_calendar_follow_each_from_the_first_who_says_anything_of_it(said: list[str], answer: str) -> None:
    def promised(by: str) -> dict[str, Any]:
        return {
            f"{name}_id": an_id(f"{by}/{what}") if by in said or f"{by}'s {what}" in said else None
            for name, what in (("sla_policy", "policy"), ("calendar", "calendar"))
        }

    offer = ServiceTerms(an_id("repair"), **promised("contract_service"))
    terms = ContractTerms(day("1"), services=(offer,), is_suspended="uncovered" in said, **promised("contract"))
    own = ServiceTerms(an_id("repair"), **promised("service"))

    found = decide(Asked(an_id("we"), day("10"), service=own), [Candidate(an_id("A"), "A", terms)])

    follows = (found.sla_policy, found.calendar)
    assert ", ".join("none" if each is None else each.origin for each in follows) == answer
    assert [None if each is None else each.id for each in follows] == [
        None if each is None else an_id(f"{each.origin}/{what}")
        for each, what in zip(follows, ("policy", "calendar"), strict=True)
    ]
