select trueup.console_leave();
