-- The role that RESET ROLE would lead to. A SECURITY DEFINER function cannot leave its owner's role, so there the owner
-- stands for the session: he may have written what it runs, and the session's role has not.
CREATE FUNCTION lifecycle._session_role() RETURNS name
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN CASE
        WHEN current_user = coalesce(nullif(current_setting('role'), 'none'), session_user) THEN session_user
        ELSE current_user
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._session_role() IS
'The role of the session, or inside a SECURITY DEFINER function the owner of that function.';

-- Names say who wrote a step, also after a restore into another cluster. In the database of their origin the oids must
-- agree as well: a role that took the name of a dropped one is another role.
CREATE FUNCTION lifecycle._writer(applied_by name, session_by name) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN format('%s %s %s', lifecycle._origin(), to_regrole(quote_ident(applied_by))::oid,
        to_regrole(quote_ident(session_by))::oid);
END
$fn$;
COMMENT ON FUNCTION lifecycle._writer(name, name) IS
'Two roles by oid, together with the database in which the oids mean them.';

-- A stored step may do whatever its writer could do, never more: the writer is the caller, or a superuser. SET ROLE is
-- no barrier (a step may say RESET ROLE), so the session's role must be the writer's as well.
CREATE FUNCTION lifecycle._may_run(applied_by name, session_by name, writer text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (_may_run.applied_by = current_user OR lifecycle._is_superuser(_may_run.applied_by))
        AND (_may_run.session_by = lifecycle._session_role() OR lifecycle._is_superuser(_may_run.session_by))
        AND (
            NOT starts_with(_may_run.writer, lifecycle._origin() || ' ')
            OR _may_run.writer = lifecycle._writer(_may_run.applied_by, _may_run.session_by)
        );
END
$fn$;
COMMENT ON FUNCTION lifecycle._may_run(name, name, text) IS
'Whether the caller may run a step that this role, in a session of that role, has stored.';
