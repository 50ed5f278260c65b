"""A revision that alters a column takes down what of ours rests on it, and puts it back."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest
from helpers import add_revision, copy_pack, eventually, plant, sql, value

import trueup
from trueup.errors import MigrationError

# in the column list of a trigger, in views over views, in a generated function
CHANGED = "alter table calls alter column session_outcome type varchar(200);"
GRANTS = """
select c.relname, a.grantee::regrole::text, a.privilege_type
from pg_class as c cross join lateral aclexplode(c.relacl) as a
where c.relnamespace = 'trueup'::regnamespace and c.relkind = 'v'
union all
select p.oid::regprocedure::text, a.grantee::regrole::text, a.privilege_type
from pg_proc as p cross join lateral aclexplode(p.proacl) as a
where p.pronamespace = 'trueup'::regnamespace
order by 1, 2, 3
"""
OBJECTS = "select o.kind, o.identity, os.state from trueup.objects as o join trueup.object_states as os using (id) order by 1, 2"
TYPE = "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'public.calls'::regclass and attname = 'session_outcome'"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the shipped pack."""
    return copy_pack(tmp_path / "pack")


def test_views_and_triggers_come_back_as_they_were(database: str, pack: Path) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        sql(database, f"set search_path = public; {CHANGED}")
    before = sql(database, OBJECTS), sql(database, GRANTS)
    add_revision(pack, "bounded", CHANGED)
    done = trueup.migrate(database=database, pack=pack)
    assert done.revisions == ("bounded",)
    assert (done.changes, done.warnings) == ((), ()), "nothing is deployed or built a second time"
    assert value(database, TYPE) == "character varying(200)"
    assert (sql(database, OBJECTS), sql(database, GRANTS)) == before
    assert trueup.verify(database=database, pack=pack).ok
    assert trueup.migrate(database=database, pack=pack).changes == ()
    plant(database, "select factory.company(1); select factory.legacy('calls_session_outcome_vocabulary')")
    plant(database, "select factory.call(id => 1, session_outcome => 'nonsense')")
    assert value(database, "select count(*) from trueup.call_outcome_unknown") == 1


def test_all_of_it_or_nothing(database: str, pack: Path) -> None:
    before = sql(database, OBJECTS), sql(database, GRANTS)
    add_revision(pack, "bounded", f"{CHANGED}\nselect 1 / 0;")
    with pytest.raises(MigrationError, match="division by zero"):
        trueup.migrate(database=database, pack=pack)
    assert value(database, TYPE) == "text"
    assert (sql(database, OBJECTS), sql(database, GRANTS)) == before


def test_nobody_sees_a_moment_without_the_trigger(database: str, pack: Path) -> None:
    """A writer that waits for the revision finds the trigger when it goes on."""
    plant(database, "select factory.company(1)")
    add_revision(pack, "bounded", f"{CHANGED}\nselect pg_sleep(1);")
    directions: list[str] = []

    def write() -> None:
        eventually(lambda: bool(sql(database, "select 1 from pg_stat_activity where wait_event = 'PgSleep'")))
        directions.append(
            value(
                database,
                "insert into public.calls (company_id, retell_call_id, appointment_made) values (1, 'call_1', true) "
                "returning coalesce(session_outcome, 'none') || ' ' || coalesce(direction, 'none')",
            )
        )

    sql(database, "update trueup.guards set mode = 'off'")
    writer = threading.Thread(target=write)
    writer.start()
    trueup.migrate(database=database, pack=pack)
    writer.join()
    assert directions == ["appointment_booked inbound"]


def test_a_column_that_goes_takes_its_view_along_only_if_no_file_needs_it(database: str, pack: Path) -> None:
    """The old definition no longer fits; that of this release is deployed in its place."""
    sql(database, "alter table public.calls add column spare text")
    definition = value(database, "select pg_get_viewdef('trueup.call_direction_missing')")
    sql(
        database,
        f"create or replace view trueup.call_direction_missing as select x.* from ({definition.rstrip(';')}) as x "
        "where exists (select 1 from public.calls as s where s.spare is null)",
    )
    add_revision(pack, "without_spare", "alter table calls drop column spare;")
    done = trueup.migrate(database=database, pack=pack)
    assert any("call_direction_missing" in warning for warning in done.warnings)
    assert trueup.verify(database=database, pack=pack).ok


def test_a_view_of_somebody_else_is_named_and_left(database: str, pack: Path) -> None:
    sql(database, "create view public.report as select c.session_outcome from public.calls as c")
    before = sql(database, OBJECTS)
    add_revision(pack, "bounded", CHANGED)
    with pytest.raises(
        MigrationError, match=r"view public\.report would have to go and come back, and is not ours"
    ):
        trueup.migrate(database=database, pack=pack)
    assert sql(database, OBJECTS) == before
    assert value(database, "select count(*) from public.report") == 0
    sql(database, "drop view public.report")
    trueup.migrate(database=database, pack=pack)
    assert trueup.verify(database=database, pack=pack).ok


def test_a_view_of_somebody_else_over_ours_is_named_too(database: str, pack: Path) -> None:
    sql(database, "create view public.mine as select v.entity_id from trueup.call_outcome_unknown as v")
    add_revision(pack, "bounded", CHANGED)
    with pytest.raises(MigrationError, match=r"view public\.mine .* not ours"):
        trueup.migrate(database=database, pack=pack)
    assert value(database, "select count(*) from public.mine") == 0


def test_what_was_changed_by_hand_stays_so_with_keep_drift(database: str, pack: Path) -> None:
    """Over the altered column, too: what came back as it was deployed is no drift."""
    sql(database, "alter table public.calls disable trigger calls_fill_outcome")
    add_revision(pack, "bounded", CHANGED)
    done = trueup.migrate(database=database, pack=pack, keep_drift=True)
    kept = [change.what for change in done.changes if change.action == "keep"]
    assert kept == ["trigger calls_fill_outcome on public.calls"]
    assert value(database, "select tgenabled from pg_trigger where tgname = 'calls_fill_outcome'") == "D"
