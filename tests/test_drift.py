"""Whatever of ours is dropped, disabled, renamed or edited is found, and `migrate` mends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import connected, copy_pack, eventually, launch, run, sql, value

import trueup
from trueup import migration
from trueup.errors import MigrationError

BROKEN = {
    "a trigger dropped": "drop trigger calls_fill_direction on public.calls",
    "a trigger disabled": "alter table public.calls disable trigger calls_fill_direction",
    "a trigger for replicas only": "alter table public.calls enable replica trigger calls_fill_direction",
    "all triggers disabled": "alter table public.appointments disable trigger user",
    "a trigger renamed": "alter trigger calls_fill_direction on public.calls rename to zzz",
    "a trigger edited": """
        create or replace trigger calls_fill_direction before insert on public.calls
        for each row when (new.id < 0) execute function trueup.calls_fill_direction()
    """,
    "a guard dropped": "drop trigger call_made_without_appointment on public.calls",
    "a function dropped": "drop function trueup.calls_fill_direction() cascade",
    "a function edited": """
        create or replace function trueup.calls_fill_direction() returns trigger language plpgsql as
        $$ begin return new; end $$
    """,
    "a function renamed": "alter function trueup.calls_fill_direction() rename to zzz",
    "a function made unsafe": "alter function trueup.calls_fill_direction() reset search_path",
    "a repair edited": """
        create or replace function trueup.repair_call_made_without_appointment(p_call_id bigint)
            returns trueup.repair_outcome language sql as
        $$ select ('corrected', 'all is well', null)::trueup.repair_outcome $$
    """,
    "a generated function dropped": "drop function trueup.violations_of_call",
    "a view dropped": "drop view trueup.call_direction_missing",
    "a view edited": """
        create or replace view trueup.call_direction_missing as
        select c.company_id, 'call' as entity_type, c.id as entity_id, 'x' as description, '{}'::jsonb as evidence
        from public.calls as c where false
    """,
    "a view renamed": "alter view trueup.call_direction_missing rename to zzz",
    "a shared word edited": """
        do $$ begin
            execute 'create or replace view trueup.kept_appointments as '
                || replace(pg_get_viewdef('trueup.kept_appointments'), 'deleted_at IS NULL', 'id > 0');
        end $$
    """,
    "a check constraint dropped": "alter table public.calls drop constraint calls_direction_known",
    "a check constraint edited": """
        alter table public.calls drop constraint calls_direction_known;
        alter table public.calls add constraint calls_direction_known check (true)
    """,
    "a check constraint renamed": "alter table public.calls rename constraint calls_direction_known to zzz",
    "a foreign key dropped": "alter table public.calls drop constraint calls_company_id_customer_id_fkey",
    "an index dropped": "drop index public.appointments_call_id_idx",
    "an index edited": """
        drop index public.appointments_call_id_idx;
        create index appointments_call_id_idx on public.appointments (id)
    """,
    "a unique index invalid": """
        update pg_index set indisvalid = false where indexrelid = 'public.appointments_call_id_idx'::regclass
    """,
}
# what only verify can see: with these gone the check cannot look
BLIND = {
    "the eyes dropped": "drop view trueup.object_states cascade",
    "the check itself dropped": "drop view trueup.guard_disarmed",
}


def test_a_fresh_database_verifies(database: str) -> None:
    found = trueup.verify(database=database)
    assert found.problems == ()
    assert trueup.check(["guard_disarmed"], database=database).violations == 0


@pytest.mark.one_server
@pytest.mark.parametrize("damage", BROKEN)
def test_found_and_mended(database: str, damage: str) -> None:
    sql(database, BROKEN[damage])
    assert not trueup.verify(database=database).ok
    assert trueup.check(["guard_disarmed"], database=database).violations > 0
    trueup.migrate(database=database)
    found = trueup.verify(database=database)
    assert found.problems == ()
    assert trueup.check(["guard_disarmed"], database=database).violations == 0
    assert trueup.migrate(database=database).changes == ()


@pytest.mark.parametrize("damage", BLIND)
def test_the_eyes_themselves(database: str, damage: str) -> None:
    sql(database, BLIND[damage])
    done = run("verify", url=database)
    assert done.returncode == 1, done.stderr
    assert trueup.check(["guard_disarmed"], database=database).exit_code() == 3
    trueup.migrate(database=database)
    assert trueup.verify(database=database).ok


def test_the_alarm_names_what_is_broken(database: str) -> None:
    sql(database, "alter table public.calls disable trigger calls_fill_direction")
    trueup.check(database=database)
    text = value(
        database,
        "select al.description from trueup.data_consistency_alerts as al where al.alert_type = 'guard_disarmed'",
    )
    assert "calls_fill_direction on public.calls" in text


def test_a_renamed_trigger_does_not_fire_twice(database: str) -> None:
    sql(database, "alter trigger calls_fill_direction on public.calls rename to zzz")
    trueup.migrate(database=database)
    assert value(database, "select count(*) from pg_trigger where tgname = 'zzz'") == 0


def test_somebody_elses_view_on_ours_survives_a_migration(database: str) -> None:
    sql(database, "create view public.mine as select v.entity_id from trueup.call_direction_missing as v")
    sql(database, "drop trigger calls_fill_direction on public.calls")
    trueup.migrate(database=database)
    assert value(database, "select count(*) from public.mine") == 0


def without_type(url: str) -> list[str]:
    """The calls with an open alert of call_type_missing."""
    rows = sql(
        url,
        "select al.entity_id from trueup.data_consistency_alerts as al "
        "where al.alert_type = 'call_type_missing' and al.status <> 'resolved' order by 1",
    )
    return [row[0] for row in rows]


_EMPTIED = """
    do $$ begin
        execute 'create or replace view trueup.{0} as select v.* from ('
            || rtrim(pg_get_viewdef('trueup.{0}'), ';') || ') as v where false';
    end $$
"""
# what hides the violations of call_type_missing from passes
HIDING = {
    "its view": _EMPTIED.format("call_type_missing"),
    "a view below it": _EMPTIED.format("suspect_calls"),
    "a function below it": """
        create or replace function trueup.vocabulary_value(p_vocabulary text, p_value text)
            returns text language sql stable as $$ select 'registered' $$;
        create or replace function trueup.vocabulary_values(p_vocabulary text)
            returns text[] language sql stable as $$ select array['registered'] $$
    """,
    "what lists the violations of some calls": """
        do $$ begin
            execute replace(
                pg_get_functiondef('trueup.violations_of_call'::regproc),
                'from "trueup"."call_type_missing" as v', 'from (select * from trueup.call_type_missing limit 0) as v'
            );
        end $$
    """,
    "what notes changes": """
        create or replace function trueup.note_calls() returns trigger language plpgsql as
        $$ begin return null; end $$
    """,
}


@pytest.mark.one_server
@pytest.mark.parametrize("damage", HIDING)
def test_a_pass_judges_anew_what_was_hidden_from_it(database: str, damage: str) -> None:
    """What passes said while something of ours was edited by hand does not outlive the edit."""
    sql(database, "select factory.company(1); select factory.call(id => 1)")
    assert run("check", "--changed", url=database).returncode == 0
    sql(database, HIDING[damage])
    sql(database, "update public.calls set call_type = null where id = 1")
    run("check", "--changed", url=database)
    assert without_type(database) == [], "it is hidden"
    trueup.migrate(database=database)
    run("check", "--changed", url=database)
    assert without_type(database) == ["1"]
    assert trueup.check(database=database).missed == 0


@pytest.mark.one_server
def test_a_pass_judges_by_a_shared_view_that_has_changed(database: str, tmp_path: Path) -> None:
    """A release that changes a view changes what the checks above it say, and no others."""
    pack = copy_pack(tmp_path / "pack")
    sql(database, "select factory.company(1); select factory.call(id => 1, call_type => null)")
    run("check", "--changed", "--pack", pack, url=database)
    assert without_type(database) == ["1"]
    word = pack / "db" / "views" / "suspect_calls.sql"
    word.write_text(word.read_text().replace("    c.deleted_at is null", "    c.status <> 'ended'", 1))
    trueup.migrate(database=database, pack=pack)
    owing = [row[0] for row in sql(database, "select name from trueup.checks where owes_full is not null")]
    assert "call_type_missing" in owing
    assert "appointment_duplicate" not in owing
    run("check", "--changed", "--pack", pack, url=database)
    assert without_type(database) == []
    assert value(database, "select resolution from trueup.data_consistency_alerts") == "definition changed"
    assert trueup.check(database=database, pack=pack).missed == 0
    assert trueup.migrate(database=database, pack=pack).changes == ()


@pytest.mark.one_server
def test_a_run_that_could_not_see_a_release_yet_does_not_settle_it(database: str) -> None:
    """It began after the checks were told, and read the functions before they were there."""
    sql(database, "select factory.company(1); select factory.call(id => 1, call_type => null)")
    trueup.check(database=database)
    assert without_type(database) == ["1"]
    number = value(database, "select id from trueup.checks where name = 'call_type_missing'")
    hidden = HIDING["a function below it"]
    owed = "update trueup.checks set owes_full = 'changed', definition_changed_at = clock_timestamp() where id = %s"
    with connected(database, 2) as (release, other):
        other.execute("select pg_advisory_lock(hashtext('trueup.file_violations'), %s)", [number])
        release.execute(hidden.encode())
        release.execute(owed, [number])
        running = launch("check", url=database)
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        eventually(lambda: value(database, waiting) == 1)
        release.commit()
    running.communicate(timeout=60)
    assert without_type(database) == ["1"]
    trueup.check_changed(database=database)
    assert without_type(database) == []


OLD_CHECK = """-- call_old
--
-- invariant:   a call is not called old
-- severity:    info
-- entity:      call
-- changes:     calls.id
-- population:  calls
-- prevented:   none: a test
-- repair:      review
-- cost:        nothing

create or replace view trueup.call_old as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'old' as description,
    '{}'::jsonb as evidence
from trueup.suspect_calls as c
where c.customer_name = trueup.old_name();
"""
OLD_NAME = """create or replace function trueup.old_name(%s)
    returns text
    language sql
    immutable
return %s;
"""


def with_old(directory: Path) -> Path:
    pack = copy_pack(directory)
    (pack / "checks" / "call_old.sql").write_text(OLD_CHECK)
    (pack / "db" / "functions" / "old_name.sql").write_text(OLD_NAME % ("", "'old'"))
    return pack


def ours(url: str) -> list[str]:
    names = "select c.relname from pg_class as c where c.relnamespace = 'trueup'::regnamespace and c.relkind = 'v'"
    routines = (
        "select p.oid::regprocedure::text from pg_proc as p where p.pronamespace = 'trueup'::regnamespace"
    )
    return [row[0] for row in sql(url, f"{names} union all {routines} order by 1")]


@pytest.mark.one_server
def test_a_release_without_a_check_changes_the_view_below_it(database: str, tmp_path: Path) -> None:
    pack = with_old(tmp_path / "pack")
    trueup.migrate(database=database, pack=pack)
    (pack / "checks" / "call_old.sql").unlink()
    (pack / "db" / "functions" / "old_name.sql").unlink()
    word = pack / "db" / "views" / "suspect_calls.sql"
    word.write_text(
        word.read_text().replace("    c.created_at\n", "    c.updated_at,\n    c.created_at\n", 1)
    )
    done = {
        change.what
        for change in trueup.migrate(database=database, pack=pack).changes
        if change.action == "drop"
    }
    assert {"trueup.call_old", "trueup.old_name"} <= done
    assert trueup.verify(database=database, pack=pack).ok
    assert trueup.migrate(database=database, pack=pack).changes == ()


def test_a_rollback_takes_down_what_has_no_file_any_more(database: str, tmp_path: Path) -> None:
    trueup.migrate(database=database, pack=with_old(tmp_path / "pack"))
    migration.rollback("bookings@bookings_0011", database=database)
    assert not {"call_old", "trueup.old_name()"} & set(ours(database))
    assert sql(database, "select * from trueup.objects") == []


@pytest.mark.one_server
def test_a_function_with_other_parameters_takes_the_place_of_the_old_one(
    database: str, tmp_path: Path
) -> None:
    pack = with_old(tmp_path / "pack")
    trueup.migrate(database=database, pack=pack)
    sql(
        database,
        "select factory.company(1); select factory.call(id => 1, customer_name => 'ancient', call_type => null)",
    )
    function = pack / "db" / "functions" / "old_name.sql"
    function.write_text(OLD_NAME % ("p_name text default 'ancient'", "p_name"))
    trueup.migrate(database=database, pack=pack)
    assert [name for name in ours(database) if "old_name" in name] == ["trueup.old_name(text)"]
    assert value(database, "select count(*) from trueup.call_old") == 1
    assert trueup.migrate(database=database, pack=pack).changes == ()
    # as it was left by a release that did not look
    sql(database, OLD_NAME % ("", "'old'"))
    function.write_text(function.read_text() + "\n")
    trueup.migrate(database=database, pack=pack)
    assert [name for name in ours(database) if "old_name" in name] == ["trueup.old_name(text)"]
    assert value(database, "select count(*) from trueup.call_old") == 1


@pytest.mark.one_server
def test_status_shows_drift_as_a_diff(database: str) -> None:
    """From the file's definition to that in the catalogue, both as the server prints them."""
    sql(database, BROKEN["a view edited"])
    sql(database, BROKEN["a function edited"])
    sql(database, BROKEN["a trigger disabled"])
    sql(database, BROKEN["a repair edited"])
    found = {item.identity: item for item in trueup.status(database=database).drift}
    assert set(found) == {
        "trueup.call_direction_missing",
        "trueup.calls_fill_direction",
        "calls_fill_direction on public.calls",
        "trueup.repair_call_made_without_appointment",
    }
    lines = found["trueup.call_direction_missing"].diff.splitlines()
    assert lines[:2] == [
        "--- checks/call_direction_missing.sql (trueup.call_direction_missing)",
        "+++ database",
    ]
    assert "+  WHERE false;" in lines
    assert any(line.startswith("-") and "direction" in line for line in lines[2:])
    assert (
        "+AS $function$ begin return new; end $function$"
        in found["trueup.calls_fill_direction"].diff.splitlines()
    )
    assert found["calls_fill_direction on public.calls"].state == "disabled"
    done = run("status", url=database)
    assert "drift        4 objects" in done.stdout
    assert "+  WHERE false;" in done.stdout
    trueup.migrate(database=database)
    assert trueup.status(database=database).drift == ()


def test_a_definition_that_nobody_kept_is_kept_from_the_next_migration_on(database: str) -> None:
    """As on a database that was deployed before definitions were."""
    sql(database, "update trueup.objects set definition = null")
    sql(database, BROKEN["a view edited"])
    assert [item.diff for item in trueup.status(database=database).drift] == [""]
    trueup.migrate(database=database)
    assert value(database, "select count(*) from trueup.objects where definition is null") == 0


KEPT = {
    "a view edited": "view trueup.call_direction_missing",
    "a function edited": "function trueup.calls_fill_direction",
    "a trigger disabled": "trigger calls_fill_direction on public.calls",
    "a trigger edited": "trigger calls_fill_direction on public.calls",
    "a check constraint edited": "calls_direction_known",
    "an index edited": "appointments_call_id_idx",
    "a shared word edited": "view trueup.kept_appointments",
}


@pytest.mark.one_server
@pytest.mark.parametrize("damage", KEPT)
def test_kept_and_reported(database: str, damage: str) -> None:
    sql(database, BROKEN[damage])
    sql(database, "drop view trueup.call_type_missing")
    before = trueup.verify(database=database).problems
    for _ in range(2):
        done = run("migrate", "--keep-drift", url=database)
        assert done.returncode == 0, done.stderr
        assert f"keep      {KEPT[damage]}: changed by hand; left as it is" in done.stdout
        left = trueup.verify(database=database).problems
        assert set(left) < set(before), "what was dropped is back, what was edited is as it was"
        assert len(left) == 1
    dry = run("migrate", "--dry-run", "--keep-drift", url=database)
    assert dry.stdout == "-- nothing to do\n"
    assert KEPT[damage] in dry.stderr
    trueup.migrate(database=database)
    assert trueup.verify(database=database).ok


def test_a_trigger_of_somebody_else_is_kept_too(database: str) -> None:
    sql(database, "alter trigger calls_fill_direction on public.calls rename to zzz")
    done = trueup.migrate(database=database, keep_drift=True)
    assert ("keep", "zzz on public.calls") in [(change.action, change.what) for change in done.changes]
    assert value(database, "select count(*) from pg_trigger where tgname = 'zzz'") == 1


def test_what_cannot_be_kept_is_refused_before_anything_is_lost(database: str, tmp_path: Path) -> None:
    """A view that changes its shape takes all of them down and up, and the files know nothing of the edit."""
    pack = copy_pack(tmp_path / "pack")
    check = pack / "checks" / "call_type_missing.sql"
    check.write_text(check.read_text().replace("c.company_id,", "c.company_id::text as company_id,", 1))
    sql(database, BROKEN["a view edited"])
    with pytest.raises(MigrationError, match=r"cannot be kept: trueup\.call_direction_missing"):
        trueup.migrate(database=database, pack=pack, keep_drift=True)
    assert "false" in value(database, "select pg_get_viewdef('trueup.call_direction_missing')").lower()
    trueup.migrate(database=database, pack=pack)
    assert trueup.verify(database=database, pack=pack).ok
