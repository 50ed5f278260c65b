-- undo_repair(repair): put every row that a repair changed back as it was
--
-- Refused, with nothing changed, when one of the rows has changed since, or when rows that the
-- repair did not make refer to one that it made, and its deletion would delete or change them:
-- ON DELETE CASCADE, SET NULL, SET DEFAULT (TU003); or when a key of the journal names more or less
-- than one row, as that of a part of a composite key. A column that was added since is no change,
-- nor is what a trigger of the application wrote when a row was put back. Fill and sync triggers
-- stand aside and guards only file their alerts: a person decided.
-- A CHECK constraint or foreign key of ours that refuses the old row is set back to NOT
-- VALID in the same transaction, and named in the answer: the old row is then what it was
-- before the constraint could be validated, a legacy row. Foreign keys refuse when what a
-- repair corrected is the key that others refer to, as a customer's company is.

create or replace function trueup.undo_repair(
    p_repair_id bigint,
    p_actor text default session_user,
    out rows_restored integer,
    out constraints_loosened text[]
)
    returns record
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set intervalstyle = 'postgres'
    set bytea_output = 'hex'
    set extra_float_digits = 1
as $$
declare
    v_repair trueup.repairs;
    v_row record;
    v_change trueup.repair_changes;
    v_condition text;
    v_rows bigint;
    v_current jsonb;
    v_written_by text;
    v_undone jsonb;
    v_difference text;
    v_gone text;
    v_columns text;
    v_values text;
    v_constraint text;
    v_registered trueup.constraints;
    v_reference record;
    v_is_referred_to boolean;
begin
    rows_restored := 0;
    constraints_loosened := '{}';

    select r.* into v_repair from trueup.repairs as r where r.id = p_repair_id for update;
    if v_repair.id is null then
        raise exception 'no repair has id %', p_repair_id using errcode = 'TU002';
    end if;
    if v_repair.undone_at is not null then
        raise exception 'repair % was already undone', p_repair_id
            using errcode = 'TU003', detail = format('By %s at %s.', v_repair.undone_by, v_repair.undone_at);
    end if;

    -- trueup.undoing() believes the setting only together with this row, which nobody else can write
    update trueup.repairs as r
    set undone_at = now(), undone_by = p_actor
    where r.id = p_repair_id;
    perform set_config('trueup.undo', p_repair_id::text, true);

    -- every row as the repair left it, before any is written: a trigger of the application may
    -- write to one when another is put back
    for v_row in
        with moved as (
            select
                m.id,
                m.table_name,
                m.was
            from (
                select
                    rc.*,
                    case
                        when rc.key_column like '["%'
                            then (
                                select jsonb_agg(rc.before -> k.name order by k.place)::text
                                from jsonb_array_elements_text(rc.key_column::jsonb) with ordinality as k (name, place)
                            )
                        else rc.before ->> rc.key_column
                    end as was
                from trueup.repair_changes as rc
                where rc.repair_id = p_repair_id and rc.operation = 'update'
            ) as m
            where m.was <> m.key_value
        ),

        latest as (
            select distinct on (rc.table_name, rc.key_value)
                rc.*,
                bool_or(rc.operation = 'insert') over (partition by rc.table_name, rc.key_value) as is_made
            from trueup.repair_changes as rc
            where rc.repair_id = p_repair_id
            order by rc.table_name, rc.key_value, rc.id desc
        )

        select l.*
        from latest as l
        -- a row that got another key later stands under that
        where not exists (
            select 1
            from moved as m
            where m.table_name = l.table_name and m.was = l.key_value and m.id > l.id
        )
        order by l.table_name, l.key_value
    loop
        v_condition := trueup.journaled_row(v_row.table_name, v_row.key_column);
        if v_condition is null then
            raise exception 'repair % cannot be undone: % has no column % any more',
                p_repair_id, v_row.table_name, v_row.key_column
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;

        -- t alone would be a column of that name
        execute format(
            'select (array_agg(l.image))[1], min(l.written_by), count(*) '
            'from (select trueup.row_image(t.*) as image, t.xmin::text as written_by from %s as t where %s for update) as l',
            v_row.table_name, v_condition
        )
        into v_current, v_written_by, v_rows
        using coalesce(v_row.after, v_row.before);
        if v_rows > 1 then
            raise exception 'repair % cannot be undone: % rows of % have the key % (%)',
                p_repair_id, v_rows, v_row.table_name, v_row.key_value, v_row.key_column
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;

        -- nobody has written since a later repair was undone: the row stands for what it was
        -- before that repair, whatever a trigger of the application put into it meanwhile. Where one
        -- transaction wrote the journal of this repair, too, it was a restore, and says nothing
        if v_current is distinct from v_row.after then
            select v_current || rc.before into v_undone
            from trueup.repair_changes as rc
            inner join trueup.repairs as r on rc.repair_id = r.id
            where
                rc.table_name = v_row.table_name
                and rc.key_value = v_row.key_value
                and rc.id > v_row.id
                and rc.xmin::text = v_written_by
                and r.undone_at is not null
                and not exists (
                    select 1
                    from trueup.repair_changes as own
                    where own.id = v_row.id and own.xmin::text = v_written_by
                );
            v_current := coalesce(v_undone, v_current);
        end if;

        -- a column that came later is no change of the row; but it goes with one that is deleted
        v_difference := case
            when v_current is null and v_row.after is not null then 'it is gone'
            when v_current is not null and v_row.after is null then 'it is there again'
            else (
                select string_agg(k.key, ', ' order by k.key)
                from jsonb_each(v_current) as k
                where
                    k.key <> ''
                    and case
                        when v_row.after ? k.key
                            then
                                k.value <> v_row.after -> k.key
                                or (
                                    v_row.after ? ''
                                    and v_current -> '' -> k.key is distinct from v_row.after -> '' -> k.key
                                )
                        else
                            v_row.is_made
                            and k.value <> 'null'
                            and k.value is distinct from (
                                select to_jsonb(att.attmissingval) -> 0
                                from pg_catalog.pg_attribute as att
                                where att.attrelid = v_row.table_name::regclass and att.attname = k.key
                            )
                    end
            )
        end;
        if v_difference is not null then
            raise exception 'repair % cannot be undone: % % has changed since: %',
                p_repair_id, v_row.table_name, v_row.key_value, v_difference
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;
    end loop;

    for v_change in
        select rc.* from trueup.repair_changes as rc where rc.repair_id = p_repair_id order by rc.id desc
    loop
        v_condition := trueup.journaled_row(v_change.table_name, v_change.key_column);

        select string_agg(k.key, ', ' order by k.key) into v_gone
        from jsonb_each(v_change.before) as k
        where
            k.key <> ''
            and case v_change.operation
                when 'update' then trueup.column_differs(k.key, v_change.before, v_change.after)
                else k.value <> 'null'
            end
            and not exists (
                select 1
                from pg_catalog.pg_attribute as att
                where att.attrelid = v_change.table_name::regclass and att.attname = k.key
            );
        if v_gone is not null then
            raise exception 'repair % cannot be undone: % has no column % any more',
                p_repair_id, v_change.table_name, v_gone
                using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
        end if;

        -- what the repair made itself is gone by now
        for v_reference in
            select
                ct.conname,
                ct.conrelid::regclass as referring,
                ct.confrelid::regclass as referred,
                case ct.confdeltype when 'c' then 'deleted' else 'changed' end as fate,
                (
                    select string_agg(format('r.%I = t.%I', ra.attname, ta.attname), ' and ')
                    from unnest(ct.conkey, ct.confkey) as k (referring, referred)
                    inner join pg_catalog.pg_attribute as ra on ra.attrelid = ct.conrelid and ra.attnum = k.referring
                    inner join pg_catalog.pg_attribute as ta on ta.attrelid = ct.confrelid and ta.attnum = k.referred
                ) as condition
            from pg_catalog.pg_constraint as ct
            where
                v_change.operation = 'insert'
                and ct.contype = 'f'
                and ct.confdeltype in ('c', 'n', 'd')
                and ct.conparentid = 0
                and (
                    ct.confrelid = v_change.table_name::regclass
                    or ct.confrelid in (select pt.relid from pg_partition_tree(v_change.table_name::regclass) as pt)
                )
            order by ct.conrelid::regclass::text, ct.conname
        loop
            execute format(
                'select exists (select 1 from %s as r inner join %s as t on %s '
                'where %s and (r.tableoid, r.ctid) <> (t.tableoid, t.ctid))',
                v_reference.referring, v_reference.referred, v_reference.condition, v_condition
            )
            into v_is_referred_to
            using v_change.after;
            if v_is_referred_to then
                raise exception 'repair % cannot be undone: rows of % refer to % % and would be % (%)',
                    p_repair_id, v_reference.referring, v_change.table_name, v_change.key_value,
                    v_reference.fate, v_reference.conname
                    using errcode = 'TU003', hint = 'Decide by hand what becomes of them, then undo again.';
            end if;
        end loop;

        -- generated columns follow from the others; an identity column is the key itself; what the
        -- repair left alone is not written; and what has a text beside the image is read from that
        select
            string_agg(format('%I', att.attname), ', ' order by att.attnum),
            'select '
            || string_agg(
                case
                    when v_change.before -> '' ? att.attname then format('($2 -> '''' ->> %L)::%s', att.attname, ty.name)
                    else format('i.%I', att.attname)
                end,
                ', ' order by att.attnum
            )
            || coalesce(
                ' from jsonb_to_record($2) as i ('
                || string_agg(format('%I %s', att.attname, ty.name), ', ')
                filter (where v_change.before -> '' ? att.attname is not true)
                || ')',
                ''
            )
        into v_columns, v_values
        from pg_catalog.pg_attribute as att
        cross join lateral format_type(att.atttypid, att.atttypmod) as ty (name)
        where
            att.attrelid = v_change.table_name::regclass
            and att.attnum > 0
            and not att.attisdropped
            and att.attgenerated = ''
            and (att.attidentity = '' or v_change.operation = 'delete')
            and v_change.before ? att.attname
            and (
                v_change.operation <> 'update'
                or trueup.column_differs(att.attname, v_change.before, v_change.after)
            );

        loop
            begin
                if v_change.operation = 'insert' then
                    execute format('delete from %s as t where %s', v_change.table_name, v_condition)
                        using v_change.after;
                elsif v_change.operation = 'update' then
                    execute format(
                        'update %s as t set (%s) = (%s) where %s',
                        v_change.table_name, v_columns, v_values, v_condition
                    ) using v_change.after, v_change.before;
                else
                    execute format(
                        'insert into %s (%s) overriding system value %s', v_change.table_name, v_columns, v_values
                    ) using v_change.after, v_change.before;
                end if;
                get diagnostics v_rows = row_count;
                if v_rows <> 1 then
                    raise exception 'repair % cannot be undone: the % of % % concerns % rows',
                        p_repair_id, v_change.operation, v_change.table_name, v_change.key_value, v_rows
                        using errcode = 'TU003', hint = 'Decide by hand; the images are in trueup.repair_changes.';
                end if;
                -- written by the same (sub)transaction as the row, which is how the undo of an earlier
                -- repair knows that nobody has written to the row since
                update trueup.repair_changes as rc
                set before = rc.before
                where rc.id = v_change.id;
                exit;
            exception
                when check_violation or foreign_key_violation then
                    get stacked diagnostics v_constraint = constraint_name;
                    -- a key that others refer to may go back to what it was; a row may not go away
                    select ct.* into v_registered
                    from trueup.constraints as ct
                    where
                        ct.name = v_constraint
                        and (
                            (ct.kind = 'check' and ct.table_name = v_change.table_name)
                            or (ct.kind = 'foreign key' and v_change.operation = 'update')
                        );
                    if v_registered.name is null then
                        raise;
                    end if;
            end;
            -- the row is written while the constraint is away; NOT VALID does not look at it
            -- again. ALTER TABLE is refused while deferred checks of rows are waiting.
            set constraints all immediate;
            set constraints all deferred;
            perform trueup.loosen_constraint(v_constraint, true);
            constraints_loosened := constraints_loosened || v_constraint;
        end loop;
        rows_restored := rows_restored + 1;
    end loop;

    set constraints all immediate;
    set constraints all deferred;
    perform trueup.loosen_constraint(l.name, false) from unnest(constraints_loosened) as l (name);
    perform set_config('trueup.undo', '', true);
end;
$$;
