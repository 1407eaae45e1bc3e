-- Statements that PostgreSQL refuses inside a function, as they begin.
CREATE FUNCTION lifecycle._is_top_level(statement text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT regexp_replace(statement, '^(\s+|--[^\n]*\n|/\*.*?\*/)+', '')
        ~* ('^(create\s+(unique\s+)?index\s+concurrently|drop\s+index\s+concurrently|reindex\s.*\sconcurrently\s'
            || '|reindex\s+(\(.*\)\s*)?(database|system|schema)\M'
            || '|alter\s+table\s.*\sdetach\s+partition\s.*\sconcurrently'
            || '|vacuum\M|create\s+database|drop\s+database|alter\s+database\s.*\sset\s+tablespace\s'
            || '|alter\s+system|create\s+tablespace|drop\s+tablespace|create\s+subscription|drop\s+subscription)')
$fn$;
COMMENT ON FUNCTION lifecycle._is_top_level(text) IS 'Whether PostgreSQL refuses this statement inside a function.';

-- A top-level statement gets a stage of its own, and what follows it waits for it.
CREATE FUNCTION lifecycle._plan_migration(migration_name text, up text[], down text[]) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
    v_stage integer := 1;
    v_top_level boolean;
    v_previous boolean := false;
    v_count constant integer := greatest(cardinality(up), cardinality(down));
BEGIN
    FOR v_number IN 1..v_count LOOP
        v_top_level := coalesce(lifecycle._is_top_level(up[v_number]), false);
        IF v_number > 1 AND (v_top_level OR v_previous) THEN
            v_stage := v_stage + 1;
        END IF;
        v_plan := v_plan || lifecycle._step(
            'run statement', format('migration %s', migration_name), up[v_number],
            -- down[1] undoes up[1]: the rollback runs from the last to the first.
            down[v_number], v_stage, v_top_level
        );
        v_previous := v_top_level;
    END LOOP;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_migration(text, text[], text[]) IS 'The plan of a user''s own statements.';

CREATE FUNCTION lifecycle.apply_migration(
    migration_name text,
    up text[],
    down text[],
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan lifecycle.plan_step[];
    v_applied text;
BEGIN
    IF coalesce(cardinality(up), 0) = 0 OR cardinality(up) <> coalesce(cardinality(down), 0)
        OR EXISTS (SELECT FROM unnest(up) AS u WHERE coalesce(u, '') !~ '\S')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('migration %L needs one statement in down for each statement in up', migration_name),
            DETAIL = format('up has %s, down has %s statements.', coalesce(cardinality(up), 0),
                coalesce(cardinality(down), 0)),
            HINT = 'No statement of up is empty. down[n] undoes up[n]; give NULL in down where there is nothing to '
                'undo.';
    END IF;
    v_plan := lifecycle._plan_migration(migration_name, up, down);
    SELECT m.plan_hash INTO v_applied FROM lifecycle.migration AS m
    WHERE m.name = migration_name AND m.state <> 'rolled_back';
    IF v_applied = lifecycle._plan_hash(lifecycle._number(v_plan)) THEN
        v_plan := ARRAY(
            SELECT lifecycle._step(p.action, p.object, NULL, note => 'has been applied already')
            FROM unnest(v_plan) AS p
        );
    ELSE
        PERFORM lifecycle._require_new_name(migration_name);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('user', NULL, v_plan, dry_run, expected_plan, '{}',
        apply_migration.search_path, migration_name);
END
$fn$;
COMMENT ON FUNCTION lifecycle.apply_migration(text, text[], text[], boolean, text, text) IS
'Runs your own statements and journals them with the statements that undo them, so that a whole project rolls back
together. CREATE INDEX CONCURRENTLY and other statements that cannot run inside a function are left pending, with all
that follow.

Arguments: migration_name - a name that no standing migration has; up - the statements, in order; down - for each of
them the one that undoes it, or NULL; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run;
search_path - the path for the statements, by default the caller''s.
Returns: one row a statement (lifecycle.step_result). The same migration a second time: all rows skipped.
Errors: 22023 up and down do not match; 42710 another migration has the name; what a statement raises, with its
SQLSTATE.
Example: SELECT * FROM lifecycle.apply_migration(''002_notes'', ARRAY[''CREATE TABLE public.note (id int)''],
ARRAY[''DROP TABLE public.note'']);';
