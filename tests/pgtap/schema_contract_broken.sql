-- schema_contract_broken: the check; trueup.contract_error executes nothing and leaves nothing behind

begin;
select plan(38);

create schema shop;
create table shop.orders (id bigint primary key, total integer not null, note text);
create view shop.open_orders as select o.id from shop.orders as o;

create function pg_temp.said(p_statement text, p_search_path text default 'shop') returns text language sql as $$
select coalesce((select e.sqlstate from trueup.contract_error(p_statement, p_search_path) as e), 'fits');
$$;

-- statements that fit
select is(pg_temp.said('select o.id, o.total from orders as o where o.id = $1'), 'fits', 'select');
select is(pg_temp.said('insert into orders (id, total, note) values ($1, $2, $3)'), 'fits', 'insert');
select is(pg_temp.said('update orders set total = $1 where id = $2'), 'fits', 'update');
select is(pg_temp.said('delete from orders where id = $1'), 'fits', 'delete');
select is(
    pg_temp.said(
        'merge into orders as o using (values (1, 2)) as n (id, total) on o.id = n.id '
        'when matched then update set total = n.total when not matched then insert (id, total) values (n.id, n.total)'
    ),
    'fits',
    'merge'
);
select is(
    pg_temp.said('with gone as (delete from orders where id = $1 returning id) select gone.id from gone'), 'fits',
    'with'
);
select is(pg_temp.said('values (1)'), 'fits', 'values');
select is(pg_temp.said('select id from open_orders -- the ones to send'), 'fits', 'a comment at the end');
select is(pg_temp.said('/* ours */ select id from orders'), 'fits', 'a comment at the start');
select is(
    pg_temp.said('select id from shop.orders', 'pg_catalog'), 'fits', 'a qualified name needs no search_path'
);
select is(pg_temp.said('select id from orders', 'public, shop'), 'fits', 'a search_path of two schemas');

-- statements that do not
select is(pg_temp.said('select o.paid from orders as o'), '42703', 'a column that is gone');
select is(
    pg_temp.said('insert into orders (id, paid) values ($1, $2)'), '42703', 'a column that insert names'
);
select is(pg_temp.said('update orders set paid = $1'), '42703', 'a column that update sets');
select is(pg_temp.said('delete from invoices where id = $1'), '42P01', 'a table that is gone');
select is(pg_temp.said('select id from orders', 'public'), '42P01', 'a table that is not in the search_path');
select is(
    pg_temp.said('select id from orders where total = ''a lot'''), '22P02', 'a constant of another type'
);
select is(pg_temp.said('select note + total from orders'), '42883', 'an operator for another type');
select is(pg_temp.said('select missing(id) from orders'), '42883', 'a function that is gone');
select is(pg_temp.said('select id from orders where id = %s'), '42601', 'a placeholder of a client library');
select is(pg_temp.said('select id from orders where id = :id'), '42601', 'another one');
select is(pg_temp.said('select id from orders', 'shop,,'), '22023', 'a search_path that is none');
select is(
    (select e.message from trueup.contract_error('select o.paid from orders as o', 'shop') as e),
    'column o.paid does not exist',
    'the message is the server''s'
);

-- hostile ones
select is(
    pg_temp.said('select 1); drop table shop.orders; --'), '42601', 'no second statement after a bracket'
);
select is(pg_temp.said('select 1; drop table shop.orders'), '42601', 'nor after a semicolon');
select is(pg_temp.said('select '';'''), '42601', 'nor a semicolon in a string');
select is(pg_temp.said('/* select 1'), '42601', 'no open comment');
select is(pg_temp.said('-- nothing'), '42601', 'no statement at all');
select is(pg_temp.said('drop table shop.orders'), '42601', 'no command');
select isnt_empty(
    $$select pg_temp.said('select id into shop.stolen from orders') where to_regclass('shop.stolen') is null$$,
    'select into makes no table'
);
select is(pg_temp.said('select pg_terminate_backend(pg_backend_pid())'), 'fits', 'what fits is not executed');
prepare trueup_contract_1 as select 1;
select is(
    pg_temp.said('select id from orders'), 'fits', 'a prepared statement that bears the name we would use'
);
select set_eq(
    $$select name from pg_prepared_statements where name like 'trueup%'$$, array['trueup_contract_1'],
    'is left alone, and none of ours is left'
);
deallocate trueup_contract_1;
set local search_path = tap, public, pg_temp;
do $$
begin
    perform pg_temp.said('select id from orders');
    perform pg_temp.said('select gone from orders');
    if current_setting('search_path') <> 'tap, public, pg_temp' then
        raise exception 'search_path is %', current_setting('search_path');
    end if;
end;
$$;
select is(
    (
        select count(*)
        from pg_locks as l
        where l.pid = pg_backend_pid() and l.relation = 'shop.orders'::regclass and l.mode = 'RowExclusiveLock'
    ),
    0::bigint,
    'no lock of a writer is kept'
);

-- check
insert into trueup.contracts (name, statement, search_path) values
('reads orders', 'select id, total from orders', 'shop'),
('writes paid', 'update orders set paid = true where id = $1', 'shop');
select results_eq(
    'select v.company_id, v.entity_type, v.description, v.evidence from trueup.schema_contract_broken as v',
    $$
    values (
        null::text,
        'contract',
        'statement "writes paid" does not fit the schema: column "paid" of relation "orders" does not exist',
        jsonb_build_object(
            'name', 'writes paid',
            'sqlstate', '42703',
            'message', 'column "paid" of relation "orders" does not exist'
        )
    )
    $$,
    'the check lists the contract, and what the server says'
);
alter table shop.orders add column paid boolean;
select is_empty('select * from trueup.schema_contract_broken', 'clean once the column is back');

-- checks are evaluated in read-only transactions
set transaction read only;
select is(
    pg_temp.said('insert into orders (id, total) values ($1, $2)'), 'fits', 'works in a read-only transaction'
);
select is(
    pg_temp.said('insert into orders (id, gone) values ($1, $2)'), '42703', 'and finds what is broken there'
);

select * from finish();
rollback;
