CREATE FUNCTION lifecycle._month_ends(key_type regtype, month_start date, time_zone text)
RETURNS lifecycle.range_bound[] LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $fn$
    SELECT ARRAY[
        lifecycle._range_bound(key_type, date_trunc('month', month_start::timestamp)::date::text, time_zone),
        lifecycle._range_bound(key_type,
            (date_trunc('month', month_start::timestamp) + interval '1 month')::date::text, time_zone)
    ]
$fn$;
COMMENT ON FUNCTION lifecycle._month_ends(regtype, date, text) IS
'The bounds of a calendar month in a time zone: as long as that month is there, whatever the clocks did.';

CREATE FUNCTION lifecycle.create_monthly_partition(
    parent regclass,
    month_start date,
    time_zone text DEFAULT current_setting('TimeZone'),
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key constant lifecycle.range_key := lifecycle._range_key(parent, of_time => true);
BEGIN
    PERFORM lifecycle._require_time_zone(create_monthly_partition.time_zone);
    RETURN QUERY SELECT * FROM lifecycle._create_partition(parent, v_key,
        lifecycle._month_ends(v_key.type, month_start, create_monthly_partition.time_zone), NULL,
        create_monthly_partition.time_zone, true, dry_run, expected_plan, create_monthly_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_monthly_partition(regclass, date, text, boolean, text, text) IS
'Adds the partition of one calendar month to a table that is partitioned by RANGE on a date, timestamp, timestamptz
or uuid (version 7), see lifecycle.create_partition.

Arguments: parent - the partitioned table; month_start - any day of the month; time_zone - where the month is lived
through (timestamptz and uuid keys only); dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry
run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); one row skipped where partitions cover the month already.
Errors: 0A000 a key of numbers; 42P17 overlap, or a gap shorter than a month beside a neighbour (the set was made in
another time zone); the others as lifecycle.create_partition.
Example: SELECT * FROM lifecycle.create_monthly_partition(''public.metric'', ''2026-01-01'');';

CREATE FUNCTION lifecycle.create_monthly_partition(
    parent regclass,
    year integer,
    month integer,
    time_zone text DEFAULT current_setting('TimeZone'),
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_number('year', year, -4713, 294276, 'For example 2026 and 1.'),
        lifecycle._require_number('month', month, 1, 12, 'For example 2026 and 1.');
    IF year = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'there is no year 0',
            HINT = 'The year before 1 is -1, 1 BC.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle.create_monthly_partition(parent, make_date(year, month, 1),
        create_monthly_partition.time_zone, dry_run, expected_plan, create_monthly_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_monthly_partition(regclass, integer, integer, text, boolean, text, text) IS
'Adds the partition of one calendar month, given as year and month.

Arguments: parent - the partitioned table; year, month - for example 2026 and 1; the others as with month_start.
Returns: one row a step (lifecycle.step_result).
Errors: 22023 no such month; the others as with month_start.
Example: SELECT * FROM lifecycle.create_monthly_partition(''public.metric'', 2026, 1);';
