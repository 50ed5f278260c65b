select trueup.console_key();
