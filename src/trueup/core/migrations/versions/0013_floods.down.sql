-- core 0013, taken back: the files of the revision before bring the function as it was

drop function if exists trueup.file_violations(bigint, text, bigint, text, text[], text[], bigint);
