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

-- A month that does not begin where its neighbour ends means another time zone, or another interval: rows of the gap
-- would have no partition.
CREATE FUNCTION lifecycle._require_no_gap(
    parent regclass, lower_end lifecycle.range_bound, upper_end lifecycle.range_bound,
    partitions lifecycle.range_partition[]
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
SET timezone = 'UTC' AS $fn$
DECLARE
    v_month constant numeric := 27 * 86400;
    v_found record;
BEGIN
    SELECT p.partition::regclass AS partition, g.gap_from, g.gap_to INTO v_found
    FROM unnest(partitions) AS p
    CROSS JOIN LATERAL (VALUES (p.upper_place, lower_end.place), (upper_end.place, p.lower_place))
        AS g (gap_from, gap_to)
    WHERE g.gap_to - g.gap_from > 0 AND g.gap_to - g.gap_from < v_month
        -- unless another partition fills it
        AND NOT EXISTS (SELECT FROM unnest(partitions) AS o
            WHERE o.lower_place < g.gap_to AND o.upper_place > g.gap_from)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_object_definition',
            MESSAGE = format('the month FROM (%s) TO (%s) would leave a gap between itself and partition %s',
                lower_end.literal, upper_end.literal, v_found.partition),
            DETAIL = format('The gap: %s to %s (UTC), too short for a month.', to_timestamp(v_found.gap_from::float8)
                ::timestamp, to_timestamp(v_found.gap_to::float8)::timestamp),
            HINT = format('Pass the time_zone in which the set was made, or close the gap with '
                'lifecycle.create_partition(%L, ...).', parent);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_no_gap(
    regclass, lifecycle.range_bound, lifecycle.range_bound, lifecycle.range_partition[]
) IS 'Raises 42P17 when a month would leave a gap shorter than a month beside a partition.';

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
        PERFORM lifecycle._require_no_gap(parent, ends[1], ends[2], v_partitions);
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
    v_note := concat_ws('; ', CASE WHEN key.type = 'timestamptz'::regtype THEN 'time zone ' || time_zone END,
        lifecycle._require_empty_default(parent, key, ends[1], ends[2]));
    RETURN lifecycle._partition_steps(parent, v_newest.partition,
        lifecycle._partition_identity(parent, ends[1], ends[2],
            CASE WHEN key.type = 'timestamptz'::regtype THEN time_zone ELSE 'UTC' END, partition_name),
        format('FOR VALUES FROM (%s) TO (%s)', ends[1].literal, ends[2].literal),
        nullif(v_note, ''));
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_partition(
    regclass, lifecycle.range_key, lifecycle.range_bound[], name, text, boolean
) IS
'The plan of one new partition; a skipped step where the range is covered already.';
