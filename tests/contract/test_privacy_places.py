"""Where an erasure searches: every text of every table of a tenant, but for what is excepted with a reason."""

from sqlalchemy import ARRAY, Text
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.kit.sql import metadata
from helpdesk_api.privacy.people import PersonType
from helpdesk_api.privacy.places import EVERY_COLUMN, EXCEPTED, places
from helpdesk_api.privacy.sign_in_search import ways_in
from tests.contract.rows import TENANT_TABLES

# Unique columns, by which people tell such things apart; reviewed, for none of them to be made of a person.
TELL_APART = {
    ("api_key_usage", "operation_id"),
    ("deadlines", "kind"),
    # What a provider calls a person is removed with whom it is.
    ("external_identities", "subject"),
    ("identity_providers", "issuer"),
    ("identity_providers", "name"),
    ("asset_relations", "type"),
    ("asset_types", "name"),
    ("contracts", "number"),
    ("roles", "name"),
    ("roles", "slug"),
    ("sla_clocks", "metric"),
    ("sla_policies", "name"),
    ("macros", "name"),
    ("price_lists", "name"),
    ("rules", "name"),
    ("services", "name"),
    ("sign_in_attempts", "purpose"),
    ("teams", "name"),
    ("ticket_links", "type"),
    ("ticket_plans", "name"),
}


def test_every_text_of_every_table_is_searched_or_excepted_with_a_reason() -> None:
    searched = {(place.table.name, column.name) for place in places() for column in place.columns}
    texts = {
        (name, column.name)
        for name in TENANT_TABLES
        for column in metadata.tables[name].c
        if isinstance(column.type, Text | JSONB)
        or (isinstance(column.type, ARRAY) and isinstance(column.type.item_type, Text))
    }
    excepted = {(name, column) for name, column in texts if EXCEPTED.get(name, {}).keys() & {EVERY_COLUMN, column}}

    assert texts - searched - excepted == TELL_APART
    assert searched & excepted == set()


def test_every_exception_names_what_there_is() -> None:
    unknown = {
        (name, column)
        for name, columns in EXCEPTED.items()
        for column in columns
        if name not in TENANT_TABLES or (column != EVERY_COLUMN and column not in metadata.tables[name].c)
    }

    assert unknown == set()
    assert all(reason for columns in EXCEPTED.values() for reason in columns.values())


def test_every_table_whose_rows_go_with_a_person_is_emptied_of_an_erased_one() -> None:
    kinds: tuple[PersonType, ...] = ("user", "contact")
    removed = {kind: sorted(column.table.name for column in ways_in(kind)) for kind in kinds}

    assert removed == {
        "user": [
            "assignment_turns", "external_identities", "passwords", "recovery_codes", "sessions", "sign_in_links",
            "ticket_watchers", "totp_factors",
        ],
        "contact": [
            *("card_keys", "card_provenance", "company_members", "custom_field_values", "external_references"),
            *("sessions", "sign_in_links", "sync_conflicts", "ticket_summaries"),
        ],
    }  # fmt: skip
