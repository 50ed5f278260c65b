select
    d.id,
    d.kind,
    d.name,
    d.outcome,
    d.started_at,
    extract(epoch from d.finished_at - d.started_at)::float as seconds,
    d.actor,
    host(d.client_address) as client_address,
    d.application_name,
    d.version,
    d.server_version,
    d.file,
    d.checksum,
    d.detail,
    coalesce(
        (
            select
                jsonb_agg(
                    jsonb_build_object(
                        'check', dc.check_name,
                        'before', dc.violations_before,
                        'after', dc.violations_after,
                        'appeared', dc.appeared,
                        'disappeared', dc.disappeared
                    )
                    order by dc.check_name
                )
            from trueup.deployment_checks as dc
            where dc.deployment_id = d.id
        ),
        '[]'
    ) as checks
from trueup.deployments as d
order by d.id desc
limit %(limit)s;
