-- booking_proofs: which payloads prove a booking, and what is read from them

begin;
select plan(25);

select factory.company(1);

create function pg_temp.proof(changes jsonb default '{}', around jsonb default '{}')
    returns jsonb language sql as $$
select jsonb_build_object(
    'confirmed_at', '2025-10-20T09:00:30Z',
    'calcom_booking', jsonb_build_object(
        'id', 9000001, 'uid', 'bk-1', 'start', '2025-10-22T12:00:00.000Z', 'end', '2025-10-22T12:45:00.000Z',
        'duration', 45, 'eventTypeId', 700001, 'status', 'ACCEPTED',
        'attendees', jsonb_build_array(
            jsonb_build_object(
                'name', 'Erika Muster', 'email', 'Erika@Example.com', 'phoneNumber', '+491701111111'
            )
        ), 'metadata', '{}'::jsonb
    ) || changes
) || around;
$$;

select factory.call(id => 1, booking_details => pg_temp.proof());
select factory.call(
    id => 2, booking_details => pg_temp.proof(around => '{"appointment_creation_failed": true}')
);
select factory.call(id => 3, booking_details => to_jsonb(pg_temp.proof()::text));
select factory.call(id => 4, booking_details => to_jsonb(to_jsonb(pg_temp.proof()::text)::text));
select factory.call(id => 5, booking_details => pg_temp.proof('{"uid": null}'));
select factory.call(id => 6, booking_details => pg_temp.proof('{"id": null, "end": null}'));
select factory.call(id => 7, booking_details => pg_temp.proof(
    '{"id": "9000001", "uid": 17, "start": "tomorrow", "end": 5, "duration": [], "eventTypeId": "x",
    "status": 1,
    "attendees": {"0": 1}}',
    '{"confirmed_at": "yesterday", "appointment_creation_failed": "TRUE"}'
));
select factory.call(id => 8, booking_details => pg_temp.proof('{"attendees": []}'));
-- no proof
select factory.call(id => 11, booking_details => null);
select factory.call(
    id => 12, booking_details => '{"date": "22.10.2025", "time": "14:00", "checked_at": "2025-10-20"}'
);
select factory.call(id => 13, booking_details => '{"starts_at": "2025-10-22T12:00:00Z", "confidence": 80}');
select factory.call(id => 14, booking_details => '{"calcom_booking": null}');
select factory.call(id => 15, booking_details => '{"calcom_booking": "accepted"}');
select factory.call(id => 16, booking_details => '{"calcom_booking": ["bk-1"]}');
select factory.call(id => 17, booking_details => pg_temp.proof('{"id": true, "uid": " "}'));
select factory.call(id => 18, booking_details => pg_temp.proof('{"id": 1.5, "uid": {"uid": "bk-1"}}'));
select factory.call(id => 19, booking_details => '"calcom_booking: bk-1"');
select factory.call(id => 20, booking_details => '[]');
select factory.call(id => 21, booking_details => '1e400');
select factory.call(id => 22, booking_details => pg_temp.proof(), deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 23, booking_details => '{"appointment_creation_failed": true}');

select set_eq(
    'select call_id from trueup.booking_proofs',
    array[1, 2, 3, 4, 5, 6, 7, 8]::bigint[],
    'a provider booking with a uid or a number is a proof, and nothing else'
);
select results_eq(
    $$
    select
        company_id, booking_uid, booking_number, starts_at, ends_at, event_type_id, provider_status,
        attendee_name,
        attendee_email, attendee_phone, confirmed_at, creation_failed
    from trueup.booking_proofs
    where call_id = 1
    $$,
    $$
    values (
        1::bigint, 'bk-1', 9000001::bigint, '2025-10-22 12:00:00+00'::timestamptz,
        '2025-10-22 12:45:00+00'::timestamptz, 700001::bigint, 'accepted', 'Erika Muster',
        'Erika@Example.com',
        '+491701111111', '2025-10-20 09:00:30+00'::timestamptz, false
    )
    $$,
    'shape (b), column by column'
);
select ok(
    bp.creation_failed, 'shape (c): the creation failed'
)
from trueup.booking_proofs as bp
where bp.call_id = 2;
select is(
    bp.booking_uid, 'bk-1', 'shape (e): encoded twice'
)
from trueup.booking_proofs as bp
where bp.call_id = 3;
select is(bp.booking_uid, 'bk-1', 'and thrice') from trueup.booking_proofs as bp where bp.call_id = 4;
select is(bp.booking_uid, null, 'a number is enough') from trueup.booking_proofs as bp where bp.call_id = 5;
select is(bp.booking_number, null, 'a uid is enough') from trueup.booking_proofs as bp where bp.call_id = 6;
select is(bp.ends_at, '2025-10-22 12:45:00+00', 'the duration tells the end')
from trueup.booking_proofs as bp
where bp.call_id = 6;
select is(
    bp.booking_number, 9000001::bigint, 'a number written as text'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select is(
    bp.booking_uid, null, 'a uid that is no text'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select is(
    bp.starts_at, null, 'a start that is no instant'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select is(bp.ends_at, null, 'an end that is no text') from trueup.booking_proofs as bp where bp.call_id = 7;
select is(
    bp.event_type_id, null, 'an event type that is no number'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select is(
    bp.provider_status, null, 'a status that is no text'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select is(
    bp.attendee_email, null, 'attendees that are no list'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select is(
    bp.confirmed_at, null, 'a time that is a word'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select ok(
    bp.creation_failed, 'a truth written as text'
)
from trueup.booking_proofs as bp
where bp.call_id = 7;
select is(bp.attendee_name, null, 'nobody attends') from trueup.booking_proofs as bp where bp.call_id = 8;

-- who can be called or written to
select ok(
    trueup.usable_phone('+49 170 1111111') and trueup.usable_email('Erika@Example.com'), 'usable contacts'
);
select ok(
    not trueup.usable_phone(null) and not trueup.usable_phone(' Anonymous ') and not trueup.usable_phone('0')
    and not trueup.usable_phone('anonymous_1761040800') and not trueup.usable_phone('sip:desk'),
    'numbers that are none'
);
select ok(
    not trueup.usable_email(null) and not trueup.usable_email('erika')
    and not trueup.usable_email('no-reply@example.com')
    and not trueup.usable_email('anonymous@example.com') and not trueup.usable_email('a@b.invalid'),
    'addresses that are none'
);
select ok(not trueup.usable_email(trueup.withheld_email(7)), 'nor is the one we make up');
select isnt(trueup.withheld_email(1), trueup.withheld_email(11), 'which no two callers share');
select ok(
    not trueup.is_placeholder('anonymousse@example.com') and not trueup.is_placeholder('reply@example.com')
    and not trueup.is_placeholder('a@invalid.example.com')
    and not trueup.is_placeholder('unknowns@example.com'),
    'near misses: addresses that only look made up'
);

-- the view is read for one call by its key
set local enable_seqscan = off;
create temporary table plan_lines (line text);
do $$
declare
    r record;
begin
    for r in explain (costs off) select * from trueup.booking_proofs where call_id = 1 loop
        insert into plan_lines values (r."QUERY PLAN");
    end loop;
end;
$$;
select ok(
    exists (select 1 from plan_lines where line ~ 'Index Cond: \(id = ''?1''?'),
    'a condition on call_id reaches the primary key'
);

select * from finish();
rollback;
