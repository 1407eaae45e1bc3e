-- The values of a path for the LIST levels, in their order: an array, or an object by column.
CREATE FUNCTION lifecycle._path_values(levels jsonb[], path jsonb) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns constant text[] := ARRAY(SELECT l.level ->> 'column'
        FROM unnest(levels) WITH ORDINALITY AS l (level, place) WHERE l.level ->> 'method' = 'list' ORDER BY l.place);
    v_values text[];
BEGIN
    IF jsonb_typeof(path) = 'object' AND path <> '{}' AND path - v_columns = '{}' THEN
        -- As far as the columns are named without a gap.
        v_values := ARRAY(SELECT path ->> c.name FROM unnest(v_columns) WITH ORDINALITY AS c (name, place)
            WHERE NOT EXISTS (SELECT FROM unnest(v_columns[:c.place]) AS b (name) WHERE NOT path ? b.name)
            ORDER BY c.place);
        IF cardinality(v_values) = (SELECT count(*) FROM jsonb_object_keys(path)) THEN
            RETURN v_values;
        END IF;
    ELSIF jsonb_typeof(path) = 'array' AND jsonb_array_length(path) BETWEEN 1 AND cardinality(v_columns) THEN
        RETURN ARRAY(SELECT e.value FROM jsonb_array_elements_text(path) WITH ORDINALITY AS e (value, place)
            ORDER BY e.place);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('%s is no path', coalesce(path::text, 'NULL')),
        DETAIL = format('The LIST levels are %s.', coalesce(nullif(array_to_string(v_columns, ', '), ''), 'none')),
        HINT = 'Give their values from the top: ["a", "b"], or {"first_column": "a", "second_column": "b"}.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._path_values(jsonb[], jsonb) IS 'The values of a path, from the top; raises 22023.';

-- Another span for one subtree: the levels below the path with it, and a policy for the table at its end, which from
-- then on follows that one instead of the one above.
CREATE FUNCTION lifecycle._subtree_levels(root regclass, levels jsonb[], path text[], every text) RETURNS jsonb[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_depth constant integer := cardinality(path);
    v_levels constant jsonb[] := ARRAY(
        SELECT CASE WHEN l.place > v_depth AND l.level ->> 'method' = 'range'
            THEN l.level || jsonb_build_object('every', _subtree_levels.every) ELSE l.level END
        FROM unnest(levels) WITH ORDINALITY AS l (level, place) ORDER BY l.place);
BEGIN
    IF NOT EXISTS (SELECT FROM unnest(levels[v_depth + 1:]) AS l (level) WHERE l.level ->> 'method' = 'range')
        OR EXISTS (SELECT FROM unnest(levels[:v_depth]) AS l (level) WHERE l.level ->> 'method' <> 'list')
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('every has no meaning for the subtree %s of %s', to_jsonb(path), root),
            DETAIL = format('The levels are %s.', to_jsonb(levels)),
            HINT = 'It is for LIST levels with a RANGE level below.';
    END IF;
    PERFORM lifecycle._require_levels(root, v_levels);
    RETURN v_levels;
END
$fn$;
COMMENT ON FUNCTION lifecycle._subtree_levels(regclass, jsonb[], text[], text) IS
'The levels of a tree with another span below a path; raises 22023.';

CREATE FUNCTION lifecycle._subtree_policy(
    plan lifecycle.plan_step[], levels jsonb[], depth integer, options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- Each LIST level of the path is one step, from the top.
    SELECT ARRAY[lifecycle._policy_step(t.name, to_jsonb(levels[depth + 1:]), (options ->> 'premake')::integer,
        options ->> 'retention', options ->> 'time_zone', options ->> 'name_format',
        (SELECT p.policy FROM lifecycle._policies() AS p WHERE p.relation = to_regclass(t.name)))]
    FROM (
        SELECT substr(s.object, 7) AS name FROM unnest(plan) WITH ORDINALITY
            AS s (step, stage, action, object, statement, inverse, top_level, note, place)
        WHERE s.action = 'create partition' ORDER BY s.place OFFSET depth - 1 LIMIT 1
    ) AS t
$fn$;
COMMENT ON FUNCTION lifecycle._subtree_policy(lifecycle.plan_step[], jsonb[], integer, jsonb) IS
'The step that gives the table at the end of a path a policy of its own.';

CREATE FUNCTION lifecycle._precreate(
    root regclass, path jsonb, every text, dry_run boolean, expected_plan text, search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels jsonb[];
    v_values text[];
    v_options jsonb;
BEGIN
    PERFORM lifecycle._require_table(root, '{p}');
    PERFORM lifecycle._require_owner(root);
    v_levels := (SELECT p.levels FROM lifecycle._policy_of(root) AS p);
    IF v_levels IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no policy', root),
            HINT = 'Describe its levels first: lifecycle.manage_partitions(..., levels => ...).';
    END IF;
    v_values := lifecycle._path_values(v_levels, path);
    v_options := lifecycle._policy_options(root);
    IF every IS NOT NULL THEN
        v_levels := lifecycle._subtree_levels(root, v_levels, v_values, every);
        v_options := v_options || jsonb_strip_nulls(jsonb_build_object('own_span', true, 'retention',
            (SELECT (p.policy).retention FROM lifecycle._policy_of(root) AS p)));
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._create_subtree(root, v_levels, v_values, v_options, dry_run, expected_plan,
        _precreate.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle._precreate(regclass, jsonb, text, boolean, text, text) IS
'Makes the subtree of a path; every gives it another span and a policy of its own.';

CREATE FUNCTION lifecycle.precreate_partitions(
    root regclass,
    path jsonb,
    every text DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle._precreate(root, path, every, dry_run, expected_plan, precreate_partitions.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.precreate_partitions(regclass, jsonb, text, boolean, text, text) IS
'Makes the whole subtree of one program, site, or whatever the LIST levels are: the tables along the path, and below the
last one this period and those ahead, all dressed like the root.

Arguments: root - the managed table; path - the values of its LIST levels from the top, as ["a", "b"] or by column
{"program_id": "a", "site_id": "b"}; a shorter path makes the upper levels only; every - another span for this subtree,
as 1 week: from the end of what stands there on, and by a policy of its own from now on, default that of the table
above; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run; search_path - not used by the
statements.
Returns: one row a step (lifecycle.step_result); what stands is skipped.
Errors: 55000 the table has no policy; 22023 the path does not fit to the levels, every; 22P02 a value of another type;
42809 not a partitioned table; 42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.precreate_partitions(''public.observation'', ''["abc", "def"]'');';

CREATE FUNCTION lifecycle.precreate_partitions(
    root regclass,
    program text,
    site text,
    every text DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle._precreate(root, to_jsonb(ARRAY[program, site]), every, dry_run, expected_plan,
        precreate_partitions.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.precreate_partitions(regclass, text, text, text, boolean, text, text) IS
'Makes the whole subtree of one site, see the form with path: for a tree whose first two levels are LIST, as program and
site.

Arguments: root - the managed table; program, site - the values of its first and its second level, as text; every,
dry_run, expected_plan, search_path - as there.
Returns: one row a step (lifecycle.step_result); what stands is skipped.
Errors: as there.
Example: SELECT * FROM lifecycle.precreate_partitions(''public.observation'', ''abc'', ''def'');';

CREATE FUNCTION lifecycle.precreate_partitions(
    root regclass,
    program_value anyelement,
    site_value anycompatible,
    every text DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle._precreate(root, jsonb_build_array(program_value, site_value), every, dry_run,
        expected_plan, precreate_partitions.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.precreate_partitions(regclass, anyelement, anycompatible, text, boolean, text, text) IS
'Makes the whole subtree of one site, see the form with path: with values of their own types, as columns of the tables
of programs and sites are.

Arguments: root - the managed table; program_value, site_value - the values of its first and its second level; every,
dry_run, expected_plan, search_path - as there.
Returns: one row a step (lifecycle.step_result); what stands is skipped.
Errors: as there.
Example: SELECT r.* FROM public.site AS s
CROSS JOIN LATERAL lifecycle.precreate_partitions(''public.observation'', s.program_id, s.site_id) AS r
WHERE s.active;';
