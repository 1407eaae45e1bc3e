-- What keeps it going: months ahead under one policy, new programs and sites on their own, the rounds.
SELECT action, object, status
FROM lifecycle.manage_partitions('public.petri_observations', levels => partition_mgmt.levels(), premake => 3,
    time_zone => 'UTC');

-- A new site gets its months with the next nightly round, as long as its program runs.
SELECT action, object, status
FROM lifecycle.follow_dimension('public.petri_observations', 'public.sites', '{program_id,site_id}',
    predicate => 'EXISTS (SELECT FROM public.pilot_programs AS p WHERE p.program_id = d.program_id AND p.end_date > current_date)');

SELECT p.name, r.partition, r.status
FROM public.pilot_programs AS p
CROSS JOIN LATERAL partition_mgmt.precreate_program_partitions(p.program_id) AS r
WHERE p.end_date > current_date AND r.status <> 'skipped'
ORDER BY p.name, r.partition;

SELECT task, done FROM partition_mgmt.schedule_maintenance();
SELECT severity, object, finding, remedy FROM partition_mgmt.validate_partitions() WHERE severity = 'error';

-- A materialized view is bound to the table that it was made on, whatever name that has by now, so it is made here.
CREATE MATERIALIZED VIEW public.mv_daily_metrics AS
SELECT
    o.program_id,
    o.site_id,
    (o.created_at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS observations,
    avg(o.growth_index) AS growth_index
FROM public.petri_observations AS o
GROUP BY 1, 2, 3;
CREATE UNIQUE INDEX mv_daily_metrics_key ON public.mv_daily_metrics (program_id, site_id, day);
SELECT view_name, mode, status FROM lifecycle.refresh_materialized_view('public.mv_daily_metrics');
