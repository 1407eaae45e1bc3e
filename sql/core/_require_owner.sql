CREATE FUNCTION lifecycle._require_owner(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_owner oid;
BEGIN
    SELECT c.relowner INTO v_owner FROM pg_class AS c WHERE c.oid = target;
    IF pg_has_role(current_user, v_owner, 'USAGE') THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('must be owner of %s', target),
        DETAIL = format('It belongs to %I, the caller is %I.', pg_get_userbyid(v_owner), current_user),
        HINT = format('Connect as %I or as a member of it.', pg_get_userbyid(v_owner));
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_owner(regclass) IS 'Raises 42501 unless the caller has the rights of the owner.';
