-- A scheduled call that swallows failures looks successful for ever: work that isolates its items ends with this.
CREATE FUNCTION lifecycle._raise_failures(failures text[], message text, hint text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF cardinality(failures) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'raise_exception',
            MESSAGE = format(message, cardinality(failures)),
            DETAIL = array_to_string(failures, E'\n'),
            HINT = hint;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._raise_failures(text[], text, text) IS
'Raises P0001 with the list, when there is one; message holds %s for its length.';
