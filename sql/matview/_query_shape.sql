-- What a view uses, through other views and through functions whose body PostgreSQL knows (BEGIN ATOMIC).
CREATE FUNCTION lifecycle._query_uses(view oid) RETURNS TABLE (class_id oid, object_id oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE used (class_id, object_id) AS (
        SELECT 'pg_class'::regclass::oid, view
        UNION
        SELECT d.refclassid, d.refobjid
        FROM used AS u
        CROSS JOIN LATERAL (
            SELECT x.refclassid, x.refobjid
            FROM pg_rewrite AS w JOIN pg_depend AS x ON x.classid = 'pg_rewrite'::regclass AND x.objid = w.oid
            WHERE u.class_id = 'pg_class'::regclass AND w.ev_class = u.object_id AND w.rulename = '_RETURN'
                AND (u.object_id = view OR (SELECT c.relkind FROM pg_class AS c WHERE c.oid = u.object_id) = 'v')
            UNION ALL
            SELECT x.refclassid, x.refobjid FROM pg_depend AS x
            WHERE u.class_id = 'pg_proc'::regclass AND x.classid = u.class_id AND x.objid = u.object_id
            UNION ALL
            -- Built-in functions leave no row in pg_depend; the stored tree names them.
            SELECT 'pg_proc'::regclass::oid, m[1]::oid
            FROM pg_rewrite AS w
            CROSS JOIN LATERAL regexp_matches(w.ev_action::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g')
                AS m
            WHERE u.class_id = 'pg_class'::regclass AND w.ev_class = u.object_id AND w.rulename = '_RETURN'
                AND (u.object_id = view OR (SELECT c.relkind FROM pg_class AS c WHERE c.oid = u.object_id) = 'v')
        ) AS d
        WHERE d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)
    )
    SELECT u.class_id, u.object_id FROM used AS u WHERE u.object_id <> view
$fn$;
COMMENT ON FUNCTION lifecycle._query_uses(oid) IS 'The relations and functions that a view uses, directly or not.';

-- The policies that decide what the owner of a view sees of its tables.
CREATE FUNCTION lifecycle._query_policies(view oid)
RETURNS TABLE (relation oid, policy_name name, is_permissive boolean, predicate text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN QUERY
    SELECT c.oid, p.polname, p.polpermissive, p.polqual::text
    FROM lifecycle._view_uses(ARRAY[_query_policies.view], ARRAY[_query_policies.view]) AS u
    JOIN pg_class AS c ON u.class_id = 'pg_class'::regclass AND c.oid = u.object_id AND c.relrowsecurity
    JOIN pg_class AS v ON v.oid = _query_policies.view
    JOIN pg_roles AS o ON o.oid = v.relowner AND NOT (o.rolsuper OR o.rolbypassrls)
    -- Without a policy nobody sees anything: a row all the same.
    LEFT JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polcmd IN ('r', '*')
    WHERE c.relforcerowsecurity OR NOT pg_has_role(v.relowner, c.relowner, 'USAGE');
END
$fn$;
COMMENT ON FUNCTION lifecycle._query_policies(oid) IS
'The row security that holds for the owner of a view: tables with their policies, as stored.';

-- What makes the rows of a query depend on more than the tables: the moment, the session, chance.
CREATE FUNCTION lifecycle._query_findings(view oid) RETURNS lifecycle.finding[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH policy AS MATERIALIZED (
        SELECT p.relation, p.predicate FROM lifecycle._query_policies(view) AS p
    ), used AS (
        SELECT u.class_id, u.object_id FROM lifecycle._query_uses(view) AS u
        UNION
        SELECT 'pg_class'::regclass, view
        UNION
        SELECT 'pg_proc'::regclass, m[1]::oid
        FROM policy AS p CROSS JOIN LATERAL regexp_matches(p.predicate, ':(?:funcid|opfuncid) (\d+)', 'g') AS m
    ), tree AS MATERIALIZED (
        SELECT w.ev_action::text AS body
        FROM used AS u
        JOIN pg_rewrite AS w ON u.class_id = 'pg_class'::regclass AND w.ev_class = u.object_id
            AND w.rulename = '_RETURN'
        UNION ALL
        SELECT p.predicate FROM policy AS p
    ), word AS (
        -- CURRENT_DATE to LOCALTIMESTAMP, then CURRENT_ROLE to CURRENT_SCHEMA
        SELECT DISTINCT m[1]::integer AS op
        FROM tree AS t CROSS JOIN LATERAL regexp_matches(t.body, '\{SQLVALUEFUNCTION :op (\d+)', 'g') AS m
    ), found AS (
        SELECT CASE
                WHEN p.provolatile = 'v' THEN 'volatile'
                WHEN p.pronamespace = 'pg_catalog'::regnamespace
                    AND p.proname IN ('now', 'transaction_timestamp', 'statement_timestamp') THEN 'time'
                WHEN p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = 'age' AND p.pronargs = 1 THEN 'time'
                WHEN p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN ('current_setting', 'session_user',
                    'current_user', 'current_schema', 'current_schemas', 'inet_client_addr', 'current_query',
                    'pg_backend_pid') THEN 'session'
                WHEN p.oid >= 16384 AND p.provolatile = 's' AND p.prosqlbody IS NULL AND p.prolang <> ALL (ARRAY(
                    SELECT l.oid FROM pg_language AS l WHERE l.lanname IN ('internal', 'c'))) THEN 'hidden'
            END AS finding, p.oid::regprocedure::text AS name
        FROM used AS u JOIN pg_proc AS p ON u.class_id = 'pg_proc'::regclass AND p.oid = u.object_id
        UNION ALL
        SELECT CASE WHEN w.op < 9 THEN 'time' ELSE 'session' END,
            CASE WHEN w.op < 9 THEN 'CURRENT_DATE or CURRENT_TIMESTAMP' ELSE 'CURRENT_USER or the like' END
        FROM word AS w
        UNION ALL
        SELECT 'sample', 'TABLESAMPLE' FROM tree AS t WHERE t.body LIKE '%{TABLESAMPLECLAUSE %'
        UNION ALL
        SELECT 'collation', l.oid::regcollation::text
        FROM tree AS t
        CROSS JOIN LATERAL regexp_matches(t.body, ':collOid (\d+)', 'g') AS m
        JOIN pg_collation AS l ON l.oid = m[1]::oid AND NOT l.collisdeterministic
        UNION ALL
        SELECT 'policy', 'the row security of ' || p.relation::regclass
        FROM policy AS p WHERE p.predicate LIKE '%{SUBLINK %'
    )
    SELECT coalesce(array_agg(ROW('error', f.name, f.finding, CASE f.finding
        WHEN 'volatile' THEN f.name || ' is volatile: two runs over the same rows differ'
        WHEN 'time' THEN f.name || ' moves with the clock, and the clock fires no trigger'
        WHEN 'session' THEN f.name || ' depends on who asks'
        WHEN 'sample' THEN f.name || ' takes rows by chance, or by where they lie'
        WHEN 'collation' THEN 'COLLATE ' || f.name || ' makes different texts equal, and a plan does not show where: '
            || 'give the column that collation'
        WHEN 'policy' THEN f.name || ' reads other tables'
        ELSE f.name || ' has a body in quotes: nobody knows which tables it reads'
    END, NULL)::lifecycle.finding ORDER BY f.finding, f.name), '{}')
    FROM (SELECT DISTINCT o.finding, o.name FROM found AS o WHERE o.finding IS NOT NULL) AS f
$fn$;
COMMENT ON FUNCTION lifecycle._query_findings(oid) IS
'What of a view does not follow from the rows of its tables, or cannot be followed: finding is volatile, time, session,
hidden, sample, collation or policy.';

-- How the planner computes one key. lifecycle_key marks in the plan where the key is asked for.
CREATE FUNCTION lifecycle._key_query(view regclass, key_columns name[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) SELECT x.* FROM ROWS FROM (%s) AS lifecycle_key (%s) '
            'CROSS JOIN LATERAL (SELECT * FROM %s AS q WHERE %s OFFSET 0) AS x',
        string_agg(format('pg_catalog.unnest(NULL::%s[])', format_type(a.atttypid, a.atttypmod)), ', '
            ORDER BY k.place),
        string_agg('k' || k.place, ', ' ORDER BY k.place), view,
        string_agg(format('q.%I %s lifecycle_key.k%s', k.name, lifecycle._equality(a.atttypid), k.place), ' AND '
            ORDER BY k.place))
    FROM unnest(key_columns) WITH ORDINALITY AS k (name, place)
    JOIN pg_attribute AS a ON a.attrelid = view AND a.attname = k.name
$fn$;
COMMENT ON FUNCTION lifecycle._key_query(regclass, name[]) IS
'The statement that explains a query of the rows of one key after another.';

-- VOLATILE, since PostgreSQL explains nothing in other functions.
CREATE FUNCTION lifecycle._key_plan(view regclass, key_columns name[]) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan json;
BEGIN
    EXECUTE lifecycle._key_query(view, key_columns) INTO v_plan;
    RETURN v_plan::jsonb -> 0 -> 'Plan';
END
$fn$;
COMMENT ON FUNCTION lifecycle._key_plan(regclass, name[]) IS
'The plan of the rows of one key of a view, as EXPLAIN tells it.';

-- Where tables are joined row by row, each scan says by which column of the table before it finds its rows.
CREATE FUNCTION lifecycle._path_plan(view regclass, key_columns name[]) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_memoize = off AS $fn$
BEGIN
    RETURN lifecycle._key_plan(view, key_columns);
END
$fn$;
COMMENT ON FUNCTION lifecycle._path_plan(regclass, name[]) IS
'The plan of the rows of one key with nested loops, as EXPLAIN tells it.';

CREATE FUNCTION lifecycle._require_key(view regclass, key_columns name[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_column record;
BEGIN
    IF coalesce(cardinality(key_columns), 0) = 0
        OR cardinality(key_columns) > (SELECT count(DISTINCT c) FROM unnest(key_columns) AS c)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'key_columns names no column, or one twice',
            HINT = 'Name the columns of the query that determine a row, for example ''{customer_id}''.';
    END IF;
    FOR v_column IN
        SELECT k.name, t.typname, t.typcategory, t.typtype, lifecycle._equality(t.oid) AS equality
        FROM unnest(key_columns) AS k (name)
        LEFT JOIN pg_attribute AS a ON a.attrelid = view AND a.attname = k.name AND a.attnum > 0
        LEFT JOIN pg_type AS t ON t.oid = a.atttypid
    LOOP
        IF v_column.typname IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_column',
                MESSAGE = format('the query has no column %I', v_column.name);
        ELSIF v_column.equality IS NULL OR v_column.typcategory = 'A' OR v_column.typtype = 'c' THEN
            RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
                MESSAGE = format('column %I of type %s cannot be a key', v_column.name, v_column.typname),
                HINT = 'A key needs an order, and cannot be an array or a row.';
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_key(regclass, name[]) IS
'Raises 22023, 42703 or 0A000 when these columns of a view cannot be its key.';

-- The query is looked at as a view that never comes to be: the savepoint takes it back, in a dry run too.
CREATE FUNCTION lifecycle._query_shape(
    query text, key_columns name[], into_schema name, search_path text, keyed boolean DEFAULT true
) RETURNS lifecycle.query_shape LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_name constant text := format('%I.%I', into_schema, 'lifecycle_probe_' || pg_backend_pid());
    v_view regclass;
    v_shape lifecycle.query_shape;
BEGIN
    IF coalesce(query, '') !~ '\S' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'query must not be NULL or empty',
            HINT = 'Give the SELECT that says which rows the view has.';
    END IF;
    BEGIN
        PERFORM lifecycle._execute(format('CREATE VIEW %s AS %s', v_name, query), _query_shape.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        v_view := v_name::regclass;
        IF keyed THEN
            PERFORM lifecycle._require_key(v_view, key_columns);
            v_shape.key_plan := lifecycle._key_plan(v_view, key_columns);
            v_shape.path_plan := lifecycle._path_plan(v_view, key_columns);
        END IF;
        v_shape.definition := rtrim(pg_get_viewdef(v_view), '; ');
        SELECT array_agg(a.attname ORDER BY a.attnum),
            array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
        INTO v_shape.columns, v_shape.column_types
        FROM pg_attribute AS a WHERE a.attrelid = v_view AND a.attnum > 0;
        v_shape.relations := ARRAY(SELECT c.oid FROM lifecycle._query_uses(v_view) AS u
            JOIN pg_class AS c ON u.class_id = 'pg_class'::regclass AND c.oid = u.object_id AND c.relkind <> 'v'
            ORDER BY c.oid::regclass::text);
        v_shape.findings := lifecycle._query_findings(v_view);
        RAISE EXCEPTION USING ERRCODE = 'LC001', MESSAGE = 'the view was only looked at';
    EXCEPTION WHEN SQLSTATE 'LC001' THEN
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END;
    RETURN v_shape;
END
$fn$;
COMMENT ON FUNCTION lifecycle._query_shape(text, name[], name, text, boolean) IS
'What the catalog and, where it is keyed, the planner say about a query; raises what CREATE VIEW raises.';
