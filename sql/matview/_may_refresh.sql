CREATE FUNCTION lifecycle._may_refresh(view oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_owner oid;
BEGIN
    -- A table is refreshed when it is an incremental view; whether it is one, its owner decides.
    SELECT c.relowner INTO v_owner FROM pg_class AS c WHERE c.oid = view AND c.relkind IN ('m', 'r');
    IF v_owner IS NULL THEN
        RETURN false;
    ELSIF pg_has_role(current_user, v_owner, 'USAGE') THEN
        RETURN true;
    END IF;
    -- The name of the privilege is an error before 17.
    RETURN current_setting('server_version_num')::integer >= 170000 AND has_table_privilege(view, 'MAINTAIN');
END
$fn$;
COMMENT ON FUNCTION lifecycle._may_refresh(oid) IS
'Whether the caller may refresh a materialized or incremental view: as its owner, since PostgreSQL 17 also with
MAINTAIN.';
