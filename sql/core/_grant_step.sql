CREATE FUNCTION lifecycle._grant_step(role_name name, privileges text, object text) RETURNS lifecycle.plan_step
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step(
        'grant',
        format('privileges of %I on %s', role_name, object),
        format('GRANT %s ON %s TO %I', privileges, object, role_name),
        format('REVOKE %s ON %s FROM %I', privileges, object, role_name)
    )
$fn$;
COMMENT ON FUNCTION lifecycle._grant_step(name, text, text) IS
'The step that grants privileges on an object to a role.';

CREATE FUNCTION lifecycle._require_role(role_name name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = role_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('role %I does not exist', coalesce(role_name, 'NULL')),
            HINT = 'The extension creates no roles: CREATE ROLE first.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_role(name) IS 'Raises 42704 unless there is such a role.';
