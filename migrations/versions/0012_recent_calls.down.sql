-- 0012_recent_calls, taken back: the next `trueup migrate` builds the BRIN index again

update trueup.constraints as ct
set definition = 'using brin (created_at) with (pages_per_range = 32, autosummarize = on)', definition_checksum = ''
where ct.name = 'calls_created_at_idx';
