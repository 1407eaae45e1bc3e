CREATE FUNCTION lifecycle.attach_partition(
    parent regclass,
    detached regclass,
    lower_bound text,
    upper_bound text,
    time_zone text DEFAULT current_setting('TimeZone'),
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key constant lifecycle.range_key := lifecycle._range_key(parent);
    v_zone constant text := attach_partition.time_zone;
    v_lower lifecycle.range_bound;
    v_upper lifecycle.range_bound;
    v_keys lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
    v_step lifecycle.plan_step;
BEGIN
    PERFORM lifecycle._require_time_zone(v_zone);
    v_lower := lifecycle._range_bound(v_key.type, lower_bound, v_zone);
    v_upper := lifecycle._range_bound(v_key.type, upper_bound, v_zone);
    PERFORM lifecycle._require_table(detached);
    PERFORM lifecycle._require_owner(parent);
    PERFORM lifecycle._require_owner(detached);
    PERFORM lifecycle._lock_attach(parent, dry_run);
    IF EXISTS (SELECT FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p WHERE p.partition = detached::oid
        AND p.lower_place = v_lower.place AND p.upper_place = v_upper.place)
    THEN
        v_step := lifecycle._step('attach partition', 'table ' || detached, NULL, note => 'is attached already');
    ELSE
        PERFORM lifecycle._require_free_range(parent, v_lower, v_upper,
            ARRAY(SELECT p FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p));
        v_step := lifecycle._step('attach partition', 'table ' || detached,
            format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', parent, detached, v_lower.literal,
                v_upper.literal),
            format('ALTER TABLE %s DETACH PARTITION %s', parent, detached),
            note => concat_ws('; ', 'every row of it is read and checked',
                lifecycle._require_empty_default(parent, v_key, v_lower, v_upper)));
        v_keys := lifecycle._leaf_key_steps(parent, detached::text);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('partition_archive', parent, v_keys || v_step, dry_run, expected_plan,
        jsonb_build_object('partition', detached::text), attach_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.attach_partition(regclass, regclass, text, text, text, boolean, text, text) IS
'Makes a table a partition of another: one that was detached, or loaded beside it. Readers and writers of the parent go
on; the rows of the table are checked against the range.

Arguments: parent - a table partitioned by RANGE; detached - the table; lower_bound, upper_bound, time_zone - as in
lifecycle.create_partition; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run;
search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); skipped when it is attached with these bounds.
Errors: 42P17 empty range or overlap; 23514 rows outside the range, or rows of it in the default partition; 42804 its
columns differ; 42809, 0A000 the parent; 42501 not the owner of both; 55P03 lock.
Example: SELECT * FROM lifecycle.attach_partition(''public.metric'', ''public.metric_2020_01'', ''2020-01-01'',
    ''2020-02-01'');';
