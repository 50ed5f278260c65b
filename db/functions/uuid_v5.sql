-- sha1(bytes), uuid_v5(namespace, name): name-based UUIDs (RFC 9562) without an extension
--
-- PostgreSQL has SHA-2 and MD5, but not the SHA-1 that version 5 is made of, and
-- neither pgcrypto nor uuid-ossp is everywhere. uuid_v5 equals Python's uuid.uuid5: the
-- name is hashed as UTF-8, whatever the encoding of the database.
--
-- Words are bigints that each round cuts back to 32 bits. The schedule holds two words
-- in one bigint, which halves its work; a round of the loop is two of the algorithm,
-- because that leaves a to e to be moved once and not twice. Some 80 us for a name of
-- two blocks (40 to 103 bytes), which a booking key is.

create or replace function trueup.sha1(p_message bytea)
    returns bytea
    language plpgsql
    immutable
    strict
    parallel safe
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_length constant integer := length(p_message);
    -- a one bit, zeros up to eight bytes short of a block, the length in bits
    v_padded constant bytea := p_message
        || decode('80' || repeat('00', (119 - v_length % 64) % 64), 'hex')
        || int8send(v_length::bigint * 8);
    v_block text;
    w bigint[];
    x bigint;
    a bigint;
    b bigint;
    c bigint;
    d bigint;
    e bigint;
    h0 bigint := 1732584193;
    h1 bigint := 4023233417;
    h2 bigint := 2562383102;
    h3 bigint := 271733878;
    h4 bigint := 3285377520;
begin
    for v_at in 1 .. length(v_padded) by 64 loop
        v_block := encode(substr(v_padded, v_at, 64), 'hex');
        w := array[
            ('x' || substr(v_block, 1, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 17, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 33, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 49, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 65, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 81, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 97, 16))::bit(64)::bigint,
            ('x' || substr(v_block, 113, 16))::bit(64)::bigint
        ];
        -- both halves rotate left by one; the masks are every bit but the lowest of each
        -- half, and the lowest of each half
        for i in 9 .. 40 loop
            x := w[i - 4] # w[i - 7] # w[i - 8] # ((w[i - 2] << 32) | ((w[i - 1] >> 32) & 4294967295));
            w[i] := ((x << 1) & -4294967298) | ((x >> 31) & 4294967297);
        end loop;

        a := h0;
        b := h1;
        c := h2;
        d := h3;
        e := h4;

        for i in 1 .. 10 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + (d # (b & (c # d))) + 1518500249 + (x >> 32)) & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + (c # (a & (b # c))) + 1518500249 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        for i in 11 .. 20 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + (b # c # d) + 1859775393 + (x >> 32)) & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + (a # b # c) + 1859775393 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        for i in 21 .. 30 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + ((b & c) | (d & (b | c))) + 2400959708 + (x >> 32))
                & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + ((a & b) | (c & (a | b))) + 2400959708 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        for i in 31 .. 40 loop
            x := w[i];
            e := (e + ((a << 5) | (a >> 27)) + (b # c # d) + 3395469782 + (x >> 32)) & 4294967295;
            b := ((b << 30) | (b >> 2)) & 4294967295;
            x := (d + ((e << 5) | (e >> 27)) + (a # b # c) + 3395469782 + (x & 4294967295))
                & 4294967295;
            d := b;
            b := e;
            e := c;
            c := ((a << 30) | (a >> 2)) & 4294967295;
            a := x;
        end loop;

        h0 := (h0 + a) & 4294967295;
        h1 := (h1 + b) & 4294967295;
        h2 := (h2 + c) & 4294967295;
        h3 := (h3 + d) & 4294967295;
        h4 := (h4 + e) & 4294967295;
    end loop;

    return decode(
        lpad(to_hex(h0), 8, '0') || lpad(to_hex(h1), 8, '0') || lpad(to_hex(h2), 8, '0')
            || lpad(to_hex(h3), 8, '0') || lpad(to_hex(h4), 8, '0'),
        'hex'
    );
end;
$$;

create or replace function trueup.uuid_v5(p_namespace uuid, p_name text)
    returns uuid
    language plpgsql
    immutable
    strict
    parallel safe
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_hash constant bytea := trueup.sha1(uuid_send(p_namespace) || convert_to(p_name, 'UTF8'));
begin
    -- version 5 in the high half of byte 6, the RFC's variant in the high bits of byte 8
    return encode(
        set_byte(
            set_byte(substr(v_hash, 1, 16), 6, (get_byte(v_hash, 6) & 15) | 80),
            8,
            (get_byte(v_hash, 8) & 63) | 128
        ),
        'hex'
    )::uuid;
end;
$$;
