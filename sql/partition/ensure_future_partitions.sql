-- One query for all sets without a policy: which of the coming months has which partitions. A set counts as monthly
-- when its two newest partitions are months, to within the distance of time zones: one made in another zone must fail,
-- not be left out. The partitions made last are read first; all of them only of those sets that these do not cover.
CREATE FUNCTION lifecycle._future_months(months integer, target regclass, time_zone text, managed oid[])
RETURNS TABLE (parent oid, zone text, month_start date, covered_by text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $fn$
    WITH candidate AS MATERIALIZED (
        SELECT c.oid AS parent, a.atttypid::regtype AS type,
            coalesce(_future_months.time_zone, CASE WHEN a.atttypid IN ('timestamptz'::regtype, 'uuid'::regtype) THEN (
                SELECT m.parameters ->> 'time_zone' FROM lifecycle.migration AS m
                WHERE m.migration_id = (lifecycle._open_migrations('partition', c.oid))[1]
            ) END, current_setting('TimeZone')) AS zone
        FROM pg_partitioned_table AS p
        JOIN pg_class AS c ON c.oid = p.partrelid
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
        WHERE p.partstrat = 'r' AND p.partnatts = 1 AND (target IS NULL OR c.oid = target::oid)
            AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'uuid'::regtype)
            AND c.oid <> ALL (managed)
            AND c.relpersistence <> 't' AND pg_has_role(current_user, c.relowner, 'USAGE')
            AND NOT EXISTS (SELECT FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ), wanted AS MATERIALIZED (
        SELECT c.parent, c.zone, m.first::date AS month_start,
            CASE WHEN c.type IN ('timestamptz'::regtype, 'uuid'::regtype)
                THEN extract(epoch FROM m.first AT TIME ZONE c.zone)
                ELSE extract(epoch FROM m.first) END AS lower_place,
            CASE WHEN c.type IN ('timestamptz'::regtype, 'uuid'::regtype)
                THEN extract(epoch FROM (m.first + interval '1 month') AT TIME ZONE c.zone)
                ELSE extract(epoch FROM m.first + interval '1 month') END AS upper_place
        FROM candidate AS c
        CROSS JOIN LATERAL (SELECT date_trunc('month', now() AT TIME ZONE c.zone) + n * interval '1 month' AS first
            FROM generate_series(0, months) AS n) AS m
    ), near AS MATERIALIZED (
        SELECT p.* FROM lifecycle._range_partitions(ARRAY(SELECT s.parent FROM candidate AS s), months + 3) AS p
        WHERE NOT p.is_default
    ), short AS MATERIALIZED (
        SELECT w.parent FROM wanted AS w
        LEFT JOIN near AS n ON n.parent = w.parent AND n.lower_place < w.upper_place AND n.upper_place > w.lower_place
        GROUP BY w.parent, w.lower_place, w.upper_place
        HAVING coalesce(sum(least(n.upper_place, w.upper_place) - greatest(n.lower_place, w.lower_place)), 0)
            <> w.upper_place - w.lower_place
    ), standing AS MATERIALIZED (
        SELECT p.*, c.type
        FROM (
            SELECT n.* FROM near AS n WHERE n.parent NOT IN (SELECT s.parent FROM short AS s)
            UNION ALL
            SELECT a.* FROM lifecycle._range_partitions(ARRAY(SELECT DISTINCT s.parent FROM short AS s)) AS a
            WHERE NOT a.is_default
        ) AS p
        JOIN candidate AS c ON c.parent = p.parent
    ), recent AS (
        SELECT s.*, row_number() OVER (PARTITION BY s.parent ORDER BY s.upper_place DESC) AS age,
            to_timestamp(s.lower_place::float8) AT TIME ZONE 'UTC' AS starts,
            to_timestamp(s.upper_place::float8) AT TIME ZONE 'UTC' AS ends,
            CASE WHEN s.type IN ('timestamptz'::regtype, 'uuid'::regtype) THEN interval '16 hours'
                ELSE interval '0' END AS tolerance
        FROM standing AS s
        WHERE s.lower_place > '-Infinity' AND s.upper_place < 'Infinity'
    ), monthly AS (
        SELECT r.parent FROM recent AS r
        CROSS JOIN LATERAL (SELECT date_trunc('month', r.starts + r.tolerance) AS first,
            date_trunc('month', r.ends + r.tolerance) AS last) AS m
        WHERE r.age <= 2
        GROUP BY r.parent
        HAVING bool_and(m.last = m.first + interval '1 month' AND m.first - r.starts <= r.tolerance
            AND r.starts - m.first <= r.tolerance AND m.last - r.ends <= r.tolerance AND r.ends - m.last <= r.tolerance)
    )
    SELECT w.parent, w.zone, w.month_start, CASE
        WHEN sum(least(s.upper_place, w.upper_place) - greatest(s.lower_place, w.lower_place))
            = w.upper_place - w.lower_place
        THEN string_agg(s.partition::regclass::text, ', ' ORDER BY s.lower_place)
    END
    FROM wanted AS w
    LEFT JOIN standing AS s ON s.parent = w.parent
        AND s.lower_place < w.upper_place AND s.upper_place > w.lower_place
    WHERE target IS NOT NULL OR w.parent IN (SELECT y.parent FROM monthly AS y)
    GROUP BY w.parent, w.zone, w.month_start, w.lower_place, w.upper_place
$fn$;
COMMENT ON FUNCTION lifecycle._future_months(integer, regclass, text, oid[]) IS
'This month and the next ones, for one partitioned table or all monthly ones of the caller without a policy, with the
partitions that cover them.';

-- All that reach far enough at once: the usual case costs one query.
CREATE FUNCTION lifecycle._standing_sets(due lifecycle.due_set[]) RETURNS lifecycle.set_plan
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._set_plan(min(d.parent), array_agg(lifecycle._step('create partition',
        'table ' || d.parent::regclass, NULL,
        note => 'stands up to ' || CASE WHEN d.is_number THEN d.ahead_to::text
            ELSE to_timestamp(d.ahead_to::float8)::text END) ORDER BY d.parent))
    FROM unnest(due) AS d
    WHERE NOT d.is_due
    HAVING count(*) > 0
$fn$;
COMMENT ON FUNCTION lifecycle._standing_sets(lifecycle.due_set[]) IS
'The skipped steps of the managed tables that lack nothing.';

CREATE FUNCTION lifecycle._without_blocked(plan lifecycle.plan_step[]) RETURNS lifecycle.plan_step[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT ROW(p.step, p.stage, p.action, p.object, p.statement, p.inverse, p.top_level, p.note)
            ::lifecycle.plan_step
        FROM unnest(plan) WITH ORDINALITY AS p (step, stage, action, object, statement, inverse, top_level, note, place)
        WHERE p.action <> 'blocked' ORDER BY p.place)
$fn$;
COMMENT ON FUNCTION lifecycle._without_blocked(lifecycle.plan_step[]) IS 'A plan without what is in the way.';

CREATE FUNCTION lifecycle._plan_managed_set(parent regclass, levels jsonb[], options jsonb, dry_run boolean)
RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_set lifecycle.set_plan;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    v_set := lifecycle._set_plan(parent, time_zone => options ->> 'time_zone');
    BEGIN
        PERFORM lifecycle._lock_attach(parent, dry_run);
        v_set.plan := lifecycle._plan_level(parent, parent::text, parent, levels, '{}',
            options || '{"pass_over": true}');
        v_set.failures := ARRAY(
            SELECT ROW(NULL, NULL, 1, 'create partition', p.object, NULL, 'failed', NULL, p.note)::lifecycle.step_result
            FROM unnest(v_set.plan) AS p WHERE p.action = 'blocked');
        v_set.plan := lifecycle._without_blocked(v_set.plan);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        v_set.failures := ARRAY[lifecycle._failed_step(parent, v_sqlstate, v_message, v_detail)];
    END;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_managed_set(regclass, jsonb[], jsonb, boolean) IS
'Locks a managed table and plans what is missing.';

-- A month that cannot be planned leaves the others alone, and a set that cannot be locked the other sets.
CREATE FUNCTION lifecycle._plan_future_set(parent regclass, time_zone text, months date[], dry_run boolean)
RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key lifecycle.range_key;
    v_month date;
    v_set lifecycle.set_plan;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    v_set := lifecycle._set_plan(parent, time_zone => _plan_future_set.time_zone);
    BEGIN
        v_key := lifecycle._range_key(parent);
        PERFORM lifecycle._lock_attach(parent, dry_run);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        v_set.failures := ARRAY[lifecycle._failed_step(parent, v_sqlstate, v_message, v_detail)];
        RETURN v_set;
    END;
    FOREACH v_month IN ARRAY months LOOP
        BEGIN
            v_set.plan := v_set.plan || lifecycle._plan_partition(parent, v_key,
                lifecycle._month_ends(v_key.type, v_month, _plan_future_set.time_zone), NULL,
                _plan_future_set.time_zone, true);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL;
            v_set.failures := v_set.failures || lifecycle._failed_step(parent, v_sqlstate, v_message, v_detail);
        END;
    END LOOP;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_future_set(regclass, text, date[], boolean) IS
'Locks a partitioned table and plans its missing months.';

CREATE FUNCTION lifecycle._has_loose_sets(managed oid[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (SELECT p.partrelid FROM pg_partitioned_table AS p
        WHERE p.partstrat = 'r' AND p.partnatts = 1
        EXCEPT
        SELECT unnest(managed))
$fn$;
COMMENT ON FUNCTION lifecycle._has_loose_sets(oid[]) IS
'Whether there are tables of ranges besides these.';

CREATE FUNCTION lifecycle._plan_future(
    months integer, target regclass, time_zone text, max_creations integer, dry_run boolean
) RETURNS SETOF lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_managed oid[];
    v_sets constant lifecycle.due_set[] := ARRAY(SELECT d FROM lifecycle._due_sets(target, months) AS d);
    v_due lifecycle.due_set;
    v_months record;
    v_set lifecycle.set_plan;
    v_made bigint := 0;
    v_complete lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
BEGIN
    RETURN QUERY SELECT s.* FROM lifecycle._standing_sets(v_sets) AS s WHERE s.plan IS NOT NULL;
    IF NOT dry_run AND current_setting('transaction_read_only') = 'off' THEN
        PERFORM lifecycle._remember_sets(v_sets);
    END IF;
    RETURN QUERY SELECT s.* FROM lifecycle._plan_dimensions(target, max_creations, dry_run) AS s;
    FOR v_due IN SELECT d.* FROM unnest(v_sets) AS d WHERE d.is_due ORDER BY d.parent LOOP
        v_set := lifecycle._set_plan(v_due.parent, lifecycle._left_over('create partition', v_due.parent, v_made),
            time_zone => v_due.options ->> 'time_zone');
        IF v_made < max_creations THEN
            v_set := lifecycle._plan_managed_set(v_due.parent, v_due.levels, v_due.options, dry_run);
        END IF;
        v_made := v_made + (SELECT count(*) FROM unnest(v_set.plan) AS p
            WHERE p.action = 'create partition' AND p.statement IS NOT NULL);
        RETURN NEXT v_set;
    END LOOP;
    IF target IS NULL AND NOT lifecycle._has_loose_sets(ARRAY(SELECT s.parent FROM unnest(v_sets) AS s))
        OR target IS NOT NULL AND (SELECT p.root FROM lifecycle._policy_of(target) AS p) IS NOT NULL
    THEN
        RETURN;
    END IF;
    -- Those that others manage are not taken up by way of their months, either.
    v_managed := ARRAY(SELECT s.parent FROM unnest(v_sets) AS s UNION ALL
        SELECT m.parent FROM lifecycle._managed_sets(resting => true) AS m);
    FOR v_months IN
        SELECT f.parent, f.zone,
            array_agg(f.month_start ORDER BY f.month_start) FILTER (WHERE f.covered_by IS NULL) AS missing,
            coalesce(array_agg(lifecycle._step('create partition', 'table ' || f.covered_by, NULL,
                note => 'holds the month of ' || to_char(f.month_start, 'YYYY-MM') || ' already')
                ORDER BY f.month_start) FILTER (WHERE f.covered_by IS NOT NULL), '{}') AS standing
        FROM lifecycle._future_months(coalesce(months, 6), target, _plan_future.time_zone, v_managed) AS f
        GROUP BY f.parent, f.zone
        ORDER BY f.parent::regclass::text
    LOOP
        IF v_months.missing IS NULL THEN
            v_complete := v_complete || v_months.standing;
            CONTINUE;
        END IF;
        v_set := lifecycle._plan_future_set(v_months.parent, v_months.zone, v_months.missing, dry_run);
        v_set.plan := v_months.standing || v_set.plan;
        RETURN NEXT v_set;
    END LOOP;
    IF v_complete <> '{}' THEN
        RETURN NEXT lifecycle._set_plan(NULL, v_complete);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_future(integer, regclass, text, integer, boolean) IS
'The plan of each set: those with a policy, then those that are partitioned by month.';

CREATE FUNCTION lifecycle.ensure_future_partitions(
    months integer DEFAULT NULL,
    target regclass DEFAULT NULL,
    time_zone text DEFAULT NULL,
    max_creations integer DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sets lifecycle.set_plan[];
    v_rows lifecycle.step_result[];
BEGIN
    IF months IS NOT NULL THEN
        PERFORM lifecycle._require_number('months', months, 0, 120, 'Leave it out to go by the policies.');
    END IF;
    IF max_creations IS NOT NULL THEN
        PERFORM lifecycle._require_number('max_creations', max_creations, 1);
    END IF;
    IF ensure_future_partitions.time_zone IS NOT NULL THEN
        PERFORM lifecycle._require_time_zone(ensure_future_partitions.time_zone);
    END IF;
    IF target IS NOT NULL THEN
        PERFORM lifecycle._require_table(target, '{p}');
        IF (SELECT p.root FROM lifecycle._policy_of(target) AS p) IS NULL THEN
            PERFORM lifecycle._range_key(target, of_time => true);
        END IF;
        PERFORM lifecycle._require_owner(target);
    END IF;
    v_sets := ARRAY(SELECT s FROM lifecycle._plan_future(months, target, ensure_future_partitions.time_zone,
        coalesce(max_creations, lifecycle._changes_per_call()), dry_run) AS s);
    v_rows := ARRAY(SELECT r FROM lifecycle._apply_sets(v_sets, dry_run, expected_plan,
        ensure_future_partitions.search_path, 'partition') AS r);
    IF NOT dry_run AND EXISTS (SELECT FROM unnest(v_rows) AS r
        WHERE r.status = 'failed' OR starts_with(r.note, 'left to the next call'))
    THEN
        PERFORM lifecycle._requeue_dimensions(target);
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_rows);
END
$fn$;
COMMENT ON FUNCTION lifecycle.ensure_future_partitions(integer, regclass, text, integer, boolean, text, text) IS
'Makes the partitions of this period and those ahead, counted by the clock, never by the data: of every table that
lifecycle.manage_partitions has put under a policy, with all RANGE tables below it, and of those that are partitioned by
month. Subtrees that a dimension asks for (lifecycle.follow_dimension) are made as well. One table that cannot be served
does not stop the others.

Arguments: months - how many months ahead, 0 to 120; default what the policy says, 6 months without one; target - one
partitioned table, default all that have a policy or whose two newest partitions are months, and belong to the caller;
time_zone - of timestamptz keys without a policy; default the one in which the set was made last, else the session''s;
max_creations - about how many partitions one call may make under policies, default what fits into half of the
server''s lock table, at most 1000; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); what stands is skipped: one row a set that has a policy, one a month
otherwise; what could not be done is a row with status failed, with SQLSTATE and message in note, and a warning is
raised.
Errors: 22023 months, max_creations or time_zone; 42809, 0A000, 42501 for an unsuitable target; 55000 the plan is not
the reviewed one. All else, as 42P17, 23514 and 55P03 of lifecycle.create_partition, becomes a row.
Example: SELECT * FROM lifecycle.ensure_future_partitions(3, ''public.metric'');';
