-- Where the range stands among those that are there.
CREATE FUNCTION lifecycle._require_free_range(
    parent regclass, lower_end lifecycle.range_bound, upper_end lifecycle.range_bound,
    partitions lifecycle.range_partition[]
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_range constant text := format('FROM (%s) TO (%s)', lower_end.literal, upper_end.literal);
    v_found lifecycle.range_partition;
BEGIN
    IF lower_end.place >= upper_end.place THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_object_definition',
            MESSAGE = format('the range %s is empty', v_range),
            HINT = 'The lower bound belongs to the partition, the upper bound to the next one.';
    END IF;
    SELECT p.* INTO v_found FROM unnest(partitions) AS p
    WHERE p.lower_place < upper_end.place AND p.upper_place > lower_end.place
    ORDER BY p.lower_place LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_object_definition',
            MESSAGE = format('the range %s of %s overlaps partition %s', v_range, parent, v_found.partition::regclass),
            DETAIL = format('That partition holds FROM (%s) TO (%s).', v_found.lower_bound, v_found.upper_bound),
            HINT = 'Begin where it ends. With a timestamptz key, the time zone decides where a month begins.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_free_range(
    regclass, lifecycle.range_bound, lifecycle.range_bound, lifecycle.range_partition[]
) IS 'Raises 42P17 for an empty range and for one that overlaps a partition.';

-- A month that does not fit to its neighbours means another time zone, or another interval: rows of the gap would have
-- no partition. Whole months may be missing.
CREATE FUNCTION lifecycle._require_fitting_month(
    parent regclass, ends lifecycle.range_bound[], partitions lifecycle.range_partition[], time_zone text
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
SET timezone = 'UTC' AS $fn$
DECLARE
    v_shortest_month constant interval := interval '27 days';
    v_farthest_zone constant interval := interval '16 hours';
    v_found record;
BEGIN
    SELECT g.*, to_timestamp(g.edge::float8) AT TIME ZONE _require_fitting_month.time_zone AS edge_time INTO v_found
    FROM (
        (SELECT p.partition::regclass AS neighbour, p.upper_place AS edge, ends[1].place - p.upper_place AS seconds
            FROM unnest(partitions) AS p
            WHERE p.upper_place <= ends[1].place AND p.upper_place > '-Infinity' ORDER BY p.upper_place DESC LIMIT 1)
        UNION ALL
        (SELECT p.partition::regclass, p.lower_place, p.lower_place - ends[2].place FROM unnest(partitions) AS p
            WHERE p.lower_place >= ends[2].place AND p.lower_place < 'Infinity' ORDER BY p.lower_place LIMIT 1)
    ) AS g
    CROSS JOIN LATERAL (SELECT to_timestamp(g.edge::float8) AT TIME ZONE _require_fitting_month.time_zone AS edge) AS l
    CROSS JOIN LATERAL (SELECT l.edge - date_trunc('month', l.edge + v_farthest_zone) AS shift) AS d
    WHERE g.seconds > 0 AND (g.seconds < extract(epoch FROM v_shortest_month)
        OR d.shift <> interval '0' AND d.shift BETWEEN - v_farthest_zone AND v_farthest_zone)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_object_definition',
            MESSAGE = format('the month FROM (%s) TO (%s) would leave a gap between itself and partition %s',
                ends[1].literal, ends[2].literal, v_found.neighbour),
            DETAIL = format('Its bound there is %s in time zone %s, where no month begins.', v_found.edge_time,
                _require_fitting_month.time_zone),
            HINT = format('Pass the time_zone in which the set was made, or close the gap with '
                'lifecycle.create_partition(%L, ...).', parent);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_fitting_month(
    regclass, lifecycle.range_bound[], lifecycle.range_partition[], text
) IS
'Raises 42P17 when a month would leave a gap shorter than a month beside a partition, or when the neighbour''s bounds
are months of another time zone.';

-- ATTACH would fail on these rows; what it says does not help to find them.
CREATE FUNCTION lifecycle._require_empty_default(
    parent regclass, key lifecycle.range_key, lower_end lifecycle.range_bound, upper_end lifecycle.range_bound
) RETURNS text LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET constraint_exclusion = on AS $fn$
DECLARE
    v_default constant regclass := (SELECT nullif(p.partdefid, 0)::regclass FROM pg_partitioned_table AS p
        WHERE p.partrelid = parent);
    v_condition text;
    v_rows bigint;
    v_plan text;
BEGIN
    IF v_default IS NULL THEN
        RETURN NULL;
    END IF;
    v_condition := concat_ws(' AND ',
        CASE WHEN lower_end.literal <> 'MINVALUE'
            THEN format('d.%I >= %s::%s', key.column_name, lower_end.literal, key.type) END,
        CASE WHEN upper_end.literal <> 'MAXVALUE'
            THEN format('d.%I < %s::%s', key.column_name, upper_end.literal, key.type) END,
        format('d.%I IS NOT NULL', key.column_name));
    -- A CHECK that shuts the range out (lifecycle.guard_default_partition) spares this look, and that of ATTACH.
    EXECUTE format('EXPLAIN (COSTS off) SELECT FROM ONLY %s AS d WHERE %s', v_default, v_condition) INTO v_plan;
    IF v_plan = 'Result' THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s AS d WHERE %s', v_default, v_condition) INTO v_rows;
    IF v_rows > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('%s rows of the default partition %s belong to the new partition of %s', v_rows, v_default,
                parent),
            DETAIL = format('They are those WHERE %s.', v_condition),
            HINT = format('CALL lifecycle.drain_default_partition(%L)', parent);
    END IF;
    RETURN format('ATTACH reads the whole default partition %s (%s) while it is locked', v_default,
        pg_size_pretty(pg_total_relation_size(v_default)));
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_empty_default(
    regclass, lifecycle.range_key, lifecycle.range_bound, lifecycle.range_bound
) IS
'Raises 23514 with their number when the default partition holds rows of a range; else returns what is to be said about
it, NULL where there is no default partition.';

-- What is asked for stands: inside one partition, or covered by several to the last second.
CREATE FUNCTION lifecycle._standing_range(ends lifecycle.range_bound[], partitions lifecycle.range_partition[])
RETURNS oid[] LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT array_agg(p.partition ORDER BY p.lower_place)
    FROM unnest(partitions) AS p
    WHERE p.lower_place < ends[2].place AND p.upper_place > ends[1].place
    HAVING bool_or(p.lower_place <= ends[1].place AND p.upper_place >= ends[2].place)
        OR sum(least(p.upper_place, ends[2].place) - greatest(p.lower_place, ends[1].place))
            = nullif(ends[2].place - ends[1].place, 'Infinity')
$fn$;
COMMENT ON FUNCTION lifecycle._standing_range(lifecycle.range_bound[], lifecycle.range_partition[]) IS
'The partitions that cover a range; NULL when they do not.';

-- Other tools write other bits behind the time of a UUID: begin where the neighbour ends, and end where it begins.
CREATE FUNCTION lifecycle._snapped(ends lifecycle.range_bound[], partitions lifecycle.range_partition[])
RETURNS lifecycle.range_bound[] LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT array_agg(coalesce((
        SELECT ROW(quote_literal(n.bound), n.place, (e.bound).local_time)::lifecycle.range_bound
        FROM unnest(partitions) AS p
        CROSS JOIN LATERAL (VALUES (p.lower_bound, p.lower_place), (p.upper_bound, p.upper_place)) AS n (bound, place)
        WHERE n.place > '-Infinity' AND n.place < 'Infinity' AND trunc(n.place, 3) = trunc((e.bound).place, 3)
        LIMIT 1
    ), e.bound) ORDER BY e.place)
    FROM (SELECT ends[n] AS bound, n AS place FROM generate_series(1, 2) AS n) AS e
$fn$;
COMMENT ON FUNCTION lifecycle._snapped(lifecycle.range_bound[], lifecycle.range_partition[]) IS
'The bounds of a range of UUIDs, each replaced by the bound of a partition in the same millisecond.';

CREATE FUNCTION lifecycle._plan_partition(
    parent regclass,
    key lifecycle.range_key,
    ends lifecycle.range_bound[],
    partition_name name,
    time_zone text,
    is_month boolean,
    levels jsonb[] DEFAULT '{}',
    path text[] DEFAULT '{}',
    options jsonb DEFAULT '{}'
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_partitions constant lifecycle.range_partition[] := ARRAY(SELECT p FROM lifecycle._range_partitions(
        ARRAY[parent::oid]) AS p);
    v_ends constant lifecycle.range_bound[] := CASE key.type
        WHEN 'uuid'::regtype THEN lifecycle._snapped(ends, v_partitions) ELSE ends END;
    v_standing constant oid[] := lifecycle._standing_range(v_ends, v_partitions);
    v_zone constant text := CASE WHEN key.type IN ('timestamptz', 'uuid') THEN time_zone ELSE 'UTC' END;
    v_newest lifecycle.range_partition;
    v_identity text;
    v_note text;
BEGIN
    IF v_standing IS NOT NULL THEN
        RETURN lifecycle._step('create partition',
            'table ' || (SELECT string_agg(s::regclass::text, ', ') FROM unnest(v_standing) AS s), NULL,
            note => format('holds FROM (%s) TO (%s) already', v_ends[1].literal, v_ends[2].literal))
            || lifecycle._plan_level(v_standing[1], v_standing[1]::regclass::text, v_standing[1], levels, path,
                options);
    END IF;
    PERFORM lifecycle._require_free_range(parent, v_ends[1], v_ends[2], v_partitions);
    IF is_month THEN
        PERFORM lifecycle._require_fitting_month(parent, v_ends, v_partitions, v_zone);
    END IF;
    SELECT p.* INTO v_newest FROM unnest(v_partitions) AS p
    WHERE NOT p.is_default AND p.relkind <> 'f' ORDER BY p.upper_place DESC LIMIT 1;
    IF v_newest.relkind = 'p' AND cardinality(levels) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('the partitions of %s are partitioned themselves', parent),
            DETAIL = format('%s is, so a new partition would have to be.', v_newest.partition::regclass),
            HINT = 'Describe all levels with lifecycle.manage_partitions(..., levels => ...).';
    END IF;
    v_note := concat_ws('; ', 'time zone ' || CASE WHEN key.type IN ('timestamptz', 'uuid') THEN time_zone END,
        lifecycle._require_empty_default(parent, key, v_ends[1], v_ends[2]));
    v_identity := lifecycle._free_identity(parent::text, coalesce(partition_name,
            lifecycle._partition_name(parent, v_ends[1], v_ends[2], v_zone, options ->> 'name_format')),
        partition_name IS NOT NULL, concat_ws(' ', v_ends[1].literal, v_ends[2].literal));
    RETURN lifecycle._partition_steps(parent, v_newest.partition, v_identity,
            format('FOR VALUES FROM (%s) TO (%s)', v_ends[1].literal, v_ends[2].literal), nullif(v_note, ''),
            partition_by => lifecycle._partition_by(levels))
        || lifecycle._plan_level(parent, v_identity, NULL, levels, path, options);
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_partition(
    regclass, lifecycle.range_key, lifecycle.range_bound[], name, text, boolean, jsonb[], text[], jsonb
) IS
'The plan of one new partition and what is below it; a skipped step where the range is covered already.';
