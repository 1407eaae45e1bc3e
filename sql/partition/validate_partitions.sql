CREATE FUNCTION lifecycle._lock_slots() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
$fn$;
COMMENT ON FUNCTION lifecycle._lock_slots() IS 'How many locks the server can hold at once.';

CREATE FUNCTION lifecycle._partition_gaps(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH member AS MATERIALIZED (
        SELECT m.root, m.relation FROM lifecycle._partition_members(target) AS m
    ), range AS (
        SELECT p.*, lag(p.upper_place) OVER w AS before_place, lag(p.upper_bound) OVER w AS before_bound
        FROM lifecycle._range_partitions(ARRAY(SELECT m.relation FROM member AS m)) AS p
        WHERE p.lower_place IS NOT NULL
        WINDOW w AS (PARTITION BY p.parent ORDER BY p.lower_place)
    )
    SELECT 'warning', 'table ' || r.parent::regclass, 'has a gap between its partitions',
        format('nothing holds FROM (%s) TO (%s)', r.before_bound, r.lower_bound),
        format('SELECT * FROM lifecycle.create_partition(%L, %L, %L, time_zone => ''UTC'')', r.parent::regclass,
            r.before_bound, r.lower_bound)
    FROM range AS r WHERE r.before_place < r.lower_place
    UNION ALL
    SELECT 'error', 'table ' || d.parent::regclass, 'lacks partitions ahead',
        'stands up to ' || CASE WHEN d.is_number THEN d.ahead_to::text ELSE to_timestamp(d.ahead_to::float8)::text END,
        format('SELECT * FROM lifecycle.ensure_future_partitions(target => %L)', d.parent::regclass)
    FROM lifecycle._due_sets(target) AS d WHERE d.is_due
    UNION ALL
    SELECT 'warning', 'table ' || k.partdefid::regclass, 'the default partition is not empty',
        format('%s: rows there keep partitions of their range from being made',
            pg_size_pretty(pg_relation_size(k.partdefid))),
        CASE WHEN k.partnatts = 1 AND k.partattrs[0] > 0 AND NOT EXISTS (
                SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                WHERE i.inhparent = k.partrelid AND c.relkind = 'p')
            THEN format('CALL lifecycle.drain_default_partition(%L)', k.partrelid::regclass) END
    FROM member AS m JOIN pg_partitioned_table AS k ON k.partrelid = m.relation
    WHERE k.partdefid <> 0 AND pg_relation_size(k.partdefid) > 0
    UNION ALL
    SELECT 'warning', 'table ' || t.root::regclass, 'a query that prunes nothing takes too many locks',
        format('%s of %s lock slots', t.locks, s.slots), 'Raise max_locks_per_transaction, or keep fewer partitions.'
    FROM (SELECT m.root, count(DISTINCT m.relation) + count(i.indexrelid) AS locks
        FROM member AS m LEFT JOIN pg_index AS i ON i.indrelid = m.relation GROUP BY m.root) AS t
    CROSS JOIN (SELECT lifecycle._lock_slots() AS slots) AS s
    WHERE t.locks > s.slots / 2
$fn$;
COMMENT ON FUNCTION lifecycle._partition_gaps(regclass) IS
'Ranges without a partition, sets that are not ahead, default partitions that hold rows, trees too large for the lock
table.';

-- Each modulus is a factor of the highest one, so that the shares of all partitions can be counted in units of that.
CREATE FUNCTION lifecycle._hash_gaps(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH share AS MATERIALIZED (
        SELECT k.partrelid AS parent, substring(pg_get_expr(c.relpartbound, 0) FROM 'modulus (\d+)')::integer AS modulus
        FROM lifecycle._partition_members(target) AS m
        JOIN pg_partitioned_table AS k ON k.partrelid = m.relation AND k.partstrat = 'h'
        JOIN pg_inherits AS i ON i.inhparent = k.partrelid
        JOIN pg_class AS c ON c.oid = i.inhrelid
    ), held AS (
        SELECT s.parent, s.modulus, max(s.modulus) OVER (PARTITION BY s.parent) AS highest FROM share AS s
    )
    SELECT 'error', 'table ' || h.parent::regclass, 'lacks hash partitions',
        format('%s of %s remainders have no partition: their rows are refused',
            h.highest - sum(h.highest / h.modulus), h.highest),
        CASE WHEN min(h.modulus) = h.highest
            THEN format('SELECT * FROM lifecycle.create_hash_partitions(%L, %s)', h.parent::regclass, h.highest) END
    FROM held AS h
    GROUP BY h.parent, h.highest
    HAVING sum(h.highest / h.modulus) < h.highest
$fn$;
COMMENT ON FUNCTION lifecycle._hash_gaps(regclass) IS
'Tables by HASH of which some remainder has no partition.';

CREATE FUNCTION lifecycle.validate_partitions(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF target IS NOT NULL THEN
        PERFORM lifecycle._require_table(target, '{p}');
    END IF;
    RETURN QUERY SELECT f.* FROM (
        SELECT r.* FROM lifecycle._partition_rights_drift(target) AS r
        UNION ALL
        SELECT s.* FROM lifecycle._partition_storage_drift(target) AS s
        UNION ALL
        SELECT o.* FROM lifecycle._partition_object_drift(target) AS o
        UNION ALL
        SELECT g.* FROM lifecycle._partition_gaps(target) AS g
        UNION ALL
        SELECT h.* FROM lifecycle._hash_gaps(target) AS h
        UNION ALL
        SELECT d.* FROM lifecycle._dimension_drift(target) AS d
    ) AS f
    ORDER BY array_position('{error,warning,info}', f.severity), f.object, f.finding, f.detail;
END
$fn$;
COMMENT ON FUNCTION lifecycle.validate_partitions(regclass) IS
'What is wrong with partitioned tables, at any depth. Partitions that differ from their parent in owner, grants, row
security, policies, replica identity, indexes, states of triggers, statistics targets, column storage, tablespace or
comment; or from most of their siblings, where there are more than two, in storage options, UNLOGGED, publications or
triggers of their own. Indexes that are not valid, constraints that are not validated, detachments that were not
finished; gaps; remainders of HASH without a partition; partitions that are missing ahead, or that a dimension asks
for; rows in default partitions; trees that need more locks than the
server has.

Arguments: target - one partitioned table, default all in the database.
Returns: one row a finding (lifecycle.finding): severity (error: rows are seen, lost or
refused that should not be; warning; info: may be meant so), object, finding, detail, remedy (the
statement that mends it; NULL where it takes a decision). No rows when all is well.
Errors: 42809 target is no partitioned table.
Example: SELECT * FROM lifecycle.validate_partitions() WHERE severity = ''error'';';
