-- A stored step may do whatever its writer could do, never more: the writer is the caller, or a superuser. SET ROLE is
-- no barrier (a step may say RESET ROLE), so the session's role must be the writer's as well.
CREATE FUNCTION lifecycle._may_run(applied_by name, session_by name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT (_may_run.applied_by = current_user OR lifecycle._is_superuser(_may_run.applied_by))
        AND (_may_run.session_by = session_user OR lifecycle._is_superuser(_may_run.session_by))
$fn$;
COMMENT ON FUNCTION lifecycle._may_run(name, name) IS
'Whether the caller may run a step that this role, in a session of that role, has stored.';
