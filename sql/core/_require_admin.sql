-- The journal's own "permission denied" would not say what to do about it.
CREATE FUNCTION lifecycle._require_admin() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF has_any_column_privilege('lifecycle.migration', 'INSERT') THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('role %I may not make changes with pg_lifecycle', current_user),
        DETAIL = 'Changes are journaled with the statements that undo them, and writing the journal is a privilege.',
        HINT = format('Ask %I to run: SELECT * FROM lifecycle.grant_lifecycle_admin(%L)',
            (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace AS n WHERE n.nspname = 'lifecycle'), current_user);
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_admin() IS
'Raises 42501 with the grant that is missing unless the caller may write the journal.';
