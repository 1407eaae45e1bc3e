-- Takes back everything since the data was loaded; the schema is then what 01 to 03 made, and no row is lost.
-- In reverse order: what is ours alone first, since its views and functions read the columns that go.
DROP FUNCTION public.weekly_partition_maintenance(numeric);
DROP FUNCTION public.benchmark_key_queries();
DROP FUNCTION public.check_soft_delete_stats();
DROP FUNCTION public.create_monthly_daily_metrics_partition();

DROP VIEW public.my_coach_performance_stats;
DROP VIEW public.my_package_performance_stats;
DROP VIEW public.my_health_metrics_summary;
DROP VIEW public.my_target_achievement;
DROP MATERIALIZED VIEW public.mv_coach_performance_stats;
DROP MATERIALIZED VIEW public.mv_user_health_metrics_summary;
DROP MATERIALIZED VIEW public.mv_package_performance_stats;
DROP MATERIALIZED VIEW public.mv_user_target_achievement;
