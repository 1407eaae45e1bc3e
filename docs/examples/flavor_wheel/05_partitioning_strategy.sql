-- Monthly partitions of flavor_descriptors, under the names that the system's documents and jobs call.
-- Spans may be given as numbers of months, as those do.

CREATE FUNCTION public.create_descriptor_partition(year integer, month integer)
RETURNS TABLE (partition text, status text)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.object, r.status FROM lifecycle.create_monthly_partition('public.flavor_descriptors', year, month) AS r
    WHERE r.action = 'create partition'
$fn$;

CREATE FUNCTION public.ensure_future_partitions(months integer DEFAULT 6)
RETURNS TABLE (partition text, status text)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.object, r.status FROM lifecycle.ensure_future_partitions(months, 'public.flavor_descriptors') AS r
    WHERE r.action = 'create partition'
$fn$;

-- Names what is old enough; detaches nothing.
CREATE FUNCTION public.archive_old_partitions(months_to_keep integer)
RETURNS TABLE (partition text, statement text)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.object, r.statement
    FROM lifecycle.archive_old_partitions(months_to_keep, 'public.flavor_descriptors', dry_run => true) AS r
    WHERE r.statement IS NOT NULL
$fn$;

CREATE FUNCTION public.detach_partition(partition_name regclass)
RETURNS TABLE (partition text, status text)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.object, r.status
    FROM lifecycle.detach_partition(partition_name, dry_run => false) AS r
$fn$;

-- The maintenance window: one transaction, under the lock of the table. batch_size says how many rows are copied at a
-- time; online, the same is CALL lifecycle.safe_migrate_table(...), see the example petri_observations.
CREATE FUNCTION public.migrate_to_partitioned_table(batch_size integer DEFAULT 10000, dry_run boolean DEFAULT true)
RETURNS SETOF lifecycle.step_result
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.start_conversion('public.flavor_descriptors', lifecycle.by_range('created_at', '1 month'),
        key_mode => 'extend', at_once => true, premake => 6, time_zone => 'UTC',
        dry_run => migrate_to_partitioned_table.dry_run)
$fn$;

CREATE FUNCTION public.run_partition_maintenance() RETURNS TABLE (task text, done bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'partitions made', count(*) FILTER (WHERE r.status = 'done' AND r.action = 'create partition')
    FROM lifecycle.ensure_future_partitions(6, 'public.flavor_descriptors') AS r
    UNION ALL
    SELECT 'tables analyzed', count(*) FROM lifecycle.analyze_all_partitions('public.flavor_descriptors')
$fn$;
