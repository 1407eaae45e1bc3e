CREATE FUNCTION lifecycle._is_granted(role_name name, relation name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_class AS c
        CROSS JOIN LATERAL (
            SELECT c.relacl AS acl
            UNION ALL
            SELECT t.attacl FROM pg_attribute AS t WHERE t.attrelid = c.oid
        ) AS g
        CROSS JOIN LATERAL aclexplode(g.acl) AS a
        WHERE c.relnamespace = 'lifecycle'::regnamespace AND c.relname = relation
            AND a.privilege_type IN ('INSERT', 'USAGE') AND a.grantee = to_regrole(quote_ident(role_name))
    )
$fn$;
COMMENT ON FUNCTION lifecycle._is_granted(name, name) IS
'Whether a role was itself granted INSERT on a relation of schema lifecycle or on its columns, or USAGE of it.';

CREATE FUNCTION lifecycle._plan_grant_admin(role_name name) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._data_schema_steps() || ARRAY[
        lifecycle._grant_step(role_name, 'USAGE', 'SCHEMA', lifecycle._lacking(role_name, 'USAGE', 'SCHEMA')),
        lifecycle._grant_step(role_name, 'USAGE, CREATE', 'SCHEMA', ARRAY(
            SELECT 'lifecycle_data' WHERE NOT EXISTS (
                SELECT FROM pg_namespace AS n CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
                WHERE n.nspname = 'lifecycle_data' AND a.privilege_type = 'CREATE'
                    AND a.grantee = to_regrole(quote_ident(role_name))
            )
        )),
        lifecycle._grant_step(role_name, 'SELECT', 'TABLE', lifecycle._lacking(role_name, 'SELECT', 'TABLE')),
        lifecycle._grant_step(role_name, 'EXECUTE', 'ROUTINE', lifecycle._lacking(role_name, 'EXECUTE', 'ROUTINE'))
    ] || ARRAY(
        SELECT lifecycle._grant_step(role_name, w.privileges, 'TABLE', CASE
            WHEN lifecycle._is_granted(role_name, w.relation) THEN ARRAY[]::text[]
            ELSE ARRAY[format('lifecycle.%I', w.relation)]
        END)
        FROM lifecycle.admin_privilege AS w
        ORDER BY w.relation
    )
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
    PERFORM lifecycle._require_extension_owner();
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
