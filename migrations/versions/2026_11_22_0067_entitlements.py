"""Store entitlements and their ledgers, which the database adds up and keeps from being changed.

Built-in roles may read what they are about; nobody else can change those roles.

Revision: 0067. Comes after: 0066.
"""

from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

_ACCOUNTS = ("granted", "overage", "available", "rolled_over", "reserved", "used", "expired")
_SOURCES = ("granted", "overage")
_ENTITLEMENTS = (
    """
    CREATE TABLE entitlements (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        contract_id uuid NOT NULL,
        name text NOT NULL,
        kind text NOT NULL,
        currency text,
        quantity integer NOT NULL,
        period_months integer,
        starts_at timestamptz NOT NULL,
        time_zone text NOT NULL,
        rollover text NOT NULL,
        rollover_limit integer,
        rollover_periods integer,
        overage text NOT NULL,
        rounding_step integer NOT NULL,
        minimum_charge integer NOT NULL,
        warn_at integer[] NOT NULL,
        next_period integer DEFAULT 0 NOT NULL,
        turns_at timestamptz,
        turn integer DEFAULT 1 NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_entitlements PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_entitlements_kind CHECK (kind IN ('hours', 'incidents', 'visits', 'money')),
        CONSTRAINT ck_entitlements_money_has_a_currency CHECK ((kind = 'money') = (currency IS NOT NULL)),
        CONSTRAINT ck_entitlements_rollover CHECK (rollover IN ('none', 'all', 'limited')),
        CONSTRAINT ck_entitlements_limited_has_a_limit
            CHECK ((rollover = 'limited') = (rollover_limit IS NOT NULL)),
        CONSTRAINT ck_entitlements_overage CHECK (overage IN ('refuse', 'allow')),
        CONSTRAINT ck_entitlements_amounts CHECK (quantity > 0 AND rounding_step > 0 AND minimum_charge >= 0),
        CONSTRAINT fk_entitlements_tenant_id_contract_id
            FOREIGN KEY (tenant_id, contract_id) REFERENCES contracts (tenant_id, id)
    )
    """,
    *(
        f"CREATE INDEX ix_entitlements_tenant_id_{'_'.join(names)} ON entitlements (tenant_id, {', '.join(names)})"
        for names in (("created_at", "id"), ("name", "id"), ("contract_id",))
    ),
    "CALL tenant_owned('entitlements')",
)
_GRANTS = (
    """
    CREATE TABLE entitlement_grants (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        entitlement_id uuid NOT NULL,
        number integer NOT NULL,
        period integer,
        expires_at timestamptz,
        account text NOT NULL,
        remaining bigint DEFAULT 0 NOT NULL,
        reserved bigint DEFAULT 0 NOT NULL,
        CONSTRAINT pk_entitlement_grants PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_entitlement_grants_account CHECK (account IN ('available', 'rolled_over', 'expired')),
        CONSTRAINT ck_entitlement_grants_never_negative CHECK (remaining >= 0 AND reserved >= 0),
        CONSTRAINT ck_entitlement_grants_nothing_remains_of_what_is_over
            CHECK (account <> 'expired' OR remaining = 0),
        CONSTRAINT uq_entitlement_grants_tenant_id_entitlement_id_number UNIQUE (tenant_id, entitlement_id, number),
        CONSTRAINT uq_entitlement_grants_tenant_id_entitlement_id_period UNIQUE (tenant_id, entitlement_id, period),
        CONSTRAINT fk_entitlement_grants_tenant_id_entitlement_id
            FOREIGN KEY (tenant_id, entitlement_id) REFERENCES entitlements (tenant_id, id)
    )
    """,
    "CALL tenant_owned('entitlement_grants')",
)
_ENTRIES = (
    f"""
    CREATE TABLE entitlement_entries (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        entitlement_id uuid NOT NULL,
        number integer DEFAULT 0 NOT NULL,
        operation_id uuid NOT NULL,
        part integer NOT NULL,
        kind text NOT NULL,
        from_account text NOT NULL,
        to_account text NOT NULL,
        amount bigint NOT NULL,
        grant_number integer,
        reservation_id uuid,
        reverses_id uuid,
        asked_amount integer,
        source text NOT NULL,
        reference text NOT NULL,
        reason text,
        occurred_at timestamptz NOT NULL,
        {", ".join(f"{name} bigint DEFAULT 0 NOT NULL" for name in _ACCOUNTS)},
        CONSTRAINT pk_entitlement_entries PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_entitlement_entries_kind
            CHECK (kind IN ('grant', 'reserve', 'post', 'reverse', 'expire', 'roll_over')),
        CONSTRAINT ck_entitlement_entries_two_accounts
            CHECK (from_account <> to_account AND ARRAY[from_account, to_account] <@ ARRAY{list(_ACCOUNTS)}),
        CONSTRAINT ck_entitlement_entries_amount CHECK (amount > 0),
        CONSTRAINT ck_entitlement_entries_of_a_grant_unless_overage CHECK (
            grant_number IS NOT NULL OR reservation_id IS NOT NULL OR 'overage' IN (from_account, to_account)
        ),
        CONSTRAINT ck_entitlement_entries_never_negative CHECK (least({", ".join(_ACCOUNTS)}) >= 0),
        CONSTRAINT ck_entitlement_entries_balanced
            CHECK (granted + overage = available + rolled_over + reserved + used + expired),
        CONSTRAINT uq_entitlement_entries_tenant_id_entitlement_id_number UNIQUE (tenant_id, entitlement_id, number),
        CONSTRAINT uq_entitlement_entries_reference UNIQUE (tenant_id, entitlement_id, source, reference, part),
        CONSTRAINT fk_entitlement_entries_tenant_id_entitlement_id
            FOREIGN KEY (tenant_id, entitlement_id) REFERENCES entitlements (tenant_id, id),
        CONSTRAINT fk_entitlement_entries_grant FOREIGN KEY (tenant_id, entitlement_id, grant_number)
            REFERENCES entitlement_grants (tenant_id, entitlement_id, number)
    )
    """,
    """
    CREATE INDEX ix_entitlement_entries_by_time
        ON entitlement_entries (tenant_id, entitlement_id, occurred_at, number)
    """,
    """
    CREATE INDEX ix_entitlement_entries_tenant_id_entitlement_id_grant_number
        ON entitlement_entries (tenant_id, entitlement_id, grant_number)
    """,
    "CREATE INDEX ix_entitlement_entries_tenant_id_operation_id ON entitlement_entries (tenant_id, operation_id)",
    *(
        f"CREATE INDEX ix_entitlement_entries_tenant_id_{name} ON entitlement_entries (tenant_id, {name}) "
        f"WHERE {name} IS NOT NULL"
        for name in ("reservation_id", "reverses_id")
    ),
    "CALL tenant_owned('entitlement_entries', 'SELECT, INSERT, UPDATE (reason)')",
)


def _sum(account: str) -> str:
    gains, loses = ("from", "to") if account in _SOURCES else ("to", "from")
    return (
        f"NEW.{account} := coalesce(before.{account}, 0) + CASE NEW.{gains}_account WHEN '{account}' THEN NEW.amount "
        f"ELSE 0 END - CASE NEW.{loses}_account WHEN '{account}' THEN NEW.amount ELSE 0 END;"
    )


def _gained(*accounts: str) -> str:
    listed = ", ".join(repr(account) for account in accounts)
    return (
        f"CASE WHEN NEW.to_account IN ({listed}) THEN NEW.amount ELSE 0 END "
        f"- CASE WHEN NEW.from_account IN ({listed}) THEN NEW.amount ELSE 0 END"
    )


# Whoever holds the entitlement is alone; two who do not are kept apart by the number of the entry, which is unique.
_ADD_UP = (
    f"""
    CREATE FUNCTION add_up_entitlement() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before entitlement_entries;
    BEGIN
        SELECT * INTO before FROM entitlement_entries
        WHERE tenant_id = NEW.tenant_id AND entitlement_id = NEW.entitlement_id ORDER BY number DESC LIMIT 1;
        NEW.number := coalesce(before.number, 0) + 1;
        {" ".join(map(_sum, _ACCOUNTS))}
        UPDATE entitlement_grants
        SET remaining = remaining + {_gained("available", "rolled_over")}, reserved = reserved + {_gained("reserved")}
        WHERE tenant_id = NEW.tenant_id AND entitlement_id = NEW.entitlement_id AND number = NEW.grant_number;
        RETURN NEW;
    END
    $$
    """,  # noqa: S608 - names of ours.
    """
    CREATE TRIGGER add_up BEFORE INSERT ON entitlement_entries FOR EACH ROW
    EXECUTE FUNCTION add_up_entitlement()
    """,
)
# A reason may name a person, whom an erasure takes out of it. A tenant is purged with all that it has.
_KEEP = (
    """
    CREATE FUNCTION keep_entitlement_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND current_user = 'helpdesk_purger' THEN
            RETURN OLD;
        END IF;
        IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'reason' = to_jsonb(OLD) - 'reason' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'an entry of a ledger is never changed or deleted' USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON entitlement_entries FOR EACH ROW
    EXECUTE FUNCTION keep_entitlement_entry()
    """,
)

# These events are about the business of the desk, and may be purged as early as those of tickets.
_FLOORS = """
ALTER POLICY retention ON events USING (
    (SELECT tenants.clock_at IS NOT NULL FROM tenants WHERE tenants.id = (SELECT current_tenant()))
    OR id < (
        lpad(to_hex(floor(extract(epoch FROM now() - CASE
            WHEN object_type IN (
                {}'contract', 'service', 'asset_relation', 'asset', 'asset_type', 'inbound_message', 'location',
                'ticket', 'company', 'contact', 'external_reference', 'team', 'calendar', 'sla_policy', 'test_clock',
                'webhook_delivery', 'webhook_replay', 'webhook_endpoint'
            ) THEN interval '30 days'
            ELSE interval '365 days'
        END) * 1000)::bigint), 12, '0') || repeat('0', 20)
    )::uuid
)
"""
_MAY = {
    ("supervisor", "crm_sync"): ("entitlements:read", "entitlements:write"),
    ("agent",): ("entitlements:read",),
}


def upgrade() -> None:
    """Apply."""
    for statement in (*_ENTITLEMENTS, *_GRANTS, *_ENTRIES, *_ADD_UP, *_KEEP):
        op.execute(statement)
    op.execute(_FLOORS.format("'entitlement', "))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    for slugs, permissions in _MAY.items():
        op.execute(
            f"UPDATE roles SET permissions = ARRAY(SELECT unnest(permissions || '{{{','.join(permissions)}}}'::text[]) "  # noqa: S608 - names of ours.
            f"ORDER BY 1) WHERE slug IN ({', '.join(repr(slug) for slug in slugs)})"
        )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take back."""
    op.execute(_FLOORS.format(""))
    op.execute("ALTER TABLE roles NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE roles SET permissions = ARRAY(SELECT each FROM unnest(permissions) AS each "
        "WHERE each NOT LIKE 'entitlements:%' ORDER BY 1) WHERE slug IS NOT NULL"
    )
    op.execute("ALTER TABLE roles FORCE ROW LEVEL SECURITY")
    for table in ("entitlement_entries", "entitlement_grants", "entitlements"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION add_up_entitlement()")
    op.execute("DROP FUNCTION keep_entitlement_entry()")
