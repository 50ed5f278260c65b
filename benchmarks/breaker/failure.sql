select counted from trueup.circuit_report('0..benchmark failing', 'failure', '120 ms', 'benchmark');
