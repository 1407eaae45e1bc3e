-- The settings that can change what a query returns: kept as they were, whoever refreshes.
CREATE FUNCTION lifecycle._query_settings(search_path text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT jsonb_object_agg(s.name, current_setting(s.name))
        || jsonb_build_object('search_path', _query_settings.search_path)
    FROM unnest('{TimeZone,DateStyle,IntervalStyle,extra_float_digits,bytea_output,default_text_search_config}'::text[])
        AS s (name)
$fn$;
COMMENT ON FUNCTION lifecycle._query_settings(text) IS 'The settings of the session that a query may depend on.';

-- A view that was renamed keeps what was generated under its old name, and another one may have that name by now. One
-- that was dropped would leave its queue to grow for ever.
CREATE FUNCTION lifecycle._incremental_base(view_schema name, view_name name) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_base text[] := ARRAY[view_schema::text, view_name::text];
    v_view record;
    v_number integer := 1;
BEGIN
    LOOP
        SELECT v.query_view, t.oid IS NULL AS is_dropped INTO v_view
        FROM lifecycle.incremental_view AS v
        LEFT JOIN pg_class AS t ON t.oid = CASE WHEN v.origin = lifecycle._origin() THEN v.target_oid
            ELSE lifecycle._named_relation(v.target) END
        WHERE v.query_view = format('lifecycle_data.%I', lifecycle._name(v_base, 'query'));
        EXIT WHEN NOT FOUND AND NOT EXISTS (SELECT FROM pg_class AS c
            WHERE c.relnamespace = to_regnamespace('lifecycle_data') AND c.relname = lifecycle._name(v_base, 'query'));
        IF v_view.is_dropped THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('incremental view %I.%I was dropped, but never rolled back', view_schema, view_name),
                DETAIL = 'The triggers and queues on the tables of its query are still there.',
                HINT = coalesce((
                    SELECT format('SELECT * FROM lifecycle.rollback_migration(%s, dry_run => false) takes them away.',
                        max(m.migration_id))
                    FROM lifecycle.migration AS m JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
                    WHERE m.feature = 'incremental_view' AND m.state <> 'rolled_back'
                        AND s.action = 'register incremental view'
                        AND strpos(s.inverse, quote_literal(v_view.query_view)) > 0
                    HAVING count(*) > 0
                ), 'Choose another name.');
        END IF;
        v_number := v_number + 1;
        v_base[3] := v_number::text;
    END LOOP;
    RETURN v_base;
END
$fn$;
COMMENT ON FUNCTION lifecycle._incremental_base(name, name) IS
'What the names of the generated objects of a new incremental view begin with; raises 55000 where a dropped one has left
its own.';

CREATE FUNCTION lifecycle._incremental_captures(
    sources lifecycle.view_source[], base text[], OUT plan lifecycle.plan_step[], OUT stored jsonb
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source record;
    v_consumer name;
    v_queue text;
BEGIN
    plan := ARRAY[]::lifecycle.plan_step[];
    stored := '[]';
    FOR v_source IN
        SELECT s.*, row_number() OVER (ORDER BY s.place) AS number
        FROM unnest(sources) WITH ORDINALITY AS s (relation, way, columns, query, consumer, queue, place)
        WHERE s.way <> 'none'
    LOOP
        -- Each source gets a consumer, and thereby a queue, of its own.
        v_consumer := lifecycle._name(base, v_source.number::text);
        PERFORM lifecycle._require_table(v_source.relation::regclass);
        PERFORM lifecycle._require_owner(v_source.relation::regclass);
        v_queue := lifecycle._queue_name(v_source.relation::regclass, v_consumer);
        plan := plan || lifecycle._plan_capture(v_source.relation::regclass, v_consumer,
            CASE WHEN cardinality(v_source.columns) > 0 THEN v_source.columns END, 'statement', true);
        stored := stored || jsonb_build_object('relation', v_source.relation, 'way', v_source.way, 'columns',
            v_source.columns, 'query', v_source.query, 'consumer', v_consumer, 'queue', v_queue);
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._incremental_captures(lifecycle.view_source[], text[]) IS
'The steps that capture the sources of an incremental view, and the sources as they are stored.';

-- Where the planner must do without sequential scans and still reads a table without the help of an index, the
-- condition on the key does not get down to it.
CREATE FUNCTION lifecycle._unindexed_sources(path_plan jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(DISTINCT format('no index of %s leads to the rows of one key: each refresh reads all of it',
        n.relation::regclass), '; ')
    FROM lifecycle._plan_nodes(path_plan) AS n
    WHERE n.relation IS NOT NULL AND NOT n.by_index
$fn$;
COMMENT ON FUNCTION lifecycle._unindexed_sources(jsonb) IS
'Which tables the plan of one key reads as a whole, in words; NULL when none.';

CREATE FUNCTION lifecycle._plan_refresh_routine(
    routine text,
    target text,
    query_view text,
    shape lifecycle.query_shape,
    key_columns name[],
    stored jsonb,
    settings jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parts lifecycle.merge_parts;
    v_source lifecycle.view_source;
BEGIN
    v_parts.target := target;
    v_parts.query_view := query_view;
    v_parts.columns := shape.columns;
    v_parts.key_columns := key_columns;
    SELECT array_agg(t.name ORDER BY k.place),
        array_agg(lifecycle._equality(to_regtype(t.name)::oid) ORDER BY k.place)
    INTO v_parts.key_types, v_parts.equalities
    FROM unnest(key_columns) WITH ORDINALITY AS k (name, place)
    CROSS JOIN LATERAL (SELECT shape.column_types[array_position(shape.columns, k.name)] AS name) AS t;
    v_source := lifecycle._refresh_routine_source(lifecycle._view_sources(stored), v_parts);
    RETURN CASE WHEN v_source.queue IS NULL THEN ARRAY[]::lifecycle.plan_step[] ELSE ARRAY[
        lifecycle._refresh_routine_step(routine, v_parts, v_source.queue,
            lifecycle._own_columns(v_source.columns) || v_source.columns, settings)
    ] END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_refresh_routine(
    text, text, text, lifecycle.query_shape, name[], jsonb, jsonb
) IS 'The step that makes the generated function of an incremental view, where it can have one.';

CREATE FUNCTION lifecycle._plan_incremental_view(
    view_schema name,
    view_name name,
    query text,
    key_columns name[],
    sources jsonb,
    tolerance interval,
    search_path text
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_target constant text := format('%I.%I', view_schema, view_name);
    v_base constant text[] := lifecycle._incremental_base(view_schema, view_name);
    v_query_view constant text := format('lifecycle_data.%I', lifecycle._name(v_base, 'query'));
    v_refresh constant text := format('lifecycle_data.%I', lifecycle._name(v_base, 'refresh'));
    v_keys constant text := (SELECT string_agg(quote_ident(k), ', ' ORDER BY u.place)
        FROM unnest(key_columns) WITH ORDINALITY AS u (k, place));
    v_constraint constant name := lifecycle._free_name(view_schema, ARRAY[view_name::text], 'key');
    v_shape lifecycle.query_shape;
    v_sources lifecycle.view_source[];
    v_captures record;
    v_settings constant jsonb := lifecycle._query_settings(_plan_incremental_view.search_path);
    v_routine lifecycle.plan_step[];
BEGIN
    v_shape := lifecycle._query_shape(query, key_columns, view_schema, _plan_incremental_view.search_path);
    PERFORM lifecycle._require_repeatable(v_shape.findings, tolerance);
    PERFORM lifecycle._require_local(v_shape);
    v_sources := lifecycle._query_sources(v_shape, key_columns, sources, _plan_incremental_view.search_path);
    SELECT c.plan, c.stored INTO v_captures
    FROM lifecycle._incremental_captures(v_sources, v_base) AS c;
    v_routine := lifecycle._plan_refresh_routine(v_refresh, v_target, v_query_view, v_shape, key_columns,
        v_captures.stored, v_settings);
    RETURN lifecycle._data_schema_steps() || v_captures.plan || ARRAY[
        lifecycle._step('create view', 'view ' || v_query_view,
            format('CREATE VIEW %s AS %s', v_query_view, v_shape.definition),
            format('DROP VIEW %s', v_query_view)),
        lifecycle._step('create table', 'table ' || v_target,
            -- Room on each page, so that a changed row stays on it and no index is touched.
            format('CREATE TABLE %1$s WITH (fillfactor = 80) AS TABLE %2$s WITH NO DATA; '
                || 'ALTER TABLE %1$s REPLICA IDENTITY FULL; '
                || 'COMMENT ON TABLE %1$s IS %3$L', v_target, v_query_view,
                'pg_lifecycle: kept equal to its query by refresh_incremental_view; do not write it by hand.'),
            format('DROP TABLE %s', v_target)),
        lifecycle._step('add unique key', format('table constraint %I on %s', v_constraint, v_target),
            format('ALTER TABLE %s ADD CONSTRAINT %I UNIQUE NULLS NOT DISTINCT (%s)', v_target, v_constraint, v_keys),
            format('ALTER TABLE %s DROP CONSTRAINT %I', v_target, v_constraint))
    ] || v_routine || ARRAY[
        lifecycle._step('register incremental view', 'incremental view ' || v_target,
            format('INSERT INTO lifecycle.incremental_view (target, target_oid, query_view, query_view_oid, '
                || 'key_columns, sources, settings, tolerance, rebuild_reason, routine, ground) VALUES (%1$L, '
                || '%1$L::pg_catalog.regclass, %2$L, %2$L::pg_catalog.regclass, %3$L, %4$L, %5$L, %6$L, %7$L, %8$L, '
                || 'lifecycle._incremental_ground(%2$L::pg_catalog.regclass, %9$L))',
                v_target, v_query_view, key_columns, v_captures.stored, v_settings, tolerance, 'it was never filled',
                CASE WHEN cardinality(v_routine) > 0 THEN v_refresh END,
                ARRAY(SELECT q ->> 'queue' FROM jsonb_array_elements(v_captures.stored) AS q)),
            format('DELETE FROM lifecycle.incremental_view WHERE query_view OPERATOR(pg_catalog.=) %L', v_query_view),
            note => lifecycle._unindexed_sources(v_shape.path_plan)),
        -- The captures are committed before the first snapshot that copies, and no lock outlives them.
        lifecycle._step('fill', 'table ' || v_target,
            format('SELECT FROM lifecycle.refresh_incremental_view(%L)', v_target), stage => 2)
    ];
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_incremental_view(name, name, text, name[], jsonb, interval, text) IS
'The plan of create_incremental_view.';
