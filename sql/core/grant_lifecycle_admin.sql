-- Column grants leave out applied_by, session_by, applied_at and origin: nobody writes in another's name.
CREATE FUNCTION lifecycle._plan_grant_admin(role_name name) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._data_schema_steps() || ARRAY[
        lifecycle._grant_step(role_name, 'USAGE', 'SCHEMA lifecycle'),
        lifecycle._grant_step(role_name, 'USAGE, CREATE', 'SCHEMA lifecycle_data'),
        lifecycle._grant_step(role_name, 'SELECT', 'ALL TABLES IN SCHEMA lifecycle'),
        lifecycle._grant_step(role_name, 'EXECUTE', 'ALL ROUTINES IN SCHEMA lifecycle'),
        lifecycle._grant_step(role_name, 'INSERT, UPDATE, DELETE', 'TABLE lifecycle.setting_value'),
        lifecycle._grant_step(role_name,
            'INSERT (name, feature, part_of, target, target_oid, parameters, search_path, plan_hash, state), '
            || 'UPDATE (state, rolled_back_at, rolled_back_by)',
            'TABLE lifecycle.migration'),
        lifecycle._grant_step(role_name,
            'INSERT (migration_id, step, stage, action, object, statement, inverse, top_level, note), '
            || 'UPDATE (status, sqlstate, message, run_at, address, made, fingerprint, server_major)',
            'TABLE lifecycle.migration_step')
    ]
$fn$;
COMMENT ON FUNCTION lifecycle._plan_grant_admin(name) IS 'The plan of grant_lifecycle_admin.';

CREATE FUNCTION lifecycle.grant_lifecycle_admin(
    role_name name,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_role(role_name);
    RETURN QUERY SELECT * FROM lifecycle._apply('grant', NULL, lifecycle._plan_grant_admin(role_name), dry_run,
        expected_plan,
        jsonb_build_object('role_name', role_name, 'purpose', 'admin'), grant_lifecycle_admin.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.grant_lifecycle_admin(name, boolean, text, text) IS
'Lets a role make changes with pg_lifecycle to the tables that it owns. The journal that it may then write holds
statements that are executed later, but only ever with the rights of the role that wrote them.

Arguments: role_name - the role; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run;
search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result). Run it again after an upgrade of the extension.
Errors: 42704 no such role; 42501 the caller does not own the extension.
Example: SELECT * FROM lifecycle.grant_lifecycle_admin(''app_owner'');';
