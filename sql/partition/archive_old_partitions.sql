-- By the real upper bound: no row of what is chosen can be newer than the cut. The default partition and one without an
-- upper bound are never chosen.
CREATE FUNCTION lifecycle._old_partitions(months integer, target regclass)
RETURNS TABLE (parent oid, partition oid, upper_bound text) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    WITH managed AS MATERIALIZED (
        SELECT m.parent, m.type, coalesce(make_interval(months => _old_partitions.months),
                CASE WHEN k.retention ~ '[[:alpha:]]' THEN k.retention::interval END) AS keep,
            CASE WHEN m.type IN ('timestamptz'::regtype, 'uuid'::regtype) THEN m.time_zone ELSE 'UTC' END AS zone
        FROM lifecycle._managed_sets(target, true) AS m
        CROSS JOIN LATERAL (SELECT (p.policy).retention FROM lifecycle._policies() AS p WHERE p.relation = m.root) AS k
        WHERE m.is_own AND m.type IN ('date', 'timestamp', 'timestamptz', 'uuid')
    )
    SELECT m.parent, p.partition, p.upper_bound
    FROM managed AS m
    JOIN lifecycle._range_partitions(ARRAY(SELECT g.parent FROM managed AS g)) AS p ON p.parent = m.parent
    WHERE p.upper_place <= extract(epoch FROM (now() AT TIME ZONE m.zone - m.keep) AT TIME ZONE m.zone)
$fn$;
COMMENT ON FUNCTION lifecycle._old_partitions(integer, regclass) IS
'The partitions of managed tables of time that end before so many months ago, or before what their policy keeps.';

CREATE FUNCTION lifecycle._archive_set(parent regclass, partitions oid[], into_schema name, dry_run boolean)
RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_partition regclass;
    v_set lifecycle.set_plan;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    v_set.parent := parent;
    v_set.plan := ARRAY[]::lifecycle.plan_step[];
    v_set.failures := ARRAY[]::lifecycle.step_result[];
    BEGIN
        IF EXISTS (SELECT FROM unnest(partitions) AS p WHERE lifecycle._detach_form(parent, p, NULL) <> ' CONCURRENTLY')
        THEN
            PERFORM lifecycle._lock(ARRAY[parent] || partitions::regclass[], 'ACCESS EXCLUSIVE', dry_run);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        v_set.failures := ARRAY[lifecycle._failed_step(parent, v_sqlstate, v_message, v_detail)];
        RETURN v_set;
    END;
    FOREACH v_partition IN ARRAY partitions::regclass[] LOOP
        BEGIN
            PERFORM lifecycle._require_unreferenced(parent, v_partition);
            v_set.plan := v_set.plan || lifecycle._detach_steps(parent, v_partition, into_schema,
                lifecycle._partition_bounds(v_partition));
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL;
            v_set.failures := v_set.failures
                || lifecycle._failed_step(v_partition, v_sqlstate, v_message, v_detail);
        END;
    END LOOP;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._archive_set(regclass, oid[], name, boolean) IS
'Locks a table and plans the detachment of some of its partitions; what cannot go is a failure, the others go.';

CREATE FUNCTION lifecycle.archive_old_partitions(
    months integer DEFAULT NULL,
    target regclass DEFAULT NULL,
    into_schema name DEFAULT NULL,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sets lifecycle.set_plan[];
    v_set lifecycle.set_plan;
    v_hash text;
    v_row lifecycle.step_result;
    v_failed integer := 0;
BEGIN
    IF months < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('months must be at least 1, not %s', months);
    ELSIF into_schema IS NOT NULL AND to_regnamespace(quote_ident(into_schema)) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
            MESSAGE = format('schema %I does not exist', into_schema);
    ELSIF target IS NOT NULL AND (SELECT p.root FROM lifecycle._policy_of(target) AS p) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no policy', target), HINT = 'lifecycle.manage_partitions() gives it one.';
    END IF;
    v_sets := ARRAY(
        SELECT lifecycle._archive_set(o.parent, o.partitions, into_schema, dry_run)
        FROM (
            SELECT p.parent, array_agg(p.partition ORDER BY p.upper_bound, p.partition) AS partitions
            FROM lifecycle._old_partitions(months, target) AS p GROUP BY p.parent ORDER BY p.parent
        ) AS o
    );
    v_hash := lifecycle._plan_hash(lifecycle._sets_plan(v_sets));
    IF NOT dry_run THEN
        PERFORM lifecycle._assert_plan(lifecycle._sets_plan(v_sets), expected_plan);
    END IF;
    FOREACH v_set IN ARRAY v_sets LOOP
        FOR v_row IN SELECT * FROM lifecycle._apply_future_set(v_set, dry_run, v_hash,
            archive_old_partitions.search_path, 'partition_archive')
        LOOP
            v_failed := v_failed + (v_row.status = 'failed')::integer;
            RETURN NEXT v_row;
        END LOOP;
    END LOOP;
    IF v_failed > 0 THEN
        RAISE WARNING '% steps failed: see the rows with status failed', v_failed;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle.archive_old_partitions(integer, regclass, name, boolean, text, text) IS
'Detaches the partitions of managed tables that end before a point in time, by their real upper bound: nothing newer
goes with them. Their rows stay; lifecycle.drop_archived_partitions drops them after a grace period, and until then a
rollback attaches them again. With the setting detach_concurrently they are pending top-level steps. What foreign keys
refer to stays, as a row with status failed; the others go.

Arguments: months - how many months are kept, default what each policy says (retention), tables without one are left
alone; target - one managed table, default all of the caller; into_schema - where they go, default they stay where they
are; dry_run - only show the plan, the default; expected_plan - plan_hash of the reviewed dry run; search_path - not
used by the statements.
Returns: one row a step (lifecycle.step_result); what could not be done is a row with status failed.
Errors: 22023 months below 1; 3F000 no such schema; 55000 target has no policy, or the plan is not the reviewed one.
Example: SELECT object, note FROM lifecycle.archive_old_partitions(12);';
