-- A first look needs no lock: what stands is reported without disturbing anybody. What is missing is planned again
-- under the lock.
CREATE FUNCTION lifecycle._create_partition(
    parent regclass,
    key lifecycle.range_key,
    ends lifecycle.range_bound[],
    partition_name name,
    time_zone text,
    is_month boolean,
    dry_run boolean,
    expected_plan text,
    search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._require_owner(parent);
    v_plan := lifecycle._plan_partition(parent, key, ends, partition_name, time_zone, is_month);
    IF v_plan[1].statement IS NOT NULL AND NOT dry_run THEN
        PERFORM lifecycle._lock_attach(parent, dry_run);
        v_plan := lifecycle._plan_partition(parent, key, ends, partition_name, time_zone, is_month);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('partition', parent, v_plan, dry_run, expected_plan,
        jsonb_build_object('lower_bound', trim(ends[1].literal, ''''), 'upper_bound', trim(ends[2].literal, ''''),
            'time_zone', time_zone),
        _create_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle._create_partition(
    regclass, lifecycle.range_key, lifecycle.range_bound[], name, text, boolean, boolean, text, text
) IS 'Plans and makes one partition.';

CREATE FUNCTION lifecycle.create_partition(
    parent regclass,
    lower_bound text,
    upper_bound text,
    partition_name name DEFAULT NULL,
    time_zone text DEFAULT current_setting('TimeZone'),
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key constant lifecycle.range_key := lifecycle._range_key(parent);
BEGIN
    PERFORM lifecycle._require_time_zone(create_partition.time_zone);
    RETURN QUERY SELECT * FROM lifecycle._create_partition(parent, v_key, ARRAY[
            lifecycle._range_bound(v_key.type, lower_bound, create_partition.time_zone),
            lifecycle._range_bound(v_key.type, upper_bound, create_partition.time_zone)
        ], partition_name, create_partition.time_zone, false, dry_run, expected_plan, create_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_partition(regclass, text, text, name, text, boolean, text, text) IS
'Adds a partition for a range to a table that is partitioned by RANGE on one column: a date, timestamp, timestamptz,
smallint, integer, bigint, numeric, or uuid of version 7, whose bounds may be written as times. The new table is made
with LIKE, gets the owner, grants, row security, replica identity, storage and tablespace of its parent or newest
sibling, and is attached: readers and writers of the parent go on.

Arguments: parent - the partitioned table; lower_bound, upper_bound - the range, the upper bound excluded, in ISO form,
or MINVALUE and MAXVALUE; partition_name - default in the style of the siblings, else <parent>_YYYY_MM for a month;
time_zone - in which times without an offset are read, for timestamptz and uuid keys; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); one row skipped where partitions cover the range already.
Errors: 42809 not a partitioned table; 0A000 another kind of key, or the siblings are partitioned themselves; 42P17
empty range or overlap; 23514 rows of the range in the default partition; 42P07 partition_name is taken; 22004 NULL,
22007 or 22008 no such time, 22P02 or 22003 no such number, 22023 no such zone; 42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.create_partition(''public.metric'', ''2026-01-01'', ''2026-04-01'');';
