-- backfills whose revision was taken back
delete from trueup.backfills as b where b.name <> all(%(names)s::text[]);
