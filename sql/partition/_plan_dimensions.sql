CREATE FUNCTION lifecycle._is_due_dimension(dimension lifecycle.located_dimension) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_due boolean := true;
BEGIN
    -- A predicate may come true by the clock alone.
    IF NOT dimension.has_predicate AND dimension.queue IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', dimension.queue) INTO v_due;
    END IF;
    RETURN v_due;
END
$fn$;
COMMENT ON FUNCTION lifecycle._is_due_dimension(lifecycle.located_dimension) IS
'Whether a dimension may ask for something new.';

-- The queue says that something changed, the dimension what. First the drain, then the reading: what is written in
-- between has an entry of its own.
CREATE FUNCTION lifecycle._drain_dimension(queue regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_enough constant integer := 10000;
    v_drained lifecycle.drained;
BEGIN
    WHILE queue IS NOT NULL LOOP
        v_drained := lifecycle._drain(queue, v_enough);
        EXIT WHEN v_drained.all_rows OR v_drained.entries < v_enough;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain_dimension(regclass) IS 'Empties the queue of a dimension.';

CREATE FUNCTION lifecycle._plan_path_set(
    dimension lifecycle.located_dimension, path jsonb, standing text[], dry_run boolean
) RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_values constant text[] := ARRAY(SELECT jsonb_array_elements_text(_plan_path_set.path));
    v_options constant jsonb := lifecycle._policy_options(dimension.parent)
        || jsonb_build_object('leaf', lifecycle._newest_leaf(dimension.parent), 'attached',
            (SELECT coalesce(jsonb_agg(s.statement), '[]') FROM unnest(standing) AS s (statement)
             WHERE s.statement LIKE '% ATTACH PARTITION % FOR VALUES IN (%'));
    v_set lifecycle.set_plan;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    v_set := lifecycle._set_plan(dimension.parent, time_zone => v_options ->> 'time_zone');
    BEGIN
        PERFORM lifecycle._lock_path(dimension.parent, dimension.levels, v_values, dry_run);
        -- The upper tables of a path may come with an earlier one.
        v_set.plan := ARRAY(
            SELECT ROW(p.step, p.stage, p.action, p.object, p.statement, p.inverse, p.top_level, p.note)
                ::lifecycle.plan_step
            FROM unnest(lifecycle._plan_level(dimension.parent, dimension.parent::text, dimension.parent,
                dimension.levels, v_values, v_options)) WITH ORDINALITY
                AS p (step, stage, action, object, statement, inverse, top_level, note, place)
            WHERE p.statement IS NOT NULL AND p.statement <> ALL (standing)
            ORDER BY p.place);
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        v_set.failures := ARRAY[lifecycle._failed_step(dimension.parent, v_sqlstate, v_message, v_detail)];
    END;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_path_set(lifecycle.located_dimension, jsonb, text[], boolean) IS
'Locks and plans the subtree of one path, without the statements that stand in earlier plans.';

CREATE FUNCTION lifecycle._failed_set(parent regclass, object regclass, sqlstate text, message text, detail text)
RETURNS lifecycle.set_plan LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._set_plan(parent, failures => ARRAY[lifecycle._failed_step(object, sqlstate, message, detail)])
$fn$;
COMMENT ON FUNCTION lifecycle._failed_set(regclass, regclass, text, text, text) IS
'The plan of a set that could not be planned.';

CREATE FUNCTION lifecycle._plan_dimensions(target regclass, max_creations integer, dry_run boolean)
RETURNS SETOF lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_dimension lifecycle.located_dimension;
    v_read record;
    v_path jsonb;
    v_set lifecycle.set_plan;
    v_made text[] := ARRAY[]::text[];
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    FOR v_dimension IN SELECT d.* FROM lifecycle._dimensions(target) AS d LOOP
        CONTINUE WHEN NOT lifecycle._is_due_dimension(v_dimension);
        BEGIN
            IF NOT dry_run THEN
                PERFORM lifecycle._drain_dimension(v_dimension.queue);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL;
            RETURN NEXT lifecycle._failed_set(v_dimension.parent, v_dimension.dimension, v_sqlstate, v_message,
                v_detail);
            CONTINUE;
        END;
        SELECT r.* INTO v_read FROM lifecycle._read_dimension(v_dimension) AS r;
        IF v_read.standing IS NULL THEN
            RETURN NEXT lifecycle._failed_set(v_dimension.parent, v_dimension.dimension, v_read.error_code,
                v_read.error_message, v_read.error_detail);
        END IF;
        FOREACH v_path IN ARRAY v_read.missing LOOP
            v_set := lifecycle._set_plan(v_dimension.parent, ARRAY[lifecycle._step('create partition',
                format('table %s for %s', v_dimension.parent, v_path), NULL, note => 'left to the next call')]);
            IF (SELECT count(*) FROM unnest(v_made) AS m WHERE m LIKE 'CREATE%TABLE%') < max_creations THEN
                v_set := lifecycle._plan_path_set(v_dimension, v_path, v_made, dry_run);
                v_made := v_made || ARRAY(SELECT p.statement FROM unnest(v_set.plan) AS p);
            END IF;
            RETURN NEXT v_set;
        END LOOP;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_dimensions(regclass, integer, boolean) IS
'The plan of each subtree that a dimension asks for and that is missing.';

-- What could not be made, or was too much for one call, is asked for again.
CREATE FUNCTION lifecycle._requeue_dimensions(target regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_queue record;
BEGIN
    FOR v_queue IN
        SELECT d.queue, a.attname FROM lifecycle._dimensions(target) AS d
        JOIN pg_attribute AS a ON a.attrelid = d.queue AND a.attnum = 2
        CROSS JOIN LATERAL lifecycle._read_dimension(d) AS r
        WHERE r.standing IS NULL OR cardinality(r.missing) > 0
    LOOP
        EXECUTE format('INSERT INTO %s (%I) VALUES (true)', v_queue.queue, v_queue.attname);
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._requeue_dimensions(regclass) IS
'Queues again what dimensions ask for and is still missing.';
