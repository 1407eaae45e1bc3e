CREATE FUNCTION lifecycle._require_may_run(
    migration_id bigint, applied_by name, session_by name, writer text
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF lifecycle._may_run(applied_by, session_by, writer) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('migration %s was applied by role %I, its statements do not run with the rights of %I',
            migration_id, applied_by, current_user),
        DETAIL = format('It was applied in a session of %I, this is a session of %I. SET ROLE makes no difference.',
            session_by, lifecycle._session_role()),
        HINT = format('Connect as %I%s.', session_by,
            CASE WHEN applied_by = session_by THEN '' ELSE format(' and SET ROLE %I', applied_by) END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_may_run(bigint, name, name, text) IS
'Raises 42501 with the role to connect as, unless the caller may run what that role has stored.';
