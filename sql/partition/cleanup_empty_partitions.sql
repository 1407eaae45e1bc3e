CREATE FUNCTION lifecycle._is_empty(partition regclass) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_empty boolean := pg_relation_size(partition) = 0;
BEGIN
    -- Rows that row security hides are rows: then only a file without pages is empty.
    IF NOT v_empty AND NOT row_security_active(partition) THEN
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', partition) INTO v_empty;
    END IF;
    RETURN v_empty;
END
$fn$;
COMMENT ON FUNCTION lifecycle._is_empty(regclass) IS 'Whether a table holds no rows.';

-- One step: what is dropped has no address any more that an inverse of its own could be looked up by. Taken back, it is
-- made anew as every partition is, with itself for a model.
CREATE FUNCTION lifecycle._drop_partition_step(parent regclass, partition regclass) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('drop empty partition', 'table ' || partition,
        format('ALTER TABLE %s DETACH PARTITION %s; DROP TABLE %s', parent, partition, partition),
        (SELECT string_agg(p.statement, '; ' ORDER BY p.place)
         FROM unnest(lifecycle._partition_steps(partition, partition, partition::text,
                lifecycle._partition_bounds(partition), NULL, parent::text)) WITH ORDINALITY
            AS p (step, stage, action, object, statement, inverse, top_level, note, place)
         WHERE p.statement IS NOT NULL),
        note => lifecycle._partition_bounds(partition))
$fn$;
COMMENT ON FUNCTION lifecycle._drop_partition_step(regclass, regclass) IS
'The step that drops an empty partition; its inverse makes it anew.';

CREATE FUNCTION lifecycle._cleanup_set(parent regclass, partitions oid[], dry_run boolean)
RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_set lifecycle.set_plan;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    v_set := lifecycle._set_plan(parent);
    BEGIN
        PERFORM lifecycle._lock_detach(parent, partitions::regclass[], dry_run);
        -- Only what is empty under the lock stays empty.
        v_set.plan := ARRAY(SELECT lifecycle._drop_partition_step(parent, p.partition)
            FROM unnest(partitions) WITH ORDINALITY AS p (partition, place)
            WHERE lifecycle._is_empty(p.partition) ORDER BY p.place);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        v_set.failures := ARRAY[lifecycle._failed_step(parent, v_sqlstate, v_message, v_detail,
            'drop empty partition')];
    END;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._cleanup_set(regclass, oid[], boolean) IS
'Locks a table and plans that those of these partitions that are empty are dropped.';

CREATE FUNCTION lifecycle.cleanup_empty_partitions(
    days integer DEFAULT 30,
    target regclass DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_number('days', days, 0, 100000, 'So long they have been over.');
    PERFORM lifecycle._require_policy(target);
    RETURN QUERY SELECT * FROM lifecycle._apply_sets(ARRAY(
        SELECT lifecycle._cleanup_set(o.parent, o.partitions, dry_run)
        FROM (
            SELECT m.parent, array_agg(p.partition ORDER BY p.upper_place, p.partition) AS partitions
            FROM lifecycle._managed_sets(target, true) AS m
            JOIN lifecycle._range_partitions(ARRAY(SELECT s.parent FROM lifecycle._managed_sets(target, true) AS s))
                AS p ON p.parent = m.parent AND p.relkind = 'r'
            WHERE m.is_own AND m.type IN ('date', 'timestamp', 'timestamptz', 'uuid')
                AND p.upper_place <= extract(epoch FROM now() - make_interval(days => cleanup_empty_partitions.days))
                AND lifecycle._is_empty(p.partition)
            GROUP BY m.parent ORDER BY m.parent
        ) AS o), dry_run, expected_plan, cleanup_empty_partitions.search_path, 'partition_cleanup');
END
$fn$;
COMMENT ON FUNCTION lifecycle.cleanup_empty_partitions(integer, regclass, boolean, text, text) IS
'Drops the partitions of managed tables of time that hold no rows and end longer ago than so many days. Rolled back,
they are made anew. Routine housekeeping: it executes by default.

Arguments: days - for how long since their upper bound, default 30; target - one managed table, default all of the
caller; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run; search_path - not used by the
statements.
Returns: one row a step (lifecycle.step_result); what could not be done is a row with status failed.
Errors: 22023 days; 55000 target has no policy, or the plan is not the reviewed one.
Example: SELECT object, status FROM lifecycle.cleanup_empty_partitions(30);';
