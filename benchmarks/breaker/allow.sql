select allowed, permit from trueup.circuit_allow('benchmark closed');
