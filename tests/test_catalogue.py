"""The set is complete: every check has a test, a prevention or a reason for none, and a repair or `review`."""

from __future__ import annotations

import re
from pathlib import Path

import pgtap_runner
import pytest
from conftest import ROOT, Databases
from helpers import sql, value

from trueup import packs
from trueup.packs import CORE

PACK = packs.load()
CHECKS = {check.name: check for check in PACK.checks}
TAP = Path(__file__).with_name("pgtap")
TRIGGERS = sorted(
    {
        (item.identity, file.stem)
        for file in PACK.files
        for item in file.objects
        if item.kind == "trigger" and " on public." in item.identity
    }
)
# what DOMAIN's catalogue asks for; more is welcome, less is not
PROMISED = [
    "call_direction_missing",
    "call_status_unknown",
    "call_outcome_unknown",
    "call_type_missing",
    "call_booked_without_appointment",
    "call_made_without_appointment",
    "call_outcome_without_appointment",
    "call_appointment_not_flagged",
    "call_backlink_missing",
    "call_backlink_broken",
    "call_outcome_contradicts_flag",
    "call_failed_but_booked",
    "call_creation_pending_stale",
    "call_creation_failed_unqueued",
    "call_stuck_ongoing",
    "call_times_contradict",
    "call_id_malformed",
    "call_duplicate",
    "call_transcript_name",
    "call_customer_not_linked",
    "call_linked_without_customer",
    "call_link_unproven",
    "call_link_status_wrong",
    "call_unknown_number",
    "appointment_without_call",
    "appointment_call_mismatch",
    "appointment_times_invalid",
    "appointment_staff_overlap",
    "appointment_duplicate",
    "appointment_booking_shared",
    "appointment_key_missing",
    "appointment_cancel_contradicts",
    "appointment_past_open",
    "appointment_modification_mismatch",
    "event_double_encoded",
    "event_unprocessed",
    "tenant_mismatch",
    "customer_duplicate",
    "customer_unreachable",
    "customer_deleted_but_linked",
    "circuit_open_long",
    "review_overdue",
    "rate_booking_success",
    "rate_customer_creation",
    "guard_disarmed",
    "check_not_run",
    "schema_contract_broken",
]


def test_every_promised_check_is_there() -> None:
    assert not set(PROMISED) - set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_has_its_test(name: str) -> None:
    assert (TAP / f"{name}.sql").is_file()


@pytest.mark.parametrize("name", CHECKS)
def test_every_prevention_exists(name: str) -> None:
    registered = set(re.findall(r"^\('(\w+)', 'public\.", constraints(), re.M))
    triggers = {file.stem for file in PACK.files if file.folder == "triggers"}
    for part in CHECKS[name].prevented.split(";"):
        kind, _, rest = part.strip().partition(" ")
        match kind.rstrip(":"):
            case "guard":
                assert name in PACK.guards
            case "fill" | "sync":
                assert rest in triggers, rest
            case "constraint":
                assert rest in registered, rest
            case "none":
                assert len(rest) > 10
            case _:
                pytest.fail(f"prevented: {part}")


@pytest.mark.parametrize("guard", PACK.guards)
def test_every_guard_is_named_by_its_check(guard: str) -> None:
    assert "guard" in CHECKS[guard].prevented


def constraints() -> str:
    return "".join(file.read_text() for file in sorted((ROOT / "migrations" / "versions").glob("*.up.sql")))


def test_every_constraint_names_a_check_that_exists() -> None:
    named = set(re.findall(r"^    '(\w+)', '", constraints(), re.M))
    assert named
    assert named <= set(CHECKS)


@pytest.mark.one_server
@pytest.mark.parametrize(("trigger", "stem"), TRIGGERS)
def test_a_test_fails_when_the_trigger_is_dropped(databases: Databases, trigger: str, stem: str) -> None:
    """Every trigger is worth a test: without it, some pgTAP file fails."""
    name = databases.create(databases.migrated())
    url = databases.server.url(name)
    try:
        trigger_name, _, table = trigger.partition(" on ")
        sql(url, f"drop trigger {trigger_name} on {table}")
        likely = {check.name for check in PACK.checks if stem in check.prevented or check.name == stem} | {
            stem
        }
        files = sorted(TAP.glob("*.sql"), key=lambda path: (path.stem not in likely, path.stem))
        assert any(fails(path, url) for path in files), f"no test misses {trigger}"
    finally:
        databases.drop(name)


def fails(path: Path, url: str) -> bool:
    try:
        pgtap_runner.run(path, url)
    except pgtap_runner.TapError:
        return True
    return False


def test_functions_are_bound_or_pinned(database: str) -> None:
    """Section 9: no function finds its names through the caller's search_path."""
    loose = sql(
        database,
        """
        select p.oid::regprocedure::text
        from pg_proc as p
        where
            p.pronamespace = 'trueup'::regnamespace
            and p.prosqlbody is null
            and not coalesce(p.proconfig::text like '%search_path=%', false)
            and not exists (select 1 from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
        """,
    )
    assert loose == []


def test_every_check_has_the_five_columns(database: str) -> None:
    odd = sql(
        database,
        """
        select ch.name, array_agg(a.attname::text order by a.attnum)
        from trueup.checks as ch
        inner join pg_attribute as a on a.attrelid = ('trueup.' || ch.name)::regclass and a.attnum > 0
        group by ch.name
        having (array_agg(a.attname::text order by a.attnum))[:5]
            <> array['company_id', 'entity_type', 'entity_id', 'description', 'evidence']
        """,
    )
    assert odd == []


@pytest.mark.one_server
def test_the_database_copies_the_headers(database: str) -> None:
    rows = sql(
        database,
        "select ch.name, ch.invariant, ch.severity, ch.repair from trueup.checks as ch where ch.is_active",
    )
    assert sorted(rows) == sorted((c.name, c.invariant, c.severity, c.repair) for c in PACK.checks)


def test_headers_end_without_a_full_stop_and_sentences_are_one_line() -> None:
    for check in PACK.checks:
        assert not check.invariant.endswith("."), check.name
        assert len(check.invariant) <= 160, check.name


def test_the_dashboards_queries_run_unchanged_for_their_role(database: str) -> None:
    role = f"dash_{value(database, 'select current_database()')}"
    sql(database, f"create role {role} login in role trueup_dashboard")
    try:
        name = value(database, "select current_database()")
        sql(database, f"alter role {role} in database {name} set search_path = trueup, public")
        url = database.replace("postgres@", f"{role}@")
        for query in (
            "select * from data_consistency_alerts order by detected_at desc limit 10",
            "select service_key, current_state, failure_count, last_failure_at, state_changed_at "
            "from circuit_breaker_states order by state_changed_at desc",
            "select count(*) as pending_reviews from manual_review_queue where status = 'pending'",
            "select * from sync_failures where status = 'pending'",
            "select count(*) from calls where booking_confirmed and appointment_id is null",
        ):
            sql(url, query)
    finally:
        sql(database, f"drop owned by {role}; drop role {role}")


def test_core_and_pack_are_apart() -> None:
    """The engine knows nothing of bookings."""
    for path in [*CORE.rglob("*.sql"), *(CORE.parent / "statements").glob("*.sql")]:
        if path.stem in ("incident_counts", "unbooked_call"):
            continue
        text = re.sub(r"--[^\n]*", "", path.read_text())
        assert "public.calls" not in text, path
        assert "public.appointments" not in text, path
