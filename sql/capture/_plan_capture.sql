-- The owner of the table runs the trigger function, so it must be able to look into lifecycle_data. The grant goes with
-- the last thing that the role owns there; only the moment of the rollback can tell.
CREATE FUNCTION lifecycle._owner_usage_steps(role_name name) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_object constant text := format('privileges of %I', role_name);
    v_schema_owner constant name := (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace AS n
        WHERE n.nspname IN ('lifecycle', 'lifecycle_data') ORDER BY n.nspname DESC LIMIT 1);
BEGIN
    IF pg_has_role(role_name, v_schema_owner, 'USAGE')
        OR to_regnamespace('lifecycle_data') IS NOT NULL
        AND has_schema_privilege(role_name, to_regnamespace('lifecycle_data')::oid, 'USAGE')
        AND NOT EXISTS (SELECT FROM lifecycle.migration_step AS s
            WHERE s.action = 'grant data schema usage' AND s.object = v_object AND s.status = 'done')
    THEN
        RETURN ARRAY[]::lifecycle.plan_step[];
    ELSIF NOT pg_has_role(current_user, v_schema_owner, 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role %I, the owner of the table, may not use schema lifecycle_data', role_name),
            HINT = format('Ask %I to run: SELECT * FROM lifecycle.grant_lifecycle_admin(%L)', v_schema_owner,
                role_name);
    END IF;
    RETURN ARRAY[lifecycle._step(
        'grant data schema usage', v_object, format('GRANT USAGE ON SCHEMA lifecycle_data TO %I', role_name),
        format('DO %L', format('BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE '
            || 'c.relnamespace OPERATOR(pg_catalog.=) %L::pg_catalog.regnamespace '
            || 'AND c.relowner OPERATOR(pg_catalog.=) %L::pg_catalog.regrole) '
            || 'THEN REVOKE USAGE ON SCHEMA lifecycle_data FROM %I; END IF; END',
            'lifecycle_data', quote_ident(role_name), role_name)),
        note => 'goes again with the last thing the role owns there'
    )];
END
$fn$;
COMMENT ON FUNCTION lifecycle._owner_usage_steps(name) IS
'The step that lets the owner of a table use schema lifecycle_data, when it may not; raises 42501 when the caller cannot
grant that.';

CREATE FUNCTION lifecycle._queue_name(target regclass, consumer name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('lifecycle_data.%I', n.candidate)
    FROM pg_class AS c
    CROSS JOIN LATERAL (VALUES
        (1, lifecycle._name(ARRAY[c.relname::text, consumer::text], 'queue')),
        (2, lifecycle._name(ARRAY[c.relnamespace::regnamespace::text, c.relname::text, consumer::text], 'queue')),
        (3, lifecycle._name(ARRAY[c.relname::text, consumer::text, c.oid::text], 'queue'))
    ) AS n (place, candidate)
    WHERE c.oid = target
        AND NOT EXISTS (SELECT FROM pg_class AS o
            WHERE o.relnamespace = to_regnamespace('lifecycle_data') AND o.relname = n.candidate)
        AND NOT EXISTS (SELECT FROM pg_proc AS o
            WHERE o.pronamespace = to_regnamespace('lifecycle_data') AND o.proname = n.candidate)
    ORDER BY n.place
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._queue_name(regclass, name) IS
'A name for a queue and its trigger function that nothing in lifecycle_data has.';

CREATE FUNCTION lifecycle._queue_step(
    target regclass, queue text, consumer name, own_columns name[], key_columns name[], owner name
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- No index, no constraint, no sequence: each would be paid by every captured row. Of autovacuum's triggers only the
    -- number of dead entries makes sense for a table that is emptied all the time.
    SELECT lifecycle._step('create queue', 'table ' || queue,
        format('CREATE TABLE %s (%I pg_catalog.timestamptz DEFAULT pg_catalog.statement_timestamp(), '
            || '%I pg_catalog.bool', queue, own_columns[1], own_columns[2])
        || string_agg(format(', %I %s%s', k.name, lifecycle._base_type(a.atttypid, a.atttypmod),
            coalesce(' COLLATE ' || l.oid::regcollation, '')), ''
            ORDER BY k.place)
        || ') WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)'
        || format('; ALTER TABLE %s REPLICA IDENTITY FULL', queue)
        || format('; COMMENT ON TABLE %s IS %L', queue,
            format('pg_lifecycle: keys of changed rows, filled by triggers and emptied by consumer %s.', consumer))
        || CASE WHEN owner <> current_user THEN format('; ALTER TABLE %s OWNER TO %I', queue, owner) ELSE '' END,
        format('DROP TABLE %s', queue))
    FROM unnest(key_columns) WITH ORDINALITY AS k (name, place)
    JOIN pg_attribute AS a ON a.attrelid = target AND a.attname = k.name
    JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_collation AS l ON l.oid = a.attcollation AND a.attcollation <> t.typcollation
$fn$;
COMMENT ON FUNCTION lifecycle._queue_step(regclass, text, name, name[], name[], name) IS
'The step that makes a queue.';

CREATE FUNCTION lifecycle._capture_row_step(
    target regclass, queue text, consumer name, key_columns name[], trigger_level text, enable_always boolean
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('register capture', 'capture ' || queue,
        format('INSERT INTO lifecycle.capture (queue, queue_oid, source, source_oid, consumer, key_columns, '
            || 'column_numbers, trigger_level, enable_always, partitions, partition_oids) '
            || 'VALUES (%L, %L::pg_catalog.regclass, %L, %L::pg_catalog.regclass, %L, %L, %L, %L, %L, %L, %L)',
            queue, queue, target, target, consumer, key_columns,
            ARRAY(SELECT a.attnum FROM unnest(key_columns) WITH ORDINALITY AS k (name, place)
                JOIN pg_attribute AS a ON a.attrelid = target AND a.attname = k.name ORDER BY k.place),
            trigger_level, enable_always, p.oids::regclass[]::text[], p.oids),
        format('DELETE FROM lifecycle.capture WHERE queue OPERATOR(pg_catalog.=) %L', queue))
    FROM (SELECT lifecycle._partitions(target) AS oids) AS p
$fn$;
COMMENT ON FUNCTION lifecycle._capture_row_step(regclass, text, name, name[], text, boolean) IS
'The step that writes down what is captured.';

-- A module that captures as part of its own change takes these steps into its own plan, behind those of
-- lifecycle._data_schema_steps(), so that one rollback takes back both.
CREATE FUNCTION lifecycle._plan_capture(
    target regclass, consumer name, key_columns name[], trigger_level text, enable_always boolean
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns constant name[] := lifecycle._require_key_columns(target, key_columns);
    v_own constant name[] := lifecycle._own_columns(v_columns);
    v_queue constant text := lifecycle._queue_name(target, consumer);
    v_owner constant name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target);
BEGIN
    PERFORM lifecycle._require_capturable(target, trigger_level);
    PERFORM lifecycle._require_no_capture_triggers(target, consumer, trigger_level);
    RETURN lifecycle._owner_usage_steps(v_owner)
        || lifecycle._queue_step(target, v_queue, consumer, v_own, v_columns, v_owner)
        || lifecycle._step('create trigger function', format('function %s()', v_queue),
            lifecycle._capture_function(v_queue, v_own, v_columns, v_columns, trigger_level,
                lifecycle._is_unique_key(target, v_columns))
            || format('; REVOKE ALL ON FUNCTION %s() FROM PUBLIC', v_queue)
            || CASE WHEN v_owner <> current_user
                THEN format('; ALTER FUNCTION %s() OWNER TO %I', v_queue, v_owner) ELSE '' END,
            format('DROP FUNCTION %s() CASCADE', v_queue), note => 'undone together with every trigger that calls it')
        || ARRAY(
            SELECT lifecycle._capture_trigger_step(m.relation::regclass::text, v_queue, consumer, e.event,
                enable_always)
            FROM unnest(target::oid || lifecycle._partitions(target)) WITH ORDINALITY AS m (relation, place)
            CROSS JOIN unnest(lifecycle._capture_events(trigger_level, m.relation = target)) WITH ORDINALITY
                AS e (event, place)
            ORDER BY m.place, e.place
        )
        || lifecycle._capture_row_step(target, v_queue, consumer, v_columns, trigger_level, enable_always);
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_capture(regclass, name, name[], text, boolean) IS
'The steps that start a capture, for start_capture and for the plans of other modules; raises as start_capture does.';
