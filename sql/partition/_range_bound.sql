-- UUIDs of version 7 begin with milliseconds since 1970. The rest of a bound is zero, lower than all of that
-- millisecond.
CREATE FUNCTION lifecycle._uuid_place(bound uuid) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ('x' || left(h.digits, 12))::bit(48)::bigint / 1000.0
        -- The other 80 bits stay below a millisecond, and keep their order.
        + (('x' || substr(h.digits, 13, 10))::bit(40)::bigint * 1099511627776::numeric
            + ('x' || right(h.digits, 10))::bit(40)::bigint) * 1e-28
    FROM replace(bound::text, '-', '') AS h (digits)
$fn$;
COMMENT ON FUNCTION lifecycle._uuid_place(uuid) IS
'Where a UUID lies among others: the seconds since 1970 of its version 7 time, and a fraction for its other bits.';

CREATE FUNCTION lifecycle._uuid_bound(bound text) RETURNS uuid
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $fn$
    SELECT CASE
        WHEN bound ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN bound
        ELSE rpad(lpad(to_hex((extract(epoch FROM bound::timestamptz) * 1000)::bigint), 12, '0'), 32, '0')
    END::uuid
$fn$;
COMMENT ON FUNCTION lifecycle._uuid_bound(text) IS
'A bound among UUIDs of version 7, given as a UUID or as a time, which is read in the zone of the session.';

-- The one place where a bound that somebody wrote becomes a bound that everybody reads alike: with its offset from UTC
-- for timestamptz, so that neither the statement nor the partition depends on the zone of a session. ISO order of year,
-- month and day only.
CREATE FUNCTION lifecycle._range_bound(key_type regtype, bound text, time_zone text) RETURNS lifecycle.range_bound
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_date date;
    v_timestamp timestamp;
    v_timestamptz timestamptz;
    v_uuid uuid;
    v_number numeric;
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
    CASE key_type
        WHEN 'date'::regtype THEN
            v_date := bound::date;
            RETURN ROW(quote_literal(v_date), extract(epoch FROM v_date), v_date::timestamp);
        WHEN 'timestamp'::regtype THEN
            v_timestamp := bound::timestamp;
            RETURN ROW(quote_literal(v_timestamp), extract(epoch FROM v_timestamp), v_timestamp);
        WHEN 'timestamptz'::regtype THEN
            v_timestamptz := bound::timestamptz;
            RETURN ROW(quote_literal(v_timestamptz), extract(epoch FROM v_timestamptz), v_timestamptz::timestamp);
        WHEN 'uuid'::regtype THEN
            v_uuid := lifecycle._uuid_bound(bound);
            RETURN ROW(quote_literal(v_uuid), lifecycle._uuid_place(v_uuid),
                to_timestamp(trunc(lifecycle._uuid_place(v_uuid), 3)::float8)::timestamp);
        ELSE
            v_number := CASE key_type
                WHEN 'int2'::regtype THEN bound::smallint
                WHEN 'int4'::regtype THEN bound::integer
                WHEN 'int8'::regtype THEN bound::bigint
                ELSE bound::numeric
            END;
            IF v_number IN ('NaN', 'Infinity', '-Infinity') THEN
                RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
                    MESSAGE = format('%s is no bound of a partition', v_number), HINT = 'Write MINVALUE or MAXVALUE.';
            END IF;
            RETURN ROW(quote_literal(v_number), v_number, NULL::timestamp);
    END CASE;
END
$fn$;
COMMENT ON FUNCTION lifecycle._range_bound(regtype, text, text) IS
'A bound given as text, times read in a time zone. Raises 22004 for NULL, 22007 or 22008 for what is no such time, 22P02
or 22003 for what is no such number, 22023 for an unknown zone and for a number without end.';
