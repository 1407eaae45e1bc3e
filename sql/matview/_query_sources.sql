-- The nodes of a plan: which table is scanned there, under which name, by which conditions.
CREATE FUNCTION lifecycle._plan_nodes(plan jsonb)
RETURNS TABLE (
    node_type text, relation oid, alias text, parts text[], conditions text, is_global boolean, by_index boolean
)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE node (n, is_global, in_subplan) AS (
        SELECT plan, false, false
        UNION ALL
        SELECT c.n, o.is_global OR (c.n ->> 'Parent Relationship' = 'InitPlan' AND NOT o.in_subplan
                AND c.n ->> 'Subplan Name' NOT LIKE 'CTE %'),
            o.in_subplan OR c.n ->> 'Parent Relationship' = 'SubPlan'
        FROM node AS o CROSS JOIN LATERAL jsonb_array_elements(o.n -> 'Plans') AS c (n)
    )
    SELECT o.n ->> 'Node Type', coalesce(r.root, r.oid), o.n ->> 'Alias', c.parts, array_to_string(c.parts, ' '),
        o.is_global, o.n ?| '{Index Cond,Recheck Cond,TID Cond}'
    FROM node AS o
    CROSS JOIN LATERAL (
        SELECT ARRAY(SELECT e.value FROM jsonb_each_text(o.n) AS e WHERE e.key IN ('Filter', 'Index Cond',
            'Recheck Cond', 'Join Filter', 'One-Time Filter', 'TID Cond')) AS parts
    ) AS c
    LEFT JOIN LATERAL (
        SELECT c.oid, pg_partition_root(c.oid)::oid AS root
        FROM pg_class AS c
        WHERE c.oid = to_regclass(quote_ident(o.n ->> 'Schema') || '.' || quote_ident(o.n ->> 'Relation Name'))
    ) AS r ON true
$fn$;
COMMENT ON FUNCTION lifecycle._plan_nodes(jsonb) IS
'The nodes of a plan. relation: what is scanned, a partition as its root; parts: its conditions; is_global: computed
once for all keys; by_index: an index finds the rows.';

-- A condition counts only when all of it must hold: "(a = b)" within an OR says nothing. EXPLAIN writes AND between
-- parentheses; names and strings are skipped as a whole.
CREATE FUNCTION lifecycle._conjuncts(condition text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_token text;
    v_depth integer := 0;
    v_part text := '';
    v_parts text[] := ARRAY[]::text[];
BEGIN
    FOR v_token IN
        SELECT m[1] FROM regexp_matches(condition, '("(?:[^"]|"")*"|''(?:[^'']|'''')*''|[()]|[^()"'']+)', 'g') AS m
    LOOP
        IF v_depth = 1 AND v_token = ' AND ' THEN
            v_parts := v_parts || v_part;
            v_part := '';
        ELSE
            v_depth := v_depth + CASE v_token WHEN '(' THEN 1 WHEN ')' THEN -1 ELSE 0 END;
            v_part := v_part || v_token;
        END IF;
    END LOOP;
    -- The outer parentheses hold the parts together.
    RETURN CASE WHEN v_parts = '{}' THEN ARRAY[condition]
        ELSE ARRAY[substr(v_parts[1], 2)] || v_parts[2:] || left(v_part, length(v_part) - 1) END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._conjuncts(text) IS 'The parts of a condition in a plan that all must hold.';

-- Which column of which scan is asked to equal what: the key, or a column of another scan.
CREATE FUNCTION lifecycle._scan_links(plan jsonb, key_types text[]) RETURNS SETOF lifecycle.scan_link
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH scan AS MATERIALIZED (
        SELECT row_number() OVER () AS number, n.relation, n.alias, n.is_global, ARRAY(
            SELECT c FROM unnest(n.parts) AS p (condition) CROSS JOIN unnest(lifecycle._conjuncts(p.condition)) AS c
        ) AS conditions
        FROM lifecycle._plan_nodes(plan) AS n WHERE n.relation IS NOT NULL
    ), known AS MATERIALIZED (
        SELECT s.number, s.relation, a.attname, format('%I.%I', s.alias, a.attname) AS name,
            format_type(a.atttypid, a.atttypmod) AS type, CASE WHEN t.typcategory = 'S' THEN 'string'
                -- Those that no setting writes in another way.
                WHEN t.typtype = 'e' OR t.oid = ANY ('{int2,int4,int8,numeric,uuid,oid,bool}'::regtype[]::oid[])
                    THEN 'text' END AS written
        FROM scan AS s
        JOIN pg_attribute AS a ON a.attrelid = s.relation AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type AS t ON t.oid = a.atttypid
    ), wanted AS (
        SELECT NULL::bigint AS number, NULL::oid AS relation, NULL::name AS attname, 'lifecycle_key.k' || k.place AS
            name, k.place::integer AS place, k.type, 'string' AS written
        FROM unnest(key_types) WITH ORDINALITY AS k (type, place)
        UNION ALL
        SELECT k.number, k.relation, k.attname, k.name, NULL, NULL, k.written FROM known AS k
    ), link AS MATERIALIZED (
        SELECT s.number, s.relation, s.is_global, m.attname, w.place, w.number AS other_scan,
            w.relation AS other_relation, w.attname AS other_column,
            coalesce(w.place IS NULL AND 'text' IN (m.written, w.written) AND NOT s.conditions && ARRAY[
                format('(%s = %s)', m.name, w.name), format('(%s = %s)', w.name, m.name)], false) AS as_text
        FROM scan AS s
        LEFT JOIN (known AS m JOIN wanted AS w ON w.number IS DISTINCT FROM m.number AND (w.place IS NULL
                OR w.type = m.type))
            ON m.number = s.number AND (
                s.conditions && ARRAY[format('(%s = %s)', m.name, w.name), format('(%s = %s)', w.name, m.name)]
                OR w.written IS NOT NULL AND (m.written IS NOT NULL OR w.place IS NOT NULL)
                AND EXISTS (
                    -- What is text already is written without a cast.
                    SELECT FROM unnest(ARRAY[m.name, format('(%s)::text', m.name)]) AS one (name)
                    CROSS JOIN unnest(ARRAY[w.name, format('(%s)::text', w.name)]) AS other (name)
                    WHERE s.conditions && ARRAY[format('(%s = %s)', one.name, other.name),
                        format('(%s = %s)', other.name, one.name)]
                ))
    )
    SELECT l.* FROM link AS l
    UNION ALL
    -- Two that are asked for the same part of the key are joined by it; the other one must know the whole key, or each
    -- would need the other as it was.
    SELECT l.number, l.relation, l.is_global, l.attname, NULL, o.number, o.relation, o.attname, false
    FROM link AS l
    JOIN link AS o ON o.place = l.place AND o.number <> l.number
    WHERE cardinality(key_types) = (SELECT count(DISTINCT k.place) FROM link AS k WHERE k.number = o.number)
$fn$;
COMMENT ON FUNCTION lifecycle._scan_links(jsonb, text[]) IS
'The scans of a plan with the columns that each is asked for (lifecycle.scan_link); one row without a column where it is
asked for none.';

-- A scan that asks for exactly the key in a column says that other rows of that table do not matter for the key: the
-- planner has proved it, through joins and groups. Every scan of the table must say so.
CREATE FUNCTION lifecycle._keyed_columns(links lifecycle.scan_link[], relation oid, key_types text[]) RETURNS name[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH own AS (
        SELECT l.* FROM unnest(links) AS l WHERE l.relation = _keyed_columns.relation
    ), common AS (
        SELECT o.place, min(o.column_name::text) AS column_name
        FROM (
            SELECT f.place, f.column_name FROM own AS f WHERE f.place IS NOT NULL
            GROUP BY f.place, f.column_name
            HAVING count(DISTINCT f.scan) = (SELECT count(DISTINCT n.scan) FROM own AS n)
        ) AS o
        GROUP BY o.place
    )
    SELECT CASE WHEN count(*) = cardinality(key_types) THEN array_agg(c.column_name::name ORDER BY c.place) END
    FROM common AS c
$fn$;
COMMENT ON FUNCTION lifecycle._keyed_columns(lifecycle.scan_link[], oid, text[]) IS
'The columns of a table that are the key in every scan of the plan; NULL when the plan does not say so.';

-- Where a scan is asked for a column of another scan, and that one for the key, the way is the same join the other way
-- round: from what has changed to the key. It must end at a scan that knows the whole key, so that each table on the
-- way gets there without those before it, whatever has become of them since. NULL when there is no such way.
CREATE FUNCTION lifecycle._scan_path(links lifecycle.scan_link[], scan bigint, key_count integer)
RETURNS lifecycle.view_source LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE part AS (
        SELECT l.scan, array_agg(l.column_name ORDER BY l.place) AS columns, array_agg(l.place ORDER BY l.place) AS
            places, count(DISTINCT l.place) = key_count AS is_whole
        FROM unnest(links) AS l WHERE l.place IS NOT NULL GROUP BY l.scan
    ), way (scan, hops, visited, tables, keys, columns) AS (
        SELECT _scan_path.scan, 0, ARRAY[_scan_path.scan], '' COLLATE "C", coalesce((
                SELECT jsonb_object_agg(u.place, format('c.%I', u.name))
                FROM part AS p CROSS JOIN unnest(p.places, p.columns) AS u (place, name) WHERE p.scan = _scan_path.scan
            ), '{}'), coalesce((SELECT p.columns FROM part AS p WHERE p.scan = _scan_path.scan), '{}')
        UNION ALL
        SELECT l.other_scan, w.hops + 1, w.visited || l.other_scan,
            w.tables || format(' JOIN %1$s AS t%2$s ON t%2$s.%3$I%6$s OPERATOR(pg_catalog.=) %4$s.%5$I%6$s',
                l.other_relation::regclass, w.hops + 1, l.other_column,
                CASE w.hops WHEN 0 THEN 'c' ELSE 't' || w.hops END, l.column_name,
                CASE WHEN l.as_text THEN '::pg_catalog.text' ELSE '' END),
            coalesce((SELECT jsonb_object_agg(u.place, format('t%s.%I', w.hops + 1, u.name))
                FROM part AS p CROSS JOIN unnest(p.places, p.columns) AS u (place, name)
                WHERE p.scan = l.other_scan), '{}') || w.keys,
            CASE w.hops WHEN 0 THEN w.columns || l.column_name ELSE w.columns END
        FROM way AS w
        JOIN unnest(links) AS l ON l.scan = w.scan AND l.other_scan <> ALL (w.visited)
        WHERE w.hops < 5 AND w.scan NOT IN (SELECT p.scan FROM part AS p WHERE p.is_whole)
    )
    SELECT ROW(NULL, 'query', ARRAY(SELECT DISTINCT c FROM unnest(w.columns) AS c ORDER BY c), format(
        'SELECT %s FROM changed AS c%s', (SELECT string_agg(w.keys ->> g::text, ', ' ORDER BY g)
            FROM generate_series(1, key_count) AS g), w.tables), NULL, NULL)::lifecycle.view_source
    FROM way AS w
    JOIN part AS p ON p.scan = w.scan AND p.is_whole
    ORDER BY w.hops, w.tables
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._scan_path(lifecycle.scan_link[], bigint, integer) IS
'The columns to record of what one scan reads, and the query from them to keys; NULL when no way leads there.';

CREATE FUNCTION lifecycle._joined_source(links lifecycle.scan_link[], relation oid, key_count integer)
RETURNS lifecycle.view_source LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_scan bigint;
    v_path lifecycle.view_source;
    v_source lifecycle.view_source;
BEGIN
    FOR v_scan IN SELECT DISTINCT l.scan FROM unnest(links) AS l WHERE l.relation = _joined_source.relation ORDER BY 1
    LOOP
        v_path := lifecycle._scan_path(links, v_scan, key_count);
        IF v_path.query IS NULL THEN
            RETURN NULL;
        END IF;
        v_source.way := 'query';
        v_source.columns := ARRAY(SELECT DISTINCT c FROM unnest(v_source.columns || v_path.columns) AS c ORDER BY c);
        -- Partitions say the same one after the other; a table that is read twice has two ways.
        v_source.query := CASE WHEN position(v_path.query IN v_source.query) > 0 THEN v_source.query
            ELSE concat_ws(' UNION ALL ', v_source.query, v_path.query) END;
    END LOOP;
    RETURN v_source;
END
$fn$;
COMMENT ON FUNCTION lifecycle._joined_source(lifecycle.scan_link[], oid, integer) IS
'The way from a changed row to its keys through the joins of the query; NULL when one scan of the table has none.';

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

-- A way to the keys that leads nowhere is found out here, not by the first refresh.
CREATE FUNCTION lifecycle._require_source_query(source lifecycle.view_source, key_types text[], search_path text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_changed constant text := (
        SELECT string_agg(format('NULL::%s AS %I', lifecycle._base_type(a.atttypid, a.atttypmod), a.attname), ', ')
        FROM pg_attribute AS a
        WHERE a.attrelid = source.relation::regclass AND a.attname = ANY (source.columns) AND NOT a.attisdropped);
    v_keys constant text := (SELECT string_agg(format('NULL::%s', k), ', ' ORDER BY u.place)
        FROM unnest(key_types) WITH ORDINALITY AS u (k, place));
    v_message text;
BEGIN
    BEGIN
        PERFORM lifecycle._execute(format('SELECT * FROM (WITH changed AS (SELECT %s WHERE false) %s) AS m '
            'UNION ALL SELECT %s LIMIT 0', v_changed, source.query, v_keys), _require_source_query.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        RETURN;
    EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT;
    END;
    RAISE EXCEPTION USING
        ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('the query of source %s leads from changed (%s) to no key', source.relation,
            array_to_string(source.columns, ', ')),
        DETAIL = v_message || ': ' || source.query,
        HINT = format('It must return the key: %s.', array_to_string(key_types, ', '));
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_source_query(lifecycle.view_source, text[], text) IS
'Raises 22023 when the query of a source cannot be run, or returns something else than keys.';

CREATE FUNCTION lifecycle._query_sources(
    shape lifecycle.query_shape, key_columns name[], sources jsonb, search_path text
) RETURNS lifecycle.view_source[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_types constant text[] := ARRAY(SELECT shape.column_types[array_position(shape.columns, k)]
        FROM unnest(key_columns) WITH ORDINALITY AS u (k, place) ORDER BY u.place);
    v_links constant lifecycle.scan_link[] := ARRAY(SELECT l
        FROM lifecycle._scan_links(shape.key_plan, v_types) AS l);
    v_path_links constant lifecycle.scan_link[] := ARRAY(SELECT l
        FROM lifecycle._scan_links(shape.path_plan, v_types) AS l);
    v_given jsonb;
    v_relation oid;
    v_source lifecycle.view_source;
    v_result lifecycle.view_source[] := ARRAY[]::lifecycle.view_source[];
    v_unknown text[] := ARRAY[]::text[];
BEGIN
    IF jsonb_typeof(sources) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('sources cannot be %s', sources),
            HINT = 'Give an object of the tables that the query reads: {"public.item": ["shop_id"]}.';
    END IF;
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
            v_source.columns := coalesce(lifecycle._keyed_columns(v_links, v_relation, v_types),
                lifecycle._keyed_columns(v_path_links, v_relation, v_types));
            v_source.way := 'key';
            IF v_source.columns IS NULL THEN
                -- What is nearer to the key has its own way there: the joins of a plan lead from the outside in.
                v_source := lifecycle._joined_source(v_path_links, v_relation, cardinality(v_types));
            END IF;
            v_source.relation := v_relation::regclass::text;
        END IF;
        IF v_source.way IS NULL OR v_source.way IN ('key', 'query') AND EXISTS (
            SELECT FROM unnest(v_links || v_path_links) AS l WHERE l.relation = v_relation AND l.is_global)
        THEN
            v_unknown := v_unknown || v_source.relation;
        END IF;
        IF v_source.way = 'query' THEN
            PERFORM lifecycle._require_source_query(v_source, v_types, _query_sources.search_path);
        END IF;
        v_result := v_result || v_source;
    END LOOP;
    IF cardinality(v_unknown) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the query does not say which keys a change of %s concerns',
                array_to_string(v_unknown, ', ')),
            DETAIL = format('Asked for one key (%s), the planner asks these tables neither for it nor, by an index, '
                'for a column of a table that it asks for the key.', array_to_string(key_columns, ', ')),
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
