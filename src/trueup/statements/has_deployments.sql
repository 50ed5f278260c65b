select to_regclass('trueup.deployments') is not null;
