-- CREATE INDEX CONCURRENTLY and its like wait for every older snapshot, their own caller's included. So the statement
-- is sent through dblink, the caller commits, and only then looks again; dblink_exec would wait for ever, undetected.
CREATE FUNCTION lifecycle._dblink(function_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_schema name := (SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = 'dblink');
BEGIN
    IF v_schema IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_function',
            MESSAGE = 'extension dblink is not installed in this database',
            HINT = 'CREATE EXTENSION dblink, or SELECT lifecycle.set_setting(''top_level_runner'', ''none'').';
    END IF;
    RETURN format('%I.%I', v_schema, function_name);
END
$fn$;
COMMENT ON FUNCTION lifecycle._dblink(text) IS 'The qualified name of a function of dblink, or 42883 with a HINT.';

CREATE FUNCTION lifecycle._dblink_name(step lifecycle.migration_step) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('lifecycle_%s_%s', step.migration_id, step.step)
$fn$;
COMMENT ON FUNCTION lifecycle._dblink_name(lifecycle.migration_step) IS 'The name of the dblink connection of a step.';

CREATE FUNCTION lifecycle._send_top_level(step lifecycle.migration_step) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_connection text := lifecycle.setting('dblink_connection');
    v_path text;
BEGIN
    PERFORM lifecycle._require_may_run(step.migration_id, step.applied_by, step.session_by, step.writer);
    IF lifecycle.setting('top_level_runner') <> 'dblink' OR lifecycle._top_level_stands(step.action, step.object) THEN
        RETURN false;
    END IF;
    IF v_connection = '' THEN
        v_connection := format('dbname=%L port=%s user=%L', current_database(), current_setting('port'), session_user);
        IF pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
            AND current_setting('unix_socket_directories') <> '' THEN
            v_connection := v_connection || format(' host=%L',
                btrim((string_to_array(current_setting('unix_socket_directories'), ','))[1]));
        END IF;
    END IF;
    SELECT m.search_path INTO v_path FROM lifecycle.migration AS m
        WHERE m.migration_id = _send_top_level.step.migration_id;
    EXECUTE format('SELECT %s($1, $2)', lifecycle._dblink('dblink_connect'))
        USING lifecycle._dblink_name(step), v_connection;
    EXECUTE format('SELECT %s($1, $2)', lifecycle._dblink('dblink_exec'))
        USING lifecycle._dblink_name(step), format('SET search_path = %s', v_path);
    EXECUTE format('SELECT %s($1, $2)', lifecycle._dblink('dblink_send_query'))
        USING lifecycle._dblink_name(step), step.statement;
    RETURN true;
END
$fn$;
COMMENT ON FUNCTION lifecycle._send_top_level(lifecycle.migration_step) IS
'Sends a top-level statement through dblink when the setting top_level_runner allows it; true when it is under way.';

CREATE FUNCTION lifecycle._top_level_is_busy(step lifecycle.migration_step) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_busy integer;
BEGIN
    EXECUTE format('SELECT %s($1)', lifecycle._dblink('dblink_is_busy')) INTO v_busy USING lifecycle._dblink_name(step);
    RETURN v_busy = 1;
END
$fn$;
COMMENT ON FUNCTION lifecycle._top_level_is_busy(lifecycle.migration_step) IS
'Whether the statement that was sent still runs.';

CREATE FUNCTION lifecycle._top_level_stands(action text, object text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT a.address IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_index AS i WHERE i.indexrelid = (a.address).object_id AND NOT i.indisvalid
    ) AND NOT (action = 'detach partition' AND EXISTS (
        SELECT FROM pg_class AS c WHERE c.oid = (a.address).object_id AND c.relispartition
    ))
    FROM (SELECT lifecycle._address(object) AS address) AS a
$fn$;
COMMENT ON FUNCTION lifecycle._top_level_stands(text, text) IS
'Whether a top-level step has done its work: its object is there; an index is valid, a table no partition any more where
it was to be detached.';

-- The error of the other session, when there was one, is its own last word.
CREATE FUNCTION lifecycle._top_level_result(step lifecycle.migration_step) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_error text;
    v_open boolean;
BEGIN
    EXECUTE format('SELECT $1 = ANY (%s())', lifecycle._dblink('dblink_get_connections'))
        INTO v_open USING lifecycle._dblink_name(step);
    IF v_open IS NOT TRUE THEN
        RETURN 'it was not sent';
    END IF;
    EXECUTE format('SELECT r FROM %s($1, false) AS t (r text)', lifecycle._dblink('dblink_get_result'))
        USING lifecycle._dblink_name(step);
    EXECUTE format('SELECT %s($1)', lifecycle._dblink('dblink_error_message'))
        INTO v_error USING lifecycle._dblink_name(step);
    EXECUTE format('SELECT %s($1)', lifecycle._dblink('dblink_disconnect'))
        USING lifecycle._dblink_name(step);
    RETURN nullif(v_error, 'OK');
END
$fn$;
COMMENT ON FUNCTION lifecycle._top_level_result(lifecycle.migration_step) IS
'Closes the dblink connection of a step and returns its error, or NULL.';

CREATE FUNCTION lifecycle._settle_top_level(step lifecycle.migration_step) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sent constant boolean := lifecycle.setting('top_level_runner') = 'dblink';
    v_error text;
BEGIN
    PERFORM lifecycle._require_may_run(step.migration_id, step.applied_by, step.session_by, step.writer);
    IF v_sent THEN
        v_error := lifecycle._top_level_result(step);
    END IF;
    IF lifecycle._top_level_stands(step.action, step.object)
        OR (v_sent AND v_error IS NULL) THEN
        PERFORM lifecycle._settle(step.migration_id, step.step, true);
        PERFORM lifecycle._run_journaled(step.migration_id, 0);
        RETURN NULL;
    END IF;
    IF v_sent THEN
        UPDATE lifecycle.migration_step AS s
        SET status = 'failed', sqlstate = 'P0001', message = btrim(v_error), run_at = clock_timestamp()
        WHERE s.migration_id = _settle_top_level.step.migration_id AND s.step = _settle_top_level.step.step;
    END IF;
    RETURN format('migration %s, step %s, %s: %s', step.migration_id, step.step, coalesce(v_error, 'to be run by hand'),
        step.statement);
END
$fn$;
COMMENT ON FUNCTION lifecycle._settle_top_level(lifecycle.migration_step) IS
'Marks a top-level step done when what it makes is there; else returns what is missing.';
