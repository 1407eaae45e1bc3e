-- NULL is not false: nobody who passes it has asked for the change.
CREATE FUNCTION lifecycle._require_dry_run(dry_run boolean) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF dry_run IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'dry_run must not be NULL',
            DETAIL = 'Nothing was changed.',
            HINT = 'Pass true to see the plan, false to run it.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_dry_run(boolean) IS 'Raises 22004 when nobody said whether to run a change.';
