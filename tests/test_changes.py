"""A pass over the changes leaves the alerts that a full run would have left, whatever was written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from helpers import sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trueup
from trueup import changes, packs
from trueup.store import Session, session

HISTORIES = int(os.environ.get("TRUEUP_HISTORIES", "60"))

# what stands in no way of planting faults: our own triggers, but for those that note changes, are
# switched off, and our constraints are gone
BARE = """
do $$
declare
    r record;
begin
    for r in
        select t.tgname, t.tgrelid::regclass as table_name
        from pg_trigger as t
        inner join pg_proc as p on t.tgfoid = p.oid
        where
            p.pronamespace = 'trueup'::regnamespace
            and t.tgname not like 'trueup\\_changes\\_%'
            and t.tgrelid::regclass::text not like 'trueup.%'
    loop
        execute format('alter table %s disable trigger %I', r.table_name, r.tgname);
    end loop;
    perform factory.legacy(variadic array(
        select ct.name from trueup.constraints as ct where ct.kind <> 'index' and not (
            ct.kind = 'unique index' and ct.check_name is null
        )
        order by ct.kind = 'unique index'
    ));
end;
$$;
"""

PAST = ["now() - interval '40 days'", "now() - interval '3 days'", "now() - interval '1 hour'"]
AHEAD = ["now() + interval '1 day'", "now() + interval '3 days'", "now() + interval '500 days'"]
KEYS = ["1", "2", "3", "4", "null"]
COLUMNS: dict[str, dict[str, list[str]]] = {
    "companies": {"name": ["'a'", "'b'"]},
    "branches": {"company_id": ["1", "2", "null"], "name": ["'x'"]},
    "staff": {"company_id": ["1", "2"], "branch_id": KEYS, "name": ["'x'"]},
    "services": {"company_id": ["1", "2"], "name": ["'x'"], "duration_minutes": ["30"]},
    "phone_numbers": {
        "company_id": ["1", "2"],
        "branch_id": KEYS,
        "number": ["'+4930' || floor(random() * 3)"],
    },
    "customers": {
        "company_id": ["1", "2", "null"],
        "phone": ["'+49170111111'", "'+49170222222'", "null"],
        "email": ["'a@example.org'", "'A@example.org'", "null"],
        "deleted_at": ["null", "now()"],
    },
    "calls": {
        "company_id": ["1", "2"],
        "branch_id": KEYS,
        "phone_number_id": KEYS,
        "retell_call_id": ["'temp_1'", "'temp_2'", "'call_' || substr(md5(random()::text), 1, 27)"],
        "from_number": ["'+49170111111'", "'anonymous'", "null"],
        "to_number": ["'+49300'", "'+49301'"],
        "direction": ["'inbound'", "'outbound'", "'sideways'", "null"],
        "call_type": ["'phone_call'", "null"],
        "status": ["'ended'", "'ongoing'", "'in_progress'", "'lost'"],
        "started_at": [*PAST, "null"],
        "ended_at": [*PAST, "null"],
        "duration_ms": ["1000", "null"],
        "customer_id": KEYS,
        "customer_name": ["'Hallo'", "'Erika'", "null"],
        "customer_link_status": ["'linked'", "'unlinked'", "'name_only'", "'wrong'"],
        "customer_link_method": ["'phone_match'", "'guess'", "null"],
        "customer_link_confidence": ["100", "200", "null"],
        "customer_linked_at": ["now() - interval '1 day'", "null"],
        "session_outcome": ["'appointment_booked'", "'creation_failed'", "'odd'", "null"],
        "appointment_made": ["true", "false"],
        "appointment_id": KEYS,
        "appointment_link_status": ["'linked'", "'unlinked'", "'pending_creation'", "'creation_failed'"],
        "appointment_linked_at": ["now() - interval '1 day'", "null"],
        "booking_confirmed": ["true", "false"],
        "booking_details": ["null", "'{\"appointment_creation_failed\": true}'"],
        "booking_failed": ["true", "false"],
        "updated_at": ["now()"],
        "deleted_at": ["null", "null", "now()"],
    },
    "appointments": {
        "company_id": ["1", "2"],
        "branch_id": KEYS,
        "customer_id": KEYS,
        "service_id": KEYS,
        "staff_id": KEYS,
        "call_id": KEYS,
        "starts_at": [*PAST, *AHEAD],
        "ends_at": [*PAST, *AHEAD],
        "status": ["'confirmed'", "'cancelled'", "'booked'", "'odd'"],
        "source": ["'retell'", "'manual'", "'odd'", "null"],
        "calcom_booking_uid": ["'u1'", "'u2'", "null"],
        "idempotency_key": ["gen_random_uuid()", "null"],
        "cancelled_at": ["now() - interval '1 day'", "null"],
        "notes": ["'n'", "null"],
        "deleted_at": ["null", "null", "now()"],
    },
    "appointment_modifications": {
        "company_id": ["1", "2"],
        "appointment_id": ["1", "2", "3"],
        "call_id": KEYS,
        "kind": ["'reschedule'", "'cancel'", "'odd'"],
        "old_starts_at": [*PAST, "null"],
        "new_starts_at": [*PAST, "null"],
    },
}
TABLES = list(COLUMNS)

Values = dict[str, str]


@st.composite
def row(draw: st.DrawFn, table: str) -> Values:
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS[table])), unique=True, max_size=8))
    return {name: draw(st.sampled_from(COLUMNS[table][name])) for name in names}


@st.composite
def statement(draw: st.DrawFn) -> str:
    # the tables whose rows say the most, most often
    table = draw(st.sampled_from(["calls", "calls", "appointments", "appointments", "customers", *TABLES]))
    key = draw(st.integers(1, 4))
    needed = {
        name: choices[0]
        for name, choices in COLUMNS[table].items()
        if "null" not in choices and table not in ("calls", "customers")
    }
    if table == "calls":
        needed = {"retell_call_id": f"'call_' || lpad('{key}', 27, '0')"}
    values = draw(row(table))
    kind = draw(st.sampled_from(["upsert", "upsert", "upsert", "update", "update", "delete", "bulk"]))
    if kind == "delete":
        return f"delete from {table} where id in ({key}, {draw(st.integers(1, 4))})"
    if kind == "update" and values:
        settings = ", ".join(f"{name} = {text}" for name, text in values.items())
        return f"update {table} set {settings} where id in ({key}, {draw(st.integers(1, 4))})"
    filled = {**needed, **values}
    if kind == "bulk":
        filled.pop("retell_call_id", None)
        extra = {"retell_call_id": "'temp_' || g"} if table == "calls" else {}
        extra |= {"number": "g::text"} if table == "phone_numbers" else {}
        filled |= extra
        names = ", ".join(["id", *filled])
        chosen = ", ".join(["g", *filled.values()])
        first = draw(st.integers(2, 6))
        return (
            f"insert into {table} ({names}) overriding system value select {chosen} "
            f"from generate_series({first}, {first + draw(st.integers(0, 3))}) as g on conflict do nothing"
        )
    names = ", ".join(["id", *filled])
    chosen = ", ".join([str(key), *filled.values()])
    settings = ", ".join(f"{name} = excluded.{name}" for name in filled)
    return (
        f"insert into {table} ({names}) overriding system value values ({chosen}) "
        f"on conflict (id) do update set {settings}"
    )


OTHERS = [
    "update trueup.settings set value = '1 hour' where name = 'ongoing_limit'",
    "update trueup.settings set value = '2 hours' where name = 'ongoing_limit'",
    "insert into trueup.unusable_names (phrase) values ('erika') on conflict do nothing",
    "delete from trueup.unusable_names where phrase = 'erika'",
    "truncate appointment_modifications",
    "insert into trueup.webhook_events (company_id, provider, event_type, object_id, body, body_hash) "
    "select c.company_id, 'retell', 'call_ended', c.retell_call_id, "
    '\'{"call": {"end_timestamp": 1761000000000}}\', random()::text from calls as c limit 2',
    "select trueup.queue_review('provider_booking_failed', 'call', '1', 'x', '1', 'warning', '{}', 'test')",
    "delete from trueup.manual_review_events; delete from trueup.manual_review_queue",
]

# what happens: a statement in one of two sessions, or the end of its transaction, or a pass
STEP = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 1), statement()),
    st.tuples(st.just("write"), st.integers(0, 1), statement()),
    st.tuples(st.just("write"), st.integers(0, 1), statement()),
    st.tuples(st.just("undone"), st.integers(0, 1), statement()),
    st.tuples(st.just("other"), st.integers(0, 1), st.sampled_from(OTHERS)),
    st.tuples(st.sampled_from(["commit", "commit", "rollback"]), st.integers(0, 1), st.just("")),
    st.tuples(st.sampled_from(["pass", "pass", "full"]), st.just(0), st.just("")),
)

DIFFERENCE = """
with wanted as (
    select w.check_name, w.company_id, w.entity_type, w.entity_id, w.description, w.evidence
    from pg_temp.wanted() as w
),
had as (
    select al.alert_type, al.company_id, al.entity_type, al.entity_id, al.description, al.metadata
    from trueup.data_consistency_alerts as al
    where al.status <> 'resolved' and al.alert_type = any(%s::text[])
)
(select 'missing' as what, x.* from (select * from wanted except select * from had) as x)
union all
(select 'stale' as what, x.* from (select * from had except select * from wanted) as x)
"""


def wanted_function(names: list[str]) -> str:
    """A function that reads the whole views, so that its plan is kept."""
    views = " union all ".join(
        f"select '{name}'::text, v.company_id::text, v.entity_type::text, v.entity_id::text, "
        f"v.description::text, v.evidence from trueup.{name} as v"
        for name in names
    )
    return (
        "create function pg_temp.wanted() returns table (check_name text, company_id text, "
        "entity_type text, entity_id text, description text, evidence jsonb) "
        f"language plpgsql as $$ begin return query {views}; end; $$"
    )


class History:
    """One database in which histories are played, one after the other."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pack = packs.load()
        self.names = [check.name for check in self.pack.checks if check.sources or check.time]
        sql(url, BARE)
        self.writers = [psycopg.connect(url) for _ in range(2)]
        for writer in self.writers:
            writer.execute("set lock_timeout = '20ms'")
            writer.commit()
        self.reader = psycopg.connect(url, autocommit=True)
        self.reader.execute("set timezone = 'UTC'")
        self.reader.execute(wanted_function(self.names).encode())

    def close(self) -> None:
        for connection in [*self.writers, self.reader]:
            connection.close()

    def clear(self) -> None:
        for writer in self.writers:
            writer.rollback()
        with self.reader.transaction():
            self.reader.execute("set local session_replication_role = replica")
            for table in [*TABLES, "trueup.data_consistency_alerts", "trueup.changes", "trueup.check_runs"]:
                self.reader.execute(f"delete from {table}".encode())
            self.reader.execute("delete from trueup.manual_review_events")
            self.reader.execute("delete from trueup.manual_review_queue")
            self.reader.execute("delete from trueup.webhook_events")
            self.reader.execute("delete from trueup.unusable_names where phrase = 'erika'")
            self.reader.execute("update trueup.settings set value = default_value")
            self.reader.execute("update trueup.checks set owes_full = null")
            self.reader.execute("insert into companies (id, name) overriding system value values (1, 'a')")

    def play(self, connection: Session, steps: list[tuple[str, int, str]]) -> None:
        for kind, who, text in steps:
            writer = self.writers[who]
            if kind in ("write", "undone", "other"):
                writer.execute("select 1")  # begins a transaction, in which the next is a savepoint
                # refused, or the other session holds the row: nothing was written
                with suppress(psycopg.Error), writer.transaction(force_rollback=kind == "undone"):
                    writer.execute(text.encode())
            elif kind == "commit":
                writer.commit()
            elif kind == "rollback":
                writer.rollback()
            elif kind == "pass":
                changes.judge(connection, self.pack)
                self.compare()
            else:
                assert trueup.check(database=self.url).missed == 0
                self.compare()
        for writer in self.writers:
            writer.commit()
        changes.judge(connection, self.pack)
        self.compare()

    def compare(self) -> None:
        found = self.reader.execute(DIFFERENCE, [self.names]).fetchall()
        assert not found, found


@pytest.fixture
def history(database: str) -> Iterator[History]:
    played = History(database)
    yield played
    played.close()


def test_a_pass_leaves_what_a_full_run_would(history: History) -> None:
    with session(history.url, "test") as connection:

        @settings(
            max_examples=HISTORIES,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.lists(STEP, min_size=3, max_size=25))
        def played(steps: list[tuple[str, int, str]]) -> None:
            history.clear()
            history.play(connection, steps)

        played()
