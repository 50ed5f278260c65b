select counted from trueup.circuit_report('0..benchmark closed', 'success', '120 ms', 'benchmark');
