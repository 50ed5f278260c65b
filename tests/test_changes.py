"""A pass over the changes leaves the alerts that a full run would have left, whatever was written."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import ROOT, Databases
from helpers import eventually, items_pack, launch, plant, run, sql, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres import Postgres

import trueup
from trueup import alerts as alert_actions
from trueup import changes, evaluation, packs
from trueup.errors import CatalogError
from trueup.model import Run
from trueup.store import FEW, Session, session

HISTORIES = int(os.environ.get("TRUEUP_HISTORIES", "40"))

# what stands in no way of planting faults: our constraints are gone ...
LEGACY = """
select factory.legacy(variadic array(
    select ct.name
    from trueup.constraints as ct
    where ct.kind <> 'index' and not (ct.kind = 'unique index' and ct.check_name is null)
    order by ct.kind = 'unique index'
));
"""
# ... and our own triggers, but for those that note changes, are switched off
BARE = (
    """
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
end;
$$;
"""
    + LEGACY
)

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
        "calcom_sync_status": ["'synced'", "'pending'", "'failed'", "null"],
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


# questions about violations and about what is none, and what people do with them
QUESTIONS = [
    "select trueup.queue_review(al.alert_type, al.entity_type, al.entity_id, 'asked', al.company_id) "
    "from trueup.data_consistency_alerts as al where al.status <> 'resolved'",
    "select trueup.queue_review(ck.name, 'call', g::text, 'asked') from trueup.checks as ck, "
    "generate_series(1, 2) as g where ck.entity = 'call'",
    "select trueup.claim_review('erika')",
    *(
        f"select trueup.{decision} from trueup.manual_review_queue as q "
        "where q.status = 'in_progress' order by q.id limit 1"
        for decision in (
            "release_review(q.id, q.claim_token)",
            "dismiss_review(q.id, q.claim_token, 'it is meant to be so')",
            "resolve_review(q.id, q.claim_token)",
        )
    ),
    "select trueup.reopen_review(q.id) from trueup.manual_review_queue as q "
    "where q.status = 'resolved' order by q.id limit 1",
]
# it reads the queue: what a run closes under other names may be its violation
QUEUED = "call_creation_failed_unqueued"

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
    *QUESTIONS,
    "insert into trueup.sync_failures (company_id, operation, attempt_count) values (1, 'create', 3)",
    "update trueup.sync_failures set status = 'resolved'",
    *(
        'select trueup.import_bookings(1, \'{"status": "success", "data": ['
        f'{{"uid": "{uid}", "status": "{status}", "start": "2025-10-22T12:00:00Z", '
        '"end": "2025-10-22T12:45:00Z"}]}\', '
        "trueup.begin_booking_import(1, now() - interval '1000 days', now() + interval '1000 days'), true)"
        for uid in ("u1", "u3")
        for status in ("accepted", "cancelled")
    ),
]

# what happens: a statement in one of two sessions, or the end of its transaction, or a pass
STEP = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 1), statement()),
    st.tuples(st.just("write"), st.integers(0, 1), statement()),
    st.tuples(st.just("write"), st.integers(0, 1), statement()),
    st.tuples(st.just("undone"), st.integers(0, 1), statement()),
    st.tuples(st.just("other"), st.integers(0, 1), st.sampled_from(OTHERS)),
    st.tuples(st.just("other"), st.integers(0, 1), st.sampled_from(QUESTIONS)),
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

# questions that the newest run closed, and whether their violation is there all the same
CLOSED = """
select
    q.reason,
    q.entity_type,
    q.entity_id,
    exists (
        select 1
        from pg_temp.wanted() as w
        where w.check_name = q.reason and w.entity_type = q.entity_type and w.entity_id = q.entity_id
    ) as is_violation
from trueup.manual_review_queue as q
where q.decided_by = 'run ' || (select max(cr.id) from trueup.check_runs as cr)
"""

# questions that nobody holds about what is no violation
IDLE = """
select q.reason, q.entity_type, q.entity_id
from trueup.manual_review_queue as q
where
    q.status = 'pending'
    and q.reason = any(%s::text[])
    and not exists (
        select 1
        from pg_temp.wanted() as w
        where w.check_name = q.reason and w.entity_type = q.entity_type and w.entity_id = q.entity_id
    )
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

    def __init__(self, url: str, prepare: str) -> None:
        self.url = url
        self.pack = packs.load()
        self.names = [check.name for check in self.pack.checks if check.sources or check.time]
        # a full run looks for violations among the candidates alone
        self.missed = " union all ".join(
            f"(select entity_type, entity_id from trueup.{check.name} except "
            f"select entity_type, entity_id from trueup.{check.candidates} where check_name = '{check.name}')"
            for check in self.pack.checks
            if check.candidates
        )
        sql(url, prepare)
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
            self.reader.execute("delete from trueup.sync_failures")
            self.reader.execute("delete from trueup.booking_imports")
            self.reader.execute("delete from trueup.booking_snapshots")
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
                if any(word in text for word in ("truncate", "dismiss_review", "resolve_review")):
                    writer.commit()  # nobody can read the table, or file the alert, before
            elif kind == "commit":
                writer.commit()
            elif kind == "rollback":
                writer.rollback()
            elif kind == "pass":
                self.judge(connection)
            else:
                assert trueup.check(database=self.url).missed == 0
                self.compare(connection)
        for writer in self.writers:
            writer.commit()
        self.judge(connection)
        if self.reader.execute(IDLE, [self.names]).fetchone():
            trueup.check(database=self.url)
            self.compare(connection)
            assert not self.reader.execute(IDLE, [self.names]).fetchall()

    def judge(self, connection: Session) -> None:
        changes.judge(connection, self.pack)
        self.compare(connection)

    def compare(self, connection: Session) -> None:
        closed = self.reader.execute(CLOSED).fetchall()
        assert not [reason for reason, *_, is_violation in closed if is_violation and reason != QUEUED], (
            closed
        )
        if closed:
            # a change, too, which the next pass judges
            changes.judge(connection, self.pack)
        found = self.reader.execute(DIFFERENCE, [self.names]).fetchall()
        assert not found, found
        missed = self.reader.execute(self.missed.encode()).fetchall()
        assert not missed, missed


@pytest.fixture(params=[BARE, LEGACY], ids=["bare", "with fills, sync and guards"])
def history(database: str, request: pytest.FixtureRequest) -> Iterator[History]:
    played = History(database, request.param)
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


def changed(url: str, *options: str) -> dict[str, Any]:
    """Make a pass as a user does; return what it printed as JSON."""
    done = run("check", "--changed", "--format", "json", *options, url=url)
    assert done.returncode in (0, 1, 3), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def alerts(url: str, name: str) -> list[str]:
    """The entities with an open alert of a check."""
    rows = sql(
        url,
        "select entity_id from trueup.data_consistency_alerts "
        "where alert_type = %s and status <> 'resolved' order by entity_id",
        name,
    )
    return [row[0] for row in rows]


def owed(url: str, name: str) -> str | None:
    found: str | None = value(url, "select owes_full from trueup.checks where name = %s", name)
    return found


def is_waiting(url: str) -> bool:
    """Say whether a pass or a run waits for a lock."""
    return bool(
        value(
            url,
            "select exists (select 1 from pg_stat_activity where application_name ~ '^trueup check' "
            "and wait_event_type = 'Lock')",
        )
    )


@pytest.mark.one_server
@pytest.mark.parametrize("name", ["call_made_without_appointment", "appointment_past_open"])
def test_a_pass_refuses_what_the_header_does_not_name_as_a_run_does(database: str, name: str) -> None:
    """Read whole, because it owes that, and because time begins it."""
    sql(
        database,
        f"""
        create or replace view trueup.{name} as
        select null::bigint as company_id, 'cal' as entity_type, 1::bigint as entity_id, 'x' as description,
            '{{}}'::jsonb as evidence
        """,
    )
    sql(database, "update trueup.checks set owes_full = 'a test' where name = %s", name)
    for checked in (trueup.check(database=database), trueup.check_changed(database=database)):
        (found,) = (result for result in checked.results if result.name == name)
        assert found.outcome == "error"
        assert (found.error or "").startswith("lists entities of type cal, and its header says ")
    assert (
        value(database, "select count(*) from trueup.data_consistency_alerts where alert_type = %s", name)
        == 0
    )


@pytest.fixture
def caught_up(databases: Databases) -> Iterator[str]:
    """A database of one company that a pass has looked at."""

    def fill(url: str) -> None:
        sql(url, "select factory.company(1); select factory.staff(1); select factory.customer(1)")
        changed(url)
        assert value(url, "select count(*) from trueup.changes") == 0

    name = databases.create(databases.template("caught up", fill, databases.migrated()))
    yield databases.server.url(name)
    databases.drop(name)


def test_the_first_pass_evaluates_everything_and_the_second_what_time_can_change(database: str) -> None:
    first = changed(database)
    assert {result["outcome"] for result in first["results"]} == {"complete", "unjudged"}
    again = changed(database)
    assert {result["outcome"] for result in again["results"]} == {"changed", "unjudged"}
    assert all(not result["rows_tested"] for result in again["results"])
    unjudged = {result["name"] for result in again["results"] if result["outcome"] == "unjudged"}
    assert unjudged == {
        "check_cost_high",
        "check_not_run",
        "guard_disarmed",
        "notification_failing",
        "review_overdue",
        "schema_contract_broken",
    }


@pytest.mark.one_server
def test_a_pass_answers_with_everything_that_is_open(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, direction => null)")
    assert changed(caught_up)["exit_code"] == 0
    sql(caught_up, "select factory.call(2, appointment_made => true)")
    found = changed(caught_up)
    by_name = {result["name"]: result for result in found["results"]}
    assert by_name["call_direction_missing"]["violations"] == 1
    assert by_name["call_direction_missing"]["opened"] == 0
    assert by_name["call_made_without_appointment"]["opened"] == 1
    assert by_name["call_made_without_appointment"]["examples"][0]["entity_id"] == "2"
    assert found["exit_code"] == 1
    # and so does the next, although nothing has changed
    assert changed(caught_up)["exit_code"] == 1
    sql(caught_up, "update calls set appointment_made = false, session_outcome = null where id = 2")
    assert changed(caught_up)["exit_code"] == 0


@pytest.mark.one_server
def test_an_alert_follows_its_entity_to_another_company(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.company(2); select factory.call(1, direction => null)")
    changed(caught_up)
    sql(caught_up, "update calls set company_id = 2")
    changed(caught_up)
    company = (
        "select company_id from trueup.data_consistency_alerts where alert_type = 'call_direction_missing'"
    )
    assert value(caught_up, company) == "2"


def test_a_writer_that_is_still_open_is_judged_by_the_next_pass(caught_up: str) -> None:
    sql(caught_up, BARE)
    with psycopg.connect(caught_up) as writer:
        writer.execute("select factory.call(1, direction => null)")
        sql(caught_up, "select factory.call(2, direction => null)")
        changed(caught_up)
        assert alerts(caught_up, "call_direction_missing") == ["2"]
        writer.commit()
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1", "2"]


def test_what_was_rolled_back_leaves_no_note(caught_up: str) -> None:
    with psycopg.connect(caught_up) as writer:
        writer.execute("select factory.call(1)")
        writer.rollback()
    assert value(caught_up, "select count(*) from trueup.changes") == 0


def test_an_update_that_concerns_no_check_leaves_no_note(caught_up: str) -> None:
    sql(caught_up, "select factory.call(1); select factory.appointment(1, call_id => 1)")
    changed(caught_up)
    sql(caught_up, "update customers set name = 'Anna', notes = 'x', updated_at = now()")
    sql(caught_up, "update appointments set notes = 'x', sync_attempt_count = 2, updated_at = now()")
    sql(caught_up, "update calls set disconnection_reason = 'hangup', updated_at = now()")
    # all columns written as they were, as many applications do
    sql(caught_up, "update calls set direction = direction, status = status, metadata = metadata || '{}'")
    assert value(caught_up, "select count(*) from trueup.changes") == 0
    sql(caught_up, "update customers set phone = '+4930111111'")
    assert value(caught_up, "select keys from trueup.changes") == ["id=1", None]


@pytest.mark.one_server
def test_both_halves_of_a_pair_are_judged_when_one_of_them_changes(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(
        caught_up,
        "select factory.appointment(n, staff_id => 1, starts_at => '2025-10-27 10:00+00', "
        "ends_at => '2025-10-27 10:30+00') from generate_series(1, 2) as n; "
        "select factory.appointment(3, staff_id => 1, starts_at => '2025-10-28 10:00+00', "
        "ends_at => '2025-10-28 10:30+00')",
    )
    changed(caught_up)
    assert alerts(caught_up, "appointment_staff_overlap") == ["1", "2"]
    # the first moves on top of the third: the second is alone now, the third is not
    sql(
        caught_up,
        "update appointments set starts_at = '2025-10-28 10:00+00', ends_at = '2025-10-28 10:30+00' where id = 1",
    )
    changed(caught_up)
    assert alerts(caught_up, "appointment_staff_overlap") == ["1", "3"]
    sql(caught_up, "delete from appointments where id = 1")
    changed(caught_up)
    assert alerts(caught_up, "appointment_staff_overlap") == []


def pass_two_minutes(url: str, table: str, column: str) -> None:
    """Make a time two minutes older without a note: to a check the same as two minutes on the clock."""
    plant(url, f"update {table} set {column} = {column} - interval '2 minutes'")
    assert value(url, "select count(*) from trueup.changes") == 0


def test_time_alone_begins_a_violation(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(
        caught_up,
        "select factory.call(1, status => 'ongoing', started_at => now() - interval '1 hour 58 minutes', "
        "ended_at => null, duration_ms => null)",
    )
    changed(caught_up)
    assert alerts(caught_up, "call_stuck_ongoing") == []
    pass_two_minutes(caught_up, "calls", "started_at")
    changed(caught_up)
    assert alerts(caught_up, "call_stuck_ongoing") == ["1"]
    seen = value(caught_up, "select occurrences from trueup.data_consistency_alerts")
    changed(caught_up)
    # what has not changed is not written again, every five minutes
    assert value(caught_up, "select occurrences from trueup.data_consistency_alerts") == seen
    assert (
        value(
            caught_up,
            "select count(*) from trueup.check_results where run_id = (select max(id) from trueup.check_runs)",
        )
        == 0
    )


def test_time_alone_ends_a_violation(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(
        caught_up,
        "update customers set phone = null, email = null; "
        "select factory.appointment(1, customer_id => 1, starts_at => now() + interval '2 minutes', "
        "ends_at => now() + interval '1 hour')",
    )
    changed(caught_up)
    assert alerts(caught_up, "customer_unreachable") == ["1"]
    pass_two_minutes(caught_up, "appointments", "starts_at")
    changed(caught_up)
    assert alerts(caught_up, "customer_unreachable") == []


def test_an_acceptance_ends_without_a_change(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, direction => null)")
    changed(caught_up)
    sql(
        caught_up,
        "select trueup.accept_alert(al.id, 'somebody', 'known', now() + interval '1 hour') "
        "from trueup.data_consistency_alerts as al",
    )
    changed(caught_up)
    assert value(caught_up, "select status from trueup.data_consistency_alerts") == "acknowledged"
    sql(caught_up, "update trueup.data_consistency_alerts set accepted_until = now()")
    changed(caught_up)
    assert value(caught_up, "select status from trueup.data_consistency_alerts") == "open"


@pytest.mark.one_server
def test_an_alert_that_somebody_wrote_meanwhile_is_judged_again_by_the_next_pass(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, direction => null)")
    changed(caught_up)
    sql(caught_up, "update calls set direction = 'inbound'")
    # acknowledged by somebody whom the snapshot of the pass does not see: as if from its future
    with psycopg.connect(caught_up) as person:
        person.execute("update trueup.data_consistency_alerts set acknowledged_by = 'somebody'")
        passing = launch("check", "--changed", url=caught_up)
        eventually(lambda: is_waiting(caught_up))
        person.commit()
    passing.communicate(timeout=60)
    assert alerts(caught_up, "call_direction_missing") == ["1"]
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == []


def test_it_is_judged_again_though_the_header_names_no_row_of_its_own(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        "create table items (id bigint primary key); create table lines (item_id bigint, bad boolean)",
    )
    pack = items_pack(tmp_path / "pack", item_line_bad=("lines.item_id", "i.bad"))
    file = pack / "checks/item_line_bad.sql"
    file.write_text(
        file.read_text().replace("i.id as", "i.item_id as").replace("public.items", "public.lines")
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1); insert into lines values (1, true)")
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [("item_line_bad", "1")]
    sql(empty_database, "update lines set bad = false")
    with psycopg.connect(empty_database) as person:
        person.execute("update trueup.data_consistency_alerts set acknowledged_by = 'somebody'")
        passing = launch("check", "--changed", "--pack", str(pack), url=empty_database)
        eventually(lambda: is_waiting(empty_database))
        person.commit()
    passing.communicate(timeout=60)
    assert item_alerts(empty_database) == [("item_line_bad", "1")]
    assert outcomes(empty_database, pack) == {"item_line_bad": "changed"}
    assert item_alerts(empty_database) == []


ASK = "select trueup.queue_review('call_direction_missing', 'call', '1', 'which way?')"
ASKED = """
select q.status
from trueup.manual_review_queue as q
where q.reason = 'call_direction_missing' and q.entity_id = '1'
"""


def test_a_pass_closes_a_question_that_has_no_alert(caught_up: str) -> None:
    """Asked before a run has seen the violation, which is mended before one sees it."""
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(i, direction => null) from generate_series(1, 2) as i")
    sql(caught_up, ASK)
    sql(caught_up, ASK.replace("'1'", "'2'"))
    sql(caught_up, "update calls set direction = 'inbound' where id = 1")
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["2"]
    assert value(caught_up, ASKED) == "resolved"
    assert value(caught_up, ASKED.replace("'1'", "'2'")) == "pending"


@pytest.mark.one_server
def test_a_question_that_a_pass_could_not_see_is_judged_by_the_next(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, direction => null)")
    changed(caught_up)
    sql(caught_up, "update calls set direction = 'inbound'")
    with psycopg.connect(caught_up) as person:
        person.execute("select pg_current_xact_id()")
        sql(caught_up, ASK)
        # whether it was asked before or after what this one has done nobody can tell
        changed(caught_up)
        assert alerts(caught_up, "call_direction_missing") == []
        assert value(caught_up, ASKED) == "pending"
    changed(caught_up)
    assert value(caught_up, ASKED) == "resolved"
    # that the question is closed is a change itself, for a check that reads the queue
    changed(caught_up)
    assert value(caught_up, "select count(*) from trueup.changes") == 0


def test_a_pass_closes_questions_by_a_plan_that_is_kept(caught_up: str) -> None:
    sql(caught_up, BARE)
    with session(caught_up, "test") as connection:
        for _ in range(8):
            sql(caught_up, "insert into trueup.changes (table_name, keys) values ('public.calls', '{id=1}')")
            sql(caught_up, ASK)
            changes.judge(connection, packs.load())
            assert sql(caught_up, ASKED + " and q.status <> 'resolved'") == []


@pytest.mark.one_server
def test_a_decision_is_looked_at_by_the_next_pass(caught_up: str) -> None:
    """What its check said of the entity was read before a pass judged it otherwise."""
    sql(caught_up, BARE)
    sql(
        caught_up,
        """
        select factory.call(1, direction => null);
        create function public.slow() returns boolean language plpgsql as
        $$ begin perform pg_sleep(2 * (current_setting('application_name') = 'slow')::int); return true; end $$;
        create or replace view trueup.call_direction_missing as
        select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
        from (select true as is_read from public.slow()) as s
        left join public.calls as c on c.id > 0
        where c.direction is null
        """,
    )
    changed(caught_up)
    sql(caught_up, ASK)
    (item,) = sql(caught_up, "select q.id, q.claim_token from trueup.claim_review('ann') as q")
    sql(caught_up, "update calls set direction = 'inbound'")
    resolved = threading.Thread(
        target=sql,
        args=(f"{caught_up}&application_name=slow", "select trueup.resolve_review(%s, %s)", *item),
    )
    resolved.start()
    eventually(
        lambda: value(caught_up, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == 1
    )
    sql(caught_up, "update calls set direction = null")
    changed(caught_up)
    resolved.join()
    assert value(caught_up, ASKED) == "resolved"
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1"]


def test_what_is_mended_while_somebody_dismisses_it_is_judged_by_the_next_pass(caught_up: str) -> None:
    """No run has seen the violation: the dismissal files the alert that it accepts."""
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, direction => null)")
    sql(caught_up, ASK)
    (item,) = sql(caught_up, "select q.id, q.claim_token from trueup.claim_review('ann') as q")
    with psycopg.connect(caught_up) as person:
        person.execute("select trueup.dismiss_review(%s, %s, 'known')", item)
        sql(caught_up, "update calls set direction = 'inbound'")
        changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1"]
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == []


WRITTEN_MEANWHILE = "somebody wrote one of its alerts while it was judged"


def flood_over_while_accepted(url: str, pack: Path, *options: str) -> None:
    """Let a flood end, and somebody accept its alert for an hour while a run finds that."""
    sql(url, "create table items (id bigint primary key, price int)")
    trueup.migrate(database=url, pack=pack)
    sql(url, "insert into items select g, -1 from generate_series(1, 20) as g")
    trueup.check_changed(database=url, pack=pack, max_alerts=10)
    (flood,) = alerts(url, "item_price_negative")
    sql(url, "update items set price = 1")
    with psycopg.connect(url) as person:
        person.execute(
            "select trueup.accept_alert(al.id, 'somebody', 'known', now() + interval '1 hour') "
            "from trueup.data_consistency_alerts as al where al.entity_type = 'check' and al.status = 'open'"
        )
        running = launch("check", *options, "--pack", str(pack), url=url)
        eventually(lambda: is_waiting(url))
        person.commit()
    running.communicate(timeout=60)
    assert alerts(url, "item_price_negative") == [flood]


@pytest.mark.one_server
@pytest.mark.parametrize("options", [["--changed"], []], ids=["pass", "full run"])
def test_a_flood_alert_that_somebody_wrote_meanwhile_is_judged_by_the_next_pass(
    empty_database: str, tmp_path: Path, options: list[str]
) -> None:
    pack = items_pack(tmp_path / "pack", item_price_negative=("items.price", "i.price < 0"))
    flood_over_while_accepted(empty_database, pack, *options)
    assert owed(empty_database, "item_price_negative") == WRITTEN_MEANWHILE
    assert outcomes(empty_database, pack) == {"item_price_negative": "complete"}
    assert alerts(empty_database, "item_price_negative") == []
    assert owed(empty_database, "item_price_negative") is None
    assert outcomes(empty_database, pack) == {"item_price_negative": "changed"}


@pytest.mark.one_server
@pytest.mark.parametrize("options", [["--changed"], []], ids=["pass", "full run"])
@pytest.mark.parametrize("line", ["items.price", "items.price, time ends"])
def test_a_pass_judges_in_full_what_it_cannot_ask_about_when_an_acceptance_ends(
    empty_database: str, tmp_path: Path, options: list[str], line: str
) -> None:
    pack = items_pack(tmp_path / "pack", item_price_negative=(line, "i.price < 0"))
    flood_over_while_accepted(empty_database, pack, *options)
    # what the run before did not note
    sql(empty_database, "update trueup.checks set owes_full = null")
    assert outcomes(empty_database, pack) == {"item_price_negative": "changed"}
    sql(empty_database, "update trueup.data_consistency_alerts set accepted_until = now()")
    assert outcomes(empty_database, pack) == {"item_price_negative": "complete"}
    assert alerts(empty_database, "item_price_negative") == []
    assert outcomes(empty_database, pack) == {"item_price_negative": "changed"}


def test_an_alert_of_a_type_that_no_check_names_any_more_is_judged_in_full(
    empty_database: str, tmp_path: Path
) -> None:
    """Time alone may end it: each pass asks about all that are open."""
    sql(empty_database, "create table items (id bigint primary key, price int)")
    pack = items_pack(tmp_path / "pack", item_price_negative=("items.price, time ends", "i.price < 0"))
    trueup.migrate(database=empty_database, pack=pack)
    outcomes(empty_database, pack)
    sql(
        empty_database,
        "insert into trueup.data_consistency_alerts "
        "(alert_type, severity, entity_type, entity_id, description, metadata) "
        "values ('item_price_negative', 'warning', 'article', '1', 'x', '{}')",
    )
    assert outcomes(empty_database, pack) == {"item_price_negative": "complete"}
    assert alerts(empty_database, "item_price_negative") == []


def test_a_truncated_table_is_judged_in_full(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(
        caught_up,
        "select factory.appointment(1); insert into appointment_modifications "
        "(company_id, appointment_id, kind, new_starts_at) values (1, 1, 'reschedule', '2025-01-01 10:00+00')",
    )
    changed(caught_up)
    assert alerts(caught_up, "appointment_modification_mismatch") == ["1"]
    sql(caught_up, "truncate appointment_modifications")
    found = changed(caught_up)
    outcomes = {result["name"]: result["outcome"] for result in found["results"]}
    assert outcomes["appointment_modification_mismatch"] == "complete"
    assert outcomes["appointment_times_invalid"] == "changed"
    assert alerts(caught_up, "appointment_modification_mismatch") == []


def test_a_change_of_the_stop_list_is_a_change_for_every_call(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, customer_name => 'Herr Doktor')")
    changed(caught_up)
    sql(caught_up, "insert into trueup.unusable_names (phrase) values ('herr doktor')")
    changed(caught_up)
    assert alerts(caught_up, "call_transcript_name") == ["1"]


def test_more_changes_than_are_followed_are_judged_in_full(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "update trueup.settings set value = '10' where name = 'changes_limit'")
    changed(caught_up)
    sql(caught_up, "select factory.call(n, direction => null) from generate_series(1, 20) as n")
    found = changed(caught_up)
    by_name = {result["name"]: result for result in found["results"]}
    assert by_name["call_direction_missing"]["outcome"] == "complete"
    assert by_name["call_direction_missing"]["opened"] == 20
    assert owed(caught_up, "call_direction_missing") is None


def test_changes_are_followed_though_the_limit_is_deleted(caught_up: str) -> None:
    sql(caught_up, BARE)
    changed(caught_up)
    sql(caught_up, "delete from trueup.settings where name = 'changes_limit'")
    sql(caught_up, "select factory.call(1, direction => null)")
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1"]


def test_a_statement_of_very_many_rows_is_noted_as_a_whole(caught_up: str) -> None:
    sql(
        caught_up,
        "insert into services (company_id, name, duration_minutes) select 1, 's', 30 from generate_series(1, 100001)",
    )
    assert value(caught_up, "select keys from trueup.changes") is None


def test_a_flood_is_one_alert(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(n, direction => null) from generate_series(1, 20) as n")
    found = changed(caught_up, "--max-alerts", "5")
    by_name = {result["name"]: result for result in found["results"]}
    assert by_name["call_direction_missing"]["flooded"]
    assert alerts(caught_up, "call_direction_missing") == [
        str(value(caught_up, "select id from trueup.checks where name = 'call_direction_missing'"))
    ]
    # it is not over while they are not listed
    assert "more new violations" in str(owed(caught_up, "call_direction_missing"))
    changed(caught_up)
    assert len(alerts(caught_up, "call_direction_missing")) == 20
    assert owed(caught_up, "call_direction_missing") is None


def test_triggers_that_are_switched_off_cost_a_full_evaluation_and_no_violation(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "alter table calls disable trigger trueup_changes_update")
    sql(caught_up, "select factory.call(1)")
    sql(caught_up, "update calls set direction = null")
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1"]
    assert owed(caught_up, "call_direction_missing") == "changes of public.calls are not noted"
    assert owed(caught_up, "appointment_times_invalid") is None
    verified = run("verify", url=caught_up)
    assert verified.returncode == 1
    assert "trueup_changes_update on public.calls is disabled" in verified.stdout
    sql(caught_up, "alter table calls enable trigger trueup_changes_update")
    changed(caught_up)
    assert owed(caught_up, "call_direction_missing") is None


def test_a_trigger_of_the_application_may_write_what_its_statement_does_not_name(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(
        caught_up,
        "create function public.forget() returns trigger language plpgsql as "
        "'begin new.email := null; new.phone := null; return new; end'; "
        "create trigger forget before update on customers for each row execute function public.forget()",
    )
    changed(caught_up)
    # the list of columns of the trigger for updates no longer holds
    assert owed(caught_up, "customer_unreachable") == "changes of public.customers are not noted"
    assert run("migrate", url=caught_up).returncode == 0
    changed(caught_up)
    assert owed(caught_up, "customer_unreachable") is None
    sql(
        caught_up,
        "select factory.appointment(1, customer_id => 1, starts_at => now() + interval '1 day', "
        "ends_at => now() + interval '2 days')",
    )
    changed(caught_up)
    sql(caught_up, "update customers set notes = 'forgotten'")
    changed(caught_up)
    assert alerts(caught_up, "customer_unreachable") == ["1"]
    sql(caught_up, "update customers set notes = 'again'")
    assert value(caught_up, "select count(*) from trueup.changes") == 0


@pytest.mark.one_server
def test_a_full_run_counts_what_the_passes_had_missed(caught_up: str) -> None:
    sql(caught_up, BARE)
    plant(caught_up, "select factory.call(1, direction => null)")
    assert changed(caught_up)["opened"] == 0
    done = run("check", url=caught_up)
    assert "1 alerts that passes over the changes had missed" in done.stdout
    assert value(caught_up, "select missed from trueup.check_results where missed > 0") == 1
    # a change that is still to be judged is not missed
    sql(caught_up, "select factory.call(2, direction => null)")
    assert "missed" not in run("check", url=caught_up).stdout
    assert value(caught_up, "select count(*) from trueup.changes") == 0


def test_a_check_that_fails_is_owed_and_the_others_are_judged(caught_up: str) -> None:
    sql(caught_up, BARE)
    before = value(caught_up, "select pg_get_viewdef('trueup.call_id_malformed'::regclass)")
    sql(
        caught_up,
        "create or replace view trueup.call_id_malformed as select c.company_id, 'call' as entity_type, "
        "c.id as entity_id, (1 / (c.id - c.id))::text as description, '{}'::jsonb as evidence from calls as c",
    )
    sql(caught_up, "select factory.call(1, direction => null, retell_call_id => 'temp_1')")
    found = changed(caught_up)
    assert found["exit_code"] == 3
    assert found["failed"] == ["call_id_malformed"]
    assert alerts(caught_up, "call_direction_missing") == ["1"]
    assert owed(caught_up, "call_id_malformed") == "its last evaluation failed"
    sql(caught_up, f"create or replace view trueup.call_id_malformed as {before}")
    changed(caught_up)
    assert alerts(caught_up, "call_id_malformed") == ["1"]


def test_a_check_that_time_drives_fails_alone(caught_up: str) -> None:
    before = value(caught_up, "select pg_get_viewdef('trueup.call_stuck_ongoing'::regclass)")
    sql(
        caught_up,
        "create or replace view trueup.call_stuck_ongoing as select c.company_id, 'call' as entity_type, "
        "c.id as entity_id, (1 / (c.id - c.id))::text as description, '{}'::jsonb as evidence from calls as c",
    )
    sql(
        caught_up,
        "select factory.call(1); select factory.appointment(1, starts_at => now() - interval '40 days')",
    )
    found = changed(caught_up)
    assert found["failed"] == ["call_stuck_ongoing"]
    assert alerts(caught_up, "appointment_past_open") == ["1"]
    sql(caught_up, f"create or replace view trueup.call_stuck_ongoing as {before}")
    assert changed(caught_up)["failed"] == []


def pack_with(tmp_path: Path, name: str, changes: str) -> Path:
    """A copy of the pack in which a check has another line `changes`."""
    pack = tmp_path / "pack"
    for folder in ("checks", "triggers", "db", "migrations"):
        shutil.copytree(ROOT / folder, pack / folder)
    check = pack / "checks" / f"{name}.sql"
    check.write_text(re.sub(r"(?m)^-- changes: .*$", f"-- changes:     {changes}", check.read_text()))
    return pack


NEGATIVE = ("items.id", "i.price < 0")
WAITING = (
    "select count(*) from pg_locks as l inner join pg_database as d on l.database = d.oid "
    "where d.datname = current_database() and l.locktype = 'advisory' and not l.granted"
)


def item_alerts(url: str) -> list[tuple[str, str]]:
    return sql(
        url,
        "select alert_type, entity_id from trueup.data_consistency_alerts where status <> 'resolved' order by 1, 2",
    )


def outcomes(url: str, pack: Path) -> dict[str, str]:
    """Make a pass; return the outcome of each check of a pack about items."""
    results = trueup.check_changed(database=url, pack=pack).results
    return {result.name: result.outcome for result in results if result.name.startswith("item_")}


def test_a_value_that_no_column_of_the_entities_can_hold_concerns_none(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        "create table public.items (id integer primary key, code smallint); "
        "create table public.lines (id bigint primary key, code bigint, note text, bad boolean)",
    )
    bad = "exists (select 1 from public.lines as l where l.code = i.code and l.bad)"
    noted = "exists (select 1 from public.lines as l where l.note = i.id::text and l.bad)"
    pack = items_pack(
        tmp_path / "pack",
        item_line_bad=("items.id, items.code, lines.code via code", bad),
        item_note_bad=("items.id, lines.note", noted),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, 7), (2, -7)")
    trueup.check(database=empty_database, pack=pack)
    sql(
        empty_database,
        "insert into lines values (1, 40000, '3000000000', true), (2, 3000000000, '--5', true), "
        "(3, -7, '1', true), (4, null, '9223372036854775808', true)",
    )
    assert set(outcomes(empty_database, pack).values()) == {"changed"}
    assert item_alerts(empty_database) == [("item_line_bad", "2"), ("item_note_bad", "1")]
    sql(empty_database, "update lines set bad = false")
    assert trueup.check(database=empty_database, pack=pack).missed == 0
    assert item_alerts(empty_database) == []


def test_a_value_that_cannot_be_looked_up_costs_a_full_evaluation(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        "create table public.items (id bigint primary key, day date, n bigint); "
        "create table public.closed (day text)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_closed=(
            "items.id, items.day, closed.day via day",
            "exists (select 1 from public.closed as c where c.day = i.day::text)",
        ),
        item_negative=("items.id, items.n", "i.n < 0"),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, '2025-06-05', -1)")
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "insert into closed values ('2025-06-05'), ('never'); update items set n = 1")
    assert outcomes(empty_database, pack) == {"item_closed": "complete", "item_negative": "changed"}
    assert item_alerts(empty_database) == [("item_closed", "1")]
    # and neither does it stop full runs
    sql(empty_database, "insert into closed values ('always'); update items set n = -1")
    trueup.check(database=empty_database, pack=pack)
    assert item_alerts(empty_database) == [("item_closed", "1"), ("item_negative", "1")]
    assert set(outcomes(empty_database, pack).values()) == {"changed"}


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("key", "reference", "one", "spelled"),
    [
        ("bigint", "numeric(12, 2)", "7", "7"),
        ("integer", "double precision", "1000000", "1e6"),
        ("bigint", "text", "7", "+7"),
        ("bigint", "text", "-7", " -07 "),
        ("uuid", "text", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
        ("uuid", "text", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}"),
    ],
)
def test_a_reference_that_spells_a_key_in_its_own_way_is_followed(
    empty_database: str, tmp_path: Path, key: str, reference: str, one: str, spelled: str
) -> None:
    sql(
        empty_database,
        f"create table public.items (id {key} primary key, grp {key}); "
        f"create table public.lines (item {reference}, bad boolean); "
        f"create table public.groups (id {reference}, bad boolean)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_line_bad=(
            "items.id, lines.item",
            f"exists (select 1 from public.lines as l where l.item::{key} = i.id and l.bad)",
        ),
        item_group_bad=(
            "items.id, groups.id via grp",
            f"exists (select 1 from public.groups as g where g.id::{key} = i.grp and g.bad)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (%s, %s)", one, one)
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "insert into lines values (%s, true)", spelled)
    assert outcomes(empty_database, pack) == {"item_group_bad": "changed", "item_line_bad": "changed"}
    assert item_alerts(empty_database) == [("item_line_bad", one)]
    sql(empty_database, "insert into groups values (%s, true)", spelled)
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [("item_group_bad", one), ("item_line_bad", one)]
    sql(empty_database, "update lines set bad = false; update groups set bad = false")
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == []
    assert trueup.check(database=empty_database, pack=pack).missed == 0


@pytest.mark.one_server
@pytest.mark.parametrize("value_of_others", ["1e999999999", "NaN", "Infinity", "7.5", "1e19", "--7", ""])
def test_a_number_that_is_no_key_concerns_none(
    empty_database: str, tmp_path: Path, value_of_others: str
) -> None:
    sql(
        empty_database,
        "create table public.items (id bigint primary key); create table public.lines (item text)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_line=(
            "items.id, lines.item",
            "exists (select 1 from public.lines as l where l.item = i.id::text)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (7)")
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "insert into lines values (%s)", value_of_others)
    assert outcomes(empty_database, pack) == {"item_line": "changed"}
    assert item_alerts(empty_database) == []


def test_triggers_that_are_switched_on_while_a_run_reads_leave_what_is_owed(
    empty_database: str, tmp_path: Path
) -> None:
    sql(empty_database, "create table public.items (id bigint primary key, price integer)")
    pack = items_pack(tmp_path / "pack", item_negative=("items.id, items.price", "i.price < 0"))
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "alter table items disable trigger all")
    outcomes(empty_database, pack)
    assert owed(empty_database, "item_negative") == "changes of public.items are not noted"
    read: list[str] = []

    def load(name: str, done: int, total: int) -> None:
        if not name and not read:
            read.append(name)
            sql(empty_database, "insert into items values (1, -1); alter table items enable trigger all")

    trueup.check(database=empty_database, pack=pack, progress=load)
    assert read
    assert alerts(empty_database, "item_negative") == []
    outcomes(empty_database, pack)
    assert alerts(empty_database, "item_negative") == ["1"]
    assert owed(empty_database, "item_negative") is None


@pytest.mark.one_server
def test_of_an_entity_that_is_listed_twice_every_run_files_the_same_row(
    empty_database: str, tmp_path: Path
) -> None:
    """An acceptance ends with the evidence: it must not end because another row came first."""
    sql(
        empty_database,
        "create table public.items (id bigint primary key); "
        "create table public.lines (id bigint primary key, item_id bigint, amount integer); "
        "insert into items values (1)",
    )
    pack = items_pack(tmp_path / "pack", item_line_negative=("items.id, lines.item_id", "l.amount < 0"))
    check = pack / "checks" / "item_line_negative.sql"
    text = check.read_text().replace(
        "from public.items as i", "from public.items as i inner join public.lines as l on i.id = l.item_id"
    )
    check.write_text(re.sub(r"'\{\}'::jsonb", "jsonb_build_object('line', l.id)", text))
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "insert into lines values (3, 1, -3), (1, 1, -1), (2, 1, -2)")
    outcomes(empty_database, pack)
    (id_,) = sql(empty_database, "select id from trueup.data_consistency_alerts")[0]
    alert_actions.accept(id_, actor="ann", reason="known", database=empty_database)
    now = "select status, metadata from trueup.data_consistency_alerts"
    for order in ("id desc", "id", "amount"):
        sql(
            empty_database,
            f"create temporary table kept as select * from public.lines order by {order}; "
            "truncate public.lines; insert into public.lines select * from kept; drop table kept",
        )
        trueup.check(database=empty_database, pack=pack)
        assert sql(empty_database, now) == [("acknowledged", {"line": 1})]


@pytest.mark.one_server
def test_what_an_operator_a_sequence_or_a_fill_of_the_pack_changes_is_seen(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        "create table public.items (id bigint primary key, price integer, total integer); "
        "create table public.lines (id bigint primary key, item_id bigint, amount integer); "
        "create sequence public.given; "
        "create function public.over(p_item bigint, p_amount integer) returns boolean stable begin atomic "
        "select (select sum(l.amount) from public.lines as l where l.item_id = p_item) > p_amount; end; "
        "create operator public.>>>> (leftarg = bigint, rightarg = integer, function = public.over); "
        "insert into items values (1, 1, 1), (2, 1, 1), (3, 1, 1)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_over=("items.id, lines.item_id", "i.id operator(public.>>>>) 10"),
        item_not_given=("items.id", "i.id > (select s.last_value from public.given as s)"),
        item_total_negative=("items.id", "i.total < 0"),
    )
    (pack / "triggers").mkdir()
    (pack / "triggers" / "items_fill_total.sql").write_text(
        "-- items_fill_total: fill\n\n"
        "create or replace function trueup.items_fill_total() returns trigger language plpgsql\n"
        "set search_path = pg_catalog, pg_temp as $$ begin new.total := new.price * 2; return new; end; $$;\n\n"
        "create or replace trigger items_fill_total before insert or update on public.items\n"
        "for each row execute function trueup.items_fill_total();\n"
    )
    sql(empty_database, "select setval('public.given', 3)")
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    assert item_alerts(empty_database) == []
    sql(
        empty_database,
        "insert into lines values (1, 1, 50); select setval('public.given', 2); update items set price = -1 where id = 2",
    )
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [
        ("item_not_given", "3"),
        ("item_over", "1"),
        ("item_total_negative", "2"),
    ]


def test_a_key_that_a_collation_lets_be_spelled_freely_is_followed(
    empty_database: str, tmp_path: Path
) -> None:
    try:
        sql(
            empty_database,
            "create collation public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no ICU")
    sql(
        empty_database,
        "create table public.items (id text collate public.ci primary key); "
        "create table public.lines (id bigint primary key, item_id text collate public.ci, amount integer); "
        "insert into items values ('ABC')",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_line_negative=(
            "items.id, lines.item_id",
            "exists (select 1 from public.lines as l where l.item_id = i.id and l.amount < 0)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "insert into lines values (1, 'abc', -1)")
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [("item_line_negative", "ABC")]
    sql(empty_database, "update lines set amount = 1")
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == []
    # equal, and not the same
    sql(empty_database, "update lines set item_id = 'Abc'")
    assert value(empty_database, "select count(*) from trueup.changes") == 1


@pytest.mark.one_server
@pytest.mark.parametrize("ahead", [False, True], ids=["in its time", "by a clock that was ahead"])
def test_a_definition_that_a_run_has_not_seen_is_owed(
    empty_database: str, tmp_path: Path, ahead: bool
) -> None:
    """Whenever, by the clock, the checks were deployed that the run has seen."""
    sql(empty_database, "create table public.items (id bigint primary key, price integer)")
    pack = items_pack(tmp_path / "pack", item_negative=("items.id", "i.price < 0"))
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, 0)")
    if ahead:
        sql(
            empty_database,
            "update trueup.checks set definition_changed_at = now() + interval '1 hour' where is_core",
        )

    def deploy(name: str, done: int, total: int) -> None:
        if not name:
            newer = items_pack(tmp_path / "newer", item_negative=("items.id", "i.price <= 0"))
            trueup.migrate(database=empty_database, pack=newer)

    assert trueup.check(database=empty_database, pack=pack, progress=deploy).violations == 0
    assert owed(empty_database, "item_negative") == "its definition has changed"
    outcomes(empty_database, tmp_path / "newer")
    assert alerts(empty_database, "item_negative") == ["1"]


@pytest.mark.one_server
def test_an_older_run_leaves_the_debt_of_a_newer_one(empty_database: str, tmp_path: Path) -> None:
    """The newer one has failed, and taken the changes with it that the older one did not see."""
    sql(empty_database, "create table public.items (id bigint primary key, price integer)")
    pack = items_pack(tmp_path / "pack", item_negative=("items.id", "1 / i.price < 0"))
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    newer: list[Run] = []

    def overtake(name: str, done: int, total: int) -> None:
        if not name and not newer:
            sql(empty_database, "insert into items values (1, -1), (2, 0)")
            newer.append(trueup.check(database=empty_database, pack=pack))
            sql(empty_database, "delete from items where id = 2")

    older = trueup.check(database=empty_database, pack=pack, progress=overtake)
    assert (newer[0].exit_code("never"), older.violations) == (3, 0)
    assert owed(empty_database, "item_negative") == "its last evaluation failed"
    outcomes(empty_database, pack)
    assert alerts(empty_database, "item_negative") == ["1"]
    assert owed(empty_database, "item_negative") is None


@pytest.mark.one_server
@pytest.mark.parametrize("jobs", [None, 1, 2], ids=["a pass", "a run", "a run over two connections"])
@pytest.mark.parametrize("table", ["items", "lines"])
def test_a_table_that_is_written_anew_is_not_taken_for_empty(
    empty_database: str, tmp_path: Path, table: str, jobs: int | None
) -> None:
    """An older snapshot finds no row in a table that ALTER TABLE has rewritten."""
    sql(
        empty_database,
        "create table public.items (id bigint primary key, price integer); "
        "create table public.lines (id bigint primary key, item_id bigint); "
        "insert into items values (1, -1), (2, -1), (3, 1); insert into lines values (1, 1), (2, 2)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_negative=("items.id", "i.price < 0"),
        item_without_line=(
            "items.id, lines.item_id",
            "not exists (select 1 from public.lines as l where l.item_id = i.id)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    before = [("item_negative", "1"), ("item_negative", "2"), ("item_without_line", "3")]
    assert item_alerts(empty_database) == before
    sql(
        empty_database,
        "insert into items values (4, -1); insert into lines values (4, 4); update items set price = -2 where id = 1",
    )
    runs: list[Run] = []

    def judge() -> None:
        if jobs:
            runs.append(trueup.check(database=empty_database, pack=pack, jobs=jobs))
        else:
            runs.append(trueup.check_changed(database=empty_database, pack=pack))

    waiting = (
        "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() "
        "and query like any (array['insert into pg_temp.trueup_violations%', 'copy (%'])"
    )
    with psycopg.connect(empty_database) as migration:
        migration.execute(f"alter table public.{table} add column token uuid default gen_random_uuid()")
        judging = threading.Thread(target=judge)
        judging.start()
        eventually(lambda: value(empty_database, waiting))
    judging.join()
    found = {result.name: result for result in runs[0].results}
    readers = ["item_negative", "item_without_line"] if table == "items" else ["item_without_line"]
    if jobs:
        for name in readers:
            assert found[name].outcome == "error"
            assert f"public.{table} was written anew" in (found[name].error or "")
        if table == "items":
            assert item_alerts(empty_database) == before
        trueup.check(database=empty_database, pack=pack)
    after = [
        ("item_negative", "1"),
        ("item_negative", "2"),
        ("item_negative", "4"),
        ("item_without_line", "3"),
    ]
    assert item_alerts(empty_database) == after
    reopened = (
        "select count(*) from trueup.data_consistency_alerts where reopened_count > 0 or status = 'resolved'"
    )
    assert value(empty_database, reopened) == 0


@pytest.mark.one_server
def test_entities_that_cannot_be_looked_up_now_end_no_pass_and_no_run(
    empty_database: str, tmp_path: Path
) -> None:
    sql(
        empty_database,
        "create table public.items (id bigint primary key, grp bigint); "
        "create table public.groups (id bigint primary key, bad boolean)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_group_bad=(
            "items.id, items.grp, groups.id via grp",
            "exists (select 1 from public.groups as g where g.id = i.grp and g.bad)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, 1); insert into groups values (1, true)")
    with psycopg.connect(empty_database) as other:
        other.execute("lock table public.items in access exclusive mode")
        passed = trueup.check_changed(database=empty_database, pack=pack, timeout="500ms")
        whole = trueup.check(database=empty_database, pack=pack, timeout="500ms")
    for run_of in (passed, whole):
        failed = [
            result.name
            for result in run_of.results
            if result.name.startswith("item_") and result.outcome not in ("changed", "complete")
        ]
        assert failed == ["item_group_bad"]
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [("item_group_bad", "1")]


def test_what_the_server_records_of_no_column_is_followed(empty_database: str, tmp_path: Path) -> None:
    """A row as one value, a number of rows, and what a header says of a function that hides it."""
    sql(
        empty_database,
        "create table public.items (id bigint primary key); "
        "create table public.lines (id bigint primary key, item_id bigint, state text, seen_at timestamptz); "
        "create table public.closures (day date); "
        "create table public.holds (item_id bigint, is_over boolean); "
        "create view public.line_states as select l.item_id, to_jsonb(l) as line from public.lines as l; "
        "create function public.held(p_id bigint) returns boolean language plpgsql stable as $$ begin return "
        "exists (select 1 from public.holds as h where h.item_id = p_id and not h.is_over); end $$",
    )
    sql(
        empty_database,
        "create materialized view public.old_items as select h.item_id from public.holds as h where h.is_over",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_line_bad=(
            "items.id, lines.item_id",
            "exists (select 1 from public.line_states as l where l.item_id = i.id and l.line @> "
            '\'{"state": "bad"}\')',
        ),
        item_closed=("items.id", "exists (select 1 from public.closures)"),
        item_held=("items.id, holds.item_id", "public.held(i.id)"),
        item_old=("items.id", "exists (select 1 from public.old_items as o where o.item_id = i.id)"),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(
        empty_database,
        "insert into items values (1), (2); insert into lines values (1, 1, 'good'), (2, 2, 'good'); "
        "insert into holds values (2, true)",
    )
    trueup.check(database=empty_database, pack=pack)
    assert item_alerts(empty_database) == []

    def judged() -> dict[str, str]:
        done = outcomes(empty_database, pack)
        assert done.pop("item_old") == "complete", "no trigger sees a REFRESH"
        return done

    sql(empty_database, "update lines set state = 'bad' where id = 1")
    assert set(judged().values()) == {"changed"}
    assert item_alerts(empty_database) == [("item_line_bad", "1")]
    sql(empty_database, "update lines set state = 'good'; update holds set is_over = false where item_id = 2")
    assert set(judged().values()) == {"changed"}
    assert item_alerts(empty_database) == [("item_held", "2")]
    sql(empty_database, "update holds set is_over = true; insert into closures values ('2025-10-22')")
    assert judged()["item_closed"] == "complete"
    assert item_alerts(empty_database) == [("item_closed", "1"), ("item_closed", "2")]
    sql(empty_database, "delete from closures; refresh materialized view public.old_items")
    judged()
    assert item_alerts(empty_database) == [("item_old", "2")]
    assert trueup.check(database=empty_database, pack=pack).missed == 0


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("changes", "wrong", "said"),
    [
        ("items.idd", "i.id < 0", "changes: public.items has no column idd"),
        ('items.id, lines."itemId"', "i.id < 0", "changes: public.lines has no column itemId"),
        ("items.id, lines.id via code", "i.id < 0", "changes: public.items has no column code"),
        ("items.id, item.id", "i.id < 0", "changes: there is no table public.item"),
    ],
)
def test_what_a_header_names_is_there(
    empty_database: str, tmp_path: Path, changes: str, wrong: str, said: str
) -> None:
    """Else each write of the application to that table would fail in the trigger that notes it."""
    sql(
        empty_database,
        "create table items (id bigint primary key); create table lines (id bigint, code bigint)",
    )
    pack = items_pack(tmp_path / "pack", item_odd=(changes, wrong))
    with pytest.raises(CatalogError, match=re.escape(f"checks/item_odd.sql: {said}")):
        trueup.migrate(database=empty_database, pack=pack)
    assert value(empty_database, "select to_regclass('trueup.item_odd')") is None


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (
            "'{}'::jsonb as evidence",
            "1 as proof",
            "the view has no column evidence; its columns are company_id",
        ),
        ("'{}'::jsonb as evidence", "'{}'::json as evidence", "evidence is json, and must be jsonb"),
        (
            "'item' as entity_type",
            "'item'::varchar as entity_type",
            "entity_type is character varying, and must be text",
        ),
        (
            "i.id as entity_id",
            "i.id::text as entity_id",
            "entity_id is text, and the key of the population (public.items.id, uuid) is not",
        ),
    ],
)
def test_a_view_has_the_five_columns(
    empty_database: str, tmp_path: Path, was: str, now: str, said: str
) -> None:
    """Else no check, or no repair, of the whole pack would run."""
    sql(empty_database, "create table items (id uuid primary key)")
    pack = items_pack(tmp_path / "pack", item_odd=("items.id", "false"))
    file = pack / "checks/item_odd.sql"
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, now))
    with pytest.raises(CatalogError, match=re.escape(f"checks/item_odd.sql: {said}")):
        trueup.migrate(database=empty_database, pack=pack)


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("predicate", "said"),
    [
        ("stat = 'open'", 'population: column "stat" does not exist'),
        ("state = = 'open'", 'population: syntax error at or near "="'),
        ("state = 'open'", None),
    ],
)
def test_a_population_can_be_counted(
    empty_database: str, tmp_path: Path, predicate: str, said: str | None
) -> None:
    """Else the check would fail in each run."""
    sql(empty_database, "create table items (id bigint primary key, state text)")
    pack = items_pack(tmp_path / "pack", item_odd=("items.id", "false"))
    file = pack / "checks/item_odd.sql"
    file.write_text(file.read_text().replace("population:  items", f"population:  items where {predicate}"))
    if said is None:
        trueup.migrate(database=empty_database, pack=pack)
        assert trueup.check(database=empty_database, pack=pack).results[0].outcome == "complete"
        return
    with pytest.raises(CatalogError, match=re.escape(f"checks/item_odd.sql: {said}")):
        trueup.migrate(database=empty_database, pack=pack)


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (
            "p_id text) returns trueup.repair_outcome",
            "repair: function trueup.repair_item_odd(bigint) does not exist",
        ),
        ("p_id bigint) returns text", "repair: column notation .outcome applied to type text"),
        # an integer of the table is a bigint of the function
        ("p_id numeric) returns trueup.repair_outcome", None),
    ],
)
def test_a_repair_can_be_called(empty_database: str, tmp_path: Path, declared: str, said: str | None) -> None:
    """Else it would end in the queue, row after row."""
    sql(empty_database, "create table items (id bigint primary key)")
    pack = items_pack(tmp_path / "pack", item_odd=("items.id", "false"))
    file = pack / "checks/item_odd.sql"
    file.write_text(file.read_text().replace("repair:      review", "repair:      evidence"))
    (pack / "db/repairs").mkdir(parents=True)
    (pack / "db/repairs/item_odd.sql").write_text(
        "-- repair_item_odd: of a test\n\n"
        f"create or replace function trueup.repair_item_odd({declared}\n"
        "    language plpgsql\n    set search_path = pg_catalog, pg_temp\nas $$\nbegin\n    return null;\nend;\n$$;\n"
    )
    if said is None:
        trueup.migrate(database=empty_database, pack=pack)
        return
    with pytest.raises(CatalogError, match=re.escape(f"checks/item_odd.sql: {said}")):
        trueup.migrate(database=empty_database, pack=pack)


@pytest.mark.one_server
def test_a_key_in_a_domain_is_of_the_kind_of_what_it_holds(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        "create domain code as text check (value ~ '^[a-z]'); create table items (id code primary key)",
    )
    pack = items_pack(tmp_path / "pack", item_odd=("items.id", "true"))
    file = pack / "checks/item_odd.sql"
    text = file.read_text()
    file.write_text(text.replace("i.id as entity_id", "length(i.id) as entity_id"))
    with pytest.raises(CatalogError, match=r"entity_id is integer, and the key .* public.code\) is not"):
        trueup.migrate(database=empty_database, pack=pack)
    file.write_text(text.replace("i.id as entity_id", "i.id::varchar as entity_id"))
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values ('a')")
    trueup.check_changed(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values ('b')")
    trueup.check_changed(database=empty_database, pack=pack)
    assert item_alerts(empty_database) == [("item_odd", "a"), ("item_odd", "b")]


def test_keys_are_compared_as_the_server_writes_them(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        "create table items (id bigint primary key); create table things (id uuid primary key); "
        "create table notes (ref text, bad boolean)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_noted=(
            "items.id, notes.ref",
            "exists (select 1 from public.notes as n where n.bad and n.ref ~ '^[0-9]+$' and n.ref::bigint = i.id)",
        ),
    )
    text = (pack / "checks/item_noted.sql").read_text()
    (pack / "checks/thing_noted.sql").write_text(
        text.replace("item_noted", "thing_noted")
        .replace("entity:      item", "entity:      thing")
        .replace("'item'", "'thing'")
        .replace("items", "things")
        .replace("n.ref ~ '^[0-9]+$' and n.ref::bigint = i.id", "lower(n.ref) = i.id::text")
    )
    trueup.migrate(database=empty_database, pack=pack)
    thing = "aaaaaaaa-0000-0000-0000-00000000000b"
    sql(empty_database, f"insert into items values (7); insert into things values ('{thing}')")
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, f"insert into notes values ('007', true), ('{thing.upper()}', true)")
    trueup.check_changed(database=empty_database, pack=pack)
    assert item_alerts(empty_database) == [("item_noted", "7"), ("thing_noted", thing)]
    sql(empty_database, "update notes set bad = false")
    trueup.check_changed(database=empty_database, pack=pack)
    assert item_alerts(empty_database) == []


@pytest.mark.one_server
@pytest.mark.parametrize(("kind", "ours", "noted"), [("numeric", "5", "5.00"), ("char(3)", "ab ", "ab")])
def test_a_key_may_be_noted_in_another_spelling(
    empty_database: str, tmp_path: Path, kind: str, ours: str, noted: str
) -> None:
    other = "numeric(12,2)" if kind == "numeric" else "text"
    sql(
        empty_database,
        f"create table items (id {kind} primary key); create table lines (id {other}, bad boolean)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_bad=(
            "items.id, lines.id",
            f"exists (select 1 from public.lines as l where l.id::{kind} = i.id and l.bad)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, f"insert into items values ('{ours}'); insert into lines values ('{noted}', false)")
    trueup.check(database=empty_database, pack=pack)
    for is_bad in (True, False, True):
        sql(empty_database, f"update lines set bad = {is_bad}")
        assert outcomes(empty_database, pack) == {"item_bad": "changed"}
        assert len(item_alerts(empty_database)) == is_bad
    sql(empty_database, "delete from items")
    trueup.check_changed(database=empty_database, pack=pack)
    assert item_alerts(empty_database) == []
    assert trueup.check(database=empty_database, pack=pack).missed == 0


@pytest.mark.one_server
@pytest.mark.parametrize("failing", ["call", "appointment"])
def test_a_check_of_two_entities_that_fails_for_one_of_them(caught_up: str, failing: str) -> None:
    """What the other finds is no verdict: nothing is resolved, and the check is owed."""
    sql(caught_up, BARE)
    sql(
        caught_up,
        "select factory.call(1); select factory.appointment(1); "
        "update calls set booking_details = to_jsonb('{}'::text); "
        "update appointments set metadata = to_jsonb('{}'::text)",
    )
    changed(caught_up)
    found = alerts(caught_up, "event_double_encoded")
    assert found == ["1", "1"]
    before = value(caught_up, "select pg_get_viewdef('trueup.event_double_encoded'::regclass)").rstrip(";")
    sql(
        caught_up,
        "create or replace view trueup.event_double_encoded as select v.company_id, v.entity_type, v.entity_id, "
        f"case when v.entity_type = '{failing}' then (1 / (v.entity_id - v.entity_id))::text else v.description end "
        f"as description, v.evidence from ({before}) as v",
    )
    sql(
        caught_up,
        "update calls set updated_at = now(), direction = 'outbound', booking_details = to_jsonb('[]'::text)",
    )
    sql(caught_up, "update appointments set updated_at = now(), metadata = to_jsonb('[]'::text)")
    assert changed(caught_up)["failed"] == ["event_double_encoded"]
    assert alerts(caught_up, "event_double_encoded") == found
    assert owed(caught_up, "event_double_encoded") == "its last evaluation failed"
    sql(caught_up, f"create or replace view trueup.event_double_encoded as {before}")
    changed(caught_up)
    assert alerts(caught_up, "event_double_encoded") == found


def test_a_column_renamed_since_costs_a_full_evaluation(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        "create table items (id bigint primary key, code bigint); create table lines (code bigint, bad boolean)",
    )
    bad = "exists (select 1 from public.lines as l where l.code = i.code and l.bad)"
    pack = items_pack(tmp_path / "pack", item_line_bad=("items.id, lines.code via code", bad))
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, 7)")
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "alter table items rename column code to number; insert into lines values (7, true)")
    assert outcomes(empty_database, pack) == {"item_line_bad": "complete"}
    assert item_alerts(empty_database) == [("item_line_bad", "1")]


def test_days_are_noted_as_every_session_reads_them(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        "create table public.items (id bigint primary key, day date, at timestamptz); "
        "create table public.closed (day date, at timestamptz)",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_closed=(
            "items.id, items.day, items.at, closed.day via day, closed.at via at",
            "exists (select 1 from public.closed as c where c.day = i.day or c.at = i.at)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(
        empty_database,
        "insert into items values (1, '2025-06-05', null), (2, '2025-06-25', null), (3, null, '2025-06-05 12:00+00')",
    )
    trueup.check(database=empty_database, pack=pack)
    for style in ("German", "SQL, DMY"):
        sql(
            empty_database,
            f"set datestyle = '{style}'; set timezone = 'Asia/Kolkata'; "
            "insert into closed values ('2025-06-05', '2025-06-05 17:30+05:30'), ('2025-06-25', null)",
        )
        assert outcomes(empty_database, pack) == {"item_closed": "changed"}
        assert len(item_alerts(empty_database)) == 3
        sql(empty_database, f"set datestyle = '{style}'; update closed set day = '2020-02-03', at = null")
        assert outcomes(empty_database, pack) == {"item_closed": "changed"}
        assert item_alerts(empty_database) == []


TOUCH = (
    "create function public.touch() returns trigger language plpgsql as "
    "'begin new.updated_at := now(); return new; end'; "
    "create trigger touch before update on items for each row execute function public.touch()"
)


def test_a_change_is_noted_whatever_the_type_of_the_column(empty_database: str, tmp_path: Path) -> None:
    """Old and new are compared by their images: json and point have no equality, and 1.0 is not 1.00."""
    sql(
        empty_database,
        "create table public.items (id bigint primary key, payload json, at point, price numeric, "
        f"updated_at timestamptz); {TOUCH}",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_empty=("items.id", "i.payload ->> 'a' is null or i.at[0] is null or i.price::text = '1.00'"),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, '{\"a\": 1}', '(1,1)', 1.0), (2, null, null, null)")
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "update items set updated_at = null")
    assert value(empty_database, "select count(*) from trueup.changes") == 0
    for change in ("payload = '{\"b\": 1}'", "at = null", "price = 1.00"):
        sql(empty_database, f"update items set {change} where id = 1")
        assert value(empty_database, "select count(*) from trueup.changes") == 1, change
        assert set(outcomes(empty_database, pack).values()) == {"changed"}
        assert item_alerts(empty_database) == [("item_empty", "1"), ("item_empty", "2")]
        sql(empty_database, "update items set payload = '{\"a\": 1}', at = '(1,1)', price = 1.0 where id = 1")
        outcomes(empty_database, pack)
        assert item_alerts(empty_database) == [("item_empty", "2")]


TYPED = {
    "a boolean": ("null", "false"),
    "a smallint": ("0", "null"),
    "an integer": ("1", "2"),
    "a bigint": ("1", "-1"),
    "a numeric": ("1.0", "1.00"),
    "a float8": ("0", "'-0'"),
    "a money": ("1", "2"),
    "a text": ("'a'", "'A'"),
    "a varchar(9)": ("'a'", "'a '"),
    "a char(9)": ("'a'", "'b'"),
    "a bytea": ("'a'", "'b'"),
    "a uuid": ("null", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'"),
    "a date": ("'infinity'", "'-infinity'"),
    "a time": ("'10:00'", "'10:01'"),
    "a timestamp": ("'2025-01-01 00:00'", "'2025-01-01 00:00:00.000001'"),
    "a timestamptz": ("'2025-01-01 00:00+00'", "'2025-01-01 00:00+01'"),
    "an interval": ("'1 day'", "'24 hours'"),
    "a public.colour": ("'red'", "'blue'"),
    "a public.amount": ("1.0", "1.00"),
    "a text[]": ("'{a}'", "'{a,null}'"),
    "a jsonb": ("'1.0'", "'1.00'"),
    "an xid": ("'1'", "'2'"),
}
"""Of columns named by their types: two values, some of them equal and yet not written alike."""


def test_every_difference_that_shows_is_noted(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        "create type public.colour as enum ('red', 'blue'); create domain public.amount as numeric; "
        "create table public.items (id bigint primary key, "
        + ", ".join(f'"{name}" {name.split(" ", 1)[1]}' for name in TYPED)
        + ")",
    )
    pack = items_pack(
        tmp_path / "pack",
        item_seen=("items.id", " || ".join(f'i."{name}"::text' for name in TYPED) + " = ''"),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, f"insert into items values (1, {', '.join(before for before, _ in TYPED.values())})")
    for name, (before, after) in TYPED.items():
        sql(empty_database, f'truncate trueup.changes; update items set "{name}" = {before}')
        assert value(empty_database, "select count(*) from trueup.changes") == 0, name
        sql(empty_database, f'update items set "{name}" = {after}')
        assert value(empty_database, "select count(*) from trueup.changes") == 1, name


@pytest.mark.parametrize("touched", [True, False])
def test_a_virtual_column_changes_with_those_it_is_computed_from(
    empty_database: str, tmp_path: Path, postgres: Postgres, touched: bool
) -> None:
    if postgres.version < 18:
        pytest.skip("virtual generated columns came with PostgreSQL 18")
    sql(
        empty_database,
        "create table public.items (id bigint primary key, n int, twice int generated always as (n * 2) virtual, "
        "one int generated always as (1) virtual, updated_at timestamptz); "
        "create table public.lines (id bigint primary key, n int, item_id bigint generated always as (n) virtual)",
    )
    if touched:
        sql(empty_database, TOUCH)
    pack = items_pack(
        tmp_path / "pack",
        item_large=("items.id", "i.twice > 10"),
        item_lined=(
            "items.id, lines.item_id",
            "exists (select 1 from public.lines as l where l.item_id = i.id)",
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items (id, n) values (1, 1), (2, 1)")
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, "update items set n = 100 where id = 1; insert into lines (id, n) values (1, 2)")
    # no trigger sees of which items the lines are
    assert outcomes(empty_database, pack) == {"item_large": "changed", "item_lined": "complete"}
    assert item_alerts(empty_database) == [("item_large", "1"), ("item_lined", "2")]
    sql(empty_database, "update lines set n = 1")
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [("item_large", "1"), ("item_lined", "1")]


LONG = "lines_of_a_table_whose_name_is_nearly_as_long_as_a_name_may_be"


def test_no_two_tables_share_what_notes_their_changes(empty_database: str, tmp_path: Path) -> None:
    tables = ["public.billing_lines", "billing.lines", f"public.{LONG}", f"public.{LONG[:-1]}x"]
    sql(
        empty_database,
        "create schema billing; create table public.items (id bigint primary key); "
        + "; ".join(f"create table {table} (item_id bigint, bad boolean)" for table in tables),
    )
    pack = items_pack(
        tmp_path / "pack",
        **{
            f"item_{n}": (
                f"items.id, {table}.item_id",
                f"exists (select 1 from {table} as l where l.item_id = i.id and l.bad)",
            )
            for n, table in enumerate(tables)
        },
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items select generate_series(1, 4)")
    outcomes(empty_database, pack)
    for n, table in enumerate(tables):
        sql(empty_database, f"insert into {table} values ({n + 1}, true)")
        assert sql(empty_database, "select table_name, keys from trueup.changes") == [
            (table, [[f"item_id={n + 1}"]])
        ]
        assert set(outcomes(empty_database, pack).values()) == {"changed"}
        assert len(item_alerts(empty_database)) == n + 1
    assert trueup.verify(database=empty_database, pack=pack).problems == ()
    names = (
        "select p.proname::text from pg_proc as p where p.proname like '%billing%' order by length(p.proname)"
    )
    plain, other = (name for (name,) in sql(empty_database, names))
    assert plain == "note_billing_lines"
    assert re.fullmatch("note_billing_lines_[0-9a-f]{8}", other)


@pytest.mark.one_server
@pytest.mark.parametrize("spelled", ['public."order"', "public.order", '"order"', "order"])
def test_names_that_need_quotes_are_followed(empty_database: str, tmp_path: Path, spelled: str) -> None:
    sql(
        empty_database,
        'create schema "Shop"; create table public.items (id bigint primary key, "Code" bigint); '
        'create table public."order" (item_id bigint, open boolean); '
        'create table "Shop"."Order Line" ("Item Code" bigint, bad boolean)',
    )
    pack = items_pack(
        tmp_path / "pack",
        item_open=(
            f"items.id, {spelled}.item_id",
            'exists (select 1 from public."order" as o where o.item_id = i.id and o.open)',
        ),
        item_bad=(
            'items.id, items."Code", "Shop"."Order Line"."Item Code" via "Code"',
            'exists (select 1 from "Shop"."Order Line" as o where o."Item Code" = i."Code" and o.bad)',
        ),
    )
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, 11), (2, 22)")
    outcomes(empty_database, pack)
    sql(
        empty_database,
        'insert into public."order" values (1, true); insert into "Shop"."Order Line" values (22, true)',
    )
    assert set(outcomes(empty_database, pack).values()) == {"changed"}
    assert item_alerts(empty_database) == [("item_bad", "2"), ("item_open", "1")]
    sql(empty_database, 'delete from public."order"; update "Shop"."Order Line" set "Item Code" = 11')
    assert set(outcomes(empty_database, pack).values()) == {"changed"}
    assert item_alerts(empty_database) == [("item_bad", "1")]
    assert trueup.verify(database=empty_database, pack=pack).problems == ()


@pytest.mark.one_server
def test_a_pack_begun_for_a_table_whose_name_needs_quotes(empty_database: str, tmp_path: Path) -> None:
    sql(empty_database, 'create table public."user" (id bigint primary key, name text)')
    begun = run("init", tmp_path / "pack", "--table", "public.user", url=empty_database)
    assert begun.returncode == 0, begun.stderr
    migrated = run("migrate", "--pack", tmp_path / "pack", url=empty_database)
    assert migrated.returncode == 0, migrated.stderr
    run("check", "--pack", tmp_path / "pack", url=empty_database)
    sql(empty_database, 'insert into public."user" values (7, null)')
    assert changed(empty_database, "--pack", str(tmp_path / "pack"))["opened"] == 1
    assert run("verify", "--pack", tmp_path / "pack", url=empty_database).returncode == 0


def test_a_pack_that_is_newer_than_the_database_resolves_nothing(caught_up: str, tmp_path: Path) -> None:
    """What was generated before the check followed the time lists nothing of it, which is no answer."""
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(n, appointment_made => true) from generate_series(1, 3) as n")
    changed(caught_up)
    wrong = "call_made_without_appointment"
    assert alerts(caught_up, wrong) == ["1", "2", "3"]
    pack = pack_with(tmp_path, wrong, "time, calls.id, appointments.call_id")
    changed(caught_up, "--pack", str(pack))
    assert alerts(caught_up, wrong) == ["1", "2", "3"]

    # nor does a function of an entity, asked about what it was not made for
    name = "call_transcript_name"
    for asked in ("violations_of_call(array[1::bigint], %s)", "violations_in_time(%s)"):
        with pytest.raises(psycopg.Error, match=r"was made for other checks; run `trueup migrate`"):
            sql(caught_up, f"select * from trueup.{asked}", [name, "call_new"])


@pytest.mark.one_server
def test_a_check_with_partners_that_time_begins_counts_each_violation_once(
    caught_up: str, tmp_path: Path
) -> None:
    overlap = "appointment_staff_overlap"
    pack = pack_with(tmp_path, overlap, "time, appointments.id with overlapping_ids")
    trueup.migrate(database=caught_up, pack=pack)
    sql(caught_up, BARE)
    changed(caught_up, "--pack", str(pack))
    sql(
        caught_up,
        "select factory.appointment(n, staff_id => 1, starts_at => '2025-10-27 10:00+00', "
        "ends_at => '2025-10-27 10:30+00') from generate_series(1, 2) as n",
    )
    changed(caught_up, "--pack", str(pack))
    assert alerts(caught_up, overlap) == ["1", "2"]
    sql(caught_up, "update appointments set ends_at = '2025-10-27 10:45+00' where id = 1")
    (found,) = (
        result for result in changed(caught_up, "--pack", str(pack))["results"] if result["name"] == overlap
    )
    assert sorted(example["entity_id"] for example in found["examples"]) == ["1", "2"]
    assert alerts(caught_up, overlap) == ["1", "2"]


@pytest.mark.one_server
def test_a_run_that_began_earlier_does_not_have_the_last_word(caught_up: str) -> None:
    sql(caught_up, BARE)
    with psycopg.connect(caught_up, autocommit=True) as other:
        other.execute(
            "insert into trueup.check_runs (kind, version, backend_started_at) "
            "select 'full', '0', a.backend_start from pg_stat_activity as a where a.pid = pg_backend_pid()"
        )
        sql(caught_up, "select factory.call(1, direction => null)")
        changed(caught_up)
        assert alerts(caught_up, "call_direction_missing") == ["1"]
        assert value(caught_up, "select count(*) from trueup.changes") == 1
    changed(caught_up)
    assert value(caught_up, "select count(*) from trueup.changes") == 0


@pytest.mark.one_server
def test_a_run_that_ends_while_a_pass_files_does_not_have_the_last_word(
    caught_up: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, direction => null)")
    first = value(caught_up, "select id from trueup.checks where is_active order by name limit 1")
    with psycopg.connect(caught_up, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtext('trueup.file_violations'), %s)", [first])
        full = launch("check", url=caught_up)
        eventually(lambda: value(caught_up, WAITING) == 1)
        # it has seen the call without a direction, and will say so
        sql(caught_up, "update calls set direction = 'inbound'")

        def once_the_run_is_done(*arguments: Any) -> None:
            other.execute("select pg_advisory_unlock_all()")
            said = full.communicate(timeout=60)
            assert full.returncode == 1, said
            record_results(*arguments)

        record_results = evaluation.record_results
        with monkeypatch.context() as patch:
            patch.setattr(changes, "record_results", once_the_run_is_done)
            trueup.check_changed(database=caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1"]
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == []


def test_one_pass_at_a_time(caught_up: str) -> None:
    with psycopg.connect(caught_up, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [changes.PASS_LOCK])
        with pytest.raises(trueup.errors.DatabaseError, match=r"another pass .* is running \(pid \d+"):
            trueup.check_changed(database=caught_up, wait=0.3)
    changed(caught_up)


@pytest.mark.one_server
def test_a_pass_and_a_full_run_file_in_the_same_order(caught_up: str) -> None:
    """Both keep each check locked until they have filed all, so another order is a deadlock."""
    middle = value(caught_up, "select id from trueup.checks where name = 'call_customer_not_linked'")
    with psycopg.connect(caught_up, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtext('trueup.file_violations'), %s)", [middle])
        full = launch("check", url=caught_up)
        eventually(lambda: value(caught_up, WAITING) == 1)
        # violations of checks that come before and after the one at which the full run waits
        sql(
            caught_up,
            "select factory.call(1, retell_call_id => 'bad'); "
            "select factory.appointment(1, status => 'confirmed')",
        )
        passing = launch("check", "--changed", url=caught_up)
        eventually(lambda: value(caught_up, WAITING) == 2)
    for process in (full, passing):
        said = process.communicate(timeout=60)
        assert process.returncode in (0, 1), said
    runs = sql(caught_up, "select kind, status from trueup.check_runs order by id desc limit 2")
    assert sorted(runs) == [("changed", "complete"), ("full", "complete")]


def test_a_pass_that_is_killed_loses_nothing(caught_up: str) -> None:
    sql(caught_up, BARE)
    sql(caught_up, "select factory.call(1, direction => null)")
    with psycopg.connect(caught_up) as person:
        # it hangs where it files
        person.execute("lock table trueup.data_consistency_alerts in share mode")
        passing = launch("check", "--changed", url=caught_up)
        eventually(lambda: is_waiting(caught_up))
        passing.kill()
        passing.communicate(timeout=60)
    eventually(
        lambda: (
            not value(
                caught_up,
                "select exists (select 1 from pg_stat_activity where application_name = 'trueup check --changed')",
            )
        )
    )
    assert alerts(caught_up, "call_direction_missing") == []
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1"]


KINDS = {
    "text[]": ("{a}", "{b}"),
    "jsonb": ('{"a": 1}', '{"a": 2}'),
    "json": ('{"a": 1}', '{"a": 2}'),
    "bytea": (r"\x01", r"\x02"),
    "bit(4)": ("1010", "1011"),
    "tsvector": ("a", "b"),
    '"char"': ("a", "b"),
    "char(3)": ("EUR", "EGP"),
    "numeric(10, 2)": ("1.50", "2.50"),
    "interval": ("1 day 02:00", "-1 days"),
    "daterange": ("[2025-02-01,2025-03-04)", "[2025-03-04,2025-06-05)"),
}


def test_entities_are_named_by_columns_of_any_type(empty_database: str, tmp_path: Path) -> None:
    """Of arrays and jsonb || is an operator that failed in the application's own write; char(3) was cut to one letter."""
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(KINDS))
    sql(
        empty_database,
        f"create table public.items (id bigint primary key, {columns}); create table public.lines ({columns}, bad boolean)",
    )
    pack = items_pack(
        tmp_path / "pack",
        **{
            f"item_{n:02}": (
                f"items.id, lines.c{n} via c{n}",
                f"exists (select 1 from public.lines as l where l.c{n}::text = i.c{n}::text and l.bad)",
            )
            for n in range(len(KINDS))
        },
    )
    trueup.migrate(database=empty_database, pack=pack)
    firsts, seconds = (", ".join(f"'{values[at]}'" for values in KINDS.values()) for at in (0, 1))
    sql(empty_database, f"insert into items values (1, {firsts}), (2, {seconds})")
    trueup.check(database=empty_database, pack=pack)
    every = sorted(f"item_{n:02}" for n in range(len(KINDS)))
    moved = ", ".join(f"c{n} = '{values[1]}'" for n, values in enumerate(KINDS.values()))
    style = "set datestyle = 'German'; set intervalstyle = 'sql_standard'; set bytea_output = 'escape'; "
    for write, item in (
        (f"insert into lines values ({firsts}, true)", "1"),
        (f"update lines set {moved}", "2"),
        ("delete from lines", None),
    ):
        sql(empty_database, style + write)
        # of arrays, and of json, which has no equality, the view is read
        whole = {name for name, how in outcomes(empty_database, pack).items() if how != "changed"}
        assert whole == {"item_00", "item_02"}
        assert item_alerts(empty_database) == [(name, item) for name in every if item]
    assert trueup.check(database=empty_database, pack=pack).missed == 0


@pytest.mark.one_server
@pytest.mark.parametrize("kind", ["char(3)", "bit(4)", "bytea", '"char"'])
def test_a_key_is_not_cut_to_one_letter(empty_database: str, tmp_path: Path, kind: str) -> None:
    first, second = KINDS[kind]
    sql(empty_database, f"create table public.items (id {kind} primary key, price integer)")
    pack = items_pack(tmp_path / "pack", item_negative=("items.id", "i.price < 0"))
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, f"insert into items values ('{first}', -1), ('{second}', 1)")
    assert outcomes(empty_database, pack) == {"item_negative": "changed"}
    assert item_alerts(empty_database) == [("item_negative", first)]
    sql(empty_database, "set bytea_output = 'escape'; update items set price = -price")
    assert outcomes(empty_database, pack) == {"item_negative": "changed"}
    assert item_alerts(empty_database) == [("item_negative", second)]
    apply = (
        f"select outcome from trueup.apply_repair('item_negative', 'item', '{second}', p_correct => false)"
    )
    assert value(empty_database, apply) == "review"


WRITTEN_ELSEWHERE = {
    "a partition of what no header names": (
        "create table lines (item_id bigint, day date) partition by range (day); "
        "create table all_lines partition of lines default",
        "items.id",
        "lines",
        "insert into all_lines values (1, '2025-10-22')",
    ),
    "the table of a partition": (
        "create table all_lines (item_id bigint, day date) partition by range (day); "
        "create table lines partition of all_lines default",
        "items.id, lines.item_id",
        "lines",
        "insert into all_lines values (1, '2025-10-22')",
    ),
    "a child": (
        "create table lines (item_id bigint); create table old_lines () inherits (lines)",
        "items.id, lines.item_id",
        "lines",
        "insert into old_lines values (1)",
    ),
    "a parent": (
        "create table all_lines (item_id bigint); create table lines () inherits (all_lines); "
        "insert into lines values (null)",
        "items.id, lines.item_id",
        "lines",
        "update all_lines set item_id = 1",
    ),
}


@pytest.mark.parametrize("written", WRITTEN_ELSEWHERE)
def test_a_row_that_is_written_under_the_name_of_another_table(
    empty_database: str, tmp_path: Path, written: str
) -> None:
    tables, named, read, write = WRITTEN_ELSEWHERE[written]
    sql(empty_database, f"create table items (id bigint primary key); insert into items values (1); {tables}")
    pack = items_pack(
        tmp_path / "pack",
        item_lined=(named, f"exists (select 1 from public.{read} as l where l.item_id = i.id)"),
    )
    trueup.migrate(database=empty_database, pack=pack)
    trueup.check(database=empty_database, pack=pack)
    sql(empty_database, write)
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [("item_lined", "1")]
    sql(empty_database, "delete from all_lines" if "all_lines" in tables else "delete from lines")
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == []
    assert trueup.verify(database=empty_database, pack=pack).ok


def test_a_partition_and_its_table_are_both_followed(empty_database: str, tmp_path: Path) -> None:
    """The triggers of one have the names of those that the other gives it."""
    sql(
        empty_database,
        "create table items (id bigint primary key); insert into items values (1); "
        "create table lines (item_id bigint, day date) partition by range (day); "
        "create table all_lines partition of lines default",
    )
    lined = {
        f"item_{table}": (
            f"items.id, {table}.item_id",
            f"exists (select 1 from public.{table} as l where l.item_id = i.id)",
        )
        for table in ("all_lines", "lines")
    }
    for names in (["item_all_lines"], ["item_all_lines", "item_lines"], ["item_lines"]):
        pack = items_pack(tmp_path / "pack", **{name: lined[name] for name in names})
        trueup.migrate(database=empty_database, pack=pack)
        assert trueup.verify(database=empty_database, pack=pack).ok
        outcomes(empty_database, pack)
        sql(empty_database, "insert into lines values (1, '2025-10-22')")
        outcomes(empty_database, pack)
        assert item_alerts(empty_database) == [(name, "1") for name in names]
        sql(empty_database, "truncate lines")
        outcomes(empty_database, pack)
        assert item_alerts(empty_database) == []


def test_a_table_that_became_a_partition(empty_database: str, tmp_path: Path) -> None:
    sql(
        empty_database,
        "create table items (id bigint primary key); insert into items values (1); "
        "create table lines (item_id bigint); "
        "create table all_lines (item_id bigint) partition by range (item_id)",
    )
    lined = ("items.id, lines.item_id", "exists (select 1 from public.lines as l where l.item_id = i.id)")
    pack = items_pack(tmp_path / "pack", item_lined=lined)
    trueup.migrate(database=empty_database, pack=pack)
    outcomes(empty_database, pack)
    sql(
        empty_database,
        "alter table all_lines attach partition lines default; insert into all_lines values (1)",
    )
    assert outcomes(empty_database, pack) == {"item_lined": "complete"}
    assert item_alerts(empty_database) == [("item_lined", "1")]
    trueup.migrate(database=empty_database, pack=pack)
    outcomes(empty_database, pack)
    sql(empty_database, "delete from all_lines")
    assert outcomes(empty_database, pack) == {"item_lined": "changed"}
    assert item_alerts(empty_database) == []


@pytest.mark.parametrize("of", ["", "of note"])
@pytest.mark.parametrize("migrated", [False, True])
def test_a_trigger_of_the_application_that_came_between_two_migrations(
    empty_database: str, tmp_path: Path, of: str, migrated: bool
) -> None:
    """What it wrote before the next migration, of which no trigger of ours was told, is judged after it, too."""
    sql(empty_database, "create table items (id bigint primary key, price integer, note text)")
    pack = items_pack(tmp_path / "pack", item_negative=NEGATIVE)
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, 1, '')")
    assert outcomes(empty_database, pack) == {"item_negative": "complete"}
    assert outcomes(empty_database, pack) == {"item_negative": "changed"}
    sql(
        empty_database,
        "create function public.turn() returns trigger language plpgsql as "
        "'begin new.price := -1; return new; end'; "
        f"create trigger turn before update {of} on items for each row execute function public.turn(); "
        "update items set note = 'turned'",
    )
    if migrated:
        trueup.migrate(database=empty_database, pack=pack)
    assert outcomes(empty_database, pack) == {"item_negative": "complete"}
    assert item_alerts(empty_database) == [("item_negative", "1")]
    trueup.migrate(database=empty_database, pack=pack)
    outcomes(empty_database, pack)
    assert outcomes(empty_database, pack) == {"item_negative": "changed"}


STAMPED = (
    "create table items (id bigint primary key, price integer, note text, updated_at timestamptz); "
    "create function public.stamp() returns trigger language plpgsql as "
    "'begin new.updated_at := clock_timestamp(); return new; end'; "
    "create trigger stamp before update on items for each row execute function public.stamp(); "
)


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("more", "wrong", "quiet"),
    [
        (
            "create trigger other before update of note on items for each row execute function public.stamp()",
            "i.price < 0",
            True,
        ),
        ("", "(to_jsonb(i) ->> 'price')::integer < 0", False),
    ],
)
def test_a_column_that_no_check_names_can_be_dropped(
    empty_database: str, tmp_path: Path, more: str, wrong: str, quiet: bool
) -> None:
    """Nothing but a list of columns keeps it from that, and where any update counts there is none."""
    sql(empty_database, STAMPED + more)
    pack = items_pack(tmp_path / "pack", item_negative=("items.id", wrong))
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1, 1, 'x'), (2, 1, 'x')")
    outcomes(empty_database, pack)
    sql(empty_database, "drop trigger if exists other on items; alter table items drop column note")
    sql(empty_database, "update items set price = -1 where id = 1")
    assert sql(empty_database, "select keys from trueup.changes") == [(["id=1", None],)]
    assert outcomes(empty_database, pack) == {"item_negative": "changed"}
    assert item_alerts(empty_database) == [("item_negative", "1")]
    # what the trigger stamps concerns a check only where this takes the row as a whole
    sql(empty_database, "update items set price = price")
    assert value(empty_database, "select count(*) from trueup.changes") == (0 if quiet else 2)
    outcomes(empty_database, pack)
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "update items set price = 1")
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == []
    assert trueup.verify(database=empty_database, pack=pack).ok


def test_a_column_that_a_function_may_read_can_be_dropped(empty_database: str, tmp_path: Path) -> None:
    """What a header names and no view reads counts in all of its columns."""
    sql(
        empty_database,
        STAMPED + "create table lines (item_id bigint, is_over boolean, note text, updated_at timestamptz); "
        "create trigger stamp before update on lines for each row execute function public.stamp(); "
        "create function public.held(p_id bigint) returns boolean language plpgsql stable as $$ begin return "
        "exists (select 1 from public.lines as l where l.item_id = p_id and not l.is_over); end $$",
    )
    pack = items_pack(tmp_path / "pack", item_held=("items.id, lines.item_id", "public.held(i.id)"))
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1), (2); insert into lines values (1, true), (2, true)")
    outcomes(empty_database, pack)
    sql(empty_database, "alter table lines drop column note")
    sql(empty_database, "update lines set is_over = false where item_id = 2")
    assert outcomes(empty_database, pack) == {"item_held": "changed"}
    assert item_alerts(empty_database) == [("item_held", "2")]


def test_a_column_that_counts_cannot_be_dropped(empty_database: str, tmp_path: Path) -> None:
    sql(empty_database, "create table items (id bigint primary key, price integer, note text)")
    pack = items_pack(tmp_path / "pack", item_negative=("items.id", "(to_jsonb(i) ->> 'price')::integer < 0"))
    trueup.migrate(database=empty_database, pack=pack)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="trueup_changes_update"):
        sql(empty_database, "alter table items drop column note")
    trueup.migrate(database=empty_database, pack=items_pack(pack, item_negative=NEGATIVE))
    sql(empty_database, STAMPED[STAMPED.index("create function") :].replace("new.updated_at", "new.note"))
    trueup.migrate(database=empty_database, pack=pack)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="view trueup"):
        sql(empty_database, "alter table items drop column price")


def test_an_added_column_counts_where_a_row_is_taken_as_a_whole(empty_database: str, tmp_path: Path) -> None:
    """At once, where any update counts: what is compared is not a list of columns."""
    sql(empty_database, STAMPED)
    pack = items_pack(tmp_path / "pack", item_bad=("items.id", "to_jsonb(i) @> '{\"bad\": true}'"))
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1)")
    outcomes(empty_database, pack)
    sql(empty_database, "drop trigger stamp on items; alter table items add column bad boolean default false")
    sql(empty_database, "update items set bad = false")
    assert value(empty_database, "select count(*) from trueup.changes") == 0
    sql(empty_database, "update items set bad = true")
    assert outcomes(empty_database, pack) == {"item_bad": "changed"}
    assert item_alerts(empty_database) == [("item_bad", "1")]


def test_a_column_that_came_between_two_migrations(empty_database: str, tmp_path: Path) -> None:
    sql(empty_database, "create table items (id bigint primary key)")
    pack = items_pack(tmp_path / "pack", item_bad=("items.id", "to_jsonb(i) @> '{\"bad\": true}'"))
    trueup.migrate(database=empty_database, pack=pack)
    sql(empty_database, "insert into items values (1)")
    outcomes(empty_database, pack)
    sql(empty_database, "alter table items add column bad boolean; update items set bad = true")
    trueup.migrate(database=empty_database, pack=pack)
    outcomes(empty_database, pack)
    assert item_alerts(empty_database) == [("item_bad", "1")]


def renamed(pack: Path, check: str, other: str, *changes: tuple[str, str]) -> None:
    """Write a copy of a check under another name, with changes."""
    text = (pack / "checks" / f"{check}.sql").read_text().replace(check, other)
    for was, now in changes:
        assert was in text
        text = text.replace(was, now)
    (pack / "checks" / f"{other}.sql").write_text(text)


def test_an_entity_lives_in_one_table(empty_database: str, tmp_path: Path) -> None:
    """What lists violations is generated for each entity, and that of one table took the place of the other's."""
    sql(
        empty_database,
        'create table items (id bigint primary key, price integer); create table "order" (id bigint primary key, price integer)',
    )
    pack = items_pack(tmp_path / "pack", item_negative=NEGATIVE)
    renamed(pack, "item_negative", "thing_negative", ("items", "things"))
    said = "checks/thing_negative.sql: entity item is a row of public.things here, and of public.items in checks/item_n"
    with pytest.raises(CatalogError, match=re.escape(said)):
        packs.load(pack)
    (pack / "checks/thing_negative.sql").unlink()

    # one table, however it is spelled
    order = ("public.items", 'public."order"')
    renamed(pack, "item_negative", "item_wrong", order, ("population:  items", "population:  order"))
    renamed(pack, "item_negative", "item_odd", order, ("population:  items", 'population:  public."order"'))
    (pack / "checks/item_negative.sql").unlink()
    for check in ("item_wrong", "item_odd"):
        file = pack / "checks" / f"{check}.sql"
        file.write_text(file.read_text().replace("items.id", "order.id"))
    trueup.migrate(database=empty_database, pack=pack)
    outcomes(empty_database, pack)
    sql(empty_database, 'insert into "order" values (1, -1)')
    assert set(outcomes(empty_database, pack).values()) == {"changed"}
    assert item_alerts(empty_database) == [("item_odd", "1"), ("item_wrong", "1")]


def test_a_check_of_an_entity_that_is_not_deployed_fails_alone(empty_database: str, tmp_path: Path) -> None:
    sql(empty_database, "create table items (id bigint primary key, price integer)")
    pack = items_pack(tmp_path / "pack", item_negative=NEGATIVE)
    trueup.migrate(database=empty_database, pack=pack)
    outcomes(empty_database, pack)
    renamed(
        pack, "item_negative", "item_odd", ("'item'", "'thing'"), ("entity:      item", "entity:      thing")
    )
    sql(empty_database, "insert into items values (1, -1)")
    assert outcomes(empty_database, pack) == {"item_negative": "changed", "item_odd": "error"}
    assert item_alerts(empty_database) == [("item_negative", "1")]


@pytest.mark.one_server
@pytest.mark.parametrize("judge", [trueup.check_changed, trueup.check])
def test_a_runner_with_an_older_pack_costs_no_violation(
    empty_database: str, tmp_path: Path, judge: Callable[..., Run]
) -> None:
    """It has judged the changes, but not for the check that it does not know."""
    sql(empty_database, "create table items (id bigint primary key, price integer)")
    old = items_pack(tmp_path / "old", item_negative=NEGATIVE)
    new = items_pack(tmp_path / "new", item_negative=NEGATIVE, item_wrong=NEGATIVE)
    trueup.migrate(database=empty_database, pack=new)
    outcomes(empty_database, new)
    sql(empty_database, "insert into items values (1, -1)")
    judge(database=empty_database, pack=old)
    assert outcomes(empty_database, new) == {"item_negative": "changed", "item_wrong": "complete"}
    assert item_alerts(empty_database) == [("item_negative", "1"), ("item_wrong", "1")]
    # without a change it owes nothing
    judge(database=empty_database, pack=old)
    assert outcomes(empty_database, new) == {"item_negative": "changed", "item_wrong": "changed"}


def test_a_fill_that_any_update_may_fire_notes_the_row_itself(caught_up: str) -> None:
    bodies = sql(
        caught_up,
        "select p.proname, p.prosrc from pg_trigger as t inner join pg_proc as p on t.tgfoid = p.oid "
        "where p.pronamespace = 'trueup'::regnamespace and t.tgtype & 19 = 19 and t.tgattr::text = '' "
        "and t.tgrelid::regclass::text not like 'trueup.%'",
    )
    assert bodies
    assert [name for name, body in bodies if "note_row" not in body] == []
    # and what it writes is found: the direction of a legacy call, filled by an update of something else
    sql(caught_up, LEGACY)
    plant(caught_up, "select factory.call(1, direction => null)")
    run("check", "call_direction_missing", url=caught_up)
    assert alerts(caught_up, "call_direction_missing") == ["1"]
    sql(caught_up, "update calls set disconnection_reason = 'hangup'")
    changed(caught_up)
    assert alerts(caught_up, "call_direction_missing") == []


@pytest.mark.one_server
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some=st.lists(
        st.none()
        | st.sampled_from(["", "null", '"', '","', "\\", '\\"', "{", "}", ",", " ", "'", "%", "%(x)s"])
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        min_size=1,
        max_size=20,
    )
)
def test_a_long_list_arrives_as_it_is(database: str, some: list[str | None]) -> None:
    values = some * (FEW // len(some) + 1)
    assert len(values) > FEW
    with session(database, "test") as connection:
        assert connection.texts("select unnest(%(values)s::text[])", values=values) == values


def test_names_and_changes_do_not_go_together(database: str) -> None:
    done = run("check", "call_direction_missing", "--changed", url=database)
    assert done.returncode == 2
    assert "--changed judges all checks" in done.stderr


def test_the_tables_that_checks_rest_on_are_named_or_change_seldom(database: str) -> None:
    """Whatever a view reads and its header does not name costs a full evaluation at every change.

    One that follows from time alone is evaluated in full by every pass, whatever changes.
    """
    timed = {check.name for check in packs.load().checks if check.changes == "time"}
    named = {(check.name, source.table) for check in packs.load().checks for source in check.sources}
    unnamed = set(sql(database, "select check_name, table_name from trueup.check_tables")) - named
    seldom = {"trueup.settings", "trueup.vocabularies", "trueup.unusable_names"}
    assert {pair for pair in unnamed if pair[1] not in seldom and pair[0] not in timed} == {
        ("tenant_mismatch", "public.companies"),
        ("call_unknown_number", "public.phone_numbers"),
        # a list of the provider changes all of its bookings at once
        ("booking_missing_locally", "trueup.booking_snapshots"),
        ("booking_missing_locally", "trueup.booking_imports"),
        ("booking_missing_remotely", "trueup.booking_snapshots"),
        ("booking_missing_remotely", "trueup.booking_imports"),
        ("booking_differs", "trueup.booking_snapshots"),
    }
