-- What the catalogs say of every tree at once; each finding with the statement that mends it.
CREATE FUNCTION lifecycle._partition_members(target regclass)
RETURNS TABLE (root oid, parent oid, relation oid, is_pending boolean) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE tree AS (
        SELECT c.oid AS root, NULL::oid AS parent, c.oid AS relation, false AS is_pending
        FROM pg_class AS c
        WHERE c.relkind = 'p' AND CASE WHEN target IS NULL THEN NOT c.relispartition ELSE c.oid = target::oid END
            AND NOT EXISTS (SELECT FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        UNION ALL
        SELECT t.root, i.inhparent, i.inhrelid, i.inhdetachpending
        FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.relation
    )
    SELECT t.root, t.parent, t.relation, t.is_pending FROM tree AS t
$fn$;
COMMENT ON FUNCTION lifecycle._partition_members(regclass) IS 'Every partitioned table and partition, with its root.';

-- What a partition ought to have as its parent has it.
CREATE FUNCTION lifecycle._partition_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, 'table ' || m.relation::regclass, f.finding, f.detail, f.remedy
    FROM lifecycle._partition_members(target) AS m
    JOIN pg_class AS c ON c.oid = m.relation
    JOIN pg_class AS p ON p.oid = m.parent
    CROSS JOIN LATERAL (
        SELECT 'warning', 'another owner than its parent', format('%s, not %s', pg_get_userbyid(c.relowner),
                pg_get_userbyid(p.relowner)),
            format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, pg_get_userbyid(p.relowner))
        WHERE c.relowner <> p.relowner
        UNION ALL
        SELECT 'error', 'no row security, unlike its parent', 'Whoever may read the partition itself sees all rows.',
            format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', c.oid::regclass)
        WHERE p.relrowsecurity AND NOT c.relrowsecurity
        UNION ALL
        SELECT 'warning', 'lacks a policy of its parent', format('policy %I', y.polname),
            (lifecycle._copy_policy(y.oid, c.oid::regclass::text)).statement
        FROM pg_policy AS y
        WHERE y.polrelid = p.oid AND NOT EXISTS (SELECT FROM pg_policy AS o
            WHERE o.polrelid = c.oid AND o.polname = y.polname)
        UNION ALL
        SELECT 'error', 'grants more than its parent', format('%s to %s', string_agg(a.privilege_type, ', '),
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END),
            format('REVOKE %s ON TABLE %s FROM %s', string_agg(a.privilege_type, ', '), c.oid::regclass,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
        FROM aclexplode(c.relacl) AS a
        WHERE a.grantee <> c.relowner AND NOT EXISTS (SELECT FROM aclexplode(p.relacl) AS o
            WHERE o.grantee IN (a.grantee, 0) AND o.privilege_type = a.privilege_type)
        GROUP BY a.grantee
        UNION ALL
        SELECT 'warning', 'another replica identity than its parent',
            format('%s, not %s', c.relreplident, p.relreplident),
            format('ALTER TABLE %s REPLICA IDENTITY %s', c.oid::regclass,
                CASE p.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' END)
        WHERE p.relreplident IN ('f', 'n') AND c.relreplident <> p.relreplident
        UNION ALL
        SELECT 'error', 'its detachment was not finished', NULL,
            format('ALTER TABLE %s DETACH PARTITION %s FINALIZE', p.oid::regclass, c.oid::regclass)
        WHERE m.is_pending
    ) AS f (severity, finding, detail, remedy)
    UNION ALL
    SELECT 'error', 'index ' || i.indexrelid::regclass, 'is not valid',
        CASE c.relkind WHEN 'p' THEN 'A partition has no index of this kind.' END,
        CASE c.relkind WHEN 'p' THEN NULL ELSE format('REINDEX INDEX CONCURRENTLY %s', i.indexrelid::regclass) END
    FROM lifecycle._partition_members(target) AS m
    JOIN pg_class AS c ON c.oid = m.relation
    JOIN pg_index AS i ON i.indrelid = m.relation AND NOT i.indisvalid
$fn$;
COMMENT ON FUNCTION lifecycle._partition_drift(regclass) IS
'Partitions that differ from their parents in owner, grants, row security or replica identity; indexes not valid.';

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
            pg_size_pretty(pg_relation_size(k.partdefid))), NULL
    FROM member AS m JOIN pg_partitioned_table AS k ON k.partrelid = m.relation
    WHERE k.partdefid <> 0 AND pg_relation_size(k.partdefid) > 0
    UNION ALL
    SELECT 'warning', 'table ' || t.root::regclass, 'a query that prunes nothing takes too many locks',
        format('%s of %s lock slots', t.locks, s.slots), 'Raise max_locks_per_transaction, or keep fewer partitions.'
    FROM (SELECT m.root, count(DISTINCT m.relation) + count(i.indexrelid) AS locks
        FROM member AS m LEFT JOIN pg_index AS i ON i.indrelid = m.relation GROUP BY m.root) AS t
    CROSS JOIN (SELECT current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint
        + current_setting('max_prepared_transactions')::bigint) AS slots) AS s
    WHERE t.locks > s.slots / 2
$fn$;
COMMENT ON FUNCTION lifecycle._partition_gaps(regclass) IS
'Ranges without a partition, sets that are not ahead, default partitions that hold rows, trees too large for the lock
table.';

CREATE FUNCTION lifecycle.validate_partitions(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.* FROM (
        SELECT d.* FROM lifecycle._partition_drift(target) AS d
        UNION ALL
        SELECT g.* FROM lifecycle._partition_gaps(target) AS g
    ) AS f
    ORDER BY f.severity, f.object, f.finding, f.detail
$fn$;
COMMENT ON FUNCTION lifecycle.validate_partitions(regclass) IS
'What is wrong with partitioned tables, at any depth: partitions that differ from their parent in owner, grants, row
security, policies or replica identity; invalid indexes; detachments that were not finished; gaps; partitions ahead that
are missing; rows in default partitions; trees that need more locks than the server has.

Arguments: target - one partitioned table, default all in the database.
Returns: one row a finding (lifecycle.finding): severity (error, warning), object, finding, detail, remedy (the
statement that mends it; NULL where it takes a decision). No rows when all is well.
Errors: none.
Example: SELECT * FROM lifecycle.validate_partitions() WHERE severity = ''error'';';
