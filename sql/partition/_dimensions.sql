-- A dimension is a table that says which subtrees there ought to be: a row of programs, a partition of each. What is
-- wanted is asked of a generated function, which holds the predicate of the dimension, bound once: it runs with the
-- rights of the dimension's owner, whoever does the maintenance.
CREATE FUNCTION lifecycle._dimensions(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.located_dimension
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.oid::regclass, d.oid::regclass, f.oid::regprocedure, q.queue, p.path_columns, p.has_predicate, p.at_once,
        l.levels
    FROM (SELECT lifecycle._origin() AS origin OFFSET 0) AS database
    CROSS JOIN lifecycle.partition_dimension AS p
    CROSS JOIN LATERAL (SELECT p.origin = database.origin AS here) AS o
    JOIN pg_class AS r ON r.relkind = 'p'
        AND r.oid = CASE WHEN o.here THEN p.parent_oid ELSE lifecycle._named_relation(p.parent) END
    JOIN pg_class AS d
        ON d.oid = CASE WHEN o.here THEN p.dimension_oid ELSE lifecycle._named_relation(p.dimension) END
    -- A row binds only where its writer owns both tables; what it names runs with the rights of its own owner.
    JOIN pg_roles AS w ON w.rolname = p.followed_by AND pg_has_role(w.oid, r.relowner, 'USAGE')
        AND pg_has_role(w.oid, d.relowner, 'USAGE')
    JOIN pg_proc AS f ON f.pronamespace = to_regnamespace('lifecycle_data') AND f.proname = p.routine
        AND f.pronargs = 0 AND f.prosecdef
    LEFT JOIN LATERAL (
        SELECT c.queue FROM lifecycle._captures(d.oid::regclass) AS c WHERE c.consumer = p.consumer
    ) AS q ON true
    CROSS JOIN LATERAL (SELECT x.levels FROM lifecycle._policy_of(r.oid::regclass) AS x) AS l
    WHERE (_dimensions.target IS NULL OR r.oid = _dimensions.target::oid)
        AND pg_has_role(current_user, r.relowner, 'USAGE')
    ORDER BY cardinality(p.path_columns), r.oid, d.oid
$fn$;
COMMENT ON FUNCTION lifecycle._dimensions(regclass) IS
'The dimensions that the caller''s managed tables follow, as they are found today, upper levels first.';

-- One row a value of every LIST partition down to a depth.
CREATE FUNCTION lifecycle._list_nodes(root regclass, depth integer)
RETURNS TABLE (parent oid, relation oid, level integer, value text) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE tree AS (
        SELECT i.inhparent, i.inhrelid, 1 AS level FROM pg_inherits AS i WHERE i.inhparent = root
        UNION ALL
        SELECT i.inhparent, i.inhrelid, t.level + 1
        FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.inhrelid
        WHERE t.level < depth
    )
    SELECT t.inhparent, t.inhrelid, t.level, v.value
    FROM tree AS t CROSS JOIN LATERAL unnest(lifecycle._list_values(t.inhrelid)) AS v (value)
$fn$;
COMMENT ON FUNCTION lifecycle._list_nodes(regclass, integer) IS
'The values of the LIST partitions below a table, down to a depth.';

-- Compared as values of their type, not as they are spelt.
CREATE FUNCTION lifecycle._dimension_paths(dimension lifecycle.located_dimension)
RETURNS TABLE (path text[], relation oid) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_depth constant integer := cardinality(dimension.path_columns);
    v_joins text := '';
BEGIN
    FOR v_level IN 1..v_depth LOOP
        v_joins := v_joins || format(' LEFT JOIN node AS n%1$s ON n%1$s.parent = %2$s AND n%1$s.level = %1$s '
            'AND n%1$s.value::%3$s = w.path[%1$s]::%3$s', v_level,
            CASE v_level WHEN 1 THEN '$1' ELSE format('n%s.relation', v_level - 1) END,
            lifecycle._level_type(dimension.parent, dimension.levels[v_level]));
    END LOOP;
    RETURN QUERY EXECUTE format('WITH node AS MATERIALIZED (SELECT l.* FROM lifecycle._list_nodes($1, $2) AS l '
        'WHERE l.value IS NOT NULL), wanted AS (SELECT DISTINCT f.path FROM %s AS f (path) '
        'WHERE array_position(f.path, NULL) IS NULL) '
        'SELECT w.path, n%s.relation FROM wanted AS w%s ORDER BY w.path', dimension.routine, v_depth, v_joins)
    USING dimension.parent::oid, v_depth;
END
$fn$;
COMMENT ON FUNCTION lifecycle._dimension_paths(lifecycle.located_dimension) IS
'The paths that a dimension wants, each with the partition at its end, NULL where that is missing.';

-- A predicate is somebody's own SQL: it may fail, and then it is told where it can be heard.
CREATE FUNCTION lifecycle._read_dimension(
    dimension lifecycle.located_dimension,
    OUT missing jsonb[], OUT standing oid[], OUT error_code text, OUT error_message text, OUT error_detail text
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    SELECT coalesce(array_agg(to_jsonb(p.path) ORDER BY p.path) FILTER (WHERE p.relation IS NULL), '{}'),
        coalesce(array_agg(p.relation) FILTER (WHERE p.relation IS NOT NULL), '{}')
    INTO missing, standing
    FROM lifecycle._dimension_paths(dimension) AS p;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error_code = RETURNED_SQLSTATE, error_message = MESSAGE_TEXT,
        error_detail = PG_EXCEPTION_DETAIL;
    missing := ARRAY[]::jsonb[];
END
$fn$;
COMMENT ON FUNCTION lifecycle._read_dimension(lifecycle.located_dimension) IS
'The paths that a dimension asks for and that have no partition, and the partitions of the others; or why it cannot be
read (standing is NULL then).';

-- Only where a predicate may leave some out; without one nothing rests. A predicate that fails leaves nothing out: that
-- it fails, maintenance and validate_partitions tell.
CREATE FUNCTION lifecycle._resting_subtrees() RETURNS oid[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT EXISTS (SELECT FROM lifecycle.partition_dimension AS p WHERE p.has_predicate) THEN
        RETURN ARRAY[]::oid[];
    END IF;
    RETURN ARRAY(
        SELECT n.relation
        FROM lifecycle._dimensions() AS d
        CROSS JOIN LATERAL lifecycle._read_dimension(d) AS r
        CROSS JOIN LATERAL lifecycle._list_nodes(d.parent, cardinality(d.path_columns)) AS n
        WHERE d.has_predicate AND n.level = cardinality(d.path_columns)
            AND r.standing IS NOT NULL AND n.relation <> ALL (r.standing)
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._resting_subtrees() IS
'The subtrees that the predicate of a dimension leaves out: they are not kept ahead.';

CREATE FUNCTION lifecycle._dimension_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, 'table ' || d.parent, f.finding, f.detail, f.remedy
    FROM lifecycle._dimensions(target) AS d
    CROSS JOIN LATERAL lifecycle._read_dimension(d) AS r
    CROSS JOIN LATERAL (
        SELECT 'warning', 'lacks partitions that its dimension asks for', format('%s of %s', m.path, d.dimension),
            format('SELECT * FROM lifecycle.precreate_partitions(%L, %L)', d.parent, m.path)
        FROM unnest(r.missing) AS m (path)
        UNION ALL
        SELECT 'error', 'its dimension cannot be read',
            format('%s: %s: %s', d.dimension, r.error_code, r.error_message), NULL
        WHERE r.standing IS NULL
    ) AS f (severity, finding, detail, remedy)
$fn$;
COMMENT ON FUNCTION lifecycle._dimension_drift(regclass) IS
'What dimensions ask for and their tables lack, and dimensions that cannot be read.';
