-- What an adopted set does already: the span of its newest partition, in the zone where its bounds begin a day.
CREATE FUNCTION lifecycle._set_zone(parent regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce((
        SELECT z.zone
        FROM (VALUES (1, (SELECT m.parameters ->> 'time_zone' FROM lifecycle.migration AS m
                WHERE m.migration_id = (lifecycle._open_migrations('partition', parent))[1])),
            (2, current_setting('TimeZone')), (3, 'UTC')) AS z (place, zone)
        CROSS JOIN LATERAL (
            SELECT bool_and(t.local_time = date_trunc('day', t.local_time)) AS fits
            FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
            CROSS JOIN LATERAL (SELECT to_timestamp(p.upper_place::float8) AT TIME ZONE z.zone AS local_time) AS t
            WHERE p.upper_place < 'Infinity'
        ) AS f
        WHERE z.zone IS NOT NULL AND f.fits
        ORDER BY z.place LIMIT 1
    ), current_setting('TimeZone'))
$fn$;
COMMENT ON FUNCTION lifecycle._set_zone(regclass) IS
'The time zone in which the partitions of a table begin at midnight; else the session''s.';

CREATE FUNCTION lifecycle._set_span(parent regclass, key lifecycle.range_key, time_zone text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN key.type IN ('int2', 'int4', 'int8', 'numeric') THEN (p.upper_place - p.lower_place)::text
        WHEN m.months > 0 AND t.lower_time + make_interval(months => m.months) = t.upper_time
            THEN format('%s months', m.months)
        WHEN t.upper_time - t.lower_time = make_interval(days => extract(day FROM t.upper_time - t.lower_time)::integer)
            THEN format('%s days', extract(day FROM t.upper_time - t.lower_time))
        ELSE format('%s seconds', p.upper_place - p.lower_place)
    END
    FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
    CROSS JOIN LATERAL (SELECT to_timestamp(p.lower_place::float8) AT TIME ZONE z.zone AS lower_time,
            to_timestamp(p.upper_place::float8) AT TIME ZONE z.zone AS upper_time
        FROM (SELECT CASE WHEN key.type IN ('timestamptz', 'uuid') THEN _set_span.time_zone ELSE 'UTC' END AS zone) AS z
    ) AS t
    CROSS JOIN LATERAL (SELECT (12 * (extract(year FROM t.upper_time) - extract(year FROM t.lower_time))
        + extract(month FROM t.upper_time) - extract(month FROM t.lower_time))::integer AS months) AS m
    WHERE p.lower_place > '-Infinity' AND p.upper_place < 'Infinity'
    ORDER BY p.upper_place DESC
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._set_span(regclass, lifecycle.range_key, text) IS
'How much the newest partition holds: months, days, seconds, or a width; NULL without one.';

CREATE FUNCTION lifecycle._policy_step(
    parent text, levels jsonb, premake integer, retention text, time_zone text, name_format text,
    standing lifecycle.partition_policy
) RETURNS lifecycle.plan_step LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row constant text := 'levels, premake, retention, time_zone, name_format';
    v_wanted constant text := format('%L::jsonb, %s, %L, %L, %L', levels, premake, retention, time_zone, name_format);
    v_object constant text := 'partition policy of ' || parent;
BEGIN
    IF standing.policy_id IS NULL THEN
        RETURN lifecycle._step('add policy', v_object,
            format('INSERT INTO lifecycle.partition_policy (parent, parent_oid, %s) '
                'VALUES (%L, %L::pg_catalog.regclass, %s)', v_row, parent, parent, v_wanted),
            format('DELETE FROM lifecycle.partition_policy WHERE parent OPERATOR(pg_catalog.=) %L', parent));
    ELSIF (standing.levels, standing.premake, standing.time_zone) = (levels, premake, time_zone)
        AND standing.retention IS NOT DISTINCT FROM retention AND standing.name_format IS NOT DISTINCT FROM name_format
    THEN
        RETURN lifecycle._step('add policy', v_object, NULL, note => 'stands already');
    END IF;
    RETURN lifecycle._step('change policy', v_object,
        format('UPDATE lifecycle.partition_policy SET (%s) = (%s) WHERE policy_id OPERATOR(pg_catalog.=) %s', v_row,
            v_wanted, standing.policy_id),
        format('UPDATE lifecycle.partition_policy SET (%s) = (%s) WHERE policy_id OPERATOR(pg_catalog.=) %s', v_row,
            format('%L::jsonb, %s, %L, %L, %L', standing.levels, standing.premake, standing.retention,
                standing.time_zone, standing.name_format), standing.policy_id));
END
$fn$;
COMMENT ON FUNCTION lifecycle._policy_step(
    text, jsonb, integer, text, text, text, lifecycle.partition_policy
) IS 'The step that writes or changes a policy.';

-- A name that says nothing of its period is that of every period.
CREATE FUNCTION lifecycle._require_policy_values(premake integer, time_zone text, name_format text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_number('premake', premake, 0, 1000, 'So many partitions are kept ahead.');
    PERFORM lifecycle._require_time_zone(_require_policy_values.time_zone);
    IF to_char(timestamp '2001-02-03 04:05:06', name_format) = to_char(timestamp '2012-11-19 17:28:39', name_format)
        OR name_format !~ '\S'
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('name_format cannot be %L', name_format),
            DETAIL = 'It gives every partition the same name.',
            HINT = 'It stands behind the name of the table, as to_char has it: ''_YYYY_MM'', ''_YYYYMMDD''.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_policy_values(integer, text, text) IS
'Raises 22023 for a policy of partitions that cannot be kept.';

-- The levels asked for must be those that stand.
CREATE FUNCTION lifecycle._require_same_levels(parent regclass, levels jsonb[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_found record;
BEGIN
    WITH RECURSIVE tree AS (
        SELECT parent::oid AS relation, 1 AS depth
        UNION ALL
        SELECT i.inhrelid, t.depth + 1 FROM tree AS t
        JOIN pg_inherits AS i ON i.inhparent = t.relation
        JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind = 'p'
    )
    SELECT t.relation::regclass AS relation, pg_get_partkeydef(t.relation) AS definition INTO v_found
    FROM tree AS t
    WHERE t.depth > cardinality(levels)
        OR lifecycle._partition_by(levels[t.depth:]) IS DISTINCT FROM pg_get_partkeydef(t.relation)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_object_definition',
            MESSAGE = format('%s is partitioned by %s', v_found.relation, v_found.definition),
            DETAIL = format('The levels are %s.', array_to_string(levels, ', ')),
            HINT = 'Describe the levels of the tree as it stands.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_same_levels(regclass, jsonb[]) IS
'Raises 42P17 when a tree is not partitioned as the levels say.';

CREATE FUNCTION lifecycle.manage_partitions(
    parent regclass,
    every text DEFAULT NULL,
    premake integer DEFAULT 6,
    retention text DEFAULT NULL,
    time_zone text DEFAULT NULL,
    name_format text DEFAULT NULL,
    levels jsonb DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_standing constant lifecycle.partition_policy := (SELECT p.policy FROM lifecycle._policies() AS p
        WHERE p.relation = parent::oid);
    v_zone text := manage_partitions.time_zone;
    v_levels jsonb[] := lifecycle._levels(levels);
    v_key lifecycle.range_key;
BEGIN
    PERFORM lifecycle._require_table(parent, '{p}');
    PERFORM lifecycle._require_owner(parent);
    v_zone := coalesce(v_zone, v_standing.time_zone, lifecycle._set_zone(parent));
    IF v_levels IS NULL THEN
        v_key := lifecycle._range_key(parent);
        v_levels := lifecycle._levels(lifecycle.by_range(v_key.column_name,
            coalesce(every, lifecycle._set_span(parent, v_key, v_zone))));
    END IF;
    PERFORM lifecycle._require_levels(parent, v_levels);
    PERFORM lifecycle._require_same_levels(parent, v_levels);
    PERFORM lifecycle._require_policy_values(premake, v_zone, manage_partitions.name_format);
    PERFORM lifecycle._require_retention(parent, v_levels, retention);
    IF NOT dry_run THEN
        PERFORM lifecycle._require_read_committed();
        PERFORM lifecycle._lock_target(parent);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('partition', parent, ARRAY[lifecycle._policy_step(parent::text,
            to_jsonb(v_levels), premake, retention, v_zone, manage_partitions.name_format, v_standing)],
        dry_run, expected_plan, jsonb_build_object('policy', true, 'time_zone', v_zone), manage_partitions.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.manage_partitions(
    regclass, text, integer, text, text, text, jsonb, boolean, text, text
) IS
'Stores how a partitioned table is kept ahead: a table made by hand or by another tool as well as one of ours; its
partitions, bounds and names stay. lifecycle.ensure_future_partitions does what the policy says, for every RANGE table
below it, also for those that come later.

Arguments: parent - the partitioned table; every - the span of a partition (''1 hour'', ''1 week'', ''3 months''), or
its width for numbers; default that of the newest partition; premake - how many partitions ahead, default 6; retention -
how long partitions are kept: a span with a unit, of numbers how far below the highest one, or how many (''12
partitions''); default for ever; time_zone - in which days and months begin, for
timestamptz and uuid keys; default the one in which the bounds are midnights; name_format - of new names behind that of
the parent, as to_char has it (''_YYYY_MM''); default the style of the siblings; levels - all levels from this table
downwards, as lifecycle.by_list || by_range || by_hash
write them, instead of every; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result).
Errors: 42809 not a partitioned table; 0A000 a key that no range can be given for; 42P17 the tree is not partitioned as
the levels say; 22023 every, retention, premake, time_zone or name_format;
42703 no such column; 42501 not the owner.
Example: SELECT * FROM lifecycle.manage_partitions(''public.metric'', ''1 month'', premake => 3);';
