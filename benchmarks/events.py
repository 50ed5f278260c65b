"""Webhook events received and processed, against inserting the rows that come of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import Connection, Figures, Place, median, ratio, timed

CALLS = 2_000
WORKERS = 2

SENT = Path(__file__).with_name("events.sql").read_text()
COMPANY = 900000001
GROUND = """
insert into public.companies (id, name) overriding system value values (900000001, 'events')
on conflict do nothing;
insert into public.services (company_id, name, duration_minutes, calcom_event_type_id)
select 900000001, 'measured', 45, 7000001
where not exists (select 1 from public.services as s where s.calcom_event_type_id = 7000001);
insert into public.phone_numbers (company_id, number) values (900000001, '+4930900000')
on conflict do nothing;
"""
COLUMNS = """
select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
from pg_catalog.pg_attribute as a
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
"""
# what the events left, in tables of the session
TABLES = (
    "trueup.webhook_events",
    "public.customers",
    "public.calls",
    "public.appointments",
    "public.appointment_modifications",
)


def measure(place: Place) -> Figures:
    """Return the seconds of receiving and processing, and of plain INSERTs of the same rows.

    The INSERTs are one statement for each table, with every trigger and constraint that
    the application's own would meet, in one transaction that is rolled back.
    """
    seconds: dict[str, list[float]] = {"receive": [], "process": [], "insert_inbox": [], "insert_rows": []}
    with place.connected() as connection:
        connection.execute(GROUND.encode())
        for repetition in range(place.repetitions):
            events = _send(connection, repetition + 1)
            _clean(connection)
            connection.execute(f"vacuum analyze {', '.join(TABLES)}".encode())
            seconds["receive"].append(timed(lambda events=events: _receive(connection, events)))  # type: ignore[misc]
            seconds["process"].append(timed(lambda: _process(place)))
            left = connection.execute(
                "select count(*) from trueup.webhook_events where status <> 'processed'"
            ).fetchone()
            assert left == (0,), left
            for name, tables in (("insert_inbox", TABLES[:1]), ("insert_rows", TABLES[1:])):
                seconds[name].append(_inserted(connection, tables))
            place.say("  ".join(f"{name} {found[-1]:.3f} s" for name, found in seconds.items()))
        _clean(connection)
    return {
        "seconds": seconds,
        "facts": {
            "events": len(events),
            "workers": WORKERS,
            "microseconds": {
                name: round(median(found) / len(events) * 1e6) for name, found in seconds.items()
            },
            "ratio": {
                "receive": round(ratio(seconds["receive"], seconds["insert_inbox"]), 2),
                "process": round(ratio(seconds["process"], seconds["insert_rows"]), 2),
            },
        },
    }


def _send(connection: Connection, seed: int) -> list[tuple[str, str]]:
    connection.execute("drop table if exists pg_temp.sent")
    connection.execute(
        "create temporary table sent (id bigint generated always as identity, provider text, body jsonb)"
    )
    connection.execute(SENT.encode(), {"calls": CALLS, "seed": seed})
    return connection.execute("select s.provider, s.body::text from sent as s order by s.id").fetchall()


def _receive(connection: Connection, events: list[tuple[str, str]]) -> None:
    """Receive each in a transaction of its own, as a web server does, without waiting for the answer."""
    with connection.pipeline():
        for provider, body in events:
            connection.execute("select * from trueup.receive_event_body(%s, %s)", (provider, body))


def _process(place: Place) -> None:
    def work(_: int) -> None:
        with place.connected() as connection:
            while (row := connection.execute("select objects from trueup.process_events()").fetchone()) != (
                0,
            ):
                assert row is not None

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    work(0)


def _inserted(connection: Connection, tables: tuple[str, ...]) -> float:
    """Return the seconds of inserting the rows of our company again, after their removal; all rolled back."""
    with connection.transaction(force_rollback=True):
        statements = []
        for table in tables:
            columns = connection.execute(COLUMNS, (table,)).fetchone()
            assert columns is not None
            kept = f"pg_temp.{table.replace('.', '_')}"
            connection.execute(
                f"create temporary table {kept.removeprefix('pg_temp.')} on commit drop as "
                f"select {columns[0]} from {table} as t where t.company_id = {COMPANY}".encode()
            )
            statements.append(
                f"insert into {table} ({columns[0]}) overriding system value select {columns[0]} from {kept}"
            )
        _clean(connection)
        return timed(
            lambda: [
                connection.execute(statement.encode())
                for statement in [*statements, "set constraints all immediate"]
            ]
        )


def _clean(connection: Connection) -> None:
    connection.execute(
        b"""
        delete from trueup.webhook_events as e where e.company_id = 900000001 or e.company_id is null;
        delete from public.appointment_modifications as m where m.company_id = 900000001;
        delete from public.appointments as a where a.company_id = 900000001;
        delete from public.calls as c where c.company_id = 900000001;
        delete from public.customers as k where k.company_id = 900000001;
        """
    )
