-- '24 months', '90 days', '1000000' (a width, of numbers), '12 partitions'.
CREATE FUNCTION lifecycle._require_retention(model regclass, levels jsonb[], retention text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF retention IS NOT NULL
        AND NOT EXISTS (SELECT FROM unnest(levels) AS l (level) WHERE l.level ->> 'method' = 'range')
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('retention cannot be %L for a table without ranges', retention),
            DETAIL = format('Its levels are %s.', array_to_string(levels, ', ')),
            HINT = 'Only partitions of a RANGE level grow old.';
    ELSIF retention !~ '^[1-9][0-9]{0,5} partitions?$' THEN
        PERFORM lifecycle._period(lifecycle._level_type(model, l.level), retention, true)
        FROM unnest(levels) AS l (level) WHERE l.level ->> 'method' = 'range' LIMIT 1;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_retention(regclass, jsonb[], text) IS
'Raises 22023 for a retention that is neither a span of the key of the ranges nor a number of partitions.';

-- By the real upper bound: no row of what is chosen can be newer than the cut. The default partition and one without an
-- upper bound are never chosen. Numbers have no clock: their present is the highest one there.
CREATE FUNCTION lifecycle._old_partitions(months integer, target regclass)
RETURNS TABLE (parent oid, partition oid, upper_place numeric) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    WITH managed AS MATERIALIZED (
        SELECT m.parent, m.levels, m.type IN ('int2', 'int4', 'int8', 'numeric') AS is_number,
            CASE WHEN m.type IN ('timestamptz'::regtype, 'uuid'::regtype) THEN m.time_zone ELSE 'UTC' END AS zone,
            CASE WHEN _old_partitions.months IS NULL THEN m.retention END AS retention
        FROM lifecycle._managed_sets(target, true) AS m
        WHERE m.is_own AND (m.retention IS NOT NULL OR _old_partitions.months IS NOT NULL)
    ), present AS MATERIALIZED (
        SELECT m.*, substring(m.retention FROM '^(\d+) partitions?$')::integer AS newest,
            CASE WHEN m.is_number THEN lifecycle._place_now(m.parent, m.parent, m.levels[1])
                ELSE extract(epoch FROM now()) END AS place
        FROM managed AS m
    ), cut AS MATERIALIZED (
        SELECT p.*, CASE
            WHEN p.newest IS NOT NULL OR p.is_number AND p.retention IS NULL THEN NULL
            WHEN p.is_number THEN p.place - p.retention::numeric
            ELSE extract(epoch FROM (now() AT TIME ZONE p.zone
                - coalesce(p.retention::interval, make_interval(months => _old_partitions.months))) AT TIME ZONE p.zone)
        END AS old_place
        FROM present AS p
    ), standing AS (
        SELECT c.*, r.partition, r.upper_place,
            -- What lies ahead does not count among those that are kept.
            count(*) FILTER (WHERE r.lower_place <= c.place) OVER (
                PARTITION BY c.parent ORDER BY r.upper_place DESC ROWS UNBOUNDED PRECEDING) AS age
        FROM cut AS c
        JOIN lifecycle._range_partitions(ARRAY(SELECT g.parent FROM cut AS g)) AS r ON r.parent = c.parent
        WHERE NOT r.is_default
    )
    SELECT s.parent, s.partition, s.upper_place
    FROM standing AS s
    WHERE s.upper_place < 'Infinity' AND CASE WHEN s.newest IS NULL THEN s.upper_place <= s.old_place
        ELSE s.upper_place <= s.place AND s.age > s.newest END
$fn$;
COMMENT ON FUNCTION lifecycle._old_partitions(integer, regclass) IS
'The partitions of managed tables that end before so many months ago, or before what their policy keeps.';

-- No more than one call can lock, or detach in a fifth of a second while it holds the lock of the table: each DETACH
-- reads the bounds of all that are left. What is left over is told (no partitions, and how many came before).
CREATE FUNCTION lifecycle._old_sets(
    months integer, target regclass, max_partitions integer, is_detaching boolean
) RETURNS TABLE (parent oid, partitions regclass[], marks xid[], made bigint) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    WITH size AS MATERIALIZED (
        SELECT i.inhparent AS parent, 2 + 0.003 * count(*) AS milliseconds FROM pg_inherits AS i GROUP BY i.inhparent
    ), old AS (
        SELECT o.parent, o.partition, i.xmin AS mark, row_number() OVER w AS place, sum(s.milliseconds) OVER w AS spent
        FROM lifecycle._old_partitions(_old_sets.months, _old_sets.target) AS o
        JOIN size AS s ON s.parent = o.parent
        JOIN pg_inherits AS i ON i.inhrelid = o.partition
        WINDOW w AS (ORDER BY o.parent, o.upper_place)
    ), chosen AS (
        SELECT o.*, o.place = 1 OR o.place <= coalesce(max_partitions, (SELECT lifecycle._changes_per_call()))
            AND (o.spent <= 200 OR NOT is_detaching OR max_partitions IS NOT NULL) AS is_now
        FROM old AS o
    )
    SELECT c.parent, array_agg(c.partition::regclass ORDER BY c.place), array_agg(c.mark ORDER BY c.place), NULL
    FROM chosen AS c WHERE c.is_now GROUP BY c.parent
    UNION ALL
    SELECT c.parent, '{}', '{}', min(c.place) - 1 FROM chosen AS c WHERE NOT c.is_now GROUP BY c.parent
$fn$;
COMMENT ON FUNCTION lifecycle._old_sets(integer, regclass, integer, boolean) IS
'The old partitions of each table, with the transactions that attached them, as many as one call retires, and the tables
of which more are left.';
