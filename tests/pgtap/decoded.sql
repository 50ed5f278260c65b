-- decoded, instant_or_null, bigint_or_null, string_or_null: readers that never raise

begin;
select plan(43);

-- decoded
select is(trueup.decoded('{"a": 1}'), '{"a": 1}', 'an object stays');
select is(trueup.decoded('[1, 2]'), '[1, 2]', 'an array stays');
select is(trueup.decoded('7'), '7', 'a number stays');
select is(trueup.decoded('null'), 'null', 'a JSON null stays');
select is(trueup.decoded(null), null, 'NULL stays NULL');
select is(trueup.decoded(to_jsonb('{"a": 1}'::text)), '{"a": 1}', 'an encoded object is decoded');
select is(trueup.decoded(to_jsonb(' [1, 2] '::text)), '[1, 2]', 'an encoded array is decoded');
select is(
    trueup.decoded(to_jsonb(to_jsonb('{"a": 1}'::text)::text)), '{"a": 1}',
    'an object encoded twice over is decoded'
);
select is(trueup.decoded('"Guten Tag"'), '"Guten Tag"', 'near miss: a string is a string');
select is(trueup.decoded('""'), '""', 'near miss: an empty string');
select is(trueup.decoded('"42"'), '"42"', 'near miss: a string of digits is a value, not an encoding');
select is(trueup.decoded('"null"'), '"null"', 'near miss: the word null');
select is(
    trueup.decoded(to_jsonb('{"a": '::text)), to_jsonb('{"a": '::text), 'half an object stays a string'
);
select is(
    trueup.decoded(to_jsonb('{"a": "\u0000"}'::text)),
    to_jsonb('{"a": "\u0000"}'::text),
    'an object that no jsonb can hold stays a string'
);
select is(
    trueup.decoded(to_jsonb(repeat('[', 100000))), to_jsonb(repeat('[', 100000)),
    'a string deeper than the server reads'
);

-- instant_or_null
set local timezone = 'America/New_York';
select is(
    trueup.instant_or_null('2025-10-22T12:00:00.000Z'), '2025-10-22 12:00:00+00', 'as Cal.com writes it'
);
select is(trueup.instant_or_null('2025-10-22T14:00:00+02:00'), '2025-10-22 12:00:00+00', 'with an offset');
select is(
    trueup.instant_or_null('2025-10-22 14:00+02'), '2025-10-22 12:00:00+00',
    'as PostgreSQL writes it, shorter'
);
select is(trueup.instant_or_null('2024-02-29T00:00:00Z'), '2024-02-29 00:00:00+00', 'a leap day');
select is(trueup.instant_or_null('9999-12-31T23:59:59Z'), '9999-12-31 23:59:59+00', 'the last one');
select is(trueup.instant_or_null('2025-10-22T12:00:00'), null, 'without an offset it is no instant');
select is(trueup.instant_or_null('2025-02-29T12:00:00Z'), null, 'no leap day');
select is(trueup.instant_or_null('2025-04-31T12:00:00Z'), null, 'no such day');
select is(trueup.instant_or_null('2025-13-01T12:00:00Z'), null, 'no such month');
select is(trueup.instant_or_null('2025-10-22T24:00:00Z'), null, 'no such hour');
select is(trueup.instant_or_null('0000-10-22T12:00:00Z'), null, 'no such year');
select is(trueup.instant_or_null('2025-10-22T12:00:00+99:00'), null, 'no such offset');
select is(
    trueup.instant_or_null('2025-10-22T12:00:00.' || repeat('0', 200) || 'Z'), null, 'too long to be one'
);
select is(trueup.instant_or_null(e'2025-10-22T12:00:00Z\n'), null, 'a line end is not part of one');
select is(trueup.instant_or_null('tomorrow'), null, 'a word that a cast would accept');
select is(trueup.instant_or_null('infinity'), null, 'and another');
select is(trueup.instant_or_null('22.10.2025'), null, 'a date as people write it');
select is(trueup.instant_or_null(''), null, 'nothing');
select is(trueup.instant_or_null(null), null, 'NULL');

-- bigint_or_null
select is(trueup.bigint_or_null('9000001'), 9000001::bigint, 'digits');
select is(trueup.bigint_or_null('999999999999999999'), 999999999999999999, 'eighteen digits');
select is(trueup.bigint_or_null('9999999999999999999'), null, 'nineteen might not fit');
select is(trueup.bigint_or_null('9000001.5'), null, 'no whole number');
select is(trueup.bigint_or_null('-1'), null, 'no id');

-- string_or_null
select is(trueup.string_or_null('" uid "'), 'uid', 'trimmed');
select is(trueup.string_or_null('" "'), null, 'blank');
select is(trueup.string_or_null('17'), null, 'a number is not a string');
select is(trueup.string_or_null('{"a": 1}'), null, 'nor is an object');

select * from finish();
rollback;
