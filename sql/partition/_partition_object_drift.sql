-- What a partition lacks that hangs on a table. An index of the parent that a partition lacks was made with ONLY, and
-- is not valid until every partition has its own.
CREATE FUNCTION lifecycle._partition_index_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH member AS MATERIALIZED (
        SELECT m.relation, m.parent FROM lifecycle._partition_members(target) AS m
    ), lacking AS MATERIALIZED (
        SELECT m.relation::regclass AS relation, m.parent::regclass AS parent, i.indexrelid::regclass AS parent_index,
            k.oid AS constraint_oid, c.relname, x.relname AS index_name, i.indisunique,
            lifecycle._name(ARRAY[c.relname::text], left(md5(x.relname), 6) || '_idx') AS new_name
        FROM member AS m
        JOIN pg_index AS i ON i.indrelid = m.parent
        JOIN pg_class AS x ON x.oid = i.indexrelid
        JOIN pg_class AS c ON c.oid = m.relation AND c.relkind IN ('r', 'p')
        LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = m.parent
            AND k.contype IN ('p', 'u', 'x')
        WHERE NOT EXISTS (SELECT FROM pg_inherits AS h JOIN pg_index AS o ON o.indexrelid = h.inhrelid
            WHERE h.inhparent = i.indexrelid AND o.indrelid = m.relation)
    )
    SELECT 'error', 'table ' || l.relation, 'lacks an index of its parent', 'index ' || l.parent_index,
        CASE WHEN l.constraint_oid IS NOT NULL
            THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s', l.relation, l.new_name,
                pg_get_constraintdef(l.constraint_oid))
            ELSE format('CREATE %sINDEX %I ON %s%s', CASE WHEN l.indisunique THEN 'UNIQUE ' ELSE '' END, l.new_name,
                l.relation, substr(pg_get_indexdef(l.parent_index), length(format('CREATE %sINDEX %I ON ONLY %s',
                    CASE WHEN l.indisunique THEN 'UNIQUE ' ELSE '' END, l.index_name, l.parent)) + 1))
        END || format('; ALTER INDEX %s ATTACH PARTITION %s.%I', l.parent_index, (SELECT n.nspname::regnamespace
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = l.relation), l.new_name)
    FROM lacking AS l
    UNION ALL
    SELECT 'error', 'index ' || i.indexrelid::regclass, 'is not valid', NULL,
        CASE c.relkind WHEN 'p' THEN NULL ELSE format('REINDEX INDEX CONCURRENTLY %s', i.indexrelid::regclass) END
    FROM member AS m
    JOIN pg_class AS c ON c.oid = m.relation
    JOIN pg_index AS i ON i.indrelid = m.relation AND NOT i.indisvalid
    -- Of a partitioned index, those that lack it, or whose own is not valid, are told.
    WHERE c.relkind <> 'p'
        OR i.indexrelid::regclass NOT IN (SELECT l.parent_index FROM lacking AS l)
        AND NOT EXISTS (SELECT FROM pg_inherits AS h JOIN pg_index AS o ON o.indexrelid = h.inhrelid
            WHERE h.inhparent = i.indexrelid AND NOT o.indisvalid)
$fn$;
COMMENT ON FUNCTION lifecycle._partition_index_drift(regclass) IS
'Partitions that lack an index of their parent, and indexes that are not valid.';

-- Published by the parent or above it is published; where only partitions are, most of them set the rule.
CREATE FUNCTION lifecycle._partition_publication_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH member AS MATERIALIZED (
        SELECT m.parent, m.relation, count(*) OVER (PARTITION BY m.parent) AS members
        FROM lifecycle._partition_members(target) AS m WHERE m.parent IS NOT NULL
    ), published AS (
        SELECT m.parent, r.prpubid, max(r.oid) AS model
        FROM member AS m JOIN pg_publication_rel AS r ON r.prrelid = m.relation
        GROUP BY m.parent, r.prpubid, m.members HAVING 2 * count(*) > m.members
    )
    SELECT 'warning', 'table ' || m.relation::regclass, 'is not published, unlike its siblings',
        format('publication %I', u.pubname),
        lifecycle._publish(p.model, m.relation::regclass::text)
    FROM published AS p
    JOIN pg_publication AS u ON u.oid = p.prpubid AND NOT u.puballtables
    JOIN member AS m ON m.parent = p.parent
    WHERE NOT EXISTS (SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.prpubid
            AND r.prrelid IN (SELECT m.relation UNION ALL SELECT a.relid FROM pg_partition_ancestors(m.relation) AS a))
        AND NOT EXISTS (SELECT FROM pg_publication_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.pnnspid
            WHERE n.pnpubid = p.prpubid AND c.oid = m.relation)
$fn$;
COMMENT ON FUNCTION lifecycle._partition_publication_drift(regclass) IS
'Partitions that are in no publication where most of their siblings are.';

CREATE FUNCTION lifecycle._partition_object_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH member AS MATERIALIZED (
        SELECT m.relation::regclass AS relation, m.parent FROM lifecycle._partition_members(target) AS m
    )
    SELECT 'error', 'table ' || m.relation, 'a trigger is in another state than at its parent',
        format('trigger %I: %s, not %s', t.tgname, t.tgenabled, o.tgenabled),
        lifecycle._ddl_firing(CASE c.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END || m.relation, 'TRIGGER', t.tgname,
            o.tgenabled)
    FROM member AS m
    JOIN pg_class AS c ON c.oid = m.relation
    JOIN pg_trigger AS t ON t.tgrelid = m.relation AND NOT t.tgisinternal
    JOIN pg_trigger AS o ON o.oid = t.tgparentid AND o.tgrelid = m.parent
    WHERE t.tgenabled <> o.tgenabled
    UNION ALL
    SELECT 'warning', 'table ' || q.relation, 'lacks a trigger of its siblings', format('trigger %I', q.tgname),
        lifecycle._copy_trigger(q.model, q.relation::text)
    FROM (
        SELECT m.relation, s.tgname, s.model
        FROM (
            SELECT m.parent, t.tgname, t.tgfoid, t.tgtype, max(t.oid) AS model, count(*) AS number,
                (SELECT count(*) FROM member AS n WHERE n.parent = m.parent) AS members
            FROM member AS m
            JOIN pg_trigger AS t ON t.tgrelid = m.relation AND NOT t.tgisinternal AND t.tgparentid = 0
            WHERE m.parent IS NOT NULL
            GROUP BY m.parent, t.tgname, t.tgfoid, t.tgtype
        ) AS s
        JOIN member AS m ON m.parent = s.parent
        WHERE 2 * s.number > s.members AND s.members > 2 AND NOT EXISTS (SELECT FROM pg_trigger AS t
            WHERE t.tgrelid = m.relation AND t.tgname = s.tgname)
    ) AS q
    UNION ALL
    SELECT 'warning', 'table ' || m.relation, 'a constraint is not validated', format('constraint %I', k.conname),
        format('ALTER TABLE %s VALIDATE CONSTRAINT %I', m.relation, k.conname)
    FROM member AS m
    JOIN pg_constraint AS k ON k.conrelid = m.relation AND NOT k.convalidated AND k.contype IN ('c', 'f', 'n')
        AND k.conparentid = 0 AND (k.contype = 'f' OR k.conislocal)
    UNION ALL
    SELECT i.* FROM lifecycle._partition_index_drift(target) AS i
    UNION ALL
    SELECT l.* FROM lifecycle._leaf_key_drift(target) AS l
    UNION ALL
    SELECT p.* FROM lifecycle._partition_publication_drift(target) AS p
$fn$;
COMMENT ON FUNCTION lifecycle._partition_object_drift(regclass) IS
'Partitions that differ from their parents or siblings in indexes, constraints, triggers or publications.';
