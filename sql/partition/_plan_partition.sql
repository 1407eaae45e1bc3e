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
) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_default constant regclass := (SELECT nullif(p.partdefid, 0)::regclass FROM pg_partitioned_table AS p
        WHERE p.partrelid = parent);
    v_condition text;
    v_rows bigint;
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
    EXECUTE format('SELECT count(*) FROM %s AS d WHERE %s', v_default, v_condition) INTO v_rows;
    IF v_rows > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('%s rows of the default partition %s belong to the new partition of %s', v_rows, v_default,
                parent),
            DETAIL = format('They are those WHERE %s.', v_condition),
            HINT = 'Move them out of the default partition first.';
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

CREATE FUNCTION lifecycle._plan_partition(
    parent regclass,
    key lifecycle.range_key,
    ends lifecycle.range_bound[],
    partition_name name,
    time_zone text,
    is_month boolean
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_partitions constant lifecycle.range_partition[] := ARRAY(SELECT p FROM lifecycle._range_partitions(
        ARRAY[parent::oid]) AS p);
    v_zone constant text := CASE WHEN key.type = 'timestamptz'::regtype THEN time_zone ELSE 'UTC' END;
    v_standing text;
    v_newest lifecycle.range_partition;
    v_note text;
BEGIN
    -- Inside one partition, or covered by several to the last second.
    SELECT string_agg(format('%s', p.partition::regclass), ', ' ORDER BY p.lower_place) INTO v_standing
    FROM unnest(v_partitions) AS p
    WHERE p.lower_place < ends[2].place AND p.upper_place > ends[1].place
    HAVING bool_or(p.lower_place <= ends[1].place AND p.upper_place >= ends[2].place)
        OR sum(least(p.upper_place, ends[2].place) - greatest(p.lower_place, ends[1].place))
            = nullif(ends[2].place - ends[1].place, 'Infinity');
    IF v_standing IS NOT NULL THEN
        RETURN ARRAY[lifecycle._step('create partition', 'table ' || v_standing, NULL,
            note => format('holds FROM (%s) TO (%s) already', ends[1].literal, ends[2].literal))];
    END IF;
    PERFORM lifecycle._require_free_range(parent, ends[1], ends[2], v_partitions);
    IF is_month THEN
        PERFORM lifecycle._require_fitting_month(parent, ends, v_partitions, v_zone);
    END IF;
    SELECT p.* INTO v_newest FROM unnest(v_partitions) AS p
    WHERE NOT p.is_default AND p.relkind <> 'f' ORDER BY p.upper_place DESC LIMIT 1;
    IF v_newest.relkind = 'p' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('the partitions of %s are partitioned themselves', parent),
            DETAIL = format('%s is, so a new partition would have to be.', v_newest.partition::regclass),
            HINT = 'Create it and its partitions by hand, or call this for a table whose partitions are plain tables.';
    END IF;
    v_note := concat_ws('; ', 'time zone ' || CASE WHEN key.type = 'timestamptz'::regtype THEN time_zone END,
        lifecycle._require_empty_default(parent, key, ends[1], ends[2]));
    RETURN lifecycle._partition_steps(parent, v_newest.partition,
        lifecycle._partition_identity(parent, ends[1], ends[2], v_zone, partition_name),
        format('FOR VALUES FROM (%s) TO (%s)', ends[1].literal, ends[2].literal),
        nullif(v_note, ''));
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_partition(
    regclass, lifecycle.range_key, lifecycle.range_bound[], name, text, boolean
) IS
'The plan of one new partition; a skipped step where the range is covered already.';
