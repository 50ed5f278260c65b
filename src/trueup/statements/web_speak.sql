select trueup.console_speak(%(language)s::text);
