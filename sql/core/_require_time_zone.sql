CREATE FUNCTION lifecycle._require_time_zone(time_zone text) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $fn$
DECLARE
    v_zone constant text := coalesce(_require_time_zone.time_zone, '');
BEGIN
    -- SET takes what AT TIME ZONE does not; both are asked.
    PERFORM set_config('timezone', v_zone, true), now() AT TIME ZONE v_zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE EXCEPTION USING
        ERRCODE = CASE WHEN _require_time_zone.time_zone IS NULL THEN 'null_value_not_allowed'
            ELSE 'invalid_parameter_value' END,
        MESSAGE = format('time_zone cannot be %L', _require_time_zone.time_zone),
        DETAIL = 'There is no time zone of that name.',
        HINT = 'For example ''Europe/Berlin'' or ''UTC''; SELECT name FROM pg_timezone_names lists them.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_time_zone(text) IS
'Raises 22023 for a time zone that does not exist, 22004 for none.';
