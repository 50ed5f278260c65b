select
    to_regclass('trueup.object_states') is not null
    and to_regprocedure('trueup.object_definition(text, text)') is not null;
