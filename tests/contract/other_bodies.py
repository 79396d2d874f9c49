"""Further bodies of resources and single operations, which fill what the first body must leave empty."""

from collections.abc import Callable, Mapping

from tests.contract.bodies import (
    JSON,
    contact,
    key_of,
    reply,
    role,
    user,
)
from tests.contract.file_bodies import note_with_file, ticket_with_file
from tests.contract.merge_bodies import merge_of_contacts, merge_of_locations
from tests.contract.price_bodies import act_of_contract
from tests.contract.pushed_bodies import (
    asset_of_pushed_cards,
    batch_of,
    company_of_pushed_company,
    contact_of_pushed_company,
    location_of_pushed_company,
    reference_to_asset,
    reference_to_contact,
    reference_to_location,
)
from tests.contract.ticket_bodies import watching_contact
from tests.stage import Client

# Bodies that fill the references which the first body must leave empty, by resource or by single operation.
OTHER_BODIES: Mapping[str, tuple[Callable[[Client], JSON], ...]] = {
    "comments": (reply, note_with_file),
    "tickets": (ticket_with_file,),
    "ticket-watchers": (watching_contact,),
    "acts": (act_of_contract,),
    "external-references": (reference_to_contact, reference_to_location, reference_to_asset),
    "merges": (merge_of_contacts, merge_of_locations),
    "companies_put_by_reference": (company_of_pushed_company,),
    "companies_upsert": (batch_of(company_of_pushed_company, match_on="domain"),),
    "contacts_put_by_reference": (contact_of_pushed_company,),
    "contacts_upsert": (batch_of(contact_of_pushed_company, match_on="email"),),
    "locations_put_by_reference": (location_of_pushed_company,),
    "locations_upsert": (batch_of(location_of_pushed_company),),
    "assets_put_by_reference": (asset_of_pushed_cards,),
    "assets_upsert": (batch_of(asset_of_pushed_cards),),
    "api-keys": (key_of("user_id", user), key_of("contact_id", contact), key_of("role_id", role)),
}
