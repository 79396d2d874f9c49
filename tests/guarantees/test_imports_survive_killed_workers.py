"""An import whose worker is killed in the middle of a batch goes on exactly there: no row twice, none left out."""

from helpdesk_api.directory.transfers.importing import ROWS_AT_ONCE
from tests.contract.file_bodies import uploaded
from tests.factories import Json, get
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell
from tests.guarantees.test_kill9_worker_no_lost_event import LEASES_RUN_OUT

ROWS = ROWS_AT_ONCE * 2 * SCALE + 7
SECONDS = 60.0
# The row after the first batch takes its time, so that the kill meets a batch that is not committed.
SLOW = f"""
    CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.name = 'Client {ROWS_AT_ONCE}' THEN PERFORM pg_sleep(3); END IF; RETURN NEW; END $$;
    CREATE TRIGGER take_time BEFORE INSERT ON companies FOR EACH ROW EXECUTE FUNCTION take_time()
    """
FOUND = """
    SELECT (SELECT count(*) FROM companies WHERE tenant_id = $1) AS cards,
        (SELECT count(DISTINCT external_id) FROM external_references WHERE tenant_id = $1) AS names,
        (SELECT count(*) FROM events WHERE tenant_id = $1 AND type = 'company.created') AS events
    """


def test_an_import_goes_on_where_a_killed_worker_left_it(plant: Plant) -> None:
    rows = "".join(f"{number},Client {number}\n" for number in range(ROWS))
    with plant.api() as api, plant.client(api) as client, plant.worker() as worker:
        for statement in SLOW.split(";\n    CREATE TRIGGER"):
            plant.sql(statement if "FUNCTION take_time() RETURNS" in statement else f"CREATE TRIGGER{statement}")
        try:
            file = uploaded(client, f"external_id,name\n{rows}".encode(), "cards.csv")["id"]
            body = {"file_id": file, "resource": "companies", "format": "csv", "source": "crm"}
            path = f"imports/{client.post('/v1/imports', json=body).json()['id']}"

            def now() -> Json:
                return get(client, path)

            until(lambda: now()["created_count"] == ROWS_AT_ONCE, "the first batch is committed", seconds=SECONDS)
            worker.kill()
            at_kill = now()["created_count"]
            left_behind = len(plant.sql(LEASES_RUN_OUT, client.tenant.id))
        finally:
            plant.sql("DROP FUNCTION take_time() CASCADE")
        worker.start()
        until(lambda: now()["state"] != "running", "the import has ended", seconds=SECONDS)

        done, (found,) = now(), plant.sql(FOUND, client.tenant.id)
        tell(
            "imports_survive_killed_workers",
            n=ROWS,
            faults=worker.kills,
            lost=ROWS - found["names"],
            dup=found["cards"] - found["names"],
            at_kill=at_kill,
            left_behind=left_behind,
        )
        assert at_kill == ROWS_AT_ONCE
        assert (done["state"], done["created_count"], done["failed_count"]) == ("done", ROWS, 0)
        assert (found["cards"], found["names"], found["events"]) == (ROWS, ROWS, ROWS)
        assert worker.defects == []
