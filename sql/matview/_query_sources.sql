-- The nodes of a plan: which table is scanned there, under which name, by which conditions.
CREATE FUNCTION lifecycle._plan_nodes(plan jsonb)
RETURNS TABLE (node_type text, relation oid, alias text, conditions text, is_global boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE node (n, is_global, in_subplan) AS (
        SELECT plan, false, false
        UNION ALL
        SELECT c.n, o.is_global OR (c.n ->> 'Parent Relationship' = 'InitPlan' AND NOT o.in_subplan
                AND c.n ->> 'Subplan Name' NOT LIKE 'CTE %'),
            o.in_subplan OR c.n ->> 'Parent Relationship' = 'SubPlan'
        FROM node AS o CROSS JOIN LATERAL jsonb_array_elements(o.n -> 'Plans') AS c (n)
    )
    SELECT o.n ->> 'Node Type', coalesce(r.root, r.oid), o.n ->> 'Alias', (
            SELECT string_agg(e.value, ' ') FROM jsonb_each_text(o.n) AS e
            WHERE e.key IN ('Filter', 'Index Cond', 'Recheck Cond', 'Join Filter', 'One-Time Filter', 'TID Cond')
        ), o.is_global
    FROM node AS o
    LEFT JOIN LATERAL (
        SELECT c.oid, pg_partition_root(c.oid)::oid AS root
        FROM pg_class AS c
        WHERE c.oid = to_regclass(quote_ident(o.n ->> 'Schema') || '.' || quote_ident(o.n ->> 'Relation Name'))
    ) AS r ON true
$fn$;
COMMENT ON FUNCTION lifecycle._plan_nodes(jsonb) IS
'The nodes of a plan. relation: what is scanned, a partition as its root; is_global: computed once for all keys.';

-- A scan that asks for exactly the key in a column says that other rows of that table do not matter for the key: the
-- planner has proved it, through joins and groups. Every scan of the table must say so.
CREATE FUNCTION lifecycle._keyed_columns(plan jsonb, relation oid, key_types text[]) RETURNS name[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH scan AS (
        SELECT row_number() OVER () AS number, n.alias, n.conditions
        FROM lifecycle._plan_nodes(plan) AS n WHERE n.relation = _keyed_columns.relation
    ), found AS (
        SELECT DISTINCT s.number, k.place, a.attname
        FROM scan AS s
        CROSS JOIN unnest(key_types) WITH ORDINALITY AS k (type, place)
        JOIN pg_attribute AS a ON a.attrelid = _keyed_columns.relation AND a.attnum > 0
            AND format_type(a.atttypid, a.atttypmod) = k.type
        CROSS JOIN LATERAL (
            SELECT format('%I.%I', s.alias, a.attname) AS name, 'lifecycle_key.k' || k.place AS key
        ) AS w
        WHERE position(format('(%s = %s)', w.name, w.key) IN s.conditions) > 0
            OR position(format('(%s = %s)', w.key, w.name) IN s.conditions) > 0
            OR position(format('((%s)::text = (%s)::text)', w.name, w.key) IN s.conditions) > 0
            OR position(format('((%s)::text = (%s)::text)', w.key, w.name) IN s.conditions) > 0
    ), common AS (
        SELECT f.place, min(f.attname::text) AS attname
        FROM (
            SELECT o.place, o.attname FROM found AS o
            GROUP BY o.place, o.attname HAVING count(*) = (SELECT count(*) FROM scan)
        ) AS f
        GROUP BY f.place
    )
    SELECT CASE WHEN count(*) = cardinality(key_types) THEN array_agg(c.attname::name ORDER BY c.place) END
    FROM common AS c
$fn$;
COMMENT ON FUNCTION lifecycle._keyed_columns(jsonb, oid, text[]) IS
'The columns of a table that are the key in every scan of the plan; NULL when the plan does not say so.';

-- One source as the caller gave it: columns, an object of columns and query, "rebuild", or null.
CREATE FUNCTION lifecycle._given_source(relation regclass, given jsonb) RETURNS lifecycle.view_source
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source lifecycle.view_source;
BEGIN
    v_source.relation := relation::text;
    IF given = 'null' THEN
        v_source.way := 'none';
    ELSIF given = '"rebuild"' THEN
        v_source.way := 'rebuild';
    ELSIF jsonb_typeof(given) = 'array' THEN
        v_source.way := 'key';
        v_source.columns := ARRAY(SELECT jsonb_array_elements_text(given));
    ELSIF jsonb_typeof(given) = 'object' AND jsonb_typeof(given -> 'columns') = 'array'
        AND jsonb_typeof(given -> 'query') = 'string'
    THEN
        v_source.way := 'query';
        v_source.columns := ARRAY(SELECT jsonb_array_elements_text(given -> 'columns'));
        v_source.query := given ->> 'query';
    ELSE
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('source %s cannot be %s', relation, given),
            HINT = 'Give an array of columns, {"columns": [...], "query": "SELECT ... FROM changed ..."}, "rebuild" '
                'or null.';
    END IF;
    RETURN v_source;
END
$fn$;
COMMENT ON FUNCTION lifecycle._given_source(regclass, jsonb) IS 'A source as the caller described it.';

CREATE FUNCTION lifecycle._query_sources(
    shape lifecycle.query_shape, key_columns name[], sources jsonb, search_path text
) RETURNS lifecycle.view_source[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_types constant text[] := ARRAY(SELECT shape.column_types[array_position(shape.columns, k)]
        FROM unnest(key_columns) WITH ORDINALITY AS u (k, place) ORDER BY u.place);
    v_given jsonb;
    v_relation oid;
    v_source lifecycle.view_source;
    v_result lifecycle.view_source[] := ARRAY[]::lifecycle.view_source[];
    v_unknown text[] := ARRAY[]::text[];
BEGIN
    -- The caller's names are the caller's to resolve.
    PERFORM pg_catalog.set_config('search_path', _query_sources.search_path, true);
    v_given := (SELECT pg_catalog.jsonb_object_agg(e.key::pg_catalog.regclass::pg_catalog.oid, e.value)
        FROM pg_catalog.jsonb_each(sources) AS e);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_given := coalesce(v_given, '{}');
    FOREACH v_relation IN ARRAY shape.relations LOOP
        v_source := NULL;
        IF v_given ? v_relation::text THEN
            v_source := lifecycle._given_source(v_relation, v_given -> v_relation::text);
        ELSE
            v_source.columns := lifecycle._keyed_columns(shape.key_plan, v_relation, v_types);
            v_source.relation := v_relation::regclass::text;
            v_source.way := CASE WHEN v_source.columns IS NULL THEN 'unknown' ELSE 'key' END;
        END IF;
        IF v_source.way = 'unknown' OR v_source.way IN ('key', 'query') AND EXISTS (
            SELECT FROM lifecycle._plan_nodes(shape.key_plan) AS n WHERE n.relation = v_relation AND n.is_global)
        THEN
            v_unknown := v_unknown || v_source.relation;
        END IF;
        v_result := v_result || v_source;
    END LOOP;
    IF cardinality(v_unknown) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the query does not say which keys a change of %s concerns',
                array_to_string(v_unknown, ', ')),
            DETAIL = format('Asked for one key (%s), the planner does not ask these tables for it.',
                array_to_string(key_columns, ', ')),
            HINT = 'Say it with sources: an object of table: ["column", ...] of the key there, {"columns": [...], '
                '"query": "SELECT key FROM changed JOIN ..."}, "rebuild" (any change reads all) or null (it never '
                'changes).';
    END IF;
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._query_sources(lifecycle.query_shape, name[], jsonb, text) IS
'The tables that a query reads, each with the way from a changed row to its keys; raises 55000 for those without one.';

-- PostgreSQL pushes a condition through groups, windows and the like only where the rows of one key do not depend on
-- others. Where it stays above, they may.
CREATE FUNCTION lifecycle._require_local(shape lifecycle.query_shape) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_above text;
BEGIN
    SELECT string_agg(DISTINCT n.node_type, ', ') INTO v_above
    FROM lifecycle._plan_nodes(shape.key_plan) AS n
    WHERE n.conditions LIKE '%lifecycle_key.%' AND n.node_type IN ('Aggregate', 'Group', 'WindowAgg', 'Subquery Scan',
        'CTE Scan', 'Unique', 'Limit', 'SetOp', 'WorkTable Scan');
    IF v_above IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'rows of one key depend on rows of other keys, or PostgreSQL cannot tell that they do not',
            DETAIL = format('Asked for one key, the plan computes all of them and filters above: %s.', v_above),
            HINT = 'Choose a key that every group, window and DISTINCT contains, write WITH queries as AS NOT '
                'MATERIALIZED, or use a materialized view.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_local(lifecycle.query_shape) IS
'Raises 0A000 when the condition on the key stays above what mixes keys.';

CREATE FUNCTION lifecycle._require_repeatable(findings lifecycle.finding[], tolerance interval) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_details text;
    v_moves boolean;
BEGIN
    SELECT string_agg(f.detail, '; '), bool_or(f.finding = 'time') INTO v_details, v_moves
    FROM unnest(findings) AS f WHERE f.finding <> 'time' OR tolerance IS NULL;
    IF v_details IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'the query cannot be kept incrementally: its rows do not follow from its tables alone',
            DETAIL = v_details,
            HINT = CASE WHEN v_moves
                THEN 'With tolerance => ''1 hour'' the view is rebuilt when it is older than that.'
                ELSE 'Take it out of the query, or declare the function IMMUTABLE or BEGIN ATOMIC if that is the truth.'
            END;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_repeatable(lifecycle.finding[], interval) IS
'Raises 0A000 for what moves with the clock (unless a tolerance is given), the session or chance.';
