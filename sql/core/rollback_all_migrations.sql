CREATE FUNCTION lifecycle.rollback_all_migrations(
    confirmation text DEFAULT NULL,
    options jsonb DEFAULT '{}',
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT dry_run AND confirmation IS DISTINCT FROM 'I_UNDERSTAND_THIS_IS_DESTRUCTIVE' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'rolling back every migration needs a confirmation',
            DETAIL = 'Every change that pg_lifecycle has made in this database would be taken back.',
            HINT = 'Review the dry run, then pass confirmation => ''I_UNDERSTAND_THIS_IS_DESTRUCTIVE''.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(
        ARRAY(SELECT m.migration_id FROM lifecycle.migration AS m WHERE m.state <> 'rolled_back'),
        dry_run, expected_plan, false, options, rollback_all_migrations.search_path
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_all_migrations(text, jsonb, boolean, text, text) IS
'Takes back every change of this database, newest first, in one transaction.

Arguments: confirmation - must be I_UNDERSTAND_THIS_IS_DESTRUCTIVE unless dry_run; options, dry_run (default true),
expected_plan, search_path - as in lifecycle.rollback_migration.
Returns: one row a step (lifecycle.step_result).
Errors: 22023 without the confirmation; the others as in lifecycle.rollback_migration.
Example: SELECT * FROM lifecycle.rollback_all_migrations();';
