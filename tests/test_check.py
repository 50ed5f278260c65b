"""A run and the life of its alerts: section 5 of the design."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
import pytest
from helpers import eventually, plant, run, sql, value
from psycopg.conninfo import make_conninfo

import trueup
from trueup.errors import NotFoundError
from trueup.model import Run

CHECK = "call_made_without_appointment"
FAULTS = """
select factory.company(1);
select factory.call(id => i, appointment_made => true, session_outcome => 'appointment_rescheduled')
from generate_series(1, 5) as i
"""
METADATA = "select al.metadata from trueup.data_consistency_alerts as al where al.entity_id = %s"
ALERTS = """
select al.entity_id, al.status, al.occurrences, al.reopened_count, al.resolution
from trueup.data_consistency_alerts as al
where al.alert_type = %s
order by al.entity_id::bigint
"""


def result(checked: Any, name: str = CHECK) -> Any:
    return next(item for item in checked.results if item.name == name)


def mend(url: str, call: int) -> None:
    plant(url, f"update public.calls set appointment_made = false where id = {call}")


def test_a_clean_database_is_clean(database: str) -> None:
    checked = trueup.check(database=database)
    assert checked.exit_code("info") == 0
    assert checked.violations == 0
    assert checked.rate == 100
    assert {item.outcome for item in checked.results} == {"complete"}
    assert value(database, "select count(*) from trueup.data_consistency_alerts") == 0


@pytest.mark.one_server
def test_ten_runs_file_each_fault_once(database: str) -> None:
    plant(database, FAULTS)
    for _ in range(10):
        checked = trueup.check(database=database)
    assert sql(database, ALERTS, CHECK) == [(str(i), "open", 10, 0, None) for i in range(1, 6)]
    assert result(checked).violations == 5
    assert checked.exit_code() == 1


def test_mended_is_resolved_and_broken_again_is_the_same_row(database: str) -> None:
    plant(database, FAULTS)
    first = trueup.check(database=database)
    before = sql(database, "select al.id from trueup.data_consistency_alerts as al where al.entity_id = '3'")
    mend(database, 3)
    second = trueup.check(database=database)
    plant(database, "update public.calls set appointment_made = true where id = 3")
    third = trueup.check(database=database)

    assert result(first).opened == 5
    assert (result(second).resolved, result(second).violations) == (1, 4)
    assert (result(third).reopened, result(third).opened) == (1, 0)
    after = sql(
        database,
        "select al.id, al.status, al.reopened_count from trueup.data_consistency_alerts as al where al.entity_id = '3'",
    )
    assert after == [(before[0][0], "open", 1)]


def test_a_selected_run_resolves_nothing_of_other_checks(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    mend(database, 1)
    trueup.check(["check_not_run"], database=database)
    assert {row[1] for row in sql(database, ALERTS, CHECK)} == {"open"}


@pytest.mark.one_server
def test_a_resolved_alert_says_why(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    mend(database, 1)
    trueup.check(database=database)
    assert sql(database, ALERTS, CHECK)[0] == ("1", "resolved", 1, 0, "fixed elsewhere")

    sql(database, "update trueup.checks set definition_changed_at = clock_timestamp() where name = %s", CHECK)
    mend(database, 2)
    trueup.check(database=database)
    assert sql(database, ALERTS, CHECK)[1] == ("2", "resolved", 2, 0, "definition changed")


@pytest.mark.one_server
def test_people_decide_states_and_a_run_keeps_them(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    ids = [
        row[0]
        for row in sql(database, "select al.id from trueup.data_consistency_alerts as al order by al.id")
    ]
    trueup.alerts.acknowledge(ids[0], database=database, actor="ada")
    trueup.alerts.accept(ids[1], "known", database=database, actor="ada")
    checked = trueup.check(database=database)
    states = sql(
        database, "select al.status, al.accepted_by from trueup.data_consistency_alerts as al order by al.id"
    )
    assert states[:3] == [("acknowledged", None), ("acknowledged", "ada"), ("open", None)]
    assert result(checked).accepted == 1
    assert result(checked).failing == 4


@pytest.mark.one_server
def test_an_accepted_alert_comes_back_when_its_evidence_changes(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    alert = value(database, "select al.id from trueup.data_consistency_alerts as al where al.entity_id = '1'")
    trueup.alerts.accept(alert, "known", database=database, actor="ada")
    plant(database, "update public.calls set booking_id = 'other' where id = 1")
    trueup.check(database=database)
    assert sql(
        database,
        "select al.status, al.accepted_by from trueup.data_consistency_alerts as al where al.id = %s",
        alert,
    ) == [("open", None)]


@pytest.mark.one_server
def test_an_accepted_alert_comes_back_when_its_term_ends(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    sql(
        database,
        """
        update trueup.data_consistency_alerts
        set status = 'acknowledged', accepted_by = 'ada', accepted_evidence = metadata,
            accepted_until = now() - interval '1 minute'
        where entity_id = '2'
        """,
    )
    trueup.check(database=database)
    assert sql(database, ALERTS, CHECK)[1][1] == "open"


def test_a_flood_is_one_alert(database: str) -> None:
    plant(database, FAULTS)
    checked = trueup.check(database=database, max_alerts=2)
    assert result(checked).flooded
    assert result(checked).violations == 5
    assert sql(database, "select al.entity_type, al.metadata from trueup.data_consistency_alerts as al") == [
        ("check", {"new": 5, "most": 2})
    ]
    again = trueup.check(database=database)
    assert (result(again).opened, result(again).resolved) == (5, 1)


@pytest.mark.one_server
def test_a_flood_leaves_the_alerts_that_are_there_alone(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    mend(database, 3)
    plant(
        database,
        "select factory.call(id => i, appointment_made => true, session_outcome => 'appointment_rescheduled') "
        "from generate_series(6, 400) as i",
    )
    flooded = trueup.check(database=database, max_alerts=10)
    assert result(flooded).flooded
    assert (result(flooded).violations, result(flooded).opened, result(flooded).resolved) == (399, 1, 1)
    assert len(result(flooded).examples) == 3
    assert sql(
        database,
        "select al.entity_id, al.status, al.occurrences, al.metadata from trueup.data_consistency_alerts as al "
        "where al.alert_type = %s and al.entity_type = 'call' order by al.entity_id::bigint",
        CHECK,
    ) == [
        (str(i), *(("resolved", 1) if i == 3 else ("open", 2)), value(database, METADATA, str(i)))
        for i in range(1, 6)
    ]
    assert value(
        database,
        "select al.metadata from trueup.data_consistency_alerts as al where al.entity_type = 'check'",
    ) == {"new": 395, "most": 10}
    again = trueup.check(database=database)
    assert (result(again).opened, result(again).resolved, result(again).violations) == (395, 1, 399)


@pytest.mark.one_server
def test_a_flood_lowers_the_rate_as_its_rows_would(database: str) -> None:
    """Also of each company, and what is accepted lowers nothing."""
    plant(
        database,
        "select factory.company(1); select factory.company(2);"
        "select factory.call(id => i, company_id => 1 + i % 2, appointment_made => i % 3 > 0, "
        "session_outcome => case when i % 3 > 0 then 'appointment_rescheduled' end) "
        "from generate_series(1, 40) as i",
    )
    trueup.check([CHECK], database=database)
    alert = value(database, "select al.id from trueup.data_consistency_alerts as al where al.entity_id = '4'")
    trueup.alerts.accept(alert, "known", database=database, actor="ada")
    listed = trueup.check(database=database)
    for most in (20, 2, 1):
        plant(database, "delete from trueup.data_consistency_alerts where accepted_by is null")
        flooded = trueup.check(database=database, max_alerts=most)
        assert result(flooded).flooded
        assert flooded.rates == listed.rates, most
    assert {rate.company_id for rate in listed.rates} == {None, "1", "2"}
    assert all(0 < rate.rate < 100 for rate in listed.rates)


@pytest.mark.one_server
def test_a_flood_that_lists_an_entity_twice_leaves_the_others_their_alerts(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    sql(
        database,
        f"""
        create or replace view trueup.{CHECK} as
        select 1::bigint as company_id, 'call' as entity_type, i::bigint as entity_id, 'x' as description,
            '{{}}'::jsonb as evidence
        from unnest(array[1, 1, 2, 3, 4] || array(select generate_series(6, 60)) || 5) as i
        """,
    )
    flooded = trueup.check(database=database, max_alerts=5)
    assert (result(flooded).flooded, result(flooded).resolved) == (True, 0)


@pytest.mark.one_server
@pytest.mark.parametrize("jobs", [1, 2])
def test_as_many_as_are_listed_are_no_flood(database: str, jobs: int) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    plant(
        database,
        "select factory.call(id => i, appointment_made => true, session_outcome => 'appointment_rescheduled') "
        "from generate_series(6, 15) as i",
    )
    listed = trueup.check(database=database, max_alerts=10, jobs=jobs)
    assert not result(listed).flooded
    assert (result(listed).violations, result(listed).opened) == (15, 10)


@pytest.mark.one_server
def test_an_alert_touched_after_the_snapshot_is_left_alone(database: str) -> None:
    """The run holds its snapshot while somebody acknowledges an alert that the run would resolve."""
    plant(database, FAULTS)
    trueup.check(database=database)
    plant(database, "update public.calls set appointment_made = false")
    alert = value(database, "select al.id from trueup.data_consistency_alerts as al where al.entity_id = '4'")
    slow = """
    create or replace view trueup.call_made_without_appointment as
    select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
    from public.calls as c
    cross join (select pg_sleep(1.5)) as s
    where c.appointment_made
    """
    sql(database, slow)
    thread = threading.Thread(target=lambda: trueup.check([CHECK], database=database))
    thread.start()
    eventually(
        lambda: bool(
            value(
                database,
                "select count(*) from pg_stat_activity where wait_event = 'PgSleep'",
            )
        )
    )
    trueup.alerts.acknowledge(alert, database=database, actor="ada")
    thread.join()
    states = {row[0]: row[1] for row in sql(database, ALERTS, CHECK)}
    assert states == {"1": "resolved", "2": "resolved", "3": "resolved", "4": "acknowledged", "5": "resolved"}
    trueup.check([CHECK], database=database)
    assert {row[1] for row in sql(database, ALERTS, CHECK)} == {"resolved"}


def test_a_run_waits_for_a_person_who_is_deciding(database: str) -> None:
    """Acknowledged inside an open transaction: the run waits for it and loses nothing."""
    plant(database, FAULTS)
    trueup.check(database=database)
    with psycopg.connect(database) as person:
        person.execute(
            "update trueup.data_consistency_alerts set status = 'acknowledged', acknowledged_by = 'ada' "
            "where entity_id = '1'"
        )
        thread = threading.Thread(target=lambda: trueup.check(database=database))
        thread.start()
        eventually(
            lambda: bool(
                value(database, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
            )
        )
        person.commit()
        thread.join()
    assert sql(database, ALERTS, CHECK)[0][1] == "acknowledged"


@pytest.mark.one_server
def test_what_is_accepted_while_a_run_waits_for_somebody_else_is_judged_again(database: str) -> None:
    """The acceptance begins after the run has begun to file, and is for evidence that is changing."""
    plant(database, FAULTS)
    trueup.check(database=database)
    plant(database, "update public.calls set booking_id = 'b'")
    state = "select al.status from trueup.data_consistency_alerts as al where al.entity_id = '5'"
    with psycopg.connect(database) as person, ThreadPoolExecutor(1) as pool:
        person.execute(
            "select trueup.acknowledge_alert(al.id, 'ada') from trueup.data_consistency_alerts as al "
            "where al.entity_id = '1'"
        )
        run = pool.submit(trueup.check, database=database)
        eventually(
            lambda: bool(
                value(database, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
            )
        )
        accepted = "select al.id from trueup.data_consistency_alerts as al where al.entity_id = '5'"
        trueup.alerts.accept(value(database, accepted), "no booking", database=database)
        person.commit()
        run.result(60)
    assert value(database, METADATA, "5")["booking_id"] is None
    assert value(database, state) == "acknowledged"
    trueup.check_changed(database=database)
    assert value(database, METADATA, "5")["booking_id"] == "b"
    assert value(database, state) == "open"


def test_two_runners_at_once_file_each_fault_once(database: str) -> None:
    plant(database, FAULTS)
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def work() -> None:
        barrier.wait()
        try:
            trueup.check(database=database)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    rows = sql(database, ALERTS, CHECK)
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert {row[1] for row in rows} == {"open"}


@pytest.mark.one_server
def test_an_older_snapshot_never_overrules_a_newer_one(database: str) -> None:
    """The slow run saw the fault, the quick one saw it mended and filed first."""
    plant(database, FAULTS)
    sql(
        database,
        """
        create function public.slow() returns boolean language plpgsql as
        $$ begin perform pg_sleep(1.5 * (current_setting('application_name') = 'slow')::int); return true; end $$;
        create or replace view trueup.call_made_without_appointment as
        select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
        from public.calls as c
        where c.appointment_made and public.slow()
        """,
    )
    outcomes = []
    slow = f"{database}&application_name=slow"
    thread = threading.Thread(target=lambda: outcomes.append(trueup.check([CHECK], database=slow)))
    thread.start()
    eventually(
        lambda: bool(value(database, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"))
    )
    plant_quietly = "update public.calls set appointment_made = false"
    with psycopg.connect(database) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(plant_quietly)
    quick = trueup.check([CHECK], database=database)
    thread.join()
    assert quick.results[0].outcome == "complete"
    assert outcomes[0].results[0].outcome == "superseded"
    assert value(database, "select count(*) from trueup.data_consistency_alerts where status = 'open'") == 0


def test_a_clock_that_was_ahead_makes_no_run_an_older_one(database: str) -> None:
    """The run of then looks like a newer one until that time has come, and saw less all the same."""
    plant(database, FAULTS)
    trueup.check([CHECK], database=database)
    for table in ("check_runs", "check_results"):
        sql(database, f"update trueup.{table} set snapshot_at = snapshot_at + interval '1 hour'")
    mend(database, 3)
    checked = trueup.check([CHECK], database=database)
    assert (checked.results[0].outcome, checked.results[0].resolved) == ("complete", 1)
    plant(database, "select factory.call(id => 6, appointment_made => true)")
    sql(database, "select trueup.note_row('public.calls', 'id=6')")
    assert result(trueup.check_changed(database=database)).opened == 1


def test_a_run_before_a_restore_makes_no_run_an_older_one(database: str) -> None:
    """Its clock was ahead, and its numbers of transactions are those of another cluster."""
    plant(database, FAULTS)
    trueup.check([CHECK], database=database)
    for table in ("check_runs", "check_results"):
        sql(database, f"update trueup.{table} set snapshot_at = snapshot_at + interval '1 hour'")
    sql(database, "update trueup.check_runs set snapshot = '4000000000:4000000000:'")
    mend(database, 3)
    checked = trueup.check([CHECK], database=database)
    assert (checked.results[0].outcome, checked.results[0].resolved) == ("complete", 1)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_run_that_waited_sees_what_was_filed_meanwhile(database: str, level: str) -> None:
    """Whatever level a role begins its transactions at."""
    plant(database, FAULTS)
    options = f"-cdefault_transaction_isolation={level}".replace(" ", "\\ ")
    odd = make_conninfo(database, options=options)
    assert value(odd, "show transaction_isolation") == level
    trueup.check([CHECK], database=database)
    checked: list[Any] = []
    with psycopg.connect(database) as holder:
        holder.execute(
            "select pg_advisory_xact_lock(hashtext('trueup.file_violations'), ch.id::integer) "
            "from trueup.checks as ch where ch.name = %s",
            (CHECK,),
        )
        thread = threading.Thread(target=lambda: checked.append(trueup.check([CHECK], database=odd)))
        thread.start()
        eventually(
            lambda: bool(
                value(database, "select count(*) from pg_stat_activity where wait_event = 'advisory'")
            )
        )
        # a person says something meanwhile
        holder.execute(
            "select trueup.acknowledge_alert(al.id, 'erika') from trueup.data_consistency_alerts as al"
        )
    thread.join()
    assert [run.results[0].outcome for run in checked] == ["complete"]
    assert {row[1:3] for row in sql(database, ALERTS, CHECK)} == {("acknowledged", 1)}


def test_a_run_waits_for_another_longer_than_the_role_may_wait(database: str) -> None:
    """Otherwise it would say that a check could not run, and leave it to the next pass."""
    hasty = make_conninfo(database, options="-clock_timeout=50ms")
    checked: list[Any] = []
    with psycopg.connect(database) as holder:
        holder.execute(
            "select pg_advisory_xact_lock(hashtext('trueup.file_violations'), ch.id::integer) "
            "from trueup.checks as ch where ch.name = %s",
            (CHECK,),
        )
        thread = threading.Thread(target=lambda: checked.append(trueup.check([CHECK], database=hasty)))
        thread.start()
        eventually(
            lambda: bool(
                value(database, "select count(*) from pg_stat_activity where wait_event = 'advisory'")
            )
        )
        holder.execute("select pg_sleep(0.3)")
    thread.join()
    assert [run.results[0].outcome for run in checked] == ["complete"]


@pytest.mark.one_server
def test_a_check_that_fails_stops_no_other_and_resolves_nothing(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    sql(
        database,
        """
        create or replace view trueup.call_made_without_appointment as
        select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
        from public.calls as c where 1 / (c.id - c.id) = 1
        """,
    )
    done = run("check", url=database)
    assert done.returncode == 3
    assert "division by zero" in done.stdout
    assert {row[1] for row in sql(database, ALERTS, CHECK)} == {"open"}
    recorded = sql(
        database,
        "select cr.status, cr.checks_failed, cr.error from trueup.check_runs as cr order by cr.id desc limit 1",
    )
    assert recorded == [("partial", 1, f"{CHECK}: division by zero")]
    complete = value(
        database,
        "select count(*) from trueup.check_results where outcome = 'complete' and run_id = (select max(id) from trueup.check_runs)",
    )
    assert complete == len(trueup.catalog()) - 1
    assert sql(database, "select r.sqlstate from trueup.check_results as r where r.outcome = 'error'") == [
        ("22012",)
    ]

    trueup.check(database=database)
    third = trueup.check(database=database)
    assert result(third, "check_not_run").violations == 1
    text = value(
        database,
        "select al.description from trueup.data_consistency_alerts as al where al.alert_type = 'check_not_run'",
    )
    assert CHECK in text
    trueup.migrate(database=database)
    trueup.check(database=database)
    trueup.check(database=database)
    assert (
        value(
            database,
            "select count(*) from trueup.data_consistency_alerts where alert_type = 'check_not_run' and status <> 'resolved'",
        )
        == 0
    )


def test_a_deadlock_is_no_matter_of_a_standby(database: str) -> None:
    sql(
        database,
        "create function public.ended() returns boolean language plpgsql as "
        "$$ begin raise exception 'deadlock detected' using errcode = '40P01'; end $$; "
        "create or replace view trueup.call_type_missing as select c.company_id, 'call' as entity_type, "
        "c.id as entity_id, 'wrong' as description, '{}'::jsonb as evidence "
        "from public.calls as c where public.ended(); "
        "select factory.company(1), factory.call(1)",
    )
    (result,) = trueup.check(["call_type_missing"], database=database).results
    assert (result.outcome, result.sqlstate, result.error) == ("error", "40P01", "deadlock detected")


def test_a_check_that_times_out_is_recorded(database: str) -> None:
    sql(
        database,
        """
        create or replace view trueup.call_made_without_appointment as
        select null::bigint as company_id, 'call' as entity_type, 1::bigint as entity_id, 'x' as description, '{}'::jsonb as evidence
        from (select pg_sleep(5)) as s
        """,
    )
    checked = trueup.check([CHECK, "check_not_run"], database=database, timeout="200ms")
    assert [item.outcome for item in checked.results] == ["timeout", "complete"] or [
        item.outcome for item in checked.results
    ] == ["complete", "timeout"]
    assert result(checked).error == "did not finish within 200ms"
    assert checked.exit_code("never") == 3


def test_a_violation_without_a_key_is_an_error_of_the_check(database: str) -> None:
    sql(
        database,
        """
        create or replace view trueup.call_made_without_appointment as
        select null::bigint as company_id, 'call' as entity_type, null::bigint as entity_id, 'x' as description, '{}'::jsonb as evidence
        """,
    )
    checked = trueup.check(database=database)
    assert result(checked).outcome == "error"
    assert result(checked).error == "the view lists a row whose entity_id is NULL"


@pytest.mark.one_server
def test_a_violation_without_evidence_is_an_error_of_its_check_alone(database: str) -> None:
    """No alert can be without: it would end the run of all checks when it files."""
    sql(database, "select factory.company(1)")
    trueup.check_changed(database=database)
    sql(
        database,
        """
        create or replace view trueup.call_made_without_appointment as
        select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, null::jsonb as evidence
        from public.calls as c;
        select factory.call(1)
        """,
    )
    for checked in (trueup.check_changed(database=database), trueup.check(database=database)):
        assert result(checked).outcome == "error"
        assert result(checked).error == "the view lists a row whose evidence is NULL"
        assert [item.name for item in checked.results if item.outcome == "error"] == [CHECK]


@pytest.mark.one_server
def test_a_violation_of_a_type_that_the_header_does_not_name_is_an_error_of_the_check(database: str) -> None:
    """No population would count it: everything would be consistent, whatever the view lists."""
    sql(
        database,
        """
        create or replace view trueup.call_made_without_appointment as
        select null::bigint as company_id, 'cal' as entity_type, 1::bigint as entity_id, 'x' as description, '{}'::jsonb as evidence
        """,
    )
    checked = trueup.check(database=database)
    assert result(checked).outcome == "error"
    assert result(checked).error == "lists entities of type cal, and its header says call"
    said = run("repair", url=database)
    assert said.returncode == 3
    assert "call_made_without_appointment: error: lists entities of type cal" in said.stdout


def test_a_view_cannot_write(database: str) -> None:
    sql(
        database,
        """
        create function public.sneaky() returns boolean language plpgsql as
        $$ begin delete from public.companies; return true; end $$;
        create or replace view trueup.call_made_without_appointment as
        select null::bigint as company_id, 'call' as entity_type, 1::bigint as entity_id, 'x' as description, '{}'::jsonb as evidence
        where public.sneaky()
        """,
    )
    checked = trueup.check([CHECK], database=database)
    assert checked.results[0].sqlstate == "25006"


@pytest.mark.one_server
def test_an_unknown_name_gets_the_nearest(database: str) -> None:
    with pytest.raises(NotFoundError, match="did you mean call_made_without_appointment"):
        trueup.check(["call_made_without_apointment"], database=database)


@pytest.mark.one_server
def test_rates_are_bounded_and_per_company(database: str) -> None:
    plant(
        database,
        """
        select factory.company(1); select factory.company(2);
        select factory.call(id => i, appointment_made => i = 1, session_outcome => 'appointment_rescheduled')
        from generate_series(1, 4) as i;
        select factory.call(id => 9, company_id => 2)
        """,
    )
    for _ in range(3):
        checked = trueup.check(database=database)
    rates = {rate.company_id: (rate.population, rate.wrong, float(rate.rate)) for rate in checked.rates}
    assert rates == {None: (5, 1, 80.0), "1": (4, 1, 75.0), "2": (1, 0, 100.0)}


@pytest.mark.one_server
def test_text_of_any_kind_is_filed_and_printed(database: str) -> None:
    nasty = """it's "quoted", \\ back\nnew line ☃ % {} $1"""
    sql(
        database,
        "create table public.nasty (t text)",
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into public.nasty values (%s)", (nasty,))
        connection.execute(
            """
            create or replace view trueup.call_made_without_appointment as
            select null::bigint as company_id, 'call' as entity_type, 1::bigint as entity_id, n.t as description,
                   jsonb_build_object('t', n.t) as evidence
            from public.nasty as n
            """
        )
    assert value(database, "select count(*) from trueup.call_made_without_appointment") == 1
    for form in ("text", "json", "junit", "sarif", "prometheus"):
        done = run("check", CHECK, "--format", form, url=database)
        assert done.returncode == 1, done.stderr
    assert value(database, "select al.description from trueup.data_consistency_alerts as al") == nasty


# questions to people that no alert takes with it

ONE = """
select factory.company(1);
select factory.call(id => 1, appointment_made => true, session_outcome => 'appointment_rescheduled')
"""
HAND_OVER = f"select r.outcome from trueup.apply_repair('{CHECK}', 'call', '1', p_correct => false) as r"
ASKED = """
select q.status, q.resolution_notes
from trueup.manual_review_queue as q
where q.reason = 'call_made_without_appointment'
"""
OVER = [("resolved", "the violation is gone")]
WAITS = """
select count(*)
from pg_locks as l
inner join pg_database as d on l.database = d.oid
where d.datname = current_database() and l.locktype = 'advisory' and not l.granted
"""


def queue(database: str, call: int = 1, reason: str = CHECK, entity: str = "call") -> int:
    return int(
        value(database, "select trueup.queue_review(%s, %s, %s, 'look')", reason, entity, str(call)) or 0
    )


def claim(database: str) -> str:
    return str(value(database, "select claim_token::text from trueup.claim_review('ann')"))


@contextmanager
def held_up(database: str) -> Iterator[Future[Run]]:
    """Give a run of one check that has taken its snapshot and waits to file; it goes on at the end."""
    with psycopg.connect(database, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            "select pg_advisory_lock(hashtext('trueup.file_violations'), id::integer) "
            "from trueup.checks where name = %s",
            [CHECK],
        )
        run = pool.submit(trueup.check, [CHECK], database=database)
        eventually(lambda: value(database, WAITS) == 1)
        yield run
        other.execute("select pg_advisory_unlock_all()")
        run.result(60)


def test_a_question_of_a_repair_while_a_run_resolves_the_alert_is_closed_by_the_next(database: str) -> None:
    plant(database, ONE)
    trueup.check([CHECK], database=database)
    with psycopg.connect(database) as repair:
        assert repair.execute(HAND_OVER.encode()).fetchone() == ("review",)
        mend(database, 1)
        assert result(trueup.check([CHECK], database=database)).resolved == 1
    assert sql(database, ASKED) == [("pending", None)]
    trueup.check([CHECK], database=database)
    assert sql(database, ASKED) == OVER
    events = "select e.event, e.actor ~ '^run ' from trueup.manual_review_events as e order by e.id"
    assert sql(database, events) == [("queued", False), ("resolved", True)]


@pytest.mark.one_server
def test_a_question_about_what_no_run_has_seen_is_closed(database: str) -> None:
    """A repair that somebody ordered by name; no alert was ever filed."""
    plant(database, ONE)
    assert value(database, HAND_OVER) == "review"
    mend(database, 1)
    trueup.check([CHECK], database=database)
    assert sql(database, ASKED) == OVER
    assert value(database, "select count(*) from trueup.data_consistency_alerts") == 0


@pytest.mark.one_server
def test_questions_about_a_flood_are_closed_when_it_is_over(database: str) -> None:
    plant(database, FAULTS)
    trueup.repair([CHECK], database=database, apply=True, max_alerts=2)
    assert sql(database, ASKED) == [("pending", None)] * 5
    mend(database, 1)
    # of a flood not every row is handed to filing: nobody knows which are gone
    trueup.check([CHECK], database=database, max_alerts=2)
    assert sql(database, ASKED) == [("pending", None)] * 5
    plant(database, "update public.calls set appointment_made = false")
    trueup.check([CHECK], database=database)
    assert sql(database, ASKED) == OVER * 5


@pytest.mark.one_server
@pytest.mark.parametrize("end", ["released", "lapsed"])
def test_a_question_that_somebody_held_when_the_alert_was_resolved_is_closed_once_it_is_free(
    database: str, end: str
) -> None:
    plant(database, ONE)
    trueup.check([CHECK], database=database)
    item = queue(database)
    token = claim(database)
    mend(database, 1)
    for _ in range(2):
        trueup.check([CHECK], database=database)
        # its reviewer has the last word
        assert sql(database, ASKED) == [("in_progress", None)]
    if end == "released":
        sql(database, "select trueup.release_review(%s, %s)", item, token)
    else:
        sql(database, "update trueup.manual_review_queue set lease_expires_at = now() - interval '1 s'")
    trueup.check([CHECK], database=database)
    assert sql(database, ASKED) == OVER


@pytest.mark.one_server
def test_a_run_does_not_wait_for_who_decides_what_it_has_resolved(database: str) -> None:
    """The reviewer has the question and wants its alert, which the run has; the run waits for somebody else."""
    plant(database, FAULTS)
    trueup.check(database=database)
    item = queue(database)
    plant(database, "update public.calls set appointment_made = false")
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    decide = "select trueup.resolve_review(%s, %s, 'right')"
    with psycopg.connect(database) as person, ThreadPoolExecutor(2) as pool:
        person.execute(
            "select trueup.acknowledge_alert(al.id, 'ada') from trueup.data_consistency_alerts as al "
            "where al.entity_id = '5'"
        )
        run = pool.submit(trueup.check, database=database)
        eventually(lambda: value(database, waiting) == 1)
        decision = pool.submit(sql, database, decide, item, claim(database))
        eventually(lambda: value(database, waiting) == 2)
        person.commit()
        assert [result.error for result in run.result(60).results if result.error] == []
        decision.result(60)
    assert sql(database, ASKED) == [("resolved", "right")]


@pytest.mark.one_server
def test_a_run_files_the_other_checks_while_somebody_holds_an_alert(database: str) -> None:
    plant(database, FAULTS)
    trueup.check(database=database)
    plant(database, "update public.calls set call_type = null")
    with psycopg.connect(database) as person:
        person.execute(
            "select trueup.acknowledge_alert(al.id, 'ada') from trueup.data_consistency_alerts as al "
            "where al.alert_type = %s",
            [CHECK],
        )
        run = trueup.check(database=database)
        assert [(found.name, found.sqlstate) for found in run.results if found.error] == [(CHECK, "55P03")]
        assert result(run, "call_type_missing").opened > 0
        person.commit()
    again = result(trueup.check_changed(database=database))
    assert (again.outcome, again.error) == ("complete", None)


def test_a_question_that_somebody_is_claiming_is_judged_by_the_next_pass(database: str) -> None:
    plant(database, ONE)
    trueup.check(database=database)
    queue(database)
    mend(database, 1)
    with psycopg.connect(database) as other:
        other.execute("select trueup.claim_review('ann')")
        assert result(trueup.check(database=database)).resolved == 1
        assert sql(database, ASKED) == [("pending", None)]
        other.rollback()
    trueup.check_changed(database=database)
    assert sql(database, ASKED) == OVER


@pytest.mark.parametrize("nested", [False, True])
def test_a_question_that_the_snapshot_could_not_see_is_left_alone(database: str, nested: bool) -> None:
    """Asked before the snapshot was taken, and committed after it, with the violation."""
    sql(database, "select factory.company(1), factory.call(id => 1)")
    with psycopg.connect(database) as writer:
        writer.execute("select pg_current_xact_id()")
        writer.execute("select factory.behind_the_back(true)")
        writer.execute("update public.calls set appointment_made = true")
        with writer.transaction() if nested else nullcontext():
            writer.execute("select trueup.queue_review(%s, 'call', '1', 'look')", [CHECK])
        # of a transaction within another a snapshot does not know what became of it
        value(database, "select pg_current_xact_id()")
        with held_up(database):
            writer.commit()
    assert sql(database, ASKED) == [("pending", None)]
    checked = trueup.check([CHECK], database=database)
    assert result(checked).opened == 1
    assert sql(database, ASKED) == [("pending", None)]


def test_a_question_about_what_came_back_after_the_snapshot_is_left_alone(database: str) -> None:
    plant(database, ONE)
    trueup.check([CHECK], database=database)
    mend(database, 1)
    with held_up(database):
        plant(database, "update public.calls set appointment_made = true")
        assert value(database, HAND_OVER) == "review"
    assert sql(database, ASKED) == [("pending", None)]


@pytest.mark.one_server
def test_a_run_closes_no_question_that_it_did_not_judge(database: str) -> None:
    """Of another check, of a reason that is no check, about what the check does not judge, with an alert."""
    plant(database, FAULTS)
    trueup.check([CHECK], database=database)
    queue(database)
    queue(database, 7, reason="call_backlink_missing")
    queue(database, 7, reason="asked_by_us")
    queue(database, 7, entity="customer")
    for _ in range(2):
        trueup.check([CHECK], database=database)
    states = "select distinct q.status from trueup.manual_review_queue as q"
    assert sql(database, states) == [("pending",)]
    trueup.check(database=database)
    closed = "select q.reason from trueup.manual_review_queue as q where q.status = 'resolved'"
    assert sql(database, closed) == [("call_backlink_missing",)]
