select b.name, b.checksum, b.last_key, b.rows_written, b.finished_at is not null as is_finished
from trueup.backfills as b;
