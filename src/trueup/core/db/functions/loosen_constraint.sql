-- loosen_constraint(name, away): take a registered CHECK or foreign key away, put it back NOT VALID
--
-- For undo_repair, whose caller need not own the table. Knows only constraints that the
-- revisions registered; on a table it takes ACCESS EXCLUSIVE until the transaction ends.
-- A foreign key that cannot be NOT VALID (trueup.constraint_states.must_be_built) stays
-- away, and `trueup enforce` builds it once its check is clean.

create or replace function trueup.loosen_constraint(p_name text, p_away boolean)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_constraint trueup.constraints;
begin
    if not trueup.undoing() then
        raise exception 'constraint % is loosened by an undo only', p_name using errcode = 'TU003';
    end if;

    select ct.* into strict v_constraint
    from trueup.constraints as ct
    where ct.name = p_name and ct.kind in ('check', 'foreign key');

    if p_away then
        execute format('alter table %s drop constraint %I', v_constraint.table_name, p_name);
    elsif not (select cs.must_be_built from trueup.constraint_states as cs where cs.name = p_name) then
        execute format(
            'alter table %s add constraint %I %s %s not valid',
            v_constraint.table_name, p_name, v_constraint.kind, v_constraint.definition
        );
    end if;
end;
$$;
