-- A dimension is a table that says which subtrees there ought to be: a row of programs, a partition of each. What is
-- wanted is asked of a generated function, which holds the predicate of the dimension, bound once: it runs with the
-- rights of the dimension's owner, whoever does the maintenance.
CREATE FUNCTION lifecycle._dimensions(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.located_dimension
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.oid::regclass, d.oid::regclass, f.oid::regprocedure, q.queue, p.path_columns, p.has_predicate, p.at_once,
        l.levels
    FROM lifecycle.partition_dimension AS p
    CROSS JOIN LATERAL (SELECT p.origin = lifecycle._origin() AS here) AS o
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

-- Only where a predicate may leave some out; without one nothing rests. A predicate that fails leaves nothing out: that
-- it fails, maintenance tells.
CREATE FUNCTION lifecycle._resting_subtrees() RETURNS oid[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_dimension lifecycle.located_dimension;
    v_resting oid[] := ARRAY[]::oid[];
BEGIN
    IF NOT EXISTS (SELECT FROM lifecycle.partition_dimension AS p WHERE p.has_predicate) THEN
        RETURN v_resting;
    END IF;
    FOR v_dimension IN SELECT d.* FROM lifecycle._dimensions() AS d WHERE d.has_predicate LOOP
        BEGIN
            v_resting := v_resting || ARRAY(
                SELECT n.relation FROM lifecycle._list_nodes(v_dimension.parent, cardinality(v_dimension.path_columns))
                    AS n
                WHERE n.level = cardinality(v_dimension.path_columns)
                EXCEPT
                SELECT p.relation FROM lifecycle._dimension_paths(v_dimension) AS p
            );
        EXCEPTION WHEN OTHERS THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN v_resting;
END
$fn$;
COMMENT ON FUNCTION lifecycle._resting_subtrees() IS
'The subtrees that the predicate of a dimension leaves out: they are not kept ahead.';

-- What cannot be read is a finding, too.
CREATE FUNCTION lifecycle._dimension_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_dimension lifecycle.located_dimension;
    v_sqlstate text;
    v_message text;
BEGIN
    FOR v_dimension IN SELECT d.* FROM lifecycle._dimensions(target) AS d LOOP
        BEGIN
            RETURN QUERY
            SELECT 'warning', 'table ' || v_dimension.parent, 'lacks partitions that its dimension asks for',
                format('%s of %s', p.path, v_dimension.dimension),
                format('SELECT * FROM lifecycle.precreate_partitions(%L, %L)', v_dimension.parent, to_jsonb(p.path))
            FROM lifecycle._dimension_paths(v_dimension) AS p WHERE p.relation IS NULL;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            RETURN NEXT ROW('error', 'table ' || v_dimension.parent, 'its dimension cannot be read',
                format('%s: %s: %s', v_dimension.dimension, v_sqlstate, v_message), NULL)::lifecycle.finding;
        END;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._dimension_drift(regclass) IS
'What dimensions ask for and their tables lack.';

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
CREATE FUNCTION lifecycle._missing_paths(dimension lifecycle.located_dimension, dry_run boolean) RETURNS jsonb[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_enough constant integer := 10000;
    v_drained lifecycle.drained;
BEGIN
    IF NOT lifecycle._is_due_dimension(dimension) THEN
        RETURN ARRAY[]::jsonb[];
    END IF;
    WHILE NOT dry_run AND dimension.queue IS NOT NULL LOOP
        v_drained := lifecycle._drain(dimension.queue, v_enough);
        EXIT WHEN v_drained.all_rows OR v_drained.entries < v_enough;
    END LOOP;
    RETURN ARRAY(SELECT to_jsonb(p.path) FROM lifecycle._dimension_paths(dimension) AS p WHERE p.relation IS NULL
        ORDER BY p.path);
END
$fn$;
COMMENT ON FUNCTION lifecycle._missing_paths(lifecycle.located_dimension, boolean) IS
'Empties the queue of a dimension (unless dry run) and returns the paths it asks for that have no partition.';

CREATE FUNCTION lifecycle._plan_path_set(
    dimension lifecycle.located_dimension, path jsonb, standing text[], dry_run boolean
) RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_values constant text[] := ARRAY(SELECT jsonb_array_elements_text(_plan_path_set.path));
    v_options constant jsonb := lifecycle._policy_options(dimension.parent)
        || jsonb_build_object('leaf', lifecycle._newest_leaf(dimension.parent));
    v_set lifecycle.set_plan;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    v_set := ROW(dimension.parent, v_options ->> 'time_zone', ARRAY[]::lifecycle.plan_step[],
        ARRAY[]::lifecycle.step_result[]);
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

CREATE FUNCTION lifecycle._plan_dimensions(target regclass, max_creations integer, dry_run boolean)
RETURNS SETOF lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_dimension lifecycle.located_dimension;
    v_paths jsonb[];
    v_path jsonb;
    v_set lifecycle.set_plan;
    v_made text[] := ARRAY[]::text[];
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    FOR v_dimension IN SELECT d.* FROM lifecycle._dimensions(target) AS d LOOP
        BEGIN
            v_paths := lifecycle._missing_paths(v_dimension, dry_run);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL;
            v_paths := ARRAY[]::jsonb[];
            RETURN NEXT ROW(v_dimension.parent, NULL, ARRAY[]::lifecycle.plan_step[],
                ARRAY[lifecycle._failed_step(v_dimension.dimension, v_sqlstate, v_message, v_detail)])
                ::lifecycle.set_plan;
        END;
        FOREACH v_path IN ARRAY v_paths LOOP
            v_set := ROW(v_dimension.parent, NULL, ARRAY[lifecycle._step('create partition',
                format('table %s for %s', v_dimension.parent, v_path), NULL, note => 'left to the next call')],
                ARRAY[]::lifecycle.step_result[]);
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
    v_dimension lifecycle.located_dimension;
    v_missing boolean;
BEGIN
    FOR v_dimension IN SELECT d.* FROM lifecycle._dimensions(target) AS d WHERE d.queue IS NOT NULL LOOP
        BEGIN
            v_missing := EXISTS (SELECT FROM lifecycle._dimension_paths(v_dimension) AS p WHERE p.relation IS NULL);
        EXCEPTION WHEN OTHERS THEN
            v_missing := true;
        END;
        IF v_missing THEN
            EXECUTE format('INSERT INTO %s (%I) VALUES (true)', v_dimension.queue, (SELECT a.attname
                FROM pg_attribute AS a WHERE a.attrelid = v_dimension.queue AND a.attnum = 2));
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._requeue_dimensions(regclass) IS
'Queues again what dimensions ask for and is still missing.';
