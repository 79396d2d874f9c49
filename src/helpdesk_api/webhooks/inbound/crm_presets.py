"""Mappings for the webhooks and rows of CRMs that many have, written after what their makers document.

amoCRM: https://www.amocrm.ru/developers/content/crm_platform/webhooks-format. Bitrix24:
https://apidocs.bitrix24.com/api-reference/crm/companies/events/. HubSpot:
https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide. Salesforce:
https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_header.htm.
Pipedrive: https://pipedrive.readme.io/docs/guide-for-webhooks-v2. What a message only names (Bitrix24, HubSpot, a gap
of Salesforce) is read and pushed by whoever has the credentials of that CRM.
"""

from typing import Any, Final


def _actions(*names: str) -> str:
    """Write an expression for the records that stand under the name of what happened to them."""
    parts = (
        f"body.contacts.{name}[].{{action: '{'delete' if name == 'delete' else 'upsert'}', it: @}}" for name in names
    )
    return f"[{', '.join(parts)}][]"


def _of_amocrm(code: str) -> str:
    return f"item.it.custom_fields[?code=='{code}'].values[].value"


AMOCRM: Final[dict[str, Any]] = {
    "items": _actions("add", "update", "restore", "delete"),
    "card_source": "'amocrm'",
    "card_kind": "item.it.type == 'company' && 'companies' || 'contacts'",
    "card_external_id": "item.it.id",
    "card_action": "item.action",
    "card_updated_at": "item.it.last_modified",
    "card": (
        "item.it.type == 'company' && {name: item.it.name} || {name: item.it.name, "
        f"phones: {_of_amocrm('PHONE')}, emails: {_of_amocrm('EMAIL')}, "
        "company_external_id: [item.it.linked_company_id][?@ != '0'] | [0]}"
    ),
}
BITRIX24: Final[dict[str, Any]] = {
    "items": (
        "type(body.result) == 'array' && body.result || body.result && [body.result] || "
        "body.data.FIELDS && [body.data.FIELDS] || `[]`"
    ),
    "card_source": "'bitrix24'",
    "card_kind": (
        "contains(not_null(body.event, ''), 'CRMCOMPANY') && 'companies' || "
        "contains(not_null(body.event, ''), 'CRMCONTACT') && 'contacts' || "
        "body.event && '' || (item.STAGE_ID || item.STATUS_ID) && '' || item.TITLE && 'companies' || 'contacts'"
    ),
    "card_external_id": "item.ID",
    "card_action": "ends_with(not_null(body.event, ''), 'DELETE') && 'delete' || 'upsert'",
    "card_updated_at": "item.DATE_MODIFY",
    "card": (
        "body.event && `{}` || item.TITLE && {name: item.TITLE, notes: item.COMMENTS} || "
        "{name: join(' ', [item.NAME, item.LAST_NAME][?@]), phones: item.PHONE[].VALUE, emails: item.EMAIL[].VALUE, "
        "notes: item.COMMENTS, company_external_id: [item.COMPANY_ID][?@ != '0'] | [0]}"
    ),
}
_KIND_OF_EVENT: Final = "not_null(item.subscriptionType, '')"
HUBSPOT: Final[dict[str, Any]] = {
    "items": "body",
    "card_source": "'hubspot'",
    "card_kind": (
        f"(starts_with({_KIND_OF_EVENT}, 'company.') || item.objectTypeId == '0-2') && 'companies' || "
        f"(starts_with({_KIND_OF_EVENT}, 'contact.') || item.objectTypeId == '0-1') && 'contacts' || ''"
    ),
    "card_external_id": "item.objectId",
    "card_action": f"ends_with({_KIND_OF_EVENT}, '.deletion') && 'delete' || 'upsert'",
    "card_updated_at": "item.occurredAt",
    "card": (
        "item.propertyName == 'name' && {name: item.propertyValue} || "
        "item.propertyName == 'domain' && {domains: [item.propertyValue]} || "
        "item.propertyName == 'email' && {emails: [item.propertyValue]} || "
        "item.propertyName == 'phone' && {phones: [item.propertyValue]} || `{}`"
    ),
}
_HEADER: Final = "body.payload.ChangeEventHeader"
_FULL_NAME: Final = "join(' ', [body.payload.Name.FirstName, body.payload.Name.LastName][?@])"
SALESFORCE: Final[dict[str, Any]] = {
    "items": f"not_null({_HEADER}.recordIds, `[]`)",
    "card_source": "'salesforce'",
    "card_kind": (
        f"{_HEADER}.entityName == 'Account' && 'companies' || {_HEADER}.entityName == 'Contact' && 'contacts' || ''"
    ),
    "card_external_id": "item",
    "card_action": f"ends_with({_HEADER}.changeType, 'DELETE') && !ends_with({_HEADER}.changeType, 'UNDELETE') "
    "&& 'delete' || 'upsert'",
    "card_updated_at": f"body.payload.LastModifiedDate || {_HEADER}.commitTimestamp",
    "card": (
        f"{_HEADER}.entityName == 'Account' && {{name: body.payload.Name, notes: body.payload.Description}} || "
        f"{{name: type(body.payload.Name) == 'string' && body.payload.Name || {_FULL_NAME}, "
        "emails: body.payload.Email && [body.payload.Email], "
        "phones: [body.payload.Phone, body.payload.MobilePhone][?@] || `null`, "
        "company_external_id: body.payload.AccountId}"
    ),
}
_IT: Final = "not_null(body.data, body.current, body.previous)"
PIPEDRIVE: Final[dict[str, Any]] = {
    "items": f"[{_IT}]",
    "card_source": "'pipedrive'",
    # A person is known by its names: the entity that is told of it is not always that.
    "card_kind": (
        "contains(keys(not_null(item, `{}`)), 'first_name') && 'contacts' || "
        "contains(['organization'], not_null(body.meta.entity, body.meta.object)) && 'companies' || ''"
    ),
    "card_external_id": "item.id",
    "card_action": "contains(['delete', 'deleted'], body.meta.action) && 'delete' || 'upsert'",
    "card_updated_at": "item.update_time",
    "card": (
        "contains(keys(item), 'first_name') && {name: item.name, emails: not_null(item.emails, item.email)[].value, "
        "phones: not_null(item.phones, item.phone)[].value, company_external_id: item.org_id && "
        "to_string(item.org_id)} || {name: item.name}"
    ),
}
