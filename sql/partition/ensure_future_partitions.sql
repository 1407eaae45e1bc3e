-- One query for all sets: which of the coming months has which partitions. A set counts as monthly when its two newest
-- partitions are months, to within the distance of time zones: one made in another zone must fail, not be left out.
CREATE FUNCTION lifecycle._future_months(months integer, target regclass, time_zone text)
RETURNS TABLE (parent oid, zone text, month_start date, covered_by text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $fn$
    WITH candidate AS MATERIALIZED (
        SELECT c.oid AS parent, a.atttypid::regtype AS type,
            coalesce(_future_months.time_zone, CASE WHEN a.atttypid = 'timestamptz'::regtype THEN (
                SELECT m.parameters ->> 'time_zone' FROM lifecycle.migration AS m
                WHERE m.migration_id = (lifecycle._open_migrations('partition', c.oid))[1]
            ) END, current_setting('TimeZone')) AS zone
        FROM pg_partitioned_table AS p
        JOIN pg_class AS c ON c.oid = p.partrelid
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
        WHERE p.partstrat = 'r' AND p.partnatts = 1 AND (target IS NULL OR c.oid = target::oid)
            AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
            AND c.relpersistence <> 't' AND pg_has_role(current_user, c.relowner, 'USAGE')
            AND NOT EXISTS (SELECT FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ), standing AS MATERIALIZED (
        SELECT p.*, c.type FROM lifecycle._range_partitions(ARRAY(SELECT s.parent FROM candidate AS s)) AS p
        JOIN candidate AS c ON c.parent = p.parent
        WHERE NOT p.is_default
    ), recent AS (
        SELECT s.*, row_number() OVER (PARTITION BY s.parent ORDER BY s.upper_place DESC) AS age,
            to_timestamp(s.lower_place::float8) AT TIME ZONE 'UTC' AS starts,
            to_timestamp(s.upper_place::float8) AT TIME ZONE 'UTC' AS ends,
            CASE WHEN s.type = 'timestamptz'::regtype THEN interval '16 hours' ELSE interval '0' END AS tolerance
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
    ), wanted AS (
        SELECT c.parent, c.zone, m.first::date AS month_start,
            CASE WHEN c.type = 'timestamptz'::regtype THEN extract(epoch FROM m.first AT TIME ZONE c.zone)
                ELSE extract(epoch FROM m.first) END AS lower_place,
            CASE WHEN c.type = 'timestamptz'::regtype
                THEN extract(epoch FROM (m.first + interval '1 month') AT TIME ZONE c.zone)
                ELSE extract(epoch FROM m.first + interval '1 month') END AS upper_place
        FROM candidate AS c
        CROSS JOIN LATERAL (SELECT date_trunc('month', now() AT TIME ZONE c.zone) + n * interval '1 month' AS first
            FROM generate_series(0, months) AS n) AS m
        WHERE target IS NOT NULL OR c.parent IN (SELECT y.parent FROM monthly AS y)
    )
    SELECT w.parent, w.zone, w.month_start, CASE
        WHEN sum(least(s.upper_place, w.upper_place) - greatest(s.lower_place, w.lower_place))
            = w.upper_place - w.lower_place
        THEN string_agg(s.partition::regclass::text, ', ' ORDER BY s.lower_place)
    END
    FROM wanted AS w
    LEFT JOIN standing AS s ON s.parent = w.parent
        AND s.lower_place < w.upper_place AND s.upper_place > w.lower_place
    GROUP BY w.parent, w.zone, w.month_start, w.lower_place, w.upper_place
$fn$;
COMMENT ON FUNCTION lifecycle._future_months(integer, regclass, text) IS
'This month and the next ones, for one partitioned table or all monthly ones of the caller, with the partitions that
cover them.';

CREATE FUNCTION lifecycle._failed_step(parent regclass, sqlstate text, message text, detail text)
RETURNS lifecycle.step_result LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ROW(NULL, NULL, 1, 'create partition', 'table ' || parent, NULL, 'failed', NULL,
        concat_ws('. ', sqlstate || ': ' || message, nullif(detail, '')))::lifecycle.step_result
$fn$;
COMMENT ON FUNCTION lifecycle._failed_step(regclass, text, text, text) IS 'The row of what could not be done, and why.';

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
    v_set.parent := parent;
    v_set.time_zone := _plan_future_set.time_zone;
    v_set.plan := ARRAY[]::lifecycle.plan_step[];
    v_set.failures := ARRAY[]::lifecycle.step_result[];
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

CREATE FUNCTION lifecycle._apply_future_set(
    future lifecycle.set_plan, dry_run boolean, plan_hash text, search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    RETURN QUERY SELECT * FROM unnest(future.failures);
    IF NOT EXISTS (SELECT FROM unnest(future.plan) AS p WHERE p.statement IS NOT NULL) THEN
        RETURN QUERY SELECT * FROM lifecycle._result_rows(lifecycle._number(future.plan), plan_hash);
        RETURN;
    END IF;
    BEGIN
        RETURN QUERY
        SELECT r.migration_id, r.step, r.stage, r.action, r.object, r.statement, r.status,
            _apply_future_set.plan_hash, r.note
        FROM lifecycle._apply('partition', future.parent, future.plan, dry_run, NULL,
            jsonb_build_object('time_zone', future.time_zone), _apply_future_set.search_path) AS r;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        RETURN NEXT lifecycle._failed_step(future.parent, v_sqlstate, v_message, v_detail);
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._apply_future_set(lifecycle.set_plan, boolean, text, text) IS
'Shows or runs the plan of one set; what fails becomes a row.';

CREATE FUNCTION lifecycle.ensure_future_partitions(
    months integer DEFAULT 6,
    target regclass DEFAULT NULL,
    time_zone text DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_months record;
    v_set lifecycle.set_plan;
    v_sets lifecycle.set_plan[] := ARRAY[]::lifecycle.set_plan[];
    v_plan lifecycle.plan_step[];
    v_hash text;
    v_row lifecycle.step_result;
    v_failed integer := 0;
BEGIN
    IF months IS NULL OR months NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('months must be between 0 and 120, not %s', coalesce(months::text, 'NULL'));
    END IF;
    IF target IS NOT NULL THEN
        PERFORM lifecycle._range_key(target);
        PERFORM lifecycle._require_owner(target);
    END IF;
    FOR v_months IN
        SELECT f.parent, f.zone,
            array_agg(f.month_start ORDER BY f.month_start) FILTER (WHERE f.covered_by IS NULL) AS missing,
            coalesce(array_agg(lifecycle._step('create partition', 'table ' || f.covered_by, NULL,
                note => 'holds the month of ' || to_char(f.month_start, 'YYYY-MM') || ' already')
                ORDER BY f.month_start) FILTER (WHERE f.covered_by IS NOT NULL), '{}') AS standing
        FROM lifecycle._future_months(months, target, ensure_future_partitions.time_zone) AS f
        GROUP BY f.parent, f.zone
        ORDER BY f.parent::regclass::text
    LOOP
        v_set := ROW(v_months.parent, v_months.zone, ARRAY[]::lifecycle.plan_step[], ARRAY[]::lifecycle.step_result[]);
        IF v_months.missing IS NOT NULL THEN
            v_set := lifecycle._plan_future_set(v_months.parent, v_months.zone, v_months.missing, dry_run);
        END IF;
        v_set.plan := v_months.standing || v_set.plan;
        v_sets := v_sets || v_set;
    END LOOP;
    -- Reviewed was the whole, so the hash is that of the whole.
    SELECT lifecycle._number(array_agg(p ORDER BY s.place, t.place)) INTO v_plan
    FROM unnest(v_sets) WITH ORDINALITY AS s (parent, zone, plan, failures, place)
    CROSS JOIN LATERAL unnest(s.plan) WITH ORDINALITY
        AS t (step, stage, action, object, statement, inverse, top_level, note, place)
    CROSS JOIN LATERAL (SELECT ROW(t.step, t.stage, t.action, t.object, t.statement, t.inverse, t.top_level, t.note)
        ::lifecycle.plan_step) AS r (p);
    IF NOT dry_run THEN
        PERFORM lifecycle._assert_plan(v_plan, expected_plan);
    END IF;
    v_hash := lifecycle._plan_hash(v_plan);
    FOREACH v_set IN ARRAY v_sets LOOP
        FOR v_row IN SELECT * FROM lifecycle._apply_future_set(v_set, dry_run, v_hash,
            ensure_future_partitions.search_path)
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
COMMENT ON FUNCTION lifecycle.ensure_future_partitions(integer, regclass, text, boolean, text, text) IS
'Makes the partitions of this month and the months ahead, counted by the clock, never by the data. One table that
cannot be served, or one month of it, does not stop the others.

Arguments: months - how many months ahead, 0 to 120, default 6; target - one partitioned table, default all that are
partitioned by month (their two newest partitions are months) and belong to the caller; time_zone - of timestamptz
keys; default the one in which the set was made last, else the session''s; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); months that stand are skipped; what could not be done is a row with
status failed, with SQLSTATE and message in note, and a warning is raised.
Errors: 22023 months or time_zone; 42809, 0A000, 42501 for an unsuitable target; 55000 the plan is not the reviewed one.
All else, as 42P17, 23514 and 55P03 of lifecycle.create_partition, becomes a row.
Example: SELECT * FROM lifecycle.ensure_future_partitions(3, ''public.metric'');';
