-- Takes back everything since the data was loaded; the schema is then what 01 to 03 made, and no row is lost.
-- In reverse order: first what the system itself made, since its views and functions read the columns that go.
DROP FUNCTION public.monthly_maintenance_check(interval, numeric);
DROP FUNCTION public.weekly_partition_maintenance(numeric);
DROP FUNCTION public.benchmark_key_queries();
DROP FUNCTION public.create_monthly_daily_metrics_partition();

DROP VIEW public.my_coach_performance_stats;
DROP VIEW public.my_package_performance_stats;
DROP VIEW public.my_health_metrics_summary;
DROP VIEW public.my_target_achievement;
DROP MATERIALIZED VIEW public.mv_coach_performance_stats;
DROP MATERIALIZED VIEW public.mv_user_health_metrics_summary;
DROP MATERIALIZED VIEW public.mv_package_performance_stats;
DROP MATERIALIZED VIEW public.mv_user_target_achievement;

SELECT r.action, r.object, r.status
FROM lifecycle.rollback_migration('coaching api', dry_run => false) AS r;

-- Where rows are marked as deleted and their column goes, this refuses and asks what is to become of them:
--     SET coaching.deleted_rows = 'restore';   -- or purge, or keep (the columns stay)
-- On the two tables that had the column before, it stays, with its values: nothing to choose.
SELECT r.action, r.object, r.status
FROM unnest(ARRAY[
    'user_workouts', 'coach_plans', 'user_targets', 'professional_package_subscriptions', 'coach_clients',
    'professional_packages'
]) WITH ORDINALITY AS t (name, place)
CROSS JOIN LATERAL lifecycle.rollback_soft_delete(
    format('public.%I', t.name)::regclass,
    deleted_rows => coalesce(nullif(current_setting('coaching.deleted_rows', true), ''), 'refuse'),
    dry_run => false
) AS r
ORDER BY t.place, r.step;
