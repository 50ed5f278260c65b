select to_regproc('trueup.circuit_allow') is not null;
