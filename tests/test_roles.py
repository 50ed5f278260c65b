"""What the roles may do, and what nobody may: section 9 of the design."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from conftest import Databases
from helpers import eventually, plant, run, sql, value

import trueup

ONE = """
select factory.company(1);
select factory.call(id => 1, booking_id => 'uid-1', appointment_made => true, session_outcome => 'appointment_booked');
select factory.appointment(id => 11, call_id => null, calcom_booking_uid => 'uid-1', status => 'completed');
"""


class Logins:
    """Makes logins for one database and takes them away again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[str] = []

    def __call__(self, member_of: str | None = None) -> str:
        """Return a URL for a new login, a member of a role of ours or of none."""
        name = f"{value(self.url, 'select current_database()')}_{len(self.made)}"
        sql(self.url, f"create role {name} login" + (f" in role {member_of}" if member_of else ""))
        self.made.append(name)
        return self.url.replace("postgres@", f"{name}@")


@pytest.fixture
def login(database: str) -> Iterator[Logins]:
    made = Logins(database)
    yield made
    for name in made.made:
        sql(database, f"drop owned by {name}; drop role {name}")


def test_the_runner_checks_repairs_and_undoes(database: str, login: Logins) -> None:
    runner = login("trueup_runner")
    plant(database, ONE)
    assert run("check", url=runner).returncode == 1
    assert run("repair", "--apply", url=runner).returncode == 0
    assert trueup.check(database=runner).violations == 0
    for entry in trueup.journal(database=runner):
        trueup.undo(entry.id, database=runner)
    assert value(database, "select call_id is null from public.appointments")


def test_the_runner_undoes_what_a_constraint_refuses(database: str, login: Logins) -> None:
    """The legacy row went when the constraint came; undo brings it back and says so."""
    runner = login("trueup_runner")
    plant(
        database,
        "select factory.company(1); select factory.legacy('calls_direction_known'); "
        "select factory.call(id => 1, direction => null)",
    )
    trueup.migrate(database=database)
    trueup.repair(["call_direction_missing"], database=runner, apply=True)
    trueup.enforce(database=database)
    undone = trueup.undo(trueup.journal(database=runner)[0].id, database=runner)
    assert undone.constraints_loosened == ["calls_direction_known"]
    assert value(database, "select direction is null from public.calls where id = 1")
    assert trueup.verify(database=database).ok


INJECTED = """
create function pg_temp.taken() returns boolean language plpgsql as
$$ begin execute 'create table public.taken as select current_user as who'; return true; end $$;
update trueup.check_populations set key_type = 'bigint and pg_temp.taken()' where check_name = 'call_type_missing';
select trueup.preview_repair('call_type_missing', 'call', '1');
"""


def test_the_runner_changes_nothing_that_runs_with_rights_of_others(database: str, login: Logins) -> None:
    """Where entities live is part of statements that functions run with their owner's rights."""
    runner = login("trueup_runner")
    plant(database, "select factory.company(1); select factory.call(id => 1, call_type => null)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="check_populations"):
        sql(runner, INJECTED)
    assert value(database, "select to_regclass('public.taken')") is None
    # and what a migration drops, creates and adds
    for statement in (
        "update trueup.objects set identity = 'trueup.x; drop table public.calls' where kind = 'view'",
        "insert into trueup.constraints (name, table_name, kind, definition, purpose) values "
        "('x', 'public.calls', 'check', '(pg_temp.taken())', 'x')",
        "delete from trueup.check_tables",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql(runner, statement)


def test_a_run_of_another_role_is_under_way(database: str, login: Logins) -> None:
    """Who may not see when its session began does not give it up, nor forget what changes since it began."""
    plant(database, ONE)
    one, other = login("trueup_runner"), login("trueup_runner")
    with psycopg.connect(one) as running:
        running.execute(
            "insert into trueup.check_runs (kind, version, backend_started_at, checks) "
            "select 'full', '0', a.backend_start, 1 from pg_stat_activity as a where a.pid = pg_backend_pid()"
        )
        running.commit()
        sql(database, "select trueup.note_row('public.calls', 'id=1')")
        trueup.check_changed(database=other)
        assert value(database, "select status from trueup.check_runs where kind = 'full'") == "running"
        assert value(database, "select count(*) from trueup.changes") > 0
        pid = running.info.backend_pid
    is_there = "select exists (select from pg_stat_activity where pid = %s)"
    eventually(lambda: not value(database, is_there, pid))
    trueup.check_changed(database=other)
    assert value(database, "select status from trueup.check_runs where kind = 'full'") == "abandoned"
    assert value(database, "select count(*) from trueup.changes") == 0


def test_the_runner_cannot_migrate_and_is_told_who_can(database: str, login: Logins) -> None:
    runner = login("trueup_runner")
    sql(database, "drop trigger calls_fill_direction on public.calls")
    done = run("migrate", url=runner)
    assert done.returncode == 4
    assert "permission denied" in done.stderr or "must be owner" in done.stderr


def test_an_owner_that_may_not_write_the_history_enforces(database: str, login: Logins) -> None:
    owner = login("trueup_owner")
    sql(database, "alter table public.appointments drop constraint appointments_staff_id_excl")
    name = value(owner, "select current_user")
    sql(database, f"alter table public.appointments owner to {name}; grant create on schema public to {name}")
    said = run("enforce", "appointments_staff_id_excl", url=owner)
    sql(database, "alter table public.appointments owner to postgres")
    assert said.returncode == 0, said.stderr
    assert value(
        database, "select state from trueup.constraint_states where name = 'appointments_staff_id_excl'"
    ) == ("valid")
    sql(database, "alter table public.appointments owner to postgres")


def test_a_policy_that_spares_the_owner_hides_nothing_from_the_runner(database: str, login: Logins) -> None:
    """The views see all rows, as their owner does; the runner itself might not."""
    runner = login("trueup_runner")
    sql(
        database,
        "select factory.company(1); select factory.customer(1, phone => '+491700000001'); "
        "select factory.call(1, customer_id => 1, from_number => '+491700000001', "
        "customer_link_status => 'linked', customer_link_method => 'phone_match', "
        "customer_link_confidence => 100, customer_linked_at => now())",
    )
    trueup.check(database=database)
    sql(
        database,
        "alter table public.calls enable row level security; "
        "create policy tenant on public.calls using (company_id = 7)",
    )
    sql(database, "update public.customers set phone = '+491700000002' where id = 1")
    trueup.check_changed(database=runner)
    open_alerts = "select alert_type from trueup.data_consistency_alerts where status <> 'resolved'"
    assert ("call_link_unproven",) in sql(database, open_alerts)
    said = run("check", url=runner)
    assert said.returncode == 3
    assert "must see all rows: alter role ... bypassrls" in said.stdout
    sql(database, f"alter role {value(runner, 'select current_user')} bypassrls")
    assert run("check", url=runner).returncode == 0


def test_a_type_of_the_writer_is_none_of_ours(database: str, login: Logins) -> None:
    """Functions of ours run with their owner's rights, and must not run what a writer put into pg_temp."""
    app = login()
    sql(
        database,
        "select factory.company(1); select factory.call(1); select factory.appointment(1, call_id => 1)",
    )
    role = value(app, "select current_user")
    sql(
        database,
        f"grant usage on schema public to {role}; grant select, insert, update, delete on all tables in schema public "
        f"to {role}; grant usage on all sequences in schema public to {role}",
    )
    kinds = (
        "text",
        "jsonb",
        "bigint",
        "boolean",
        "timestamptz",
        "uuid",
        "numeric",
        "record",
        "regclass",
        "xid8",
        "name",
    )
    with psycopg.connect(app, autocommit=True) as writer:
        writer.execute(
            "create function pg_temp.mine(pg_catalog.text) returns pg_catalog.bool language plpgsql as "
            "$$ begin if current_user <> session_user then raise exception 'ran as %', current_user; end if; "
            "return true; end $$"
        )
        for kind in kinds:
            base = {"record": "text", "boolean": "bool", "bigint": "int8"}.get(kind, kind)
            writer.execute(
                f"create domain pg_temp.{kind} as pg_catalog.{base} check (pg_temp.mine(value::pg_catalog.text))".encode()
            )
        writer.execute("create view pg_temp.calls as select 1 as id")
        for statement in (
            "update public.calls set booking_confirmed = true where id = 1",
            "update public.calls set direction = null, customer_name = 'Anna', metadata = '\"{}\"' where id = 1",
            "update public.appointments set status = 'cancelled' where id = 1",
            "update public.appointments set deleted_at = now() where id = 1",
            "insert into public.calls (company_id, retell_call_id) values (1, 'call_x')",
            "delete from public.appointments where id = 1",
            "delete from public.calls where retell_call_id = 'call_x'",
        ):
            writer.execute(statement.encode())


def test_an_application_needs_no_right_of_ours(database: str, login: Logins) -> None:
    """Its role knows nothing of schema trueup; triggers complete, observe and refuse all the same."""
    application = login()
    name = login.made[0]
    sql(database, f"grant select, insert, update, delete on all tables in schema public to {name}")
    sql(database, "select factory.company(1)")
    sql(
        application,
        "insert into public.calls (company_id, retell_call_id, to_number, booking_confirmed) values (1, 'call_1', 'x', true)",
    )
    assert value(database, "select direction from public.calls") == "inbound"
    alert = sql(
        database,
        "select al.alert_type, al.metadata -> 'written_by' ->> 'role' from trueup.data_consistency_alerts as al",
    )
    assert alert == [("call_booked_without_appointment", name)]
    trueup.guards.set_mode("call_booked_without_appointment", "enforce", database=database)
    with pytest.raises(psycopg.errors.CheckViolation):
        sql(
            application,
            "insert into public.calls (company_id, retell_call_id, booking_confirmed) values (1, 'call_2', true)",
        )


@pytest.mark.parametrize("parameter", ["trueup.undo", "trueup.repair_id"])
def test_a_parameter_opens_no_back_door(database: str, login: Logins, parameter: str) -> None:
    """Any session may set a parameter: by itself it neither silences a guard nor writes a journal."""
    plant(database, ONE)
    trueup.repair(database=database, apply=True)
    application = login()
    sql(database, f"grant select, insert, update on all tables in schema public to {login.made[0]}")
    trueup.guards.set_mode("call_outcome_without_appointment", "enforce", database=database)
    plant(database, "select factory.call(id => 2, direction => 'inbound')")
    journal = "select count(*) from trueup.repair_changes"
    before = value(database, journal)
    repair_id = value(database, "select max(id) from trueup.repairs")
    for setting in ("on", str(repair_id)):
        if parameter == "trueup.repair_id" and setting == "on":
            continue
        with psycopg.connect(application) as connection:
            connection.execute(f"set local {parameter} = '{setting}'".encode())
            connection.execute("update public.calls set session_outcome = 'appointment_booked' where id = 2")
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.commit()
    assert value(database, journal) == before


def test_a_dashboards_login_gets_its_search_path(databases: Databases, database: str, login: Logins) -> None:
    dashboard = login("trueup_dashboard")
    trueup.migrate(database=database)
    sql(dashboard, "select count(*) as pending_reviews from manual_review_queue where status = 'pending'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(dashboard, "select from_number from calls")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(dashboard, "select * from repair_changes")


def test_a_reviewer_decides_through_functions_only(database: str, login: Logins) -> None:
    reviewer = login("trueup_reviewer")
    plant(
        database,
        "select factory.company(1); "
        "select factory.call(id => 1, appointment_made => true, session_outcome => 'appointment_rescheduled')",
    )
    trueup.repair(database=database, apply=True)
    claim = trueup.review.next_item("ann", database=reviewer)
    assert claim is not None
    trueup.review.dismiss(claim.item.id, claim.token, "known", database=reviewer)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(reviewer, "update trueup.manual_review_queue set status = 'pending'")
    for call in (
        "trueup.set_guard_mode('call_made_without_appointment', 'off')",
        "trueup.file_alert('a', 'b', 'c', 'd', 'e', '{}')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql(reviewer, f"select {call}")


def test_an_application_reports_and_retries_through_functions_only(database: str, login: Logins) -> None:
    application = login("trueup_app")
    sql(database, "select factory.company(1); select factory.appointment(1)")
    page = '{"status": "success", "data": []}'
    assert (
        value(application, "select status from trueup.import_bookings(1, %s::jsonb, p_is_last => true)", page)
        == "complete"
    )
    assert value(application, "select status from trueup.record_sync_failure(1, 1, 'create')") == "pending"
    assert value(application, "select count(*) from trueup.claim_sync_failures()") == 0
    assert (
        value(
            application,
            "select count(*) from trueup.appointment_notices_since(trueup.appointment_notice_position())",
        )
        == 0
    )
    for table in (
        "booking_snapshots",
        "booking_imports",
        "sync_failures",
        "appointment_notices",
        "former_bookings",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql(application, f"select * from trueup.{table}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(login("trueup_dashboard"), "select * from trueup.booking_snapshots")


def test_the_runner_stores_the_list_and_corrects(database: str, login: Logins) -> None:
    runner = login("trueup_runner")
    sql(database, "select factory.company(1); select factory.service(1, calcom_event_type_id => 7)")
    page = (
        '{"status": "success", "data": [{"uid": "u", "id": 1, "status": "accepted", "eventTypeId": 7, '
        '"start": "2025-11-03T09:00:00Z", "end": "2025-11-03T09:45:00Z", '
        '"attendees": [{"name": "Erika Muster", "email": "e@example.org"}]}]}'
    )
    found = trueup.reconcile_file(1, page.encode(), database=runner)
    assert (found.status, found.missing_locally) == ("complete", 1)
    assert trueup.repair(["booking_missing_locally"], database=runner, apply=True).corrected == 1
