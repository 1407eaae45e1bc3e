-- For all procedures that work in batches: before the first one, not after it.
CREATE FUNCTION lifecycle._require_pace(pause double precision, max_batches integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_number('pause', pause::numeric, 0, 86400, 'So many seconds between two batches.');
    IF max_batches IS NOT NULL THEN
        PERFORM lifecycle._require_number('max_batches', max_batches, 1, hint => 'Leave it out to go on to the end.');
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_pace(double precision, integer) IS
'Raises 22023 for a pause or a number of batches that makes no sense.';
