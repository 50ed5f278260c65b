select to_regprocedure('trueup.set_circuit_mode(text, text, text, text)') is not null;
