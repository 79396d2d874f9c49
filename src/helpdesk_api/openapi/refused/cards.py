"""What single operations refuse about client cards, equipment, contracts, and what other systems push of them."""

from collections.abc import Mapping
from typing import Final

from helpdesk_api.agreements.contract_amending import (
    InvalidTermsError,
    NothingHeldError,
    SubjectOfOthersError,
    TooManyContractVersionsError,
)
from helpdesk_api.agreements.entitlement_posting import (
    EntitlementExhaustedError,
    InvalidEntryError,
    NothingToUndoError,
    ReferenceTakenError,
)
from helpdesk_api.agreements.entitlements import ContractWithoutTermsError, InvalidEntitlementError
from helpdesk_api.agreements.policy_checks import TargetOutOfReachError
from helpdesk_api.agreements.price_items import InvalidPriceItemError, PriceTakenError
from helpdesk_api.agreements.price_lists import InvalidPriceListError
from helpdesk_api.assets.asset_types import RepeatedNumberError
from helpdesk_api.assets.moving import ParentElsewhereError, TooManyPartsError
from helpdesk_api.assets.placements import AssetNotOfCompanyError
from helpdesk_api.assets.relations import AssetsOfTwoCompaniesError, RelatedToItselfError
from helpdesk_api.directory.contacts import ContactNotOfCompanyError
from helpdesk_api.directory.crm.conflicts import ConflictResolvedError
from helpdesk_api.directory.crm.ownership import FieldOwnedElsewhereError
from helpdesk_api.directory.crm.sources import FieldAlreadyOwnedError, TooManySourcesError, UnknownCardFieldError
from helpdesk_api.directory.external_references import OneCardError
from helpdesk_api.directory.locations import GeofenceWithoutCentreError, LocationNotOfCompanyError
from helpdesk_api.directory.transfers.exports import InvalidExportFilterError, UnknownExportFieldError
from helpdesk_api.directory.transfers.imports import ImportEndedError, UnknownMatchError
from helpdesk_api.directory.upserting import AlreadyLinkedError, SeveralMatchesError, StaleSourceError
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.domain.money import UnknownCurrencyError
from helpdesk_api.identity.roles import ReachMismatchError, RoleExceedsOwnError
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit.conditional import StaleVersionError
from helpdesk_api.kit.crud import MergedError, NotNullableError
from helpdesk_api.kit.cursors import CursorMismatchError
from helpdesk_api.kit.hierarchy import ParentCycleError, TooManyLevelsError
from helpdesk_api.kit.resource_routes import MovedError
from helpdesk_api.kit.sqlstate import AlreadyExistsError, StillReferencedError, UnknownReferenceError
from helpdesk_api.kit.visibility import FieldNotAllowedError
from helpdesk_api.merging.cards import CardTooFullError
from helpdesk_api.merging.following import TooMuchToMergeError
from helpdesk_api.merging.service import ContactHasKeysError, MergedWithItselfError
from helpdesk_api.merging.undoing import MergeNotUndoableError
from helpdesk_api.webhooks.feed_start import EventsPurgedError

_OF_PERSON: Final = (RoleExceedsOwnError, ReachMismatchError)
_OF_PUSH: Final = (
    *(ReachTooNarrowError, StaleSourceError, SeveralMatchesError, AlreadyLinkedError, StaleVersionError),
    *(FieldNotAllowedError, NotNullableError, FieldOwnedElsewhereError),
)
_TREE: Final = (ParentCycleError, TooManyLevelsError)
_OF_ASSET: Final = (*_TREE, ContactNotOfCompanyError, LocationNotOfCompanyError, ParentElsewhereError)
_OF_MOVE: Final = (*_OF_ASSET, TooManyPartsError, StillReferencedError, AlreadyExistsError, UnknownReferenceError)

REFUSED: Final[Mapping[str, tuple[type[Refusal], ...]]] = {
    "contacts_update": (*_OF_PERSON, FieldOwnedElsewhereError, MergedError),
    "companies_create": _TREE,
    "companies_update": (*_TREE, FieldOwnedElsewhereError, MergedError),
    "locations_create": (ContactNotOfCompanyError, GeofenceWithoutCentreError),
    "locations_update": (
        *(ContactNotOfCompanyError, GeofenceWithoutCentreError, StillReferencedError),
        *(FieldOwnedElsewhereError, MergedError),
    ),
    "crm_sources_create": (UnknownCardFieldError, FieldAlreadyOwnedError, TooManySourcesError, AlreadyExistsError),
    "crm_sources_update": (UnknownCardFieldError, FieldAlreadyOwnedError),
    "sync_conflicts_resolve": (ConflictResolvedError, FieldNotAllowedError, UnknownReferenceError),
    **dict.fromkeys(
        ("locations_put_by_reference", "locations_upsert"),
        (
            *(*_OF_PUSH, ContactNotOfCompanyError, GeofenceWithoutCentreError, StillReferencedError),
            UnknownReferenceError,
        ),
    ),
    "asset_relations_create": (AssetsOfTwoCompaniesError, RelatedToItselfError, AlreadyExistsError),
    "asset_types_update": (RepeatedNumberError,),
    "assets_create": (*_OF_ASSET, AlreadyExistsError),
    "assets_update": _OF_MOVE,
    **dict.fromkeys(("assets_put_by_reference", "assets_upsert"), (*_OF_PUSH, *_OF_MOVE)),
    "merges_create": (
        *(ReachTooNarrowError, MergedWithItselfError, UnknownReferenceError, MergedError, ContactHasKeysError),
        *(CardTooFullError, TooMuchToMergeError, LocationNotOfCompanyError),
    ),
    "imports_start": (ReachTooNarrowError, UnknownReferenceError, UnknownMatchError),
    "imports_cancel": (ImportEndedError,),
    "exports_start": (InvalidExportFilterError, UnknownExportFieldError, FieldNotAllowedError),
    "merges_undo": (ReachTooNarrowError, MergeNotUndoableError, MergedError, StillReferencedError),
    **dict.fromkeys(("companies_get", "contacts_get", "locations_get"), (MovedError,)),
    **{
        f"{plural}_{verb}": (MergedError,)
        for plural in ("companies", "contacts", "locations")
        for verb in ("delete", "get_provenance")
    },
    "external_references_create": (OneCardError, AlreadyExistsError),
    **dict.fromkeys(("companies_put_by_reference", "companies_upsert"), (*_OF_PUSH, *_TREE, UnknownReferenceError)),
    **dict.fromkeys(("contacts_put_by_reference", "contacts_upsert"), (*_OF_PUSH, *_OF_PERSON, UnknownReferenceError)),
    "services_list": (UnknownReferenceError,),
    "coverage_check": (UnknownReferenceError, LocationNotOfCompanyError, AssetNotOfCompanyError),
    "contracts_amend": (
        *(NothingHeldError, InvalidTermsError, SubjectOfOthersError, UnknownReferenceError),
        *(TargetOutOfReachError, TooManyContractVersionsError),
    ),
    "price_lists_create": (InvalidPriceListError, UnknownCurrencyError),
    "price_lists_update": (InvalidPriceListError,),
    "price_items_look_up": (UnknownReferenceError,),
    **dict.fromkeys(
        ("price_items_create", "price_items_update"), (InvalidPriceItemError, InvalidPriceListError, PriceTakenError)
    ),
    "entitlements_create": (InvalidEntitlementError, ContractWithoutTermsError),
    "entitlements_update": (InvalidEntitlementError,),
    "entitlements_enter": (
        *(InvalidEntryError, EntitlementExhaustedError, ReferenceTakenError, NothingToUndoError),
        UnknownReferenceError,
    ),
    **dict.fromkeys(
        ("companies_list_duplicates", "contacts_list_duplicates", "locations_list_duplicates"),
        (CursorMismatchError, ReachTooNarrowError),
    ),
    **dict.fromkeys(
        ("companies_list_changes", "contacts_list_changes", "locations_list_changes"),
        (EventsPurgedError, CursorMismatchError),
    ),
}
