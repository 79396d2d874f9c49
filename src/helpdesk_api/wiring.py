"""The whole system on one page: what is served and stored, who hears events, what fires at deadlines and as jobs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from helpdesk_api.agreements import (
    calendar_imports,
    calendar_routes,
    contract_routes,
    contract_turns,
    coverage_routes,
    coverage_settings,
    entitlement_routes,
    entitlement_turns,
    national_holidays,
    price_items,
    price_lists,
    price_lookup,
    services,
)
from helpdesk_api.assets import asset_routes, asset_types, impact, relations
from helpdesk_api.automation import (
    analysing,
    bulk,
    elapsing,
    engine,
    macros,
    rule_files,
    rule_routes,
    rule_runs,
    trying,
    waiting,
)
from helpdesk_api.automation.actions import notifying
from helpdesk_api.directory import (
    card_kinds,
    companies,
    contacts,
    duplicates,
    external_references,
    locations,
    magic_links,
    ticket_summaries,
)
from helpdesk_api.directory.crm import conflicts, reading, sources
from helpdesk_api.directory.custom_fields import routes as custom_field_routes
from helpdesk_api.directory.transfers import export_routes, exporting, import_routes, importing
from helpdesk_api.directory.transfers.exports import EXPORT
from helpdesk_api.directory.transfers.imports import IMPORT
from helpdesk_api.files import uploading
from helpdesk_api.identity import (
    api_keys,
    audit,
    audit_seals,
    key_rotation,
    key_usage,
    me,
    outbound_emails,
    roles,
    teams,
    tenant_purge,
    test_clock,
    users,
)
from helpdesk_api.identity.sign_in import (
    attempts,
    federation,
    identity_providers,
    invitations,
    mailing,
    own_password,
    second_factor,
    second_factor_routes,
    session_routes,
)
from helpdesk_api.identity.sign_in import routes as sign_in_routes
from helpdesk_api.identity.sign_in import settings as sign_in_settings
from helpdesk_api.kit.context import Reaction
from helpdesk_api.kit.deadlines import Handler
from helpdesk_api.kit.dispatch import dispatch
from helpdesk_api.kit.events import DISPATCH
from helpdesk_api.kit.mail import queue
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter
from helpdesk_api.kit.runtime import Chore, JobKind, Subscriber
from helpdesk_api.kit.sealing import SealedColumn
from helpdesk_api.merging import routes as merge_routes
from helpdesk_api.privacy import routes as privacy_routes
from helpdesk_api.privacy.erasing import erase
from helpdesk_api.privacy.erasures import ERASE
from helpdesk_api.reports import trace_routes
from helpdesk_api.retention import applying
from helpdesk_api.retention import routes as retention_routes
from helpdesk_api.retention.runs import APPLY
from helpdesk_api.retention.settings import RETENTION_SETTINGS
from helpdesk_api.tickets import (
    act_routes,
    asset_timelines,
    calendar_plans,
    clock_routes,
    clock_rows,
    due_clocks,
    escalating,
    file_routes,
    firing,
    line_routes,
    links,
    policy_routes,
    presence,
    reactions,
    recomputing,
    resources,
    reveal,
    routes,
    search,
    snoozing,
    summarising,
    ticket_settings,
    waking,
    watchers,
)
from helpdesk_api.tickets.plans import opening, progress
from helpdesk_api.tickets.plans import routes as plan_routes
from helpdesk_api.webhooks import (
    card_changes,
    catalogue,
    checksums,
    deliveries,
    endpoint_actions,
    endpoint_notices,
    endpoint_routes,
    events_feed,
    models,
    queueing,
    replay_routes,
    replaying,
    replays,
    retrying,
    session,
    statistics,
    stream_routes,
    test_messages,
)
from helpdesk_api.webhooks.inbound import hook_rotation, hook_routes, messages, presets, receiving
from helpdesk_api.webhooks.inbound import models as inbound_models

ROUTERS: Sequence[APIRouter] = (
    search.router,
    bulk.router,
    routes.router,
    links.router,
    watchers.router,
    ticket_settings.router,
    plan_routes.router,
    plan_routes.occurrences_router,
    uploading.router,
    file_routes.router,
    presence.router,
    line_routes.totals_router,
    line_routes.router,
    act_routes.router,
    clock_routes.router,
    clock_routes.times,
    clock_routes.extensions,
    due_clocks.router,
    *card_changes.routers,
    duplicates.companies_router,
    duplicates.contacts_router,
    duplicates.locations_router,
    companies.router,
    contacts.router,
    card_kinds.companies_router,
    card_kinds.contacts_router,
    locations.router,
    card_kinds.locations_router,
    external_references.router,
    merge_routes.router,
    asset_types.router,
    asset_routes.router,
    asset_routes.references_router,
    impact.router,
    relations.router,
    asset_timelines.router,
    custom_field_routes.router,
    sources.router,
    conflicts.router,
    reading.companies_router,
    reading.contacts_router,
    reading.locations_router,
    export_routes.router,
    import_routes.router,
    reveal.router,
    teams.router,
    users.router,
    roles.router,
    me.router,
    calendar_routes.router,
    calendar_plans.router,
    calendar_imports.router,
    national_holidays.router,
    national_holidays.countries_router,
    policy_routes.router,
    services.router,
    contract_routes.router,
    price_lookup.router,
    price_lists.router,
    price_items.router,
    coverage_routes.router,
    entitlement_routes.router,
    coverage_settings.router,
    analysing.router,
    rule_files.router,
    rule_routes.router,
    rule_runs.router,
    trace_routes.router,
    trying.router,
    macros.router,
    api_keys.router,
    key_rotation.router,
    key_usage.router,
    outbound_emails.router,
    audit.router,
    invitations.router,
    sign_in_routes.router,
    magic_links.router,
    federation.router,
    identity_providers.router,
    session_routes.router,
    session_routes.own_router,
    own_password.router,
    second_factor_routes.reading_router,
    second_factor_routes.own_router,
    second_factor_routes.router,
    sign_in_settings.router,
    test_clock.router,
    stream_routes.router,
    checksums.router,
    events_feed.router,
    catalogue.router,
    endpoint_routes.router,
    endpoint_actions.router,
    test_messages.router,
    statistics.router,
    replay_routes.starting,
    replay_routes.router,
    retrying.router,
    deliveries.router,
    hook_routes.router,
    hook_rotation.router,
    presets.router,
    messages.router,
    receiving.router,
    privacy_routes.router,
    privacy_routes.requests,
    privacy_routes.exports,
    retention_routes.settings_router,
    retention_routes.router,
)

# Comments are served beneath their ticket, ticket summaries along with cards, and of the settings there is one: they
# have no router of the usual kind.
RESOURCES: Sequence[Resource[Any]] = (
    *dict.fromkeys(router.resource for router in ROUTERS if isinstance(router, ResourceRouter)),
    resources.COMMENTS,
    ticket_summaries.TICKET_SUMMARIES,
    sign_in_settings.SIGN_IN_SETTINGS,
    coverage_settings.COVERAGE_SETTINGS,
    ticket_settings.TICKET_SETTINGS,
    RETENTION_SETTINGS,
)

# What `helpdesk rotate-keys` goes through.
SEALED: Sequence[SealedColumn] = (
    queue.SEALED_TEXT,
    second_factor.SEALED_SECRET,
    models.SEALED_KEYS,
    models.SEALED_PREVIOUS_KEYS,
    models.SEALED_CREDENTIALS,
    inbound_models.SEALED_SECRET,
    inbound_models.SEALED_PREVIOUS_SECRET,
)

SUBSCRIPTIONS: Sequence[Subscriber] = (
    queueing.queue_deliveries,
    audit_seals.schedule_sealing,
    recomputing.schedule_recomputation,
    summarising.follow_tickets,
    applying.follow_test_clock,
)

_RULES = engine.RuleEngine()
# What follows in the very transaction from what happens to one object, or to many at once.
REACTIONS: Mapping[str, Reaction] = {reactions.TICKET: _RULES.react, reactions.TICKETS: _RULES.react_to_each}

# What a worker looks after every few seconds, beside jobs and deadlines.
CHORES: Sequence[Chore] = (tenant_purge.purge_due, attempts.purge_attempts, applying.give_turns)

DEADLINES: Mapping[str, Handler] = {
    clock_rows.WARNING_KIND: firing.reach,
    clock_rows.BREACH_KIND: firing.reach,
    clock_rows.STEP_KIND: firing.reach,
    snoozing.WAKE_KIND: waking.wake,
    **summarising.HANDLERS,
    waiting.ELAPSED_KIND: _RULES.elapse,
    progress.TURN_KIND: opening.turn,
    contract_turns.TURN_KIND: contract_turns.turn,
    entitlement_turns.TURN_KIND: entitlement_turns.turn,
}

# Types of objects whose changes may change what anybody sees: who listens is looked up again before being told more.
GRANTS = frozenset({"role", "tenant"})

JOBS: Mapping[str, JobKind] = {
    DISPATCH: JobKind(dispatch, batch=100, concurrency=4, lease=timedelta(seconds=30)),
    # The lease outlasts an attempt to hand a message over, and the recording of it.
    queue.SEND: JobKind(queue.send_emails, batch=8, concurrency=8, lease=timedelta(minutes=1)),
    # One call is one endpoint, most of them waiting for an answer: half of them may hang without delaying the others.
    queueing.DELIVER_PING: JobKind(session.deliver, batch=1, concurrency=64, lease=session.LEASE),
    queueing.DELIVER: JobKind(session.deliver, batch=session.BATCH, concurrency=256, lease=session.LEASE, by_lane=True),
    endpoint_notices.NOTIFY: JobKind(endpoint_notices.notify, batch=8, concurrency=2, lease=timedelta(seconds=30)),
    replays.REPLAY: JobKind(replaying.replay, batch=1, concurrency=2, lease=timedelta(minutes=1)),
    audit_seals.SEAL: JobKind(audit_seals.seal_events, batch=1, concurrency=2, lease=timedelta(minutes=5)),
    # The lease outlasts an erasure of all but the largest tenants; a second worker would do nothing wrong.
    ERASE: JobKind(erase, batch=1, concurrency=1, lease=timedelta(minutes=30)),
    # The lease outlasts the export of all but the largest tenants; of two workers the first to end stores its file.
    EXPORT: JobKind(exporting.export, batch=1, concurrency=1, lease=timedelta(minutes=10)),
    # A job is a few batches; whoever is slower than its lease finds that another has gone on.
    IMPORT: JobKind(importing.import_cards, batch=1, concurrency=2, lease=timedelta(minutes=1)),
    mailing.SEND_TO_USER: JobKind(mailing.send_links_to_users, batch=8, concurrency=4, lease=timedelta(seconds=30)),
    magic_links.SEND: JobKind(magic_links.send_magic_links, batch=8, concurrency=4, lease=timedelta(seconds=30)),
    # The lease outlasts the recomputation of all but the largest tenants; a second worker would do nothing wrong.
    recomputing.RECOMPUTE: JobKind(recomputing.recompute, batch=1, concurrency=2, lease=timedelta(minutes=30)),
    notifying.SEND: JobKind(notifying.send_notifications, batch=8, concurrency=2, lease=timedelta(seconds=30)),
    escalating.NOTIFY: JobKind(escalating.notify, batch=8, concurrency=2, lease=timedelta(seconds=30)),
    # The lease outlasts the arming of all but the largest tenants; a second worker would do nothing wrong.
    elapsing.ARM: JobKind(_RULES.arm, batch=1, concurrency=1, lease=timedelta(minutes=10)),
    APPLY: JobKind(applying.apply, batch=1, concurrency=2, lease=timedelta(minutes=10)),
    test_clock.ADVANCE: JobKind(test_clock.continue_advance, batch=1, concurrency=2, lease=timedelta(minutes=5)),
}
