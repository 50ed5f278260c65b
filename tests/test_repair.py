"""Repair, journal, undo, budget: section 5 of the design."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from helpers import eventually, plant, run, sql, value

import trueup
from trueup import evaluation, repairing, review
from trueup.errors import RefusedError, TrueupError
from trueup.model import Result, Run

CHECK = "call_made_without_appointment"
MADE = "call_booked_without_appointment"
ONE = """
select factory.company(1);
select factory.call(id => 1, booking_id => 'uid-1', appointment_made => true, session_outcome => 'appointment_booked');
select factory.appointment(id => 11, call_id => null, calcom_booking_uid => 'uid-1', status => 'completed');
"""
# the repair creates the appointment, and changes the call twice
BOOKED = """
select factory.company(1);
select factory.service(id => 1, calcom_event_type_id => 700001);
select factory.call(
    id => 1, booking_id => 'uid-1', booking_confirmed => true,
    booking_details => '{"calcom_booking": {
        "uid": "uid-1", "status": "accepted", "start": "2025-10-22T12:00:00Z", "end": "2025-10-22T12:45:00Z",
        "eventTypeId": 700001, "attendees": [{"name": "Erika Muster", "email": "erika@example.com"}]
    }}'
);
"""
PICTURE = """
select to_jsonb(c) from public.calls as c
union all
select to_jsonb(a) from public.appointments as a
"""


def test_a_dry_run_says_what_would_be_done_and_changes_no_row(database: str) -> None:
    plant(database, ONE)
    before = sql(database, PICTURE)
    dry = trueup.repair([CHECK], database=database)
    assert (dry.applied, dry.corrected) == (False, 1)
    assert sql(database, PICTURE) == before
    assert value(database, "select count(*) from trueup.repairs") == 0
    assert value(database, "select count(*) from trueup.manual_review_queue") == 0


def test_repair_corrects_on_evidence_and_a_second_run_changes_nothing(database: str) -> None:
    plant(database, ONE)
    done = trueup.repair(database=database, apply=True)
    assert done.corrected >= 1
    assert sql(database, "select a.call_id from public.appointments as a") == [(1,)]
    journal = sql(database, "select r.check_name, r.reason, r.evidence from trueup.repairs as r")
    assert all(reason and evidence is not None for _, reason, evidence in journal)
    after = sql(database, PICTURE)
    again = trueup.repair(database=database, apply=True)
    assert again.corrected == 0
    assert sql(database, PICTURE) == after
    assert trueup.check(database=database).violations == 0


@pytest.mark.one_server
def test_a_misspelled_word_keeps_its_meaning(legacy_database: str) -> None:
    sql(
        legacy_database,
        """
        insert into public.companies (name) values ('one');
        insert into public.customers (company_id, phone) values (1, '+491700000001');
        insert into public.calls (
            company_id, retell_call_id, from_number, direction, call_type, status, appointment_made,
            appointment_link_status, session_outcome, customer_id, customer_link_status, booking_failed
        )
        select
            1, 'call_' || lpad(n::text, 27, '0'), '+491700000001', 'inbound', 'phone_call', 'ended', made,
            case when made then 'linked' else 'unlinked' end, outcome, customer, status, failed
        from (
            values
            (1, true, 'Appointment_Cancelled', null, 'unlinked', false),
            (2, false, null, null, 'Pending_Review', false),
            (3, false, null, 1, 'Pending_Review', false),
            (4, true, 'appointment_booked', null, 'unlinked', true)
        ) as c (n, made, outcome, customer, status, failed);
        insert into public.appointments (company_id, call_id, starts_at, ends_at, status, source)
        values
        (1, 1, '2025-10-22 12:00+00', '2025-10-22 12:45+00', 'completed', 'backfill'),
        (1, 4, '2025-10-22 13:00+00', '2025-10-22 13:45+00', 'Cancelled', 'backfill');
        update public.calls as c set appointment_id = a.id, appointment_linked_at = a.created_at
        from public.appointments as a where a.call_id = c.id
        """,
    )
    trueup.adopt(database=legacy_database, apply=True)
    trueup.repair(database=legacy_database, apply=True)
    assert sql(
        legacy_database,
        "select c.session_outcome, c.customer_link_status, c.booking_failed from public.calls as c order by c.id",
    ) == [
        ("appointment_cancelled", "unlinked", False),
        (None, "pending_review", False),
        (None, "pending_review", False),
        ("appointment_booked", "unlinked", True),
    ]


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("check", "call", "appointment"),
    [
        ("call_appointment_not_flagged", "", "call_id => 1"),
        ("call_backlink_missing", "", "call_id => 1"),
        ("call_backlink_broken", "appointment_id => 12", "call_id => 1"),
        ("call_failed_but_booked", "booking_failed => true", "call_id => 1"),
        (
            "call_linked_without_appointment",
            "booking_id => 'uid-1', appointment_link_status => 'linked'",
            "calcom_booking_uid => 'uid-1'",
        ),
        (
            "appointment_without_call",
            "",
            """source => 'retell', idempotency_key => gen_random_uuid(),
            metadata => jsonb_build_object('call_id', 'call_' || lpad('1', 27, '0'))""",
        ),
    ],
)
def test_an_outcome_that_denies_the_appointment_stops_no_repair(
    database: str, check: str, call: str, appointment: str
) -> None:
    """Decision D3: what a model made of the conversation is no reason to ask a person."""
    plant(
        database,
        f"""
        select factory.company(1);
        select factory.appointment(id => 12, status => 'completed');
        select factory.call({", ".join(filter(None, ["id => 1, session_outcome => 'information_only'", call]))});
        select factory.appointment(id => 11, status => 'completed', {appointment});
        """,
    )
    done = trueup.repair([check], database=database, apply=True)
    assert (done.corrected, done.review) == (1, 0), done.checks
    trueup.repair(database=database, apply=True)
    assert sql(
        database, "select c.appointment_made, c.appointment_id, c.session_outcome from public.calls as c"
    ) == [(True, 11, "appointment_booked")]
    assert trueup.check(database=database).violations == 0


@pytest.mark.one_server
@pytest.mark.parametrize("from_number", ["anonymous", None])
def test_a_booking_ahead_of_a_caller_who_withheld_the_number_is_created(
    database: str, from_number: str | None
) -> None:
    """That nobody can reach the caller is reported; the booking is no less true."""
    number = "null" if from_number is None else f"'{from_number}'"
    plant(
        database,
        f"""
        select factory.company(1);
        select factory.service(id => 1, calcom_event_type_id => 700001);
        select factory.call(
            id => 1, booking_confirmed => true, from_number => {number}, customer_link_status => 'anonymous',
            started_at => now() - interval '2 minutes', ended_at => now() - interval '1 minute', duration_ms => 60000,
            booking_details => jsonb_build_object('calcom_booking', jsonb_build_object(
                'uid', 'uid-1', 'status', 'accepted', 'start', now() + interval '1 day',
                'end', now() + interval '1 day 45 minutes', 'eventTypeId', 700001,
                'attendees', '[{{"name": "Erika Muster", "email": "fallback@example.com"}}]'::jsonb
            ))
        );
        """,
    )
    done = trueup.repair([MADE], database=database, apply=True)
    assert (done.corrected, done.review) == (1, 0), done.checks
    ((customer_id, email),) = sql(database, "select k.id, k.email from public.customers as k")
    assert email == "call-1@withheld.invalid"
    leaves = value(database, "select r.evidence -> 'leaves' from trueup.repairs as r")
    assert leaves == [f"customer_unreachable customer {customer_id}"]
    listed = {result.name for result in trueup.check(database=database).results if result.violations}
    assert listed == {"customer_unreachable"}


@pytest.mark.one_server
def test_words_that_constraints_refuse_are_mended_before_the_rest_of_their_rows(legacy_database: str) -> None:
    """An application that wrote its words in capitals: every row violates two constraints and more."""
    sql(
        legacy_database,
        """
        insert into public.companies (name) values ('one');
        insert into public.customers (company_id, phone) values (1, '+491700000001');
        insert into public.calls (
            company_id, retell_call_id, from_number, direction, call_type, status, started_at, ended_at, duration_ms,
            session_outcome, customer_id, customer_link_status, customer_link_method, metadata
        )
        values
        (1, 'call_' || lpad('1', 27, '0'), '+491700000001', 'INBOUND', null, 'ENDED', '2025-10-20 09:00+00',
            '2025-10-20 09:01+00', 5, 'INFORMATION_ONLY', 1, 'LINKED', 'PHONE_MATCH',
            '{"retell": {"call_type": "phone_call"}}'),
        (1, 'call_' || lpad('2', 27, '0'), '+491700000001', 'INBOUND', null, 'ENDED', '2025-10-20 09:02+00',
            '2025-10-20 09:03+00', 5, 'OTHER', 1, 'UNLINKED', null, '{"retell": {"call_type": "phone_call"}}');
        insert into public.appointments (company_id, customer_id, call_id, starts_at, ends_at, status, source)
        values (1, 1, 1, '2025-10-22 12:00+00', '2025-10-22 12:45+00', 'COMPLETED', 'CALCOM')
        """,
    )
    trueup.adopt(database=legacy_database, apply=True)
    done = trueup.repair(database=legacy_database, apply=True)
    assert done.review == 0, [(c.name, c.reasons) for c in done.checks if c.review]
    assert trueup.check(database=legacy_database).violations == 0
    assert trueup.repair(database=legacy_database, apply=True).corrected == 0


def test_the_alert_of_a_corrected_entity_is_resolved_by_the_repair(database: str) -> None:
    plant(database, ONE)
    trueup.repair(database=database, apply=True)
    rows = sql(
        database,
        "select distinct al.status, al.resolution, al.auto_corrected from trueup.data_consistency_alerts as al",
    )
    assert rows == [("resolved", "repaired", True)]


def test_a_repair_leaves_alone_what_no_check_says(database: str) -> None:
    plant(
        database,
        """
        select factory.company(1);
        select factory.call(id => 1, metadata => '{"retell": {"call_type": "phone_call"}}')
        """,
    )
    sql(database, "select trueup.fail_booking(1, 1, 'the provider said 500')")
    plant(database, "update public.calls set call_type = null")
    assert trueup.repair(["call_type_missing"], database=database, apply=True).corrected == 1
    filed = "select al.status from trueup.data_consistency_alerts as al where al.alert_type = %s"
    assert sql(database, filed, "call_type_missing") == [("resolved",)]
    assert sql(database, filed, "provider_booking_failed") == [("open",)]
    assert sql(database, "select q.reason, q.status from trueup.manual_review_queue as q") == [
        ("provider_booking_failed", "pending")
    ]


def test_undo_puts_every_row_back(database: str) -> None:
    plant(database, ONE)
    before = sql(database, PICTURE)
    trueup.repair(database=database, apply=True)
    for (repair_id,) in sql(database, "select r.id from trueup.repairs as r order by r.id desc"):
        assert trueup.undo(repair_id, database=database, actor="ada").rows_restored >= 1
    assert sql(database, PICTURE) == before
    assert sql(database, "select distinct r.undone_by from trueup.repairs as r") == [("ada",)]


def test_undo_refuses_when_a_row_has_changed_since(database: str) -> None:
    plant(database, ONE)
    trueup.repair(database=database, apply=True)
    repair_id = value(database, "select max(r.id) from trueup.repairs as r")
    sql(database, "update public.appointments set notes = 'by hand'")
    before = sql(database, PICTURE)
    done = run("repair", "--undo", str(repair_id), url=database)
    assert done.returncode == 2
    assert "public.appointments 11 has changed since: notes" in done.stderr
    assert sql(database, PICTURE) == before


TYPED = """update public.calls set call_type = null, metadata = '{"retell": {"call_type": "phone_call"}}'"""
TOUCH = """
create function public.touch() returns trigger language plpgsql as
$$ begin new.updated_at := clock_timestamp(); return new; end $$;
create trigger touch before update on public.calls for each row execute function public.touch()
"""


def test_what_a_trigger_of_the_application_writes_stops_no_undo(database: str) -> None:
    sql(database, TOUCH)
    plant(database, BOOKED + TYPED)
    untouched = "select to_jsonb(c) - 'updated_at' from public.calls as c"
    before = sql(database, untouched)
    trueup.repair([MADE, "call_type_missing"], database=database, apply=True)
    changes = "select count(*) from trueup.repair_changes as rc where rc.table_name = 'public.calls' group by rc.repair_id"
    assert sorted(sql(database, changes)) == [(1,), (2,)]
    for (repair_id,) in sql(database, "select r.id from trueup.repairs as r order by r.id desc"):
        trueup.undo(repair_id, database=database)
    assert sql(database, untouched) == before
    assert value(database, "select count(*) from public.appointments") == 0


def test_what_somebody_wrote_after_another_undo_counts(database: str) -> None:
    sql(database, TOUCH)
    plant(database, BOOKED + TYPED)
    trueup.repair([MADE, "call_type_missing"], database=database, apply=True)
    newest, oldest = (
        found for (found,) in sql(database, "select r.id from trueup.repairs as r order by r.id desc")
    )
    trueup.undo(newest, database=database)
    sql(database, "update public.calls set updated_at = null")
    with pytest.raises(RefusedError, match=r"public.calls 1 has changed since: .*updated_at"):
        trueup.undo(oldest, database=database)


def test_what_somebody_wrote_after_another_undo_counts_after_a_restore_too(database: str) -> None:
    """Restored in one transaction, all rows have the same writer."""
    sql(database, TOUCH)
    plant(database, BOOKED + TYPED)
    trueup.repair([MADE, "call_type_missing"], database=database, apply=True)
    newest, oldest = (
        found for (found,) in sql(database, "select r.id from trueup.repairs as r order by r.id desc")
    )
    trueup.undo(newest, database=database)
    sql(database, "update public.calls set call_type = 'other'")
    columns = {"public.calls": "status", "trueup.repairs": "actor", "trueup.repair_changes": "before"}
    plant(database, "; ".join(f"update {table} set {name} = {name}" for table, name in columns.items()))
    before = sql(database, PICTURE)
    with pytest.raises(RefusedError, match=r"public.calls 1 has changed since: .*call_type"):
        trueup.undo(oldest, database=database)
    assert sql(database, PICTURE) == before


def test_what_was_written_between_two_repairs_is_not_lost_when_both_are_undone(database: str) -> None:
    plant(database, BOOKED + TYPED)
    trueup.repair(["call_type_missing"], database=database, apply=True)
    sql(database, "update public.calls set customer_name = 'Erika'")
    trueup.repair([MADE], database=database, apply=True)
    trueup.undo(2, database=database)
    before = sql(database, PICTURE)
    with pytest.raises(RefusedError, match=r"has changed since: .*customer_name"):
        trueup.undo(1, database=database)
    assert sql(database, PICTURE) == before


def test_a_column_that_came_later_stops_no_undo_unless_it_would_be_lost(database: str) -> None:
    plant(database, BOOKED)
    before = sql(database, PICTURE)
    trueup.repair([MADE], database=database, apply=True)
    sql(
        database,
        """
        alter table public.calls add column language text;
        update public.calls set language = 'de';
        alter table public.appointments add column language text, add column origin text not null default 'phone';
        update public.appointments set language = 'de'
        """,
    )
    with pytest.raises(RefusedError, match=r"public.appointments 1001 has changed since: language"):
        trueup.undo(1, database=database)
    sql(database, "update public.appointments set language = null")
    trueup.undo(1, database=database)
    assert sql(database, "select c.language from public.calls as c") == [("de",)]
    sql(database, "alter table public.calls drop column language")
    assert sql(database, PICTURE) == before


def test_undo_refuses_when_the_column_that_it_would_write_is_gone(database: str) -> None:
    plant(database, BOOKED + TYPED)
    trueup.repair(["call_type_missing"], database=database, apply=True)
    sql(database, "alter table public.calls rename column call_type to kind")
    with pytest.raises(RefusedError, match=r"public.calls has no column call_type any more"):
        trueup.undo(1, database=database)


def test_undo_finds_its_rows_by_index(database: str) -> None:
    plant(database, BOOKED)
    plant(database, "select factory.call(id => i) from generate_series(1001, 3000) as i")
    trueup.repair([MADE], database=database, apply=True)
    with psycopg.connect(database) as connection:
        connection.execute("analyze public.calls")
        connection.execute("select trueup.undo_repair(1)")
        read = connection.execute(
            "select seq_scan from pg_stat_xact_user_tables where relid = 'public.calls'::regclass"
        ).fetchone()
    assert read == (0,)


@pytest.mark.one_server
def test_what_somebody_undid_is_repaired_again_only_by_a_person(database: str) -> None:
    plant(database, BOOKED)
    trueup.repair([MADE], database=database, apply=True)
    trueup.undo(1, database=database, actor="ada")
    before = sql(database, PICTURE)
    for _ in range(2):
        done = trueup.repair([MADE], database=database, apply=True)
        assert done.checks[0].reasons == (("review", "its last repair was undone by ada", 1),)
    assert sql(database, PICTURE) == before

    # in the queue it waits for somebody who wants it
    ((item_id,),) = sql(
        database, "select q.id from trueup.manual_review_queue as q where q.reason = %s", MADE
    )
    assert repairing.preview(MADE, "call", "1", database=database).outcome == "corrected"
    claim = review.claim(item_id, "bob", database=database)
    item = review.resolve(item_id, claim.token, repair=True, database=database)
    assert item.repair_id is not None
    assert sql(database, "select a.call_id from public.appointments as a") == [(1,)]

    # or for an order by name
    trueup.undo(item.repair_id, database=database)
    order = "select r.outcome from trueup.apply_repair(%s, 'call', '1') as r"
    assert sql(database, order, MADE) == [("corrected",)]

    # who repaired it meant it: a run may do so again
    plant(database, "update public.appointments set deleted_at = now(), call_id = null")
    plant(database, "update public.calls set appointment_id = null, appointment_made = false")
    done = trueup.repair([MADE], database=database, apply=True)
    assert "undone" not in done.checks[0].reasons[0][1]


@pytest.mark.one_server
def test_what_somebody_undid_is_not_repaired_for_another_check(database: str) -> None:
    plant(
        database,
        """
        select factory.company(1);
        select factory.call(id => 1, booking_id => 'uid-1', booking_confirmed => true);
        select factory.appointment(
            id => 11, call_id => null, calcom_booking_uid => 'uid-1', source => 'retell', status => 'completed',
            idempotency_key => gen_random_uuid()
        );
        """,
    )
    linked = "select a.call_id from public.appointments as a"
    trueup.repair(["appointment_without_call"], database=database, apply=True)
    assert sql(database, linked) == [(1,)]
    trueup.undo(1, database=database, actor="ada")
    reason = "the repair would do again what ada has undone: appointment_without_call appointment 11"
    for apply in (False, True):
        done = trueup.repair(database=database, apply=apply)
        reasons = {check.name: check.reasons for check in done.checks}
        assert reasons["appointment_without_call"] == (("review", "its last repair was undone by ada", 1),)
        assert reasons[MADE] == (("review", reason, 1),)
        assert sql(database, linked) == [(None,)]

    # what has to do with something else is repaired all the same
    plant(
        database,
        """
        set session_replication_role = replica;
        update public.calls set call_type = null, metadata = '{"retell": {"call_type": "phone_call"}}'
        """,
    )
    done = trueup.repair(["call_type_missing"], database=database, apply=True)
    assert (done.corrected, sql(database, linked)) == (1, [(None,)])

    # who orders it for the other check means it
    order = "select r.outcome from trueup.apply_repair(%s, 'call', '1') as r"
    assert sql(database, order, MADE) == [("corrected",)]
    assert sql(database, linked) == [(1,)]


def test_undo_of_a_created_row_takes_no_row_of_the_application_with_it(database: str) -> None:
    plant(database, BOOKED)
    sql(
        database,
        """
        create table public.reminders (appointment_id bigint references public.appointments (id) on delete cascade);
        create table public.invoices (appointment_id bigint references public.appointments (id) on delete set null)
        """,
    )
    trueup.repair([MADE], database=database, apply=True)
    for table, rule in (("reminders", "would be deleted"), ("invoices", "would be changed")):
        sql(
            database, f"insert into public.{table} (appointment_id) select a.id from public.appointments as a"
        )
        before = sql(database, PICTURE)
        done = run("repair", "--undo", "1", url=database)
        assert done.returncode == 2
        assert f"rows of public.{table} refer to public.appointments" in done.stderr
        assert f"{table}_appointment_id_fkey" in done.stderr
        assert rule in done.stderr
        assert sql(database, PICTURE) == before
        assert value(database, f"select count(appointment_id) from public.{table}") == 1
        sql(database, f"delete from public.{table}")
    trueup.undo(1, database=database)
    assert value(database, "select count(*) from public.appointments") == 0


def test_undo_twice_and_undo_of_nothing_are_refused(database: str) -> None:
    plant(database, ONE)
    trueup.repair(database=database, apply=True)
    repair_id = value(database, "select max(r.id) from trueup.repairs as r")
    trueup.undo(repair_id, database=database)
    with pytest.raises(RefusedError, match="already undone"):
        trueup.undo(repair_id, database=database)
    with pytest.raises(RefusedError, match="no repair has id 4711"):
        trueup.undo(4711, database=database)


def test_what_has_no_evidence_goes_to_people_once(database: str) -> None:
    plant(
        database,
        "select factory.company(1); select factory.call(id => 1, appointment_made => true, session_outcome => 'appointment_rescheduled')",
    )
    for _ in range(3):
        done = trueup.repair(database=database, apply=True)
        assert done.review >= 1
        assert done.exit_code() == 1
    assert sql(database, "select q.reason, q.entity_id, q.status from trueup.manual_review_queue as q") == [
        (CHECK, "1", "pending")
    ]


def test_a_repair_that_would_cause_another_violation_is_rolled_back(database: str) -> None:
    plant(database, ONE)
    sql(
        database,
        """
        create or replace function trueup.repair_call_made_without_appointment(p_call_id bigint)
            returns trueup.repair_outcome language plpgsql as $$
        begin
            update public.appointments set call_id = 1, deleted_at = null where id = 11;
            update public.calls set session_outcome = 'spam' where id = 1;
            return ('corrected', 'sloppy', null)::trueup.repair_outcome;
        end $$
        """,
    )
    before = sql(database, PICTURE)
    done = trueup.repair([CHECK], database=database, apply=True)
    assert (done.corrected, done.review) == (0, 1)
    assert "would cause call_outcome_contradicts_flag" in done.checks[0].reasons[0][1]
    assert sql(database, PICTURE) == before
    assert value(database, "select count(*) from trueup.repairs") == 0


def test_a_repair_that_claims_and_does_nothing_is_not_believed(database: str) -> None:
    plant(database, ONE)
    sql(
        database,
        """
        create or replace function trueup.repair_call_made_without_appointment(p_call_id bigint)
            returns trueup.repair_outcome language sql as
        $$ select ('corrected', 'all is well', null)::trueup.repair_outcome $$
        """,
    )
    done = trueup.repair([CHECK], database=database, apply=True)
    assert done.checks[0].reasons == (("review", "the repair did not remove the violation", 1),)


def test_a_repair_that_raises_is_a_question_for_people(database: str) -> None:
    plant(database, ONE)
    sql(
        database,
        """
        create or replace function trueup.repair_call_made_without_appointment(p_call_id bigint)
            returns trueup.repair_outcome language plpgsql as
        $$ begin perform 1 / 0; end $$
        """,
    )
    done = trueup.repair([CHECK], database=database, apply=True)
    assert done.checks[0].reasons[0][:2] == (
        "review",
        "the repair was refused: division by zero (SQLSTATE 22012)",
    )


@pytest.mark.one_server
@pytest.mark.parametrize("state", ["40001", "53100", "57P01", "58030"])
def test_what_ails_the_server_is_no_question_for_people(database: str, state: str) -> None:
    """A failure to serialise, a full disk, an end of the session: the row is not to blame."""
    plant(database, ONE)
    sql(
        database,
        f"""
        create or replace function trueup.repair_call_made_without_appointment(p_call_id bigint)
            returns trueup.repair_outcome language plpgsql as
        $$ begin raise exception 'not of this row' using errcode = '{state}'; end $$
        """,
    )
    with pytest.raises(TrueupError, match="not of this row"):
        trueup.repair([CHECK], database=database, apply=True)
    assert value(database, "select count(*) from trueup.manual_review_queue") == 0


@pytest.mark.one_server
def test_over_budget_nothing_is_applied_and_one_alert_says_so(database: str) -> None:
    plant(
        database,
        "select factory.company(1); select factory.call(id => i, appointment_made => true, session_outcome => 'appointment_rescheduled') from generate_series(1, 20) as i",
    )
    for _ in range(2):
        done = run("repair", "--apply", "--max-changes", "5", url=database)
        assert done.returncode == 2
        assert "the budget is 5" in done.stderr
    assert value(database, "select count(*) from trueup.repairs") == 0
    assert value(database, "select count(*) from trueup.manual_review_queue") == 0
    alerts = "select al.status, al.occurrences from trueup.data_consistency_alerts as al where al.alert_type = 'repair_over_budget'"
    assert sql(database, alerts) == [("open", 2)]
    trueup.repair(database=database, apply=True)
    assert sql(database, alerts) == [("resolved", 2)]


@pytest.mark.one_server
def test_an_accepted_violation_is_left_alone(database: str) -> None:
    plant(database, ONE)
    trueup.check(database=database)
    alert = value(
        database, "select al.id from trueup.data_consistency_alerts as al where al.alert_type = %s", CHECK
    )
    trueup.alerts.accept(alert, "known", database=database, actor="ada")
    assert trueup.repair([CHECK], database=database, apply=True).checks == ()


def test_a_repair_of_one_kind_of_rows_leaves_the_others_of_that_number_alone(database: str) -> None:
    """Calls, appointments and events are numbered apart: what was accepted is accepted."""
    check = "event_double_encoded"
    sql(database, "alter table public.calls drop constraint calls_metadata_decoded")
    sql(database, "alter table public.appointments drop constraint appointments_metadata_decoded")
    plant(
        database,
        """
        select factory.company(1), factory.company(2);
        select factory.call(id => i, metadata => to_jsonb('{"a": 1}'::text)) from generate_series(5, 6) as i;
        select factory.appointment(id => 5, company_id => 2, metadata => '"{broken"');
        select factory.appointment(id => 6, company_id => 2, metadata => to_jsonb('{"a": 1}'::text));
        """,
    )
    trueup.check([check], database=database)
    alert = value(
        database,
        "select al.id from trueup.data_consistency_alerts as al "
        "where al.alert_type = %s and al.entity_type = 'appointment' and al.entity_id = '6'",
        check,
    )
    trueup.alerts.accept(alert, "known", database=database, actor="ann")
    done = trueup.repair([check], database=database, apply=True)
    assert (done.corrected, done.review) == (2, 1)
    assert sql(database, "select c.metadata from public.calls as c") == [({"a": 1},)] * 2
    assert sql(database, "select a.metadata from public.appointments as a order by a.id") == [
        ("{broken",),
        ('{"a": 1}',),
    ]
    status = "select al.status from trueup.data_consistency_alerts as al where al.id = %s"
    assert value(database, status, alert) == "acknowledged"


@pytest.mark.one_server
def test_what_is_accepted_is_not_in_the_budget(database: str) -> None:
    plant(
        database,
        """
        select factory.company(1);
        select factory.call(id => i, appointment_made => true, session_outcome => 'appointment_rescheduled')
        from generate_series(1, 5) as i
        """,
    )
    trueup.check(database=database)
    filed = "select al.id from trueup.data_consistency_alerts as al where al.alert_type = %s order by al.id"
    for (alert,) in sql(database, filed, CHECK)[1:]:
        trueup.alerts.accept(alert, "known", database=database, actor="ada")
    done = trueup.repair([CHECK], database=database, apply=True, max_changes=1)
    assert done.checks[0].candidates == 1
    with pytest.raises(RefusedError, match="1 entities violate a check with a repair, and the budget is 0"):
        trueup.repair([CHECK], database=database, apply=True, max_changes=0)


def test_two_repairs_at_once_correct_each_entity_once(database: str) -> None:
    plant(
        database,
        """
        select factory.company(1);
        select factory.call(id => i, booking_id => 'uid-' || i, appointment_made => true, session_outcome => 'appointment_booked')
        from generate_series(1, 40) as i;
        select factory.appointment(id => 100 + i, call_id => null, calcom_booking_uid => 'uid-' || i, status => 'completed')
        from generate_series(1, 40) as i
        """,
    )
    barrier = threading.Barrier(2)
    failures: list[BaseException] = []

    def work() -> None:
        barrier.wait()
        try:
            trueup.repair(database=database, apply=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert value(database, "select count(*) from trueup.repairs where check_name = %s", CHECK) == 40
    assert trueup.check(database=database).violations == 0


@pytest.mark.one_server
def test_a_locked_entity_is_busy_and_stays_open(database: str) -> None:
    plant(database, ONE)
    with psycopg.connect(database) as other:
        other.execute("select 1 from public.calls where id = 1 for update")
        done = trueup.repair([CHECK], database=database, apply=True)
        assert done.checks[0].busy == 1
    assert trueup.repair([CHECK], database=database, apply=True).corrected == 1


@pytest.mark.one_server
def test_an_item_that_somebody_is_writing_keeps_nothing_else_from_repair(database: str) -> None:
    """The reviewer who just claims it may take longer than a repair waits."""
    plant(
        database,
        ONE + "select factory.call(id => 2, booking_id => 'uid-2', appointment_made => true, "
        "session_outcome => 'appointment_booked'); "
        "select factory.appointment(id => 12, call_id => null, calcom_booking_uid => 'uid-2', status => 'completed')",
    )
    sql(database, f"select trueup.queue_review('{CHECK}', 'call', '1', 'asked')")
    with psycopg.connect(database) as other:
        other.execute("select trueup.claim_review('erika')")
        done = trueup.repair([CHECK], database=database, apply=True)
        assert (done.checks[0].corrected, done.checks[0].busy) == (1, 1)
        other.rollback()
    assert trueup.repair([CHECK], database=database, apply=True).corrected == 1


class Paused:
    """A run in a thread that stops, while it files, after one check."""

    def __init__(self, database: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_filed, self.may_go_on = threading.Event(), threading.Event()
        file_result = evaluation.file_result

        def filed(*arguments: Any) -> Result:
            result = file_result(*arguments)
            if result.name == after:
                self.has_filed.set()
                assert self.may_go_on.wait(60)
            return result

        monkeypatch.setattr(evaluation, "file_result", filed)
        self.pool = ThreadPoolExecutor(1)
        self.future = self.pool.submit(trueup.check, database=database)
        assert self.has_filed.wait(60)

    def goes_on(self) -> Run:
        self.may_go_on.set()
        return self.future.result(60)


UNKNOWN = "appointment_value_unknown"
# the repair writes a column that a guard looks at, of a row that trips it
LEGACY = """
select factory.company(1);
alter table public.appointments drop constraint appointments_status_vocabulary;
select factory.appointment(1, source => 'retell', status => 'Confirmed', idempotency_key => gen_random_uuid());
"""
APPLY = f"select outcome from trueup.apply_repair('{UNKNOWN}', 'appointment', '1')"
WAITS = """
select exists (
    select 1 from pg_stat_activity as a where a.datname = current_database() and a.wait_event_type = 'Lock'
)
"""


def test_a_repair_and_a_run_that_files_do_not_end_each_other(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repair trips a guard and then wants the alert that the run holds, which goes on to the guard."""
    plant(database, LEGACY)
    trueup.check(database=database)
    filing = Paused(database, UNKNOWN, monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        repairing = pool.submit(value, database, APPLY)
        eventually(lambda: bool(value(database, WAITS)))
        run = filing.goes_on()
        assert repairing.result(60) == "corrected"
    assert [result.error for result in run.results if result.error] == []
    resolved = "select array_agg(alert_type) from trueup.data_consistency_alerts where status = 'resolved'"
    assert value(database, resolved) == [UNKNOWN]


@pytest.mark.one_server
def test_a_repair_gives_up_whole_when_others_keep_an_alert(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(database, LEGACY)
    trueup.check(database=database)
    filing = Paused(database, UNKNOWN, monkeypatch)
    with psycopg.connect(database) as connection:
        connection.execute("set lock_timeout = '300ms'")
        assert connection.execute(APPLY.encode()).fetchone() == ("busy",)
    assert sql(database, "select a.status, (select count(*) from trueup.repairs) from appointments as a") == [
        ("Confirmed", 0)
    ]
    filing.goes_on()
    assert value(database, APPLY) == "corrected"


def test_a_deadlock_over_alerts_costs_a_run_one_check(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(database, LEGACY)
    trueup.check(database=database)
    hold = b"select 1 from trueup.data_consistency_alerts where alert_type = %s for update"
    filing = Paused(database, UNKNOWN, monkeypatch)
    with psycopg.connect(database) as other, ThreadPoolExecutor(1) as pool:
        # the run looks for deadlocks first
        other.execute("set deadlock_timeout = '1h'")
        other.execute(hold, ["appointment_without_call"])
        wanting = pool.submit(other.execute, hold, [UNKNOWN])
        eventually(lambda: bool(value(database, WAITS)))
        run = filing.goes_on()
        wanting.result(60)
    (failed,) = (result for result in run.results if result.error)
    assert (failed.name, failed.sqlstate) == ("appointment_without_call", "40P01")
    assert (run.status, run.exit_code()) == ("partial", 3)


def test_a_disarmed_journal_stops_repairs(database: str) -> None:
    plant(database, ONE)
    sql(
        database,
        "alter table public.calls disable trigger journal_repairs; alter table public.appointments disable trigger journal_repairs",
    )
    done = trueup.repair([CHECK], database=database, apply=True)
    assert "changes public.appointments, which has no journal" in done.checks[0].reasons[0][1]
    assert sql(database, "select a.call_id from public.appointments as a") == [(None,)]


@pytest.mark.one_server
def test_the_journal_is_listed_with_the_ids_that_undo_takes(database: str) -> None:
    plant(database, ONE)
    trueup.repair(database=database, apply=True)
    entries = trueup.journal(database=database)
    assert CHECK in {entry.check_name for entry in entries}
    shown = run("repair", "--list", CHECK, url=database)
    assert "call 1" in shown.stdout
    trueup.undo(entries[0].id, database=database, actor="ada")
    assert trueup.journal(database=database)[0].undone_by == "ada"
    assert run("repair", "--list", "--apply", url=database).returncode == 2


@pytest.mark.one_server
def test_who_is_asked_about_a_refused_repair_is_asked_until_it_is_mended(database: str) -> None:
    """The question counted as somebody who was told: it ended the violation, which closed it, and so on."""
    check = "call_creation_failed_unqueued"
    plant(
        database,
        "select factory.company(1); "
        "select factory.call(id => 1, booking_details => '{\"appointment_creation_failed\": true}')",
    )
    mended = value(
        database, "select pg_get_functiondef('trueup.repair_call_creation_failed_unqueued'::regproc)"
    )
    sql(
        database,
        """
        create or replace function trueup.repair_call_creation_failed_unqueued(p_call_id bigint)
            returns trueup.repair_outcome language plpgsql as
        $$ begin raise exception 'not now'; end $$
        """,
    )
    assert trueup.repair([check], database=database, apply=True).review == 1
    state = """
    select q.status, al.status, al.reopened_count
    from trueup.manual_review_queue as q
    cross join trueup.data_consistency_alerts as al
    where q.reason = 'call_creation_failed_unqueued' and al.alert_type = q.reason
    """
    for judge in (trueup.check_changed, trueup.check, trueup.check_changed):
        judge(database=database)
        assert sql(database, state) == [("pending", "open", 0)]
    sql(database, mended)
    assert trueup.repair([check], database=database, apply=True).corrected == 1
    assert sql(database, state) == [("resolved", "resolved", 0)]
