-- User code, and DDL that may fire a user's event triggers, must see the caller's path; our own code never. A
-- statement can change the path for the rest of the outer call (a plain SET outlives the SET clause of a function), so
-- that is refused, and the path is pinned again at once. Whoever goes on after calling this pins its own level too.
CREATE FUNCTION lifecycle._execute(statement text, search_path text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_caller constant text := format('%I in a session of %I', current_user, session_user);
    v_path text;
    v_rows bigint;
BEGIN
    IF _execute.search_path IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'search_path must not be NULL',
            HINT = 'Leave it out to have the path of the session.';
    END IF;
    v_path := pg_catalog.set_config('search_path', _execute.search_path, true);
    EXECUTE statement;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_path := pg_catalog.current_setting('search_path');
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF v_path IS DISTINCT FROM _execute.search_path THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the statement changed search_path to %L', v_path),
            HINT = 'Leave the path alone and pass the one that is wanted as the argument search_path.';
    END IF;
    IF format('%I in a session of %I', current_user, session_user) <> v_caller THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the statement changed the role, the caller is %s', v_caller),
            HINT = 'A migration runs as one role from its first to its last step: leave SET ROLE out of it.';
    END IF;
    RETURN v_rows;
END
$fn$;
COMMENT ON FUNCTION lifecycle._execute(text, text) IS
'Runs a statement under a search_path, pins the path again and returns the number of rows.';
