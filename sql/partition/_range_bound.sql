-- The one place where a bound that somebody wrote becomes a bound that everybody reads alike: with its offset from UTC
-- for timestamptz, so that neither the statement nor the partition depends on the zone of a session. ISO order of year,
-- month and day only.
CREATE FUNCTION lifecycle._range_bound(key_type regtype, bound text, time_zone text) RETURNS lifecycle.range_bound
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_date date;
    v_timestamp timestamp;
    v_timestamptz timestamptz;
BEGIN
    IF bound IS NULL OR _range_bound.time_zone IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'neither the bounds of a partition nor their time zone may be NULL';
    END IF;
    PERFORM set_config('timezone', _range_bound.time_zone, true);
    IF upper(bound) IN ('MINVALUE', 'MAXVALUE') THEN
        RETURN ROW(upper(bound), CASE upper(bound) WHEN 'MINVALUE' THEN '-Infinity' ELSE 'Infinity' END::numeric,
            NULL::timestamp);
    END IF;
    IF key_type = 'date'::regtype THEN
        v_date := bound::date;
        RETURN ROW(quote_literal(v_date), extract(epoch FROM v_date), v_date::timestamp);
    ELSIF key_type = 'timestamp'::regtype THEN
        v_timestamp := bound::timestamp;
        RETURN ROW(quote_literal(v_timestamp), extract(epoch FROM v_timestamp), v_timestamp);
    END IF;
    v_timestamptz := bound::timestamptz;
    RETURN ROW(quote_literal(v_timestamptz), extract(epoch FROM v_timestamptz), v_timestamptz::timestamp);
END
$fn$;
COMMENT ON FUNCTION lifecycle._range_bound(regtype, text, text) IS
'A bound given as text, read in a time zone. Raises 22004 for NULL, 22007 or 22008 for what is no such time, 22023 for
an unknown zone.';
