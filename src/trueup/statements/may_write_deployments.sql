select
    has_table_privilege('trueup.deployments', 'insert')
    and has_table_privilege('trueup.deployments', 'update')
    and has_table_privilege('trueup.deployments', 'delete');
