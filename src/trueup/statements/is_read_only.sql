select current_setting('transaction_read_only') = 'on' or pg_is_in_recovery();
