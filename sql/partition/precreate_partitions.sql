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

CREATE FUNCTION lifecycle.precreate_partitions(
    root regclass,
    path jsonb,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels jsonb[];
BEGIN
    PERFORM lifecycle._require_table(root, '{p}');
    PERFORM lifecycle._require_owner(root);
    v_levels := (SELECT p.levels FROM lifecycle._policy_of(root) AS p);
    IF v_levels IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no policy', root),
            HINT = 'Describe its levels first: lifecycle.manage_partitions(..., levels => ...).';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._create_subtree(root, v_levels, lifecycle._path_values(v_levels, path),
        lifecycle._policy_options(root), dry_run, expected_plan, precreate_partitions.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.precreate_partitions(regclass, jsonb, boolean, text, text) IS
'Makes the whole subtree of one program, site, or whatever the LIST levels are: the tables along the path, and below the
last one this period and those ahead, all dressed like the root.

Arguments: root - the managed table; path - the values of its LIST levels from the top, as ["a", "b"] or by column
{"program_id": "a", "site_id": "b"}; a shorter path makes the upper levels only; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); what stands is skipped.
Errors: 55000 the table has no policy; 22023 the path does not fit to the levels; 22P02 a value of another type; 42809;
42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.precreate_partitions(''public.observation'', ''["abc", "def"]'');';
