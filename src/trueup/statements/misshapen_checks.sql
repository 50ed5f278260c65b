-- checks whose view lacks one of the five columns, has one of another type than what passes and repairs
-- make of it, or whose entity_id is of another kind than the key that it names
with columns as (
    select
        ch.name as check_name,
        a.attname::text as name,
        t.oid as type,
        t.typcategory as category,
        t.typtype
    from unnest(%(names)s::text[]) as ch (name)
    inner join pg_catalog.pg_attribute as a
        on to_regclass(format('trueup.%%I', ch.name)) = a.attrelid and a.attnum > 0 and not a.attisdropped
    inner join pg_catalog.pg_type as t on a.atttypid = t.oid
)

select
    ch.name as check_name,
    m.name as column_name,
    null as kind,
    null as key
from unnest(%(names)s::text[]) as ch (name)
cross join unnest(array['company_id', 'entity_type', 'entity_id', 'description', 'evidence']) as m (name)
where not exists (select 1 from columns as c where c.check_name = ch.name and c.name = m.name)
union all
select
    c.check_name,
    c.name,
    format_type(c.type, -1),
    m.type::text
from columns as c
inner join (
    values
    ('entity_type', 'text'::regtype),
    ('description', 'text'::regtype),
    ('evidence', 'jsonb'::regtype)
) as m (name, type)
    on c.name = m.name
where c.type <> m.type
union all
select
    c.check_name,
    c.name,
    format_type(c.type, -1),
    format('%%s.%%I, %%s', p.table_name, p.key_column, p.key_type)
from columns as c
inner join trueup.check_populations as p on c.check_name = p.check_name
inner join pg_catalog.pg_type as k on to_regtype(p.key_type) = k.oid
where
    c.name = 'entity_id'
    and c.type <> k.oid
    -- numbers compare with each other, texts too; a domain is of the category of what it holds
    and not (c.category = k.typcategory and (c.category in ('N', 'S') or 'd' in (c.typtype, k.typtype)));
