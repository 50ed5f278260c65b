-- column_differs(column, image, other image): two images of a row do not hold the same there
--
-- To jsonb 1.50 equals 1.5, and a text beside the image says what the image cannot (trueup.row_image).

create or replace function trueup.column_differs(p_column text, p_image jsonb, p_other jsonb)
    returns boolean
    language sql
    immutable
    parallel safe
return (p_image -> p_column)::text is distinct from (p_other -> p_column)::text
    or p_image -> '' -> p_column is distinct from p_other -> '' -> p_column;
