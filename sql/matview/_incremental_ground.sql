-- What the answer of an incremental view rests on, beside its rows: definitions, of which no trigger says that they
-- have changed; and the versions of the capture's triggers, which tell one that was switched off and on again, or made
-- anew, from one that has been there all the time. uses: the objects with definitions; relations: the tables read.
CREATE FUNCTION lifecycle._incremental_ground(query_view oid, queues text[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN (
        WITH used AS MATERIALIZED (
            SELECT 'pg_class'::regclass::oid AS class_id, query_view AS object_id
            UNION
            SELECT u.class_id, u.object_id FROM lifecycle._view_uses(ARRAY[query_view], ARRAY[query_view]) AS u
        ), relation AS MATERIALIZED (
            SELECT c.oid, c.relkind FROM used AS u
            JOIN pg_class AS c ON u.class_id = 'pg_class'::regclass AND c.oid = u.object_id
        ), definition AS (
            SELECT w.ev_class AS oid, w.ev_action::text AS d
            FROM relation AS r JOIN pg_rewrite AS w ON w.ev_class = r.oid AND w.rulename = '_RETURN'
            WHERE r.relkind = 'v'
            UNION ALL
            SELECT p.oid, concat_ws(' ', p.prosrc, p.prosqlbody::text, p.proconfig, p.provolatile)
            FROM used AS u JOIN pg_proc AS p ON u.class_id = 'pg_proc'::regclass AND p.oid = u.object_id
            UNION ALL
            SELECT d.adrelid, d.adbin::text
            FROM relation AS r
            JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attgenerated <> ''
            JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            UNION ALL
            SELECT p.relation, concat_ws(' ', p.policy_name, p.is_permissive, p.predicate)
            FROM lifecycle._query_policies(query_view) AS p
        ), source AS MATERIALIZED (
            SELECT c.source_oid AS oid FROM lifecycle.capture AS c WHERE c.queue = ANY (queues)
        ), fired AS (
            SELECT t.tgrelid, md5(string_agg(concat_ws(' ', t.oid, t.xmin), ',' ORDER BY t.oid)) AS v
            FROM pg_proc AS p JOIN pg_trigger AS t ON t.tgfoid = p.oid
            WHERE p.pronamespace = to_regnamespace('lifecycle_data')
                AND p.proname = ANY (ARRAY(SELECT (parse_ident(q))[2] FROM unnest(queues) AS q))
                AND t.tgrelid IN (
                    SELECT s.oid FROM source AS s
                    UNION SELECT m FROM source AS s CROSS JOIN unnest(lifecycle._partitions(s.oid::regclass)) AS m)
            GROUP BY t.tgrelid
        )
        SELECT jsonb_build_object(
            'uses', (SELECT coalesce(jsonb_agg(u.object_id::bigint ORDER BY u.object_id), '[]') FROM used AS u),
            'relations', (SELECT coalesce(jsonb_agg(r.oid::bigint ORDER BY r.oid), '[]') FROM relation AS r
                WHERE r.relkind <> 'v'),
            'definitions', (SELECT coalesce(md5(string_agg(x.v, ',' ORDER BY x.v)), '')
                FROM (SELECT concat_ws(' ', d.oid, md5(d.d)) AS v FROM definition AS d) AS x),
            'triggers', (SELECT coalesce(jsonb_object_agg(f.tgrelid, f.v), '{}') FROM fired AS f)
        )
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._incremental_ground(oid, text[]) IS
'What an incremental view rests on, to be compared with what it rested on when it was refreshed last.';

CREATE FUNCTION lifecycle._ground_uses(ground jsonb) RETURNS oid[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN ARRAY(SELECT u::oid FROM jsonb_array_elements_text(ground -> 'uses') AS u);
END
$fn$;
COMMENT ON FUNCTION lifecycle._ground_uses(jsonb) IS 'The objects whose definitions an incremental view uses.';

-- A table that has been given away or dropped since takes its triggers with it, and is found by other means.
CREATE FUNCTION lifecycle._lost_triggers(ground jsonb, ground_now jsonb, queues text[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        SELECT string_agg(DISTINCT c.oid::regclass::text, ', ')
        FROM jsonb_each(ground -> 'triggers') AS t
        JOIN pg_class AS c ON c.oid = t.key::oid
        WHERE t.value IS DISTINCT FROM ground_now -> 'triggers' -> t.key AND EXISTS (
            SELECT FROM lifecycle.capture AS s
            WHERE s.queue = ANY (queues) AND (s.source_oid = c.oid
                OR c.oid = ANY (lifecycle._partitions(s.source_oid::regclass))))
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._lost_triggers(jsonb, jsonb, text[]) IS
'The captured tables whose triggers are not those of the last refresh; NULL when none.';

-- Whether the ways from changed rows to keys are still those that the query asks for, now that something that it uses
-- has another definition. What the caller has said of a table was said of the old one.
CREATE FUNCTION lifecycle._doubtful_ways(view lifecycle.located_incremental, ground_now jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_shape lifecycle.query_shape;
    v_given jsonb;
    v_new text;
    v_wrong text;
BEGIN
    v_new := (SELECT string_agg(n::oid::regclass::text, ', ')
        FROM jsonb_array_elements_text(ground_now -> 'relations') AS n
        WHERE NOT view.ground -> 'relations' @> to_jsonb(n::bigint));
    IF v_new IS NOT NULL THEN
        RETURN format('it reads %s, which is not watched', v_new);
    END IF;
    v_shape.columns := view.columns;
    v_shape.column_types := ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a
        WHERE a.attrelid = view.query_view AND a.attname = ANY (view.columns) ORDER BY a.attnum);
    v_shape.relations := ARRAY(SELECT n::oid FROM jsonb_array_elements_text(ground_now -> 'relations') AS n);
    v_shape.findings := lifecycle._query_findings(view.query_view);
    v_shape.key_plan := lifecycle._key_plan(view.query_view, view.key_columns);
    v_shape.path_plan := lifecycle._path_plan(view.query_view, view.key_columns);
    v_given := (
        SELECT coalesce(jsonb_object_agg(r::oid::regclass::text, CASE s.way WHEN 'rebuild' THEN to_jsonb(s.way) END),
            '{}')
        FROM unnest(v_shape.relations) AS r
        LEFT JOIN unnest(view.sources) AS s ON to_regclass(s.relation) = r
        WHERE s.way IS NULL OR s.way = 'rebuild'
    );
    PERFORM lifecycle._require_repeatable(v_shape.findings, view.tolerance);
    PERFORM lifecycle._require_local(v_shape);
    v_wrong := (
        SELECT string_agg(n.relation, ', ')
        FROM unnest(lifecycle._query_sources(v_shape, view.key_columns, v_given, 'pg_catalog, pg_temp')) AS n
        JOIN unnest(view.sources) AS s ON to_regclass(s.relation) = to_regclass(n.relation)
        WHERE (n.way, n.columns, n.query) IS DISTINCT FROM (s.way, s.columns, s.query) AND n.way <> 'rebuild'
    );
    RETURN 'the way from ' || v_wrong || ' to its keys is another one';
EXCEPTION WHEN feature_not_supported OR object_not_in_prerequisite_state OR invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS v_wrong = MESSAGE_TEXT;
    RETURN v_wrong;
END
$fn$;
COMMENT ON FUNCTION lifecycle._doubtful_ways(lifecycle.located_incremental, jsonb) IS
'Why an incremental view cannot be refreshed by keys any more, in words; NULL when it can.';

-- Asked by each look at everything. reason: why all rows are to be read now; ground: what is to be kept for the next
-- time. Where the definitions are not those that the ways to the keys were found for, the old ones are kept: then each
-- refresh is a rebuild.
CREATE FUNCTION lifecycle._ground_reason(
    view lifecycle.located_incremental, ground_now jsonb, OUT reason text, OUT ground jsonb
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_lost text;
    v_doubt text;
BEGIN
    ground := ground_now;
    IF NOT view.is_here OR view.ground IS NULL OR view.ground = ground_now THEN
        RETURN;
    END IF;
    v_lost := lifecycle._lost_triggers(view.ground, ground_now, view.queues);
    IF v_lost IS NOT NULL THEN
        reason := format('triggers of %s were changed since the last refresh: writes may have been missed', v_lost);
    END IF;
    IF view.ground -> 'definitions' <> ground_now -> 'definitions' THEN
        v_doubt := lifecycle._doubtful_ways(view, ground_now);
        reason := concat_ws('; ', reason, 'a view, a function or row security that it rests on was changed',
            v_doubt || ', so that each refresh is a rebuild until it is rolled back and created anew');
        IF v_doubt IS NOT NULL THEN
            ground := jsonb_set(jsonb_set(ground_now, '{definitions}', view.ground -> 'definitions'),
                '{relations}', view.ground -> 'relations');
        END IF;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._ground_reason(lifecycle.located_incremental, jsonb) IS
'Why what an incremental view rests on calls for a rebuild, and what to remember of it.';

-- Beside the entries of the queues: what no trigger tells. A difference that turns out to be none costs one look.
CREATE FUNCTION lifecycle._unseen_changes() RETURNS TABLE (view oid, reason text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN QUERY
    SELECT v.target::oid, coalesce(p.detail, 'what it rests on has changed')
    FROM lifecycle._incremental_views() AS v
    LEFT JOIN LATERAL (
        SELECT string_agg(f.detail, '; ') AS detail
        FROM lifecycle._captures() AS c CROSS JOIN LATERAL lifecycle._capture_problems(c) AS f
        WHERE c.queue_name = ANY (v.queues) AND f.severity = 'error'
    ) AS p ON true
    WHERE v.target IS NOT NULL AND v.query_view IS NOT NULL
        AND (p.detail IS NOT NULL OR v.is_here AND v.ground <> lifecycle._incremental_ground(v.query_view, v.queues));
END
$fn$;
COMMENT ON FUNCTION lifecycle._unseen_changes() IS
'The incremental views that have to look at more than their queues, and why.';
