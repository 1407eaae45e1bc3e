-- The one way to write the plan of a set, and the one way in which what went wrong becomes a row.
CREATE FUNCTION lifecycle._set_plan(
    parent oid,
    plan lifecycle.plan_step[] DEFAULT '{}',
    failures lifecycle.step_result[] DEFAULT '{}',
    time_zone text DEFAULT NULL,
    singles lifecycle.plan_step[] DEFAULT '{}'
) RETURNS lifecycle.set_plan LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ROW(parent, time_zone, plan, failures, singles)::lifecycle.set_plan
$fn$;
COMMENT ON FUNCTION lifecycle._set_plan(
    oid, lifecycle.plan_step[], lifecycle.step_result[], text, lifecycle.plan_step[]
) IS 'The plan of one partitioned table among several.';

CREATE FUNCTION lifecycle._failed_step(
    parent regclass, sqlstate text, message text, detail text, action text DEFAULT 'create partition'
) RETURNS lifecycle.step_result LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ROW(NULL, NULL, 1, action, 'table ' || parent, NULL, 'failed', NULL,
        concat_ws('. ', sqlstate || ': ' || message, nullif(detail, '')))::lifecycle.step_result
$fn$;
COMMENT ON FUNCTION lifecycle._failed_step(regclass, text, text, text, text) IS
'The row of what could not be done, and why.';

-- Reviewed was the whole, so the hash is that of the whole.
CREATE FUNCTION lifecycle._sets_plan(sets lifecycle.set_plan[]) RETURNS lifecycle.plan_step[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._number(array_agg(r.p ORDER BY s.place, t.place))
    FROM unnest(sets) WITH ORDINALITY AS s (parent, zone, plan, failures, singles, place)
    CROSS JOIN LATERAL unnest(s.plan) WITH ORDINALITY
        AS t (step, stage, action, object, statement, inverse, top_level, note, place)
    CROSS JOIN LATERAL (SELECT ROW(t.step, t.stage, t.action, t.object, t.statement, t.inverse, t.top_level, t.note)
        ::lifecycle.plan_step) AS r (p)
$fn$;
COMMENT ON FUNCTION lifecycle._sets_plan(lifecycle.set_plan[]) IS 'The plans of several tables as one.';

CREATE FUNCTION lifecycle._apply_set(
    one lifecycle.set_plan, dry_run boolean, plan_hash text, search_path text, feature text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row lifecycle.step_result;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    IF NOT EXISTS (SELECT FROM unnest(one.plan) AS p WHERE p.statement IS NOT NULL) THEN
        RETURN QUERY SELECT * FROM lifecycle._result_rows(lifecycle._number(one.plan), plan_hash);
        RETURN;
    END IF;
    BEGIN
        RETURN QUERY
        SELECT r.migration_id, r.step, r.stage, r.action, r.object, r.statement, r.status, _apply_set.plan_hash, r.note
        FROM lifecycle._apply(_apply_set.feature, one.parent, one.plan, dry_run, NULL,
            jsonb_build_object('time_zone', one.time_zone), _apply_set.search_path) AS r;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        v_row := lifecycle._failed_step(one.parent, v_sqlstate, v_message, v_detail, one.plan[1].action);
        IF (SELECT count(DISTINCT p.object) = 1 FROM unnest(one.plan) AS p) THEN
            v_row.object := one.plan[1].object;
        END IF;
        RETURN NEXT v_row;
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._apply_set(lifecycle.set_plan, boolean, text, text, text) IS
'Shows or runs the plan of one set; what fails becomes a row.';

-- Each set stands or falls for itself, and where it says so each of its steps, when together they fell.
CREATE FUNCTION lifecycle._apply_sets(
    sets lifecycle.set_plan[], dry_run boolean, expected_plan text, search_path text, feature text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan constant lifecycle.plan_step[] := lifecycle._sets_plan(sets);
    v_hash constant text := lifecycle._plan_hash(v_plan);
    v_set lifecycle.set_plan;
    v_rows lifecycle.step_result[];
    v_failed integer := 0;
BEGIN
    PERFORM lifecycle._require_dry_run(dry_run);
    IF NOT dry_run THEN
        PERFORM lifecycle._assert_plan(v_plan, expected_plan);
    END IF;
    FOREACH v_set IN ARRAY sets LOOP
        v_rows := ARRAY(SELECT r FROM lifecycle._apply_set(v_set, dry_run, v_hash, _apply_sets.search_path,
            _apply_sets.feature) AS r);
        IF cardinality(v_set.singles) > 1 AND EXISTS (SELECT FROM unnest(v_rows) AS r WHERE r.status = 'failed') THEN
            v_rows := ARRAY(SELECT r FROM unnest(v_set.singles) WITH ORDINALITY
                AS s (step, stage, action, object, statement, inverse, top_level, note, place)
            CROSS JOIN LATERAL lifecycle._apply_set(lifecycle._set_plan(v_set.parent, ARRAY[lifecycle._step(s.action,
                s.object, s.statement, s.inverse, s.stage, s.top_level, s.note)]), dry_run, v_hash,
                _apply_sets.search_path, _apply_sets.feature) AS r ORDER BY s.place);
        END IF;
        v_rows := v_set.failures || v_rows;
        v_failed := v_failed + (SELECT count(*) FROM unnest(v_rows) AS r WHERE r.status = 'failed');
        RETURN QUERY SELECT * FROM unnest(v_rows);
    END LOOP;
    IF v_failed > 0 THEN
        RAISE WARNING '% steps failed: see the rows with status failed', v_failed;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._apply_sets(lifecycle.set_plan[], boolean, text, text, text) IS
'Shows or runs the plans of several sets; what fails becomes a row and a warning.';
