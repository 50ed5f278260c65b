"""Whatever of ours is dropped, disabled, renamed or edited is found, and `migrate` mends it."""

from __future__ import annotations

import pytest
from helpers import run, sql, value

import trueup

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
