-- By purpose, not by name pattern: lifecycle.routine_purpose says which routines are for applications.
CREATE FUNCTION lifecycle._plan_grant_use(role_name name) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY[
        lifecycle._grant_step(role_name, 'USAGE', 'SCHEMA', lifecycle._lacking(role_name, 'USAGE', 'SCHEMA')),
        lifecycle._grant_step(role_name, 'SELECT', 'TABLE', lifecycle._lacking(role_name, 'SELECT', 'TABLE')),
        lifecycle._grant_step(role_name, 'EXECUTE', 'ROUTINE', ARRAY(
            SELECT l.routine FROM unnest(lifecycle._lacking(role_name, 'EXECUTE', 'ROUTINE')) AS l (routine)
            JOIN pg_proc AS p ON p.oid = l.routine::regprocedure
            JOIN lifecycle.routine_purpose AS u ON u.routine = p.proname
            ORDER BY l.routine
        ))
    ]
$fn$;
COMMENT ON FUNCTION lifecycle._plan_grant_use(name) IS 'The plan of grant_lifecycle_use.';

CREATE FUNCTION lifecycle.grant_lifecycle_use(
    role_name name,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_role(role_name);
    PERFORM lifecycle._require_extension_owner();
    RETURN QUERY SELECT * FROM lifecycle._apply('grant', NULL, lifecycle._plan_grant_use(role_name), dry_run,
        expected_plan,
        jsonb_build_object('role_name', role_name, 'purpose', 'use'), grant_lifecycle_use.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.grant_lifecycle_use(name, boolean, text, text) IS
'Lets an application''s role call what applications call (soft delete, restore, status); the rights on its tables stay
as they are, since nothing here runs with other rights than the caller''s.

Arguments: role_name - the role; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run;
search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result). Run it again after an upgrade of the extension.
Errors: 42704 no such role; 42501 the caller does not own the extension.
Example: SELECT * FROM lifecycle.grant_lifecycle_use(''web'');';
