-- core 0013: a flood is filed by its number
--
-- trueup.file_violations takes one argument more, how many violations there are; with the old
-- one beside it a call could mean either. It comes back with the files.
--
-- squawk-ignore-file ban-drop-function

drop function if exists trueup.file_violations(bigint, text, bigint, text, text[], text[]);
