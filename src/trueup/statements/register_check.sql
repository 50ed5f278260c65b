insert into trueup.checks as ch (
    name, invariant, severity, entity, changes, population, prevented, repair, cost,
    description, file, checksum, is_core
)
values (
    %(name)s, %(invariant)s, %(severity)s, %(entity)s, %(changes)s, %(population)s, %(prevented)s,
    %(repair)s, %(cost)s, %(description)s, %(file)s, %(checksum)s, %(is_core)s
)
on conflict (name) do update set
    invariant = excluded.invariant,
    severity = excluded.severity,
    entity = excluded.entity,
    changes = excluded.changes,
    population = excluded.population,
    prevented = excluded.prevented,
    repair = excluded.repair,
    cost = excluded.cost,
    description = excluded.description,
    file = excluded.file,
    checksum = excluded.checksum,
    is_core = excluded.is_core,
    is_active = true,
    definition_changed_at = case
        when ch.checksum = excluded.checksum and ch.is_active then ch.definition_changed_at
        -- later than all that a run may have seen, also when the clock has been set back since
        else greatest(
            clock_timestamp(),
            (select max(other.definition_changed_at) from trueup.checks as other) + interval '1 microsecond'
        )
    end,
    owes_full = case
        when ch.checksum = excluded.checksum and ch.is_active then ch.owes_full
        else 'its definition has changed'
    end
where
    -- the same file has another repair once the column that this one needs is there
    (ch.checksum, ch.file, ch.repair, ch.is_active)
    is distinct from (excluded.checksum, excluded.file, excluded.repair, true);
