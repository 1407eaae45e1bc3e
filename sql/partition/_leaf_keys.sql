-- A unique key without the partition keys can stand on each partition for itself. The parent knows nothing of it, so
-- LIKE does not bring it: a row for the root says that its partitions have it, and what it is like is read from a
-- partition that has. No text is kept that somebody else would run.
CREATE FUNCTION lifecycle._leaf_key_name(partition name, key_name name) RETURNS name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._name(ARRAY[partition::text], key_name)
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_key_name(name, name) IS 'What the key of one partition is called.';

CREATE FUNCTION lifecycle._leaf_key_body(index_oid oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN k.contype IN ('p', 'u') THEN lifecycle._key_body(k.oid, '{}')
        WHEN k.contype = 'x' THEN pg_get_constraintdef(k.oid) ELSE lifecycle._index_body(i.indexrelid, '{}') END
    FROM pg_index AS i
    LEFT JOIN pg_constraint AS k
        ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
    WHERE i.indexrelid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_key_body(oid) IS
'What a key is, as behind ADD CONSTRAINT or, where it is none, behind USING.';

CREATE FUNCTION lifecycle._leaf_key_statement(index_oid oid, relation text, key_name name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format(CASE WHEN EXISTS (SELECT FROM pg_constraint AS k
            WHERE k.conindid = index_oid AND k.contype IN ('p', 'u', 'x'))
        THEN 'ALTER TABLE %1$s ADD CONSTRAINT %2$I %3$s' ELSE 'CREATE UNIQUE INDEX %2$I ON %1$s USING %3$s' END,
        relation, key_name, lifecycle._leaf_key_body(index_oid))
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_key_statement(oid, text, name) IS
'The statement that gives a partition a key like this one.';

CREATE FUNCTION lifecycle._leaf_keys(root oid) RETURNS TABLE (key_name name, index_oid oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT k.key_name, m.indexrelid
    FROM lifecycle.partition_leaf_key AS k
    JOIN pg_class AS r
        ON r.oid = CASE
            WHEN k.origin = lifecycle._origin() THEN k.parent_oid ELSE lifecycle._named_relation(k.parent) END
    -- Nobody's tables are managed by others.
    JOIN pg_roles AS o ON o.rolname = k.kept_by AND pg_has_role(o.oid, r.relowner, 'USAGE')
    LEFT JOIN LATERAL (
        SELECT i.indexrelid
        FROM unnest(lifecycle._partitions(root)) AS l (relation)
        JOIN pg_class AS c ON c.oid = l.relation AND c.relkind = 'r'
        JOIN pg_class AS n ON n.relnamespace = c.relnamespace
            AND n.relname = lifecycle._leaf_key_name(c.relname, k.key_name)
        JOIN pg_index AS i ON i.indexrelid = n.oid AND i.indrelid = c.oid AND i.indisvalid
        ORDER BY c.oid DESC LIMIT 1
    ) AS m ON true
    WHERE r.oid = root
    ORDER BY k.key_name
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_keys(oid) IS
'The keys that each partition of a tree has for itself, each with the index of one partition that has it.';

CREATE FUNCTION lifecycle._leaf_key_steps(parent regclass, partition text) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('add leaf key', 'table ' || partition, lifecycle._leaf_key_statement(k.index_oid,
                partition, lifecycle._leaf_key_name((parse_ident(partition))[2], k.key_name)),
            note => 'unique within this partition')
        FROM (SELECT a.relid FROM pg_partition_ancestors(parent) AS a (relid) UNION SELECT parent) AS a (relid)
        CROSS JOIN LATERAL lifecycle._leaf_keys(a.relid) AS k
        WHERE k.index_oid IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_index AS i WHERE i.indrelid = to_regclass(partition) AND i.indisvalid
                AND lifecycle._leaf_key_body(i.indexrelid) = lifecycle._leaf_key_body(k.index_oid))
        ORDER BY k.key_name
    )
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_key_steps(regclass, text) IS
'The steps that give a table, which is or becomes a partition below this one, the keys that each partition has.';

CREATE FUNCTION lifecycle._leaf_key_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH wanted AS MATERIALIZED (
        SELECT DISTINCT k.parent_oid AS root FROM lifecycle.partition_leaf_key AS k
        WHERE k.origin = lifecycle._origin()
        UNION
        SELECT lifecycle._named_relation(k.parent) FROM lifecycle.partition_leaf_key AS k
        WHERE k.origin <> lifecycle._origin()
    ), entry AS MATERIALIZED (
        SELECT w.root, k.key_name, k.index_oid, lifecycle._leaf_key_body(k.index_oid) AS body
        FROM wanted AS w CROSS JOIN LATERAL lifecycle._leaf_keys(w.root) AS k
    )
    SELECT 'error', 'table ' || c.oid::regclass, 'lacks a key of its siblings', 'key ' || quote_ident(e.key_name),
        lifecycle._leaf_key_statement(e.index_oid, c.oid::regclass::text,
            lifecycle._leaf_key_name(c.relname, e.key_name))
    FROM entry AS e
    CROSS JOIN LATERAL unnest(lifecycle._partitions(e.root)) AS l (relation)
    JOIN pg_class AS c ON c.oid = l.relation AND c.relkind = 'r'
    WHERE e.index_oid IS NOT NULL AND (target IS NULL OR target = e.root OR target = c.oid
            OR target IN (SELECT a.relid FROM pg_partition_ancestors(c.oid) AS a (relid)))
        -- One that is not valid is told by itself.
        AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid
            AND lifecycle._leaf_key_body(i.indexrelid) = e.body)
    UNION ALL
    SELECT 'error', 'table ' || e.root::regclass, 'no partition has a key that each ought to have',
        'key ' || quote_ident(e.key_name), NULL
    FROM entry AS e
    WHERE e.index_oid IS NULL AND (target IS NULL OR target = e.root)
        AND EXISTS (SELECT FROM unnest(lifecycle._partitions(e.root)) AS l (relation)
            JOIN pg_class AS c ON c.oid = l.relation AND c.relkind = 'r')
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_key_drift(regclass) IS
'Partitions that lack a key which each partition of their tree ought to have for itself.';
