-- A renamed column breaks the trigger function, loudly; here queue and function follow it.
CREATE FUNCTION lifecycle._capture_column_steps(capture lifecycle.located_capture) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH changed AS (
        SELECT c.* FROM lifecycle._capture_columns(capture) AS c
        WHERE (c.column_name, c.column_type) <> (c.queue_column, c.queue_type)
    ), named AS (
        SELECT array_agg(c.column_name ORDER BY c.place) AS columns FROM lifecycle._capture_columns(capture) AS c
    )
    SELECT ARRAY(
        SELECT lifecycle._step('change queue', 'table ' || capture.queue,
            format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', capture.queue, c.queue_column, c.column_type))
        FROM changed AS c WHERE c.column_type <> c.queue_type ORDER BY c.place
    ) || ARRAY(
        SELECT lifecycle._step('change queue', 'table ' || capture.queue,
            format('ALTER TABLE %s RENAME COLUMN %I TO %I', capture.queue, c.queue_column, c.column_name))
        FROM changed AS c WHERE c.column_name <> c.queue_column ORDER BY c.place
    ) || ARRAY(
        SELECT lifecycle._step('replace trigger function', 'function ' || capture.routine,
            lifecycle._capture_function(capture.queue_name, (
                    SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
                    WHERE a.attrelid = capture.queue AND a.attnum IN (1, 2)
                ), n.columns, n.columns, capture.trigger_level, lifecycle._is_unique_key(capture.source, n.columns),
                or_replace => true))
        FROM named AS n
        WHERE EXISTS (SELECT FROM changed)
    )
$fn$;
COMMENT ON FUNCTION lifecycle._capture_column_steps(lifecycle.located_capture) IS
'The steps that bring a queue and its function in line with renamed or altered columns.';

CREATE FUNCTION lifecycle._capture_trigger_steps(capture lifecycle.located_capture) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT CASE t.state
            WHEN 'missing' THEN lifecycle._capture_trigger_step(t.relation::text, capture.queue_name, capture.consumer,
                t.event, capture.enable_always)
            WHEN 'surplus' THEN lifecycle._step('drop trigger',
                format('capture trigger %I on %s', t.trigger_name, t.relation),
                format('DROP TRIGGER %I ON %s', t.trigger_name, t.relation))
            ELSE lifecycle._step('enable trigger', format('capture trigger %I on %s', t.trigger_name, t.relation),
                lifecycle._enable_trigger(t.relation::text, t.trigger_name, t.event, capture.enable_always))
        END
        FROM lifecycle._capture_triggers(capture) WITH ORDINALITY AS t (relation, trigger_name, event, state, place)
        WHERE t.state <> 'ok'
        ORDER BY t.state <> 'surplus', t.place
    )
$fn$;
COMMENT ON FUNCTION lifecycle._capture_trigger_steps(lifecycle.located_capture) IS
'The steps that make, enable or drop triggers so that a capture has what it needs.';

CREATE FUNCTION lifecycle._capture_sync_row_step(capture lifecycle.located_capture) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('register partitions', 'capture sync ' || capture.queue_name,
        format('UPDATE lifecycle.capture SET queue_oid = %L::pg_catalog.regclass, source = %L, '
            || 'source_oid = %L::pg_catalog.regclass, key_columns = %L, column_numbers = %L, partitions = %L, '
            || 'partition_oids = %L, origin = lifecycle._origin() WHERE queue OPERATOR(pg_catalog.=) %L',
            capture.queue, capture.source, capture.source, array_agg(c.column_name ORDER BY c.place),
            array_agg(a.attnum ORDER BY c.place), p.oids::regclass[]::text[], p.oids, capture.queue_name))
    FROM (SELECT lifecycle._partitions(capture.source) AS oids) AS p
    CROSS JOIN lifecycle._capture_columns(capture) AS c
    JOIN pg_attribute AS a ON a.attrelid = capture.source AND a.attname = c.column_name
    GROUP BY p.oids
$fn$;
COMMENT ON FUNCTION lifecycle._capture_sync_row_step(lifecycle.located_capture) IS
'The step that writes down columns and partitions of a capture as they are now.';

-- A registered row is no proof: only a function of the table's owner is ever attached to the table.
CREATE FUNCTION lifecycle._require_mendable(capture lifecycle.located_capture) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_problem lifecycle.finding;
BEGIN
    SELECT p.* INTO v_problem FROM lifecycle._capture_problems(capture) AS p
    WHERE p.finding IN ('queue gone', 'function gone', 'is a partition', 'column gone', 'owner')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the capture of %s for consumer %I cannot be mended: %s', capture.source,
                capture.consumer, v_problem.detail),
            HINT = v_problem.remedy;
    ELSIF NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.oid = capture.routine AND p.prosecdef
        AND p.prorettype = 'trigger'::regtype AND p.pronamespace = to_regnamespace('lifecycle_data'))
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s is not a trigger function of a capture', capture.routine);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_mendable(lifecycle.located_capture) IS
'Raises 55000 with the remedy when sync_capture cannot help.';

CREATE FUNCTION lifecycle._plan_sync_capture(capture lifecycle.located_capture) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns lifecycle.plan_step[];
    v_triggers lifecycle.plan_step[];
    v_missed boolean;
BEGIN
    PERFORM lifecycle._require_mendable(capture);
    v_columns := lifecycle._capture_column_steps(capture);
    v_triggers := lifecycle._capture_trigger_steps(capture);
    v_missed := cardinality(v_triggers) > 0 OR lifecycle._partitions_changed(capture);
    IF cardinality(v_columns) = 0 AND NOT v_missed AND capture.is_here THEN
        RETURN ARRAY[lifecycle._step('register partitions', 'capture sync ' || capture.queue_name, NULL,
            note => 'is in step')];
    END IF;
    RETURN v_columns || v_triggers || lifecycle._capture_sync_row_step(capture) || CASE WHEN v_missed THEN
        ARRAY[lifecycle._step('mark all rows', 'entry of ' || capture.queue_name, (
            SELECT format('INSERT INTO %s (%I) VALUES (true)', capture.queue, a.attname)
            FROM pg_attribute AS a WHERE a.attrelid = capture.queue AND a.attnum = 2
        ), note => 'changes may have been missed: the consumer starts afresh')]
    ELSE ARRAY[]::lifecycle.plan_step[] END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_sync_capture(lifecycle.located_capture) IS
'The plan of sync_capture for one capture.';
