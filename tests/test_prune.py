"""What grows is cut back: all that is over and old, and nothing that is open, young or needed.

Rows are planted with a label that says what becomes of them: 'gone' or 'stays', and why.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from helpers import connected, eventually, launch, plant, run, sql, value

import trueup
from trueup.errors import NotFoundError, RefusedError, UsageError
from trueup.retention import Pruning

OLD = "now() - interval '500 days'"
YOUNG = "now() - interval '399 days'"
PLANTED = {
    # who looks after an alert needs it, and a resolved one may be asked about in the queue
    "data_consistency_alerts": f"""
insert into trueup.data_consistency_alerts
    (alert_type, severity, entity_type, entity_id, description, detected_at, last_seen_at, status, resolved_at, resolution, accepted_by)
values
    ('call_stuck_ongoing', 'info', 'call', '1', 'gone', {OLD}, {OLD}, 'resolved', {OLD}, 'repaired', null),
    ('call_stuck_ongoing', 'info', 'call', '2', 'stays: young', {OLD}, {OLD}, 'resolved', {YOUNG}, 'repaired', null),
    ('call_stuck_ongoing', 'info', 'call', '3', 'stays: open', {OLD}, {OLD}, 'open', null, null, null),
    ('call_stuck_ongoing', 'info', 'call', '4', 'stays: accepted', {OLD}, {OLD}, 'acknowledged', null, null, 'ann'),
    ('call_stuck_ongoing', 'info', 'call', '5', 'stays: in review', {OLD}, {OLD}, 'resolved', {OLD}, 'repaired', null),
    ('call_stuck_ongoing', 'info', 'call', '6', 'gone: was in review', {OLD}, {OLD}, 'resolved', {OLD}, 'repaired', null),
    ('not_a_check', 'info', 'call', '1', 'gone: of no check', {OLD}, {OLD}, 'resolved', {OLD}, 'repaired', null);
""",
    "manual_review_queue": f"""
insert into trueup.manual_review_queue
    (reason, entity_type, entity_id, description, status, due_at, created_at, decided_at, claimed_by, claim_token, lease_expires_at)
values
    ('call_stuck_ongoing', 'call', '5', 'stays: pending', 'pending', {OLD}, {OLD}, null, null, null, null),
    ('call_stuck_ongoing', 'call', '6', 'gone', 'resolved', {OLD}, {OLD}, {OLD}, null, null, null),
    ('call_stuck_ongoing', 'call', '7', 'stays: claimed', 'in_progress', {OLD}, {OLD}, null, 'ann', gen_random_uuid(), {OLD}),
    ('call_stuck_ongoing', 'call', '8', 'stays: young', 'dismissed', {OLD}, {OLD}, {YOUNG}, null, null, null),
    ('call_stuck_ongoing', 'call', '4', 'stays: says why it was accepted', 'dismissed', {OLD}, {OLD}, {OLD}, null, null, null),
    ('something_else', 'call', '4', 'gone: of another alert', 'dismissed', {OLD}, {OLD}, {OLD}, null, null, null);
insert into trueup.manual_review_events (item_id, event, actor, happened_at)
select q.id, e.event, 'ann', {OLD} from trueup.manual_review_queue as q cross join (values ('queued'), ('claimed')) as e (event);
""",
    "repairs": f"""
insert into trueup.repairs (check_name, entity_type, entity_id, reason, repaired_at, undone_at) values
    ('call_stuck_ongoing', 'call', '1', 'gone', {OLD}, null),
    ('call_stuck_ongoing', 'call', '1', 'gone: undone', {OLD}, {OLD}),
    ('call_stuck_ongoing', 'call', '2', 'stays: young', {YOUNG}, null),
    ('call_stuck_ongoing', 'call', '5', 'stays: in review again', {OLD}, null),
    ('call_stuck_ongoing', 'customer', '5', 'gone: another entity', {OLD}, null),
    ('call_stuck_ongoing', 'call', '9', 'stays: named by an open item', {OLD}, null);
insert into trueup.repair_changes (repair_id, table_name, key_column, key_value, operation)
select r.id, 'public.calls', 'id', r.entity_id, 'update' from trueup.repairs as r cross join generate_series(1, 2);
update trueup.manual_review_queue set repair_id = (select max(id) from trueup.repairs) where entity_id = '7';
""",
    "webhook_events": f"""
select factory.company(1);
select factory.call(id => 1, retell_call_id => 'call_under_way', status => 'ongoing');
select factory.call(id => 2, retell_call_id => 'call_over', status => 'ended');
update public.calls set started_at = {OLD}, ended_at = case id when 2 then {OLD} end, duration_ms = null;
insert into trueup.webhook_events (company_id, provider, event_type, object_id, body, body_hash, status, received_at, error) values
    (1, 'retell', 'call_ended', 'call_over', '{{}}', '1', 'processed', {OLD}, 'gone'),
    (1, 'retell', 'call_ended', 'call_over', '{{}}', '2', 'ignored', {OLD}, 'gone: ignored'),
    (1, 'retell', 'call_ended', 'call_under_way', '{{}}', '3', 'processed', {OLD}, 'stays: the call waits for its end'),
    (2, 'retell', 'call_ended', 'call_under_way', '{{}}', '4', 'processed', {OLD}, 'gone: of another company'),
    (1, 'retell', 'call_ended', 'call_over', '{{}}', '5', 'received', {OLD}, 'stays: not looked at'),
    (null, 'retell', 'call_ended', 'call_over', '{{}}', '6', 'parked', {OLD}, 'stays: parked'),
    (1, 'retell', 'call_ended', 'call_over', '{{}}', '7', 'dead', {OLD}, 'stays: dead'),
    (1, 'retell', 'call_ended', 'call_over', '{{}}', '8', 'processed', now() - interval '89 days', 'stays: young');
""",
    "idempotency_keys": f"""
insert into trueup.idempotency_keys (key, scope, parameters_hash, status, created_at, finished_at) values
    (gen_random_uuid(), 'gone', '', 'finished', {OLD}, {OLD}),
    (gen_random_uuid(), 'stays: just finished', '', 'finished', {OLD}, now()),
    (gen_random_uuid(), 'stays: running', '', 'running', {OLD}, null),
    (gen_random_uuid(), 'stays: unknown', '', 'unknown', {OLD}, null);
""",
    "sync_failures": f"""
insert into trueup.sync_failures (operation, status, created_at, updated_at) values
    ('gone', 'resolved', {OLD}, {OLD}),
    ('stays: just resolved', 'resolved', {OLD}, now()),
    ('stays: pending', 'pending', {OLD}, {OLD}),
    ('stays: with a person', 'manual_review', {OLD}, {OLD});
""",
    "circuit_breaker_metrics": f"""
insert into trueup.circuit_breaker_metrics (service_key, outcome, happened_at) values
    ('gone', 'success', {OLD}), ('stays: young', 'success', now() - interval '29 days');
""",
    "circuit_breaker_events": f"""
insert into trueup.circuit_breaker_events (service_key, new_state, happened_at) values
    ('gone', 'open', {OLD}), ('stays: young', 'open', {YOUNG});
""",
}
LABELS = {
    "data_consistency_alerts": "description",
    "manual_review_queue": "description",
    "repairs": "reason",
    "webhook_events": "error",
    "idempotency_keys": "scope",
    "sync_failures": "operation",
    "circuit_breaker_metrics": "service_key",
    "circuit_breaker_events": "service_key",
}


def labels(url: str) -> dict[str, set[str]]:
    return {
        table: {row[0] for row in sql(url, f"select {column} from trueup.{table}")}
        for table, column in LABELS.items()
    }


def counted(done: Pruning) -> dict[str, int]:
    """Return the rows of each table, of all rules together."""
    found: dict[str, int] = {}
    for entry in done.tables:
        name = entry.table.removeprefix("trueup.")
        found[name] = found.get(name, 0) + entry.rows
    return {name: rows for name, rows in found.items() if rows}


@pytest.fixture
def planted(database: str) -> str:
    plant(database, "".join(PLANTED.values()))
    return database


def test_what_is_over_and_old_goes_and_nothing_else(planted: str) -> None:
    before = labels(planted)
    expected = {table: sum(text.startswith("gone") for text in texts) for table, texts in before.items()}
    expected |= {"manual_review_events": 4, "repair_changes": 6}

    counts = trueup.prune(database=planted)
    assert not counts.applied
    assert counted(counts) == expected
    assert labels(planted) == before

    done = trueup.prune(database=planted, apply=True, batch=2)
    assert done.applied
    assert counted(done) == expected
    assert labels(planted) == {
        table: {text for text in texts if text.startswith("stays")} for table, texts in before.items()
    }
    assert value(planted, "select count(*) from trueup.manual_review_events") == 8
    assert value(planted, "select count(*) from trueup.repair_changes") == 6

    assert trueup.prune(database=planted, apply=True).rows == 0
    kept = sql(planted, "select deleted, actor from trueup.prunes order by id")
    assert sum(sum(entry.values()) for entry, _ in kept) == sum(expected.values())
    assert {actor for _, actor in kept} == {"postgres"}


def test_a_fresh_database_has_nothing_to_prune(database: str) -> None:
    assert trueup.prune(database=database, apply=True).rows == 0
    assert value(database, "select count(*) from trueup.prunes") == 0


# runs


def add_run(
    url: str, days: float, kind: str = "full", status: str = "complete", results: str = "complete"
) -> int:
    """Add a run that began so many days before noon (UTC) of today, with the result of one check."""
    run_id: int = value(
        url,
        "insert into trueup.check_runs (kind, status, started_at, version) values "
        "(%s, %s, date_trunc('day', now(), 'UTC') + interval '12 hours' - %s * interval '1 day', 'test') returning id",
        kind,
        status,
        days,
    )
    sql(
        url,
        "insert into trueup.check_results (run_id, check_name, outcome, finished_at, duration_ms, violations) "
        "select cr.id, 'call_stuck_ongoing', %s, cr.started_at, 1, 0 from trueup.check_runs as cr where cr.id = %s",
        results,
        run_id,
    )
    return run_id


def test_one_full_run_of_a_day_outlives_the_others(database: str) -> None:
    first = add_run(database, 600)
    add_run(database, 500)
    add_run(database, 450, "repair")
    repeated = [add_run(database, 50.1), add_run(database, 50.05), add_run(database, 50)]
    after_failure = [add_run(database, 40.1), add_run(database, 40, status="failed", results="error")]
    recent = [add_run(database, 29.1), add_run(database, 29)]
    add_run(database, 31, "selected")
    selected = add_run(database, 29, "selected")
    add_run(database, 8, "changed", results="changed")
    changed = add_run(database, 6, "changed", results="changed")
    running = add_run(database, 500, status="running")
    last = [add_run(database, 1), add_run(database, 0)]
    sql(database, "update trueup.check_runs set status = 'running' where id = %s", running)
    sql(database, "delete from trueup.check_results where run_id = %s", running)

    trueup.prune(database=database, apply=True)
    assert [row[0] for row in sql(database, "select id from trueup.check_runs order by id")] == [
        first,  # the first complete result, which guard_disarmed counts from
        repeated[2],
        *after_failure,
        *recent,
        selected,
        changed,
        running,
        *last,
    ]
    assert not sql(database, "select 1 from trueup.check_results where run_id = any(%s)", repeated[:2])


def test_a_repair_outlives_the_run_that_made_it(database: str) -> None:
    add_run(database, 600)
    made_by = add_run(database, 500)
    add_run(database, 0), add_run(database, 0)
    sql(
        database,
        "insert into trueup.repairs (run_id, check_name, entity_type, entity_id, reason) values (%s, 'x', 'call', '1', 'y')",
        made_by,
    )
    trueup.prune(database=database, apply=True)
    assert sql(database, "select run_id from trueup.repairs") == [(None,)]


VERDICTS = (
    "select to_jsonb(v) from trueup.check_not_run as v order by v.entity_id",
    "select to_jsonb(v) from trueup.guard_disarmed as v where v.entity_type = 'constraint' order by v.entity_id",
)


@pytest.mark.one_server
def test_no_verdict_on_the_layer_changes(database: str) -> None:
    """Whatever the history, check_not_run and guard_disarmed say after a prune what they said before."""
    chance = random.Random(7)
    plant(
        database,
        "select factory.company(1); select factory.legacy('calls_direction_known'); "
        "select factory.legacy('calls_times_agree'); select factory.call(id => 1, direction => null)",
    )
    trueup.migrate(database=database)
    said = set()
    pruned = 0
    with psycopg.connect(database, autocommit=True) as db:
        for _ in range(150):
            with db.transaction(force_rollback=True):
                _write_history(db, chance)
                before = [db.execute(query.encode()).fetchall() for query in VERDICTS]
                for _ in range(2):
                    deleted = db.execute("select sum(p.deleted) from trueup.prune() as p").fetchone()
                    pruned += int(deleted[0]) if deleted else 0
                assert [db.execute(query.encode()).fetchall() for query in VERDICTS] == before
                said.add(tuple(len(rows) for rows in before))
    assert len(said) > 5
    assert pruned > 300


def _write_history(db: psycopg.Connection[Any], chance: random.Random) -> None:
    """Write runs of two checks, most of them old enough to go; settings as somebody may have set them."""
    for name, choices in (
        ("constraint_grace", ["1 day", "40 days", "550 days"]),
        ("check_interval", ["1 day", "225 days"]),
        ("check_failures_tolerated", ["0", "1", "3"]),
    ):
        db.execute("update trueup.settings set value = %s where name = %s", [chance.choice(choices), name])
    db.execute(
        "update trueup.checks set registered_at = now() - interval '700 days' "
        "where name in ('call_direction_missing', 'call_times_contradict')"
    )
    ages = sorted(
        chance.choices([600, 580, 520, 500, 450, 430, 100, 35, 20, 5, 0.01], k=chance.randint(1, 9))
    )
    for days in reversed(ages):
        kind = chance.choice(["full", "full", "selected", "changed", "repair"])
        row = db.execute(
            "insert into trueup.check_runs (kind, status, started_at, version) "
            "values (%s, 'complete', now() - %s * interval '1 day', 'test') returning id",
            [kind, days],
        ).fetchone()
        assert row is not None
        for name in ("call_direction_missing", "call_times_contradict"):
            outcome = chance.choice(["complete", "complete", "complete", "error", "timeout", "superseded"])
            if kind == "changed" and chance.random() < 0.8:
                outcome = "changed"
            db.execute(
                "insert into trueup.check_results "
                "(run_id, check_name, outcome, finished_at, duration_ms, violations, error) "
                "values (%s, %s, %s, now() - %s * interval '1 day', 1, %s, %s)",
                [row[0], name, outcome, days, chance.choice([0, 0, 7]), f"error {chance.random()}"],
            )


def test_what_a_person_has_closed_does_not_come_back(database: str) -> None:
    """call_creation_failed_unqueued rests on the decided item, however old."""
    plant(
        database,
        "select factory.company(1); select factory.call(id => 1, booking_details => '{\"appointment_creation_failed\": true}'); "
        "select factory.call(id => 2, booking_details => '{\"appointment_creation_failed\": true}')",
    )
    unqueued = "select entity_id from trueup.call_creation_failed_unqueued"
    assert len(sql(database, unqueued)) == 2
    for call in ("1", "2"):
        value(database, "select trueup.queue_review('provider_booking_failed', 'call', %s, 'x', '1')", call)
    sql(
        database,
        "update trueup.manual_review_queue set status = 'resolved', decided_by = 'ann', "
        "decided_at = now() - interval '401 days'",
    )
    sql(database, "select trueup.prune('reviews')")
    assert sql(database, unqueued) == []


# at the same time


def test_two_prunes_at_once_share_the_work(database: str) -> None:
    sql(
        database,
        "insert into trueup.circuit_breaker_events (service_key, new_state, happened_at) "
        f"select 'x', 'open', {OLD} from generate_series(1, 3000)",
    )
    plant(
        database,
        "insert into trueup.manual_review_queue (reason, entity_type, entity_id, description, status, due_at, decided_at) "
        f"select 'x', 'call', n::text, '', 'resolved', now(), {OLD} from generate_series(1, 500) as n; "
        "insert into trueup.manual_review_events (item_id, event, actor) "
        "select q.id, 'queued', 'ann' from trueup.manual_review_queue as q",
    )
    barrier = threading.Barrier(2)

    def work(_: int) -> int:
        barrier.wait()
        return trueup.prune(database=database, apply=True, batch=20).rows

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(work, range(2))) == 4000
    assert trueup.prune(database=database).rows == 0


def test_what_somebody_holds_is_left_for_another_time(planted: str) -> None:
    with connected(planted, 2) as (holder, filing):
        holder.execute("select 1 from trueup.repairs where reason = 'gone' for update")
        # a run that has seen the resolved alerts of this check and may be about to reopen one
        filing.execute(
            "select pg_advisory_xact_lock(hashtext('trueup.file_violations'), ch.id::integer) "
            "from trueup.checks as ch where ch.name = 'call_stuck_ongoing'"
        )
        trueup.prune(database=planted, apply=True)
        left = labels(planted)
        assert {text for text in left["repairs"] if text.startswith("gone")} == {"gone"}
        assert {text for text in left["data_consistency_alerts"] if text.startswith("gone")} == {
            "gone",
            "gone: was in review",
        }
    assert counted(trueup.prune(database=planted, apply=True)) == {
        "data_consistency_alerts": 2,
        "repairs": 1,
        "repair_changes": 2,
    }


def test_a_run_waits_for_the_batch_and_misses_nothing(planted: str) -> None:
    """The violation of a pruned alert is back while it is being deleted: it gets a new alert."""
    plant(
        planted,
        f"update public.calls set started_at = {OLD}, status = 'ongoing', ended_at = null, duration_ms = null where id = 1",
    )
    sql(planted, f"update trueup.data_consistency_alerts set resolved_at = {OLD} where entity_id = '1'")
    with psycopg.connect(planted) as pruning, ThreadPoolExecutor(1) as pool:
        pruning.execute("select trueup.prune('alerts')")
        checking = pool.submit(trueup.check, ["call_stuck_ongoing"], database=planted)
        eventually(
            lambda: value(
                planted, "select count(*) > 0 from pg_locks where locktype = 'advisory' and not granted"
            )
        )
        pruning.commit()
        checking.result()
    assert sql(
        planted,
        "select status, reopened_count from trueup.data_consistency_alerts "
        "where alert_type = 'call_stuck_ongoing' and entity_id = '1'",
    ) == [("open", 0)]


def test_killed_in_the_middle_and_run_again(database: str) -> None:
    sql(
        database,
        "insert into trueup.check_runs (kind, status, started_at, version) "
        f"select 'changed', 'complete', {OLD}, 'test' from generate_series(1, 3000); "
        "insert into trueup.check_results (run_id, check_name, outcome, duration_ms) "
        "select cr.id, n::text, 'changed', 1 from trueup.check_runs as cr cross join generate_series(1, 3) as n",
    )
    runs = "select count(*) from trueup.check_runs"
    pruner = launch("prune", "--apply", "--batch", "1", url=database)
    eventually(lambda: value(database, runs) < 2990)
    pruner.kill()
    pruner.communicate()
    eventually(
        lambda: (
            not value(
                database, "select count(*) from pg_stat_activity where application_name = 'trueup prune'"
            )
        )
    )
    left = value(database, runs)
    assert 0 < left < 3000
    assert value(database, "select count(*) from trueup.check_results") == 3 * left
    assert trueup.prune(database=database, apply=True).rows == 4 * left
    assert value(database, runs) == 0


# who may


class Logins:
    """Makes logins for one database and takes them away again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[str] = []

    def __call__(self, role: str) -> str:
        name = f"{value(self.url, 'select current_database()')}_prune_{len(self.made)}"
        sql(self.url, f"create role {name} login in role {role}")
        self.made.append(name)
        return self.url.replace("postgres@", f"{name}@")


@pytest.fixture
def login(planted: str) -> Iterator[Logins]:
    made = Logins(planted)
    yield made
    for name in made.made:
        sql(planted, f"drop owned by {name}; drop role {name}")


def test_the_runner_prunes(planted: str, login: Logins) -> None:
    runner = login("trueup_runner")
    assert trueup.prune(database=runner).rows == trueup.prune(database=runner, apply=True).rows > 0
    assert value(planted, "select distinct actor from trueup.prunes") == login.made[0]


@pytest.mark.parametrize("role", ["trueup_reviewer", "trueup_app", "trueup_dashboard"])
def test_others_do_not(planted: str, login: Logins, role: str) -> None:
    url = login(role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(url, "select trueup.prune()")
    done = run("prune", "--apply", url=url)
    assert done.returncode == 4
    assert "permission denied" in done.stderr


@pytest.mark.parametrize("role", ["trueup_runner", "trueup_owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "insert into trueup.prunes default values",
        "update trueup.prunes set finished_at = null",
        "delete from trueup.prunes",
        "insert into trueup.retention (name, table_name, time_column, predicate, default_keep, description) "
        "values ('x', 'trueup.checks', 'registered_at', 'true', '1 day', 'x')",
        "update trueup.retention set predicate = 'true'",
        "update trueup.retention set table_name = 'trueup.checks'",
        "create trigger x before delete on trueup.prunes execute function trueup.append_only()",
    ],
)
def test_what_prune_goes_by_is_closed(planted: str, login: Logins, role: str, statement: str) -> None:
    """It runs with its owner's rights, so nobody else may say what it runs or pass for it."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(login(role), statement)


def test_the_history_is_append_only_to_all_but_prune(planted: str, login: Logins) -> None:
    """Also to one who may delete, and who has just pruned in the same transaction."""
    owner = login("trueup_owner")
    with psycopg.connect(owner) as connection:
        connection.execute("select trueup.prune()")
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("delete from trueup.manual_review_events")
    assert refused.value.sqlstate == "TU003"
    for statement in (
        "delete from trueup.manual_review_queue where description = 'gone'",
        "truncate trueup.manual_review_queue cascade",
        "update trueup.manual_review_events set actor = 'bob'",
    ):
        with pytest.raises(psycopg.Error) as refused:
            sql(planted, statement)
        assert refused.value.sqlstate == "TU003"


# how long


def test_the_keep_of_a_rule_can_be_changed(planted: str, login: Logins) -> None:
    runner = login("trueup_runner")
    sql(runner, "update trueup.retention set keep = '300 days' where name = 'circuit_breaker_events'")
    sql(runner, "update trueup.retention set keep = null where name = 'circuit_breaker_metrics'")
    done = {entry.rule: entry for entry in trueup.prune(database=planted, apply=True).tables}
    assert done["circuit_breaker_events"].rows == 2
    assert (done["circuit_breaker_metrics"].rows, done["circuit_breaker_metrics"].keep) == (0, None)


@pytest.mark.parametrize("keep", ["400", "0", "-7 days", "23 hours"])
def test_less_than_a_day_is_a_slip(database: str, keep: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(database, "update trueup.retention set keep = %s where name = 'alerts'", keep)


@pytest.mark.parametrize("keep", ["9999 years", "178000000 years"])
def test_what_is_kept_longer_than_a_timestamp_tells_is_kept_for_ever(planted: str, keep: str) -> None:
    sql(planted, "update trueup.retention set keep = %s::interval where name = 'alerts'", keep)
    before = labels(planted)
    done = trueup.prune(database=planted, apply=True)
    assert {entry.rows for entry in done.tables if entry.rule == "alerts"} == {0}
    assert labels(planted)["data_consistency_alerts"] == before["data_consistency_alerts"]
    assert done.rows


@pytest.mark.one_server
def test_infinity_keeps_for_ever(planted: str) -> None:
    if value(planted, "select current_setting('server_version_num')::integer < 170000"):
        pytest.skip("no infinite intervals before PostgreSQL 17")
    sql(planted, "update trueup.retention set keep = 'infinity' where name = 'alerts'")
    done = trueup.prune(database=planted, apply=True)
    assert {entry.rows for entry in done.tables if entry.rule == "alerts"} == {0}
    assert done.rows


@pytest.mark.one_server
@pytest.mark.parametrize("keep", ["1 mon -29 days", "-119 mons 3571 days"])
def test_months_and_days_of_unlike_signs_keep_a_day_whatever_the_calendar(planted: str, keep: str) -> None:
    sql(planted, "update trueup.retention set keep = %s::interval where name = 'alerts'", keep)
    sql(
        planted,
        "update trueup.data_consistency_alerts set resolved_at = now() - interval '23 hours' where status = 'resolved'",
    )
    done = trueup.prune(["alerts"], database=planted)
    assert done.rows == 0
    sql(
        planted,
        "update trueup.data_consistency_alerts set resolved_at = now() - interval '32 days' where status = 'resolved'",
    )
    assert trueup.prune(["alerts"], database=planted).rows > 0


def test_a_rule_is_about_a_table_of_ours(database: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(database, "update trueup.retention set table_name = 'public.calls' where name = 'alerts'")


def test_a_missing_table_is_passed_over(planted: str) -> None:
    sql(planted, "drop table trueup.circuit_breaker_metrics cascade")
    assert "circuit_breaker_metrics" not in {
        entry.rule for entry in trueup.prune(database=planted, apply=True).tables
    }


def test_every_rule_names_columns_that_exist(database: str) -> None:
    rules = {row[0] for row in sql(database, "select name from trueup.retention")}
    assert {entry.rule for entry in trueup.prune(database=database).tables} == rules


# the command


@pytest.mark.one_server
def test_the_command_counts_and_with_apply_deletes(planted: str) -> None:
    counts = run("prune", "--format", "json", url=planted)
    assert counts.returncode == 0
    said: dict[str, Any] = json.loads(counts.stdout)
    assert said["applied"] is False
    assert said["rows"] == sum(entry["rows"] for entry in said["tables"]) > 0
    assert {
        "rule": "alerts",
        "table": "trueup.data_consistency_alerts",
        "keep": "400 days",
        "rows": 3,
    } in said["tables"]

    text = run("prune", url=planted)
    assert f"{said['rows']} rows would be deleted; nothing was changed, --apply does it" in text.stdout
    some = run("prune", "alerts", "reviews", "--apply", "--format", "json", url=planted)
    assert {entry["rule"] for entry in json.loads(some.stdout)["tables"]} == {"alerts", "reviews"}
    rest = run("prune", "--apply", url=planted)
    assert f"{said['rows'] - json.loads(some.stdout)['rows']} rows deleted" in rest.stdout


@pytest.mark.one_server
def test_what_is_wrong_is_said(database: str, empty_database: str) -> None:
    with pytest.raises(NotFoundError, match="did you mean alerts"):
        trueup.prune(["alert"], database=database)
    with pytest.raises(UsageError):
        trueup.prune(database=database, batch=0)
    assert run("prune", "--batch", "0", url=database).returncode == 2
    assert run("prune", url=empty_database).returncode == 4
    for call, state in (("trueup.prune('alert')", "TU002"), ("trueup.prune(null, 0)", "TU005")):
        with pytest.raises(psycopg.Error) as refused:
            sql(database, f"select {call}")
        assert refused.value.sqlstate == state


def test_a_pruned_repair_cannot_be_undone_and_says_so(planted: str) -> None:
    repair_id = value(planted, "select id from trueup.repairs where reason = 'gone'")
    trueup.prune(database=planted, apply=True)
    with pytest.raises(RefusedError, match=f"no repair has id {repair_id}"):
        trueup.undo(repair_id, database=planted)
