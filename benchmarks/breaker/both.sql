select allowed, permit from trueup.circuit_allow('benchmark closed') \gset
select counted from trueup.circuit_report(:permit, 'success', '120 ms', 'benchmark');
