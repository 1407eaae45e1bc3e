CREATE FUNCTION lifecycle.preview_drain_default_partition(
    target regclass,
    max_creations integer DEFAULT 100,
    at_once boolean DEFAULT false
) RETURNS SETOF lifecycle.step_result LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT d.* FROM lifecycle._drain_default(target, max_creations, at_once, true, 'pg_catalog, pg_temp') AS d
$fn$;
COMMENT ON FUNCTION lifecycle.preview_drain_default_partition(regclass, integer, boolean) IS
'The plan of CALL lifecycle.drain_default_partition: which partitions it makes for the rows that are there now.

Arguments: target - the partitioned table; max_creations - how many partitions in one go, default 100; at_once - in one
transaction whatever the size.
Returns: one row a step (lifecycle.step_result), all planned; none when nothing in the default partition asks for a
partition.
Errors: as lifecycle.drain_default_partition_step.
Example: SELECT action, object FROM lifecycle.preview_drain_default_partition(''public.metric'');';
