-- undo_repair(repair): put every row that a repair changed back as it was
--
-- Refused, with nothing changed, when one of the rows has changed since, or when rows that the
-- repair did not make refer to one that it made, and its deletion would delete or change them:
-- ON DELETE CASCADE, SET NULL, SET DEFAULT (TU003). Fill
-- and sync triggers stand aside and guards only file their alerts: a person decided.
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
    set search_path = ''
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set intervalstyle = 'postgres'
    set bytea_output = 'hex'
as $$
declare
    v_repair trueup.repairs;
    v_change trueup.repair_changes;
    v_current jsonb;
    v_columns text;
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

    for v_change in
        select rc.* from trueup.repair_changes as rc where rc.repair_id = p_repair_id order by rc.id desc
    loop
        execute format(
            'select to_jsonb(t) from %s as t where t.%I::text = $1 for update',
            v_change.table_name, v_change.key_column
        )
        into v_current
        using v_change.key_value;

        if v_current is distinct from v_change.after then
            raise exception 'repair % cannot be undone: % % has changed since',
                p_repair_id, v_change.table_name, v_change.key_value
                using
                    errcode = 'TU003',
                    detail = format(
                        'Columns that differ: %s.',
                        coalesce(
                            (
                                select string_agg(k.key, ', ' order by k.key)
                                from jsonb_object_keys(
                                    coalesce(v_change.after, '{}') || coalesce(v_current, '{}')
                                ) as k (key)
                                where v_change.after -> k.key is distinct from v_current -> k.key
                            ),
                            'all'
                        )
                    ),
                    hint = 'Decide by hand; the images are in trueup.repair_changes.';
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
                'where t.%I::text = $1 and (r.tableoid, r.ctid) <> (t.tableoid, t.ctid))',
                v_reference.referring, v_reference.referred, v_reference.condition, v_change.key_column
            )
            into v_is_referred_to
            using v_change.key_value;
            if v_is_referred_to then
                raise exception 'repair % cannot be undone: rows of % refer to % % and would be % (%)',
                    p_repair_id, v_reference.referring, v_change.table_name, v_change.key_value,
                    v_reference.fate, v_reference.conname
                    using errcode = 'TU003', hint = 'Decide by hand what becomes of them, then undo again.';
            end if;
        end loop;

        -- generated columns follow from the others; an identity column is the key itself; and
        -- what the repair left alone is not written: an image cannot tell JSON null from NULL
        select string_agg(format('%I', att.attname), ', ' order by att.attnum) into v_columns
        from pg_catalog.pg_attribute as att
        where
            att.attrelid = v_change.table_name::regclass
            and att.attnum > 0
            and not att.attisdropped
            and att.attgenerated = ''
            and (att.attidentity = '' or v_change.operation = 'delete')
            and (
                v_change.operation <> 'update'
                or v_change.before -> att.attname is distinct from v_change.after -> att.attname
            );

        loop
            begin
                if v_change.operation = 'insert' then
                    execute format(
                        'delete from %s as t where t.%I::text = $1', v_change.table_name, v_change.key_column
                    ) using v_change.key_value;
                elsif v_change.operation = 'update' then
                    execute format(
                        'update %1$s as t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, $2)) '
                        'where t.%3$I::text = $1',
                        v_change.table_name, v_columns, v_change.key_column
                    ) using v_change.key_value, v_change.before;
                else
                    execute format(
                        'insert into %1$s (%2$s) overriding system value '
                        'select %2$s from jsonb_populate_record(null::%1$s, $1)',
                        v_change.table_name, v_columns
                    ) using v_change.before;
                end if;
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
