-- A scheduled call that swallows failures looks successful for ever.
CREATE FUNCTION lifecycle._raise_failures(failures text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF cardinality(failures) > 0 THEN
        RAISE EXCEPTION USING
            MESSAGE = format('%s of the pending migrations could not go on', cardinality(failures)),
            DETAIL = array_to_string(failures, E'\n'),
            HINT = 'What was done is committed. SELECT * FROM lifecycle.pending_steps() shows what is left.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._raise_failures(text[]) IS 'Raises P0001 with the list when there is one.';
