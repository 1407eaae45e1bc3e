-- New spans begin where the last partition ends. When that is no boundary of the new calendar, one partition of less
-- than a span fills the way to it: no gap, no overlap, and from then on the calendar.
CREATE FUNCTION lifecycle._interval_bridge(
    parent regclass, type regtype, every text, time_zone text
) RETURNS lifecycle.range_ends LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_last lifecycle.range_partition;
    v_period lifecycle.range_ends;
BEGIN
    SELECT p.* INTO v_last FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
    WHERE NOT p.is_default ORDER BY p.upper_place DESC LIMIT 1;
    IF v_last.upper_place IS NULL OR v_last.upper_place = 'Infinity' THEN
        RETURN NULL;
    END IF;
    SELECT p.* INTO v_period FROM lifecycle._periods(type, every, _interval_bridge.time_zone, NULL,
        v_last.upper_place, 0) AS p;
    IF (v_period.lower_end).place = v_last.upper_place THEN
        RETURN NULL;
    END IF;
    v_period.lower_end := lifecycle._range_bound(type, v_last.upper_bound, 'UTC');
    RETURN v_period;
END
$fn$;
COMMENT ON FUNCTION lifecycle._interval_bridge(regclass, regtype, text, text) IS
'From the end of the last partition to the next boundary of a calendar; NULL when they are the same.';

CREATE FUNCTION lifecycle._plan_interval(
    target regclass, every text, followed lifecycle.partition_policy, own lifecycle.partition_policy, levels jsonb[]
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key constant lifecycle.range_key := lifecycle._range_key(target);
    v_levels jsonb[] := levels;
    v_bridge lifecycle.range_ends;
    v_plan lifecycle.plan_step[];
BEGIN
    v_levels[1] := v_levels[1] || jsonb_build_object('every', every);
    PERFORM lifecycle._require_levels(target, v_levels);
    v_plan := ARRAY[lifecycle._policy_step(target::text, to_jsonb(v_levels), followed.premake, followed.retention,
        followed.time_zone, followed.name_format, own)];
    v_bridge := lifecycle._interval_bridge(target, v_key.type, every, followed.time_zone);
    IF v_bridge IS NOT NULL AND v_plan[1].statement IS NOT NULL THEN
        v_plan := v_plan || lifecycle._plan_partition(target, v_key, ARRAY[v_bridge.lower_end, v_bridge.upper_end],
            NULL, followed.time_zone, false, v_levels[2:], '{}', lifecycle._policy_options(target));
    END IF;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_interval(
    regclass, text, lifecycle.partition_policy, lifecycle.partition_policy, jsonb[]
) IS 'The plan that gives a table another span from the end of its last partition on.';

CREATE FUNCTION lifecycle.change_partition_interval(
    target regclass,
    every text,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_followed record;
    v_own constant lifecycle.partition_policy := (SELECT p.policy FROM lifecycle._policies() AS p
        WHERE p.relation = target::oid);
BEGIN
    PERFORM lifecycle._range_key(target);
    PERFORM lifecycle._require_owner(target);
    SELECT p.* INTO v_followed FROM lifecycle._policy_of(target) AS p;
    IF v_followed.root IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no policy', target), HINT = 'lifecycle.manage_partitions() gives it one.';
    END IF;
    PERFORM lifecycle._lock_attach(target, dry_run);
    RETURN QUERY SELECT * FROM lifecycle._apply('partition', target,
        lifecycle._plan_interval(target, every, v_followed.policy, v_own, v_followed.levels), dry_run, expected_plan,
        jsonb_build_object('policy', true, 'time_zone', (v_followed.policy).time_zone),
        change_partition_interval.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.change_partition_interval(regclass, text, boolean, text, text) IS
'Gives a managed table another span for its partitions, from the end of the last one on: those that stand stay as they
are (lifecycle.split_partition and merge_partitions change them). When the last one does not end where a new span
begins, a partition that reaches just so far is made now. A table below a managed one gets a policy of its own.

Arguments: target - a managed table of RANGE, or one below it; every - the new span, with its unit, or the new width;
dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run; search_path - not used by the
statements.
Returns: one row a step (lifecycle.step_result); skipped when the span is that already.
Errors: 55000 no policy; 22023 no such span; 0A000, 42809 not RANGE on one column; 23514 rows of the new range in the
default partition; 42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.change_partition_interval(''public.metric'', ''1 day'', dry_run => true);';
