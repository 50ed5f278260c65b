-- changed_columns(image, other image): of a row, the columns that differ from the other one
--
-- Without NULL columns when there is no other one: the row is inserted or deleted as a whole. Where the
-- images agree and only the texts beside them differ (trueup.row_image), it is the text that counts.
-- E-mail addresses, and what is written as a phone number, are masked wherever they stand in a
-- value: the first characters stay, and the last of a number.

create or replace function trueup.changed_columns(p_image jsonb, p_other jsonb)
    returns jsonb
    language sql
    immutable
    parallel safe
    set search_path = pg_catalog, pg_temp
return regexp_replace(
    regexp_replace(
        (
            select
                jsonb_object_agg(
                    c.key,
                    case
                        when c.value = p_other -> c.key then coalesce(p_image -> '' -> c.key, c.value)
                        else c.value
                    end
                )
            from jsonb_each(p_image) as c
            where
                c.key <> ''
                and case
                    when p_other is null then c.value <> 'null'
                    else trueup.column_differs(c.key, p_image, p_other)
                end
        )::text,
        '([^\s"@\\]{1,2})[^\s"@\\]*@[^\s"@\\]+',
        '\1***',
        'g'
    ),
    '(?<![\w+])((?:\+|00?)\d)[\d ()/.-]{3,}(\d\d)(?![\w.:-])|(?<=")(\d\d)\d{5,}(\d\d)(?=")',
    '\1\3***\2\4',
    'g'
)::jsonb;
