-- Back to the plain table, with everything that was written since. First shown, then done.
DROP MATERIALIZED VIEW public.mv_daily_metrics;
SELECT step, action, object, statement FROM lifecycle.rollback_partition_policy('public.petri_observations');
SELECT status, object FROM lifecycle.rollback_partition_policy('public.petri_observations', dry_run => false);
SELECT step, action, object, statement, note FROM lifecycle.rollback_conversion('public.petri_observations');
SELECT status, object FROM lifecycle.rollback_conversion('public.petri_observations', dry_run => false);
-- Its foreign keys hold since then; that they hold for the older rows, too, is looked at beside readers and writers.
CALL lifecycle.run_pending();
