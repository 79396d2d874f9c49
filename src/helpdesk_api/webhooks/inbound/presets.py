"""Mappings and signatures for monitoring systems that many have, written after what their makers document.

Alertmanager: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Grafana:
https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/.
Zabbix sends what its media type says; the parameters here are those of the media types that Zabbix itself ships:
https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import Field

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks.inbound import crm_presets
from helpdesk_api.webhooks.inbound.mapping import StoredMapping, completed
from helpdesk_api.webhooks.inbound.schemes import UNSIGNED, StoredSignature


class PresetName(StrEnum):
    """A monitoring system or CRM that we know."""

    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    ZABBIX = "zabbix"
    AMOCRM = "amocrm"
    BITRIX24 = "bitrix24"
    HUBSPOT = "hubspot"
    SALESFORCE = "salesforce"
    PIPEDRIVE = "pipedrive"


class InboundPreset(Output):
    """What a hook is filled with that names this preset."""

    name: Annotated[str, Field(examples=list(PresetName))]
    description: Annotated[str, Field(description="What to set up at the sender.")]
    mapping: StoredMapping
    signature: StoredSignature


class InboundPresets(Output):
    """The presets there are."""

    data: list[InboundPreset]


def _joined(*parts: str) -> str:
    """Write an expression that puts what is there of several texts into paragraphs."""
    return f'join(`"\\n\\n"`, [{", ".join(parts)}][?@])'


def _by_severity(label: str) -> str:
    urgent, high = "['critical', 'disaster', 'page']", "['error', 'high', 'major', 'warning']"
    return (
        f"contains({urgent}, {label}) && 'urgent' || contains({high}, {label}) && 'high' || "
        f"contains(['info', 'none', 'low'], {label}) && 'low' || 'normal'"
    )


def _of_prometheus(*details: str) -> StoredMapping:
    return completed(
        {
            "items": "body.alerts",
            "dedupe_key": "item.fingerprint",
            "state": "item.status == 'resolved' && 'recover' || 'open'",
            "subject": "not_null(item.annotations.summary, item.labels.alertname, 'Alert')",
            "description": _joined("item.annotations.description", *details),
            "priority": _by_severity("item.labels.severity"),
            "tags": "[item.labels.alertname, item.labels.job][?@]",
        },
        {},
        pointer="/mapping",
    )


_ZABBIX: Final = completed(
    {
        "dedupe_key": "body.event_id",
        # A problem that is acknowledged or commented on is an update; 0 is the value of a problem that is over.
        "state": "body.event_update_status == '1' && 'update' || body.event_value == '0' && 'recover' || 'open'",
        "subject": "not_null(body.alert_subject, body.event_name)",
        "description": _joined("body.alert_message"),
        "priority": (
            "body.event_nseverity == '5' && 'urgent' || body.event_nseverity == '4' && 'high' || "
            "contains(['0', '1'], body.event_nseverity) && 'low' || 'normal'"
        ),
        "tags": "[body.host_name][?@]",
    },
    {},
    pointer="/mapping",
)
_GRAFANA_SIGNATURE: Final[StoredSignature] = {
    **UNSIGNED,
    "scheme": "hmac",
    "header": "X-Grafana-Alerting-Signature",
    "timestamp_header": "X-Grafana-Alerting-Timestamp",
}

_READ_THE_REST: Final = " What it only names, with no fields, is ignored (`id_only`): read it there and push it."


def _of_crm(name: PresetName, mapping: Mapping[str, str], description: str) -> InboundPreset:
    return InboundPreset(
        name=name,
        description=f"{description} Client cards are written as those of the source `{name}`.",
        mapping=completed({}, mapping, pointer="/mapping"),
        signature=UNSIGNED,
    )


PRESETS: Final[Mapping[PresetName, InboundPreset]] = {
    PresetName.ALERTMANAGER: InboundPreset(
        name=PresetName.ALERTMANAGER,
        description=(
            "A receiver with `webhook_configs: [{url: <address of the hook>, send_resolved: true}]`. Alertmanager "
            "signs nothing: keep the address as secret as a password."
        ),
        mapping=_of_prometheus("item.generatorURL"),
        signature=UNSIGNED,
    ),
    PresetName.GRAFANA: InboundPreset(
        name=PresetName.GRAFANA,
        description=(
            "A contact point of the type Webhook with the address of the hook; under HMAC signature its secret, the "
            "header `X-Grafana-Alerting-Signature` and the timestamp header `X-Grafana-Alerting-Timestamp` (Grafana 12 "
            "or later; for an older one give the signature `none`)."
        ),
        mapping=_of_prometheus("item.valueString", "item.dashboardURL", "item.generatorURL"),
        signature=_GRAFANA_SIGNATURE,
    ),
    PresetName.ZABBIX: InboundPreset(
        name=PresetName.ZABBIX,
        description=(
            "A media type Webhook with the parameters url, event_id {EVENT.ID}, event_value {EVENT.VALUE}, "
            "event_update_status {EVENT.UPDATE.STATUS}, event_nseverity {EVENT.NSEVERITY}, event_name {EVENT.NAME}, "
            "host_name {HOST.NAME}, alert_subject {ALERT.SUBJECT} and alert_message {ALERT.MESSAGE}, and a script that "
            "posts them all as JSON to the address of the hook; see the guide."
        ),
        mapping=_ZABBIX,
        signature=UNSIGNED,
    ),
    PresetName.AMOCRM: _of_crm(
        PresetName.AMOCRM, crm_presets.AMOCRM, "Webhooks of contacts and companies, with the address of the hook."
    ),
    PresetName.BITRIX24: _of_crm(
        PresetName.BITRIX24,
        crm_presets.BITRIX24,
        f"Outbound webhooks of contacts and companies, or answers of crm.company.* and crm.contact.*.{_READ_THE_REST}",
    ),
    PresetName.HUBSPOT: _of_crm(
        PresetName.HUBSPOT,
        crm_presets.HUBSPOT,
        f"Subscriptions to contact and company events; property changes tell a value.{_READ_THE_REST}",
    ),
    PresetName.SALESFORCE: _of_crm(
        PresetName.SALESFORCE,
        crm_presets.SALESFORCE,
        f"Change Data Capture of Account and Contact, each event posted as JSON.{_READ_THE_REST}",
    ),
    PresetName.PIPEDRIVE: _of_crm(
        PresetName.PIPEDRIVE, crm_presets.PIPEDRIVE, "Webhooks (v1 or v2) of persons and organizations."
    ),
}

router = APIRouter(prefix="/v1/inbound-presets", tags=["inbound-hooks"], route_class=UnitOfWorkRoute)


@router.get(
    "",
    operation_id="inbound_presets_list",
    summary="List the presets of inbound hooks",
    description="Lists the systems that a hook can be made for by name, and what it is then filled with.",
)
async def list_presets(ctx: Annotated[Ctx, allowed("inbound-hooks:read")]) -> InboundPresets:
    """List presets."""
    del ctx
    return InboundPresets(data=list(PRESETS.values()))
