-- A wrapper returns our types. Without this mark DROP EXTENSION would want CASCADE; with it the wrapper goes along.
CREATE FUNCTION lifecycle._depends_on_extension(routine_kind text, routine text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN EXISTS (SELECT FROM pg_extension AS e WHERE e.extname = 'pg_lifecycle')
        THEN format('; ALTER %s %s DEPENDS ON EXTENSION pg_lifecycle', routine_kind, routine) ELSE '' END
$fn$;
COMMENT ON FUNCTION lifecycle._depends_on_extension(text, text) IS
'The statement that lets a generated wrapper go with the extension; nothing when installed as plain SQL.';

CREATE FUNCTION lifecycle.create_rollback_function(
    migration_name text,
    into_schema name DEFAULT 'public',
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_routine constant text := format('%I.%I', coalesce(into_schema, ''),
        lifecycle._name(ARRAY['rollback', migration_name]));
    v_signature constant text := v_routine || '(boolean)';
BEGIN
    IF NOT EXISTS (SELECT FROM lifecycle.migration AS m WHERE m.name = migration_name AND m.state <> 'rolled_back') THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('no migration named %L stands', migration_name),
            HINT = 'SELECT name FROM lifecycle.migration_history lists them.';
    END IF;
    PERFORM lifecycle._require_schema('into_schema', into_schema);
    RETURN QUERY SELECT * FROM lifecycle._apply('rollback_function', NULL, ARRAY[
        CASE WHEN to_regprocedure(v_signature) IS NULL THEN lifecycle._step(
            'create rollback function',
            'function ' || v_signature,
            format(
                'CREATE FUNCTION %s(dry_run boolean DEFAULT true) RETURNS SETOF lifecycle.step_result LANGUAGE sql '
                || 'SET search_path = pg_catalog, pg_temp AS %L; REVOKE ALL ON FUNCTION %s FROM PUBLIC',
                v_routine,
                format('SELECT * FROM lifecycle.rollback_migration(migration_name => %L, dry_run => $1)',
                    migration_name),
                v_signature
            ) || lifecycle._depends_on_extension('FUNCTION', v_signature),
            format('DROP FUNCTION %s', v_signature)
        ) ELSE lifecycle._step('create rollback function', 'function ' || v_signature, NULL,
            note => 'stands already') END
    ], dry_run, expected_plan, jsonb_build_object('migration_name', migration_name),
        create_rollback_function.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_rollback_function(text, name, boolean, text, text) IS
'Makes a function rollback_<migration_name>(dry_run boolean DEFAULT true) that takes that migration back.

Arguments: migration_name - a standing migration; into_schema - where the function is made; dry_run - only show the
plan; expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result).
Errors: 42704 no such migration stands; 42501 the caller may not create in the schema.
Example: SELECT * FROM lifecycle.create_rollback_function(''001_schema_optimization'');';
