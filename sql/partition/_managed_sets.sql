-- The catalog walk: every RANGE level of every managed tree, so that a new subtree is kept ahead without being told.
CREATE FUNCTION lifecycle._managed_sets(target regclass DEFAULT NULL, resting boolean DEFAULT false)
RETURNS TABLE (
    root oid, parent oid, type regtype, levels jsonb[], premake integer, retention text, time_zone text,
    name_format text, is_own boolean
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE policy AS MATERIALIZED (
        SELECT p.* FROM lifecycle._policies() AS p
    ), left_out AS MATERIALIZED (
        SELECT r.relation FROM unnest(CASE WHEN resting THEN '{}' ELSE lifecycle._resting_subtrees() END)
            AS r (relation)
    ), tree AS (
        SELECT p.relation AS root, p.relation, ARRAY(SELECT jsonb_array_elements((p.policy).levels)) AS levels, p.policy
        FROM policy AS p
        UNION ALL
        SELECT t.root, i.inhrelid, t.levels[2:], t.policy
        FROM tree AS t
        JOIN pg_inherits AS i ON i.inhparent = t.relation
        JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind = 'p'
        WHERE cardinality(t.levels) > 1 AND i.inhrelid NOT IN (SELECT p.relation FROM policy AS p)
            AND i.inhrelid NOT IN (SELECT o.relation FROM left_out AS o)
    )
    SELECT t.root, t.relation, a.atttypid::regtype, t.levels, (t.policy).premake, (t.policy).retention,
        (t.policy).time_zone, (t.policy).name_format, pg_has_role(current_user, c.relowner, 'USAGE')
    FROM tree AS t
    JOIN pg_class AS c ON c.oid = t.relation
    JOIN pg_partitioned_table AS k ON k.partrelid = t.relation AND k.partstrat = 'r'
    JOIN pg_attribute AS a ON a.attrelid = t.relation AND a.attname = t.levels[1] ->> 'column'
        AND a.attnum = k.partattrs[0]
    WHERE t.levels[1] ->> 'method' = 'range' AND (target IS NULL OR target::oid IN (t.root, t.relation))
$fn$;
COMMENT ON FUNCTION lifecycle._managed_sets(regclass, boolean) IS
'The tables that are to be kept ahead by policies: of all managed trees, or of one; with those that rest (resting).';

-- Whatever attaches or detaches a partition writes its row in pg_inherits anew, and bounds do not change in between.
CREATE FUNCTION lifecycle._partition_signatures(parents oid[]) RETURNS TABLE (parent oid, signature numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT i.inhparent, sum(hashint8extended(i.inhrelid::bigint, i.xmin::text::bigint))
    FROM pg_inherits AS i
    WHERE i.inhparent = ANY (parents)
    GROUP BY i.inhparent
$fn$;
COMMENT ON FUNCTION lifecycle._partition_signatures(oid[]) IS
'A number for the partitions of each of these tables, another one after any of them was attached or detached.';

-- Nothing to do is the usual case, so it must be seen cheaply. What was covered at the last look is so as long as the
-- partitions are the same. Else only the partitions made last are read, since those ahead are among them; all are read
-- only of those tables that do not seem covered by these.
CREATE FUNCTION lifecycle._due_sets(target regclass DEFAULT NULL, months integer DEFAULT NULL)
RETURNS SETOF lifecycle.due_set
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH managed AS MATERIALIZED (
        SELECT m.*, p.months, p.seconds, p.width,
            make_interval(months => p.months, days => p.days, secs => p.seconds) AS span,
            CASE WHEN m.type IN ('timestamptz'::regtype, 'uuid'::regtype) THEN m.time_zone ELSE 'UTC' END AS zone
        FROM lifecycle._managed_sets(target) AS m
        CROSS JOIN LATERAL lifecycle._period(m.type, m.levels[1] ->> 'every') AS p
        WHERE m.is_own
    ), wanted AS MATERIALIZED (
        SELECT m.*, CASE
                WHEN m.width IS NOT NULL OR _due_sets.months IS NULL THEN m.premake
                WHEN m.months > 0 THEN ceil(_due_sets.months::numeric / m.months)
                -- Months that begin now: as an interval alone a year has a quarter of a day more than its months.
                ELSE ceil(extract(epoch FROM now() + make_interval(months => _due_sets.months) - now())
                    / extract(epoch FROM m.span))
            END::integer AS periods,
            CASE WHEN m.width IS NULL THEN extract(epoch FROM now())
                ELSE lifecycle._place_now(m.parent, m.parent, m.levels[1]) END AS place
        FROM managed AS m
    ), horizon AS MATERIALIZED (
        SELECT w.*, CASE
            WHEN w.width IS NOT NULL THEN w.place + w.periods * w.width
            ELSE extract(epoch FROM (now() AT TIME ZONE w.zone + w.periods * w.span) AT TIME ZONE w.zone)
        END AS ends
        FROM wanted AS w
    ), signature AS MATERIALIZED (
        SELECT s.* FROM lifecycle._partition_signatures(ARRAY(SELECT h.parent FROM horizon AS h)) AS s
    ), known AS MATERIALIZED (
        SELECT h.parent, s.ahead_to
        FROM horizon AS h
        JOIN signature AS g ON g.parent = h.parent
        JOIN lifecycle.partition_state AS s ON s.parent_oid = h.parent AND s.seen_by = current_user
            AND s.signature = g.signature AND s.covered_from <= h.place AND s.covered_to > h.ends
    ), doubtful AS MATERIALIZED (
        SELECT h.* FROM horizon AS h WHERE h.parent NOT IN (SELECT k.parent FROM known AS k)
    ), near AS (
        SELECT p.* FROM lifecycle._range_partitions(
            ARRAY(SELECT h.parent FROM doubtful AS h), (SELECT max(h.periods) + 2 FROM doubtful AS h)
        ) AS p
    ), short AS MATERIALIZED (
        SELECT h.parent FROM doubtful AS h
        LEFT JOIN near AS n ON n.parent = h.parent AND n.lower_place <= h.ends AND n.upper_place > h.place
        GROUP BY h.parent, h.ends, h.place
        HAVING coalesce(sum(least(n.upper_place, h.ends) - greatest(n.lower_place, h.place)), 0) <> h.ends - h.place
            OR NOT coalesce(bool_or(n.upper_place > h.ends), false)
    ), standing AS (
        SELECT n.* FROM near AS n WHERE n.parent NOT IN (SELECT s.parent FROM short AS s)
        UNION ALL
        SELECT p.* FROM lifecycle._range_partitions(ARRAY(SELECT s.parent FROM short AS s)) AS p
    ), covered AS (
        SELECT h.parent,
            sum(least(p.upper_place, h.ends) - greatest(p.lower_place, h.place))
                FILTER (WHERE p.lower_place < h.ends AND p.upper_place > h.place) AS width,
            max(p.upper_place) FILTER (WHERE p.lower_place <= h.ends AND p.upper_place > h.ends) AS covered_to,
            max(p.upper_place) AS ahead_to
        FROM doubtful AS h
        JOIN standing AS p ON p.parent = h.parent
        GROUP BY h.parent
    )
    SELECT h.parent, h.levels, jsonb_build_object('premake', h.periods, 'time_zone', h.time_zone)
            || CASE WHEN h.name_format IS NULL THEN '{}' ELSE jsonb_build_object('name_format', h.name_format) END,
        h.width IS NOT NULL,
        k.parent IS NULL AND NOT coalesce(c.covered_to IS NOT NULL AND coalesce(c.width, 0) = h.ends - h.place, false),
        coalesce(k.ahead_to, c.ahead_to), h.place, c.covered_to, g.signature
    FROM horizon AS h
    LEFT JOIN known AS k ON k.parent = h.parent
    LEFT JOIN covered AS c ON c.parent = h.parent
    LEFT JOIN signature AS g ON g.parent = h.parent
$fn$;
COMMENT ON FUNCTION lifecycle._due_sets(regclass, integer) IS
'The managed RANGE sets of the caller, whether something is missing between now and the horizon, and how far they
reach.';

CREATE FUNCTION lifecycle._remember_sets(sets lifecycle.due_set[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    INSERT INTO lifecycle.partition_state AS o (parent_oid, signature, covered_from, covered_to, ahead_to)
    SELECT s.parent, s.signature, s.covered_from, s.covered_to, s.ahead_to
    FROM unnest(sets) AS s
    -- covered_to: those that were looked up anew.
    WHERE NOT s.is_due AND s.covered_to IS NOT NULL
    ORDER BY s.parent
    ON CONFLICT ON CONSTRAINT partition_state_pkey DO UPDATE
    SET signature = excluded.signature, covered_from = excluded.covered_from, covered_to = excluded.covered_to,
        ahead_to = excluded.ahead_to
$fn$;
COMMENT ON FUNCTION lifecycle._remember_sets(lifecycle.due_set[]) IS
'Writes down which sets lack nothing, for the caller''s next look.';
