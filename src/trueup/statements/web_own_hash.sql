select trueup.console_own_hash();
