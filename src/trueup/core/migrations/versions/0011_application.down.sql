-- core 0011, taken back: the application is in schema public, and has every column
--
-- Refused for any other, because nothing below would know where its tables are.

do $$
begin
    if exists (
        select 1
        from trueup.application as a
        where a.schema_name <> 'public' or a.key_type <> 'bigint' or a.missing_columns <> '{}'
    ) then
        raise exception 'the application is in another schema, has other keys or lacks optional columns, which earlier revisions cannot say'
            using hint = 'Remove the layer instead: trueup uninstall.';
    end if;
end;
$$;

drop table trueup.application;
delete from trueup.tables as t where t.name = 'application';

alter table trueup.changes replica identity default;
