-- Spans that a calendar or a clock can be cut into without a rest. Text without a unit is refused, as '30' would be 30
-- seconds.
CREATE FUNCTION lifecycle._period(
    key_type regtype, every text, is_retention boolean DEFAULT false,
    OUT months integer, OUT days integer, OUT seconds integer, OUT width numeric
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_every interval;
BEGIN
    IF key_type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype) THEN
        -- Digits only: what is no number is refused like what is no span.
        width := CASE WHEN every ~ '^[0-9]+([.][0-9]+)?$' THEN every::numeric END;
        IF width > 0 AND width < 'Infinity' THEN
            RETURN;
        END IF;
    ELSIF every ~ '[[:alpha:]]' THEN
        BEGIN
            v_every := every::interval;
        EXCEPTION WHEN data_exception THEN
            -- Refused below, like every other text that is no span.
            v_every := interval '0';
        END;
        IF v_every > interval '1000 years' THEN
            -- Now less so much would be no time any more, for every table that is looked at together with this one.
            v_every := interval '0';
        END IF;
        months := 12 * extract(year FROM v_every) + extract(month FROM v_every);
        days := extract(day FROM v_every);
        seconds := extract(epoch FROM v_every - make_interval(months => months, days => days));
        IF (months > 0 AND days = 0 AND seconds = 0) OR (months = 0 AND days > 0 AND seconds = 0)
            OR (months = 0 AND days = 0 AND seconds >= 3600 AND key_type <> 'date'::regtype)
        THEN
            RETURN;
        END IF;
    END IF;
    IF is_retention THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('retention cannot be %L for partitions of type %s', every, key_type),
            HINT = 'Times: a span with its unit, ''24 months''. Numbers: how far below the highest. '
                'Both: ''12 partitions''.';
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('partitions of type %s cannot be every %s', key_type, coalesce(every, 'NULL')),
        HINT = 'Times: whole years and months, or whole days, or an hour and more. Numbers: a number above zero.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._period(regtype, text, boolean) IS
'An interval as months, days or seconds, of which one is not zero, or the width of a range of numbers; raises 22023.';

-- Bounds are reckoned from one anchor, never from each other: the 31st does not become the 28th for ever. Days and
-- months go by the calendar of the zone, so that a day may have 23 hours; hours go by the clock that never turns back.
CREATE FUNCTION lifecycle._anchor(key_type regtype, months integer, days integer, time_zone text, anchor numeric)
RETURNS timestamp LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN anchor IS NULL AND months > 0 THEN timestamp '2000-01-01'
        WHEN anchor IS NULL THEN timestamp '2000-01-03'  -- a Monday
        -- Where the clock skips midnight, the day begins at one.
        WHEN a.local_time::date::timestamp AT TIME ZONE time_zone = to_timestamp(anchor::float8)
            THEN a.local_time::date::timestamp
        ELSE a.local_time
    END
    FROM (SELECT to_timestamp(anchor::float8) AT TIME ZONE time_zone AS local_time) AS a
$fn$;
COMMENT ON FUNCTION lifecycle._anchor(regtype, integer, integer, text, numeric) IS
'The local time that periods of months or days are counted from.';

-- The last numbers of a type belong to a partition without an end: nothing can be above it.
CREATE FUNCTION lifecycle._within_type(key_type regtype, bound numeric) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN bound > t.highest THEN 'MAXVALUE' WHEN bound < -t.highest - 1 THEN 'MINVALUE' ELSE bound::text END
    FROM (SELECT CASE key_type WHEN 'int2'::regtype THEN 32767::numeric WHEN 'int4'::regtype THEN 2147483647
        WHEN 'int8'::regtype THEN 9223372036854775807 END AS highest) AS t
$fn$;
COMMENT ON FUNCTION lifecycle._within_type(regtype, numeric) IS
'A bound of numbers as text, MINVALUE or MAXVALUE where the type does not reach so far.';

CREATE FUNCTION lifecycle._periods(
    key_type regtype, every text, time_zone text, anchor numeric, place numeric, ahead integer
) RETURNS SETOF lifecycle.range_ends LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_period constant record := lifecycle._period(key_type, every);
    v_zoned constant boolean := key_type IN ('timestamptz'::regtype, 'uuid'::regtype);
    v_zone constant text := CASE WHEN v_zoned THEN _periods.time_zone ELSE 'UTC' END;
    v_step constant interval := make_interval(months => v_period.months, days => v_period.days);
    v_anchor timestamp;
    v_now timestamp;
    v_first bigint;
    v_bounds text[];
BEGIN
    IF v_period.width IS NOT NULL THEN
        v_first := floor((place - coalesce(anchor, 0)) / v_period.width);
        v_bounds := ARRAY(SELECT lifecycle._within_type(key_type, coalesce(anchor, 0) + (v_first + n) * v_period.width)
            FROM generate_series(0, ahead + 1) AS n ORDER BY n);
    ELSIF v_period.seconds > 0 THEN
        v_first := floor((place - coalesce(anchor, 0)) / v_period.seconds);
        v_bounds := ARRAY(SELECT to_timestamp((coalesce(anchor, 0) + (v_first + n) * v_period.seconds)::float8)::text
            FROM generate_series(0, ahead + 1) AS n ORDER BY n);
    ELSE
        v_anchor := lifecycle._anchor(key_type, v_period.months, v_period.days, v_zone, anchor);
        v_now := to_timestamp(place::float8) AT TIME ZONE v_zone;
        v_first := CASE WHEN v_period.months > 0
            THEN floor((12 * (extract(year FROM v_now) - extract(year FROM v_anchor))
                + extract(month FROM v_now) - extract(month FROM v_anchor)) / v_period.months)
            ELSE floor(extract(epoch FROM v_now - v_anchor) / 86400 / v_period.days)
        END;
        IF v_anchor + v_first * v_step > v_now THEN
            v_first := v_first - 1;
        END IF;
        v_bounds := ARRAY(
            SELECT CASE WHEN v_zoned THEN ((v_anchor + (v_first + n) * v_step) AT TIME ZONE v_zone)::text
                ELSE (v_anchor + (v_first + n) * v_step)::text END
            FROM generate_series(0, ahead + 1) AS n ORDER BY n);
    END IF;
    RETURN QUERY SELECT lifecycle._range_bound(key_type, v_bounds[n], v_zone),
        lifecycle._range_bound(key_type, v_bounds[n + 1], v_zone)
    FROM generate_series(1, ahead + 1) AS n
    WHERE v_bounds[n] <> 'MAXVALUE' AND v_bounds[n + 1] <> 'MINVALUE' ORDER BY n;
END
$fn$;
COMMENT ON FUNCTION lifecycle._periods(regtype, text, text, numeric, numeric, integer) IS
'The period that holds a place, and so many after it, on the grid through the anchor (a bound of the set; NULL: the
beginning of 2000, of a week, of an hour, or zero).';
