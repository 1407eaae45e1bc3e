CREATE FUNCTION lifecycle.prepare_uninstall(
    options jsonb DEFAULT '{}',
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN QUERY SELECT * FROM lifecycle.rollback_all_migrations('I_UNDERSTAND_THIS_IS_DESTRUCTIVE', options, dry_run,
        expected_plan, prepare_uninstall.search_path);
    IF NOT dry_run AND to_regnamespace('lifecycle_data') IS NOT NULL THEN
        RAISE WARNING USING
            MESSAGE = 'schema lifecycle_data still holds objects',
            DETAIL = (SELECT string_agg(i.type || ' ' || i.identity, ', ')
                FROM pg_depend AS d CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS i
                WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace('lifecycle_data')),
            HINT = 'They were not made by a journaled change. Look at them, then DROP SCHEMA lifecycle_data CASCADE.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle.prepare_uninstall(jsonb, boolean, text, text) IS
'Rolls everything back so that DROP EXTENSION pg_lifecycle leaves nothing behind.

Arguments: options - what modules ask for where rows are at stake, for example {"deleted_rows": "restore"}; dry_run -
only show the plan (the default); expected_plan - plan_hash of the reviewed dry run; search_path - instead of the
journaled ones.
Returns: one row a step (lifecycle.step_result); a WARNING names what is left in lifecycle_data.
Errors: as lifecycle.rollback_all_migrations.
Example: SELECT * FROM lifecycle.prepare_uninstall();';
