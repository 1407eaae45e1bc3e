-- Asked by name: the journal survives a restore into a cluster with other role oids.
CREATE FUNCTION lifecycle._is_superuser(role_name name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_roles AS r
        WHERE r.rolname = _is_superuser.role_name AND r.rolsuper
    )
$fn$;
COMMENT ON FUNCTION lifecycle._is_superuser(name) IS 'Whether a role of that name exists and is a superuser.';
