"""The kinds of client cards that other systems write by ids of their own, and by what each may be matched."""

from collections.abc import Mapping
from typing import Any, Final

from helpdesk_api.directory.companies import COMPANIES, CompanyCreate, CompanyUpdate, check_company
from helpdesk_api.directory.contacts import CONTACTS, ContactCreate, ContactUpdate, check_contact
from helpdesk_api.directory.locations import LOCATIONS, LocationCreate, LocationUpdate, check_location
from helpdesk_api.directory.upsert_routes import shapes_of, upsert_routes
from helpdesk_api.directory.upsert_schemas import BATCH_EXAMPLE
from helpdesk_api.directory.upserting import CardKind, ForeignId

_COMPANY: Final = CardKind(
    COMPANIES,
    "company_id",
    CompanyCreate,
    CompanyUpdate,
    matched_by={"domain": "domains", "tax_id": "tax_ids"},
    named={"parent_company_external_id": ForeignId("parent_company_id", "company_id")},
    check=check_company,
)
_CONTACT: Final = CardKind(
    CONTACTS,
    "contact_id",
    ContactCreate,
    ContactUpdate,
    matched_by={"email": "emails", "phone": "phones"},
    named={"company_external_id": ForeignId("company_id", "company_id")},
    check=check_contact,
)
_LOCATION: Final = CardKind(
    LOCATIONS,
    "location_id",
    LocationCreate,
    LocationUpdate,
    named={"company_external_id": ForeignId("company_id", "company_id")},
    check=check_location,
)

KINDS: Final[Mapping[str, CardKind[Any]]] = {kind.resource.plural: kind for kind in (_COMPANY, _CONTACT, _LOCATION)}

companies_router = upsert_routes(_COMPANY)
contacts_router = upsert_routes(_CONTACT)
locations_router = upsert_routes(_LOCATION)

UPSERT_EXAMPLES: Final[dict[str, Any]] = {
    **shapes_of(_COMPANY).examples(),
    **shapes_of(_CONTACT).examples(),
    **shapes_of(_LOCATION).examples(),
    "UpsertedBatch": BATCH_EXAMPLE,
}
