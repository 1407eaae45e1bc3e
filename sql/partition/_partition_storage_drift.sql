-- A partitioned table has no storage to compare with: there the rule is what more than half of the siblings share, and
-- what differs may be meant so (info).
CREATE FUNCTION lifecycle._partition_sibling_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH leaf AS MATERIALIZED (
        SELECT m.parent, c.oid::regclass AS relation, coalesce(c.reloptions, '{}') AS options, c.relpersistence,
            coalesce(t.reloptions, '{}') AS toast_options
        FROM lifecycle._partition_members(target) AS m
        JOIN pg_class AS c ON c.oid = m.relation AND c.relkind = 'r'
        LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
        WHERE m.parent IS NOT NULL
    ), rule AS MATERIALIZED (
        SELECT l.parent, count(*) AS members, mode() WITHIN GROUP (ORDER BY l.options) AS options,
            mode() WITHIN GROUP (ORDER BY l.toast_options) AS toast_options,
            mode() WITHIN GROUP (ORDER BY l.relpersistence) AS persistence
        FROM leaf AS l GROUP BY l.parent HAVING count(*) > 2
    ), kept AS (
        SELECT r.*,
            2 * count(*) FILTER (WHERE l.options = r.options) > r.members AS has_options,
            2 * count(*) FILTER (WHERE l.toast_options = r.toast_options) > r.members AS has_toast_options,
            2 * count(*) FILTER (WHERE l.relpersistence = r.persistence) > r.members AS has_persistence
        FROM rule AS r JOIN leaf AS l ON l.parent = r.parent
        GROUP BY r.parent, r.members, r.options, r.toast_options, r.persistence
    ), different AS (
        SELECT l.relation, '' AS prefix, l.options AS own, k.options AS wanted
        FROM leaf AS l JOIN kept AS k ON k.parent = l.parent AND k.has_options WHERE l.options <> k.options
        UNION ALL
        SELECT l.relation, 'toast.', l.toast_options, k.toast_options
        FROM leaf AS l JOIN kept AS k ON k.parent = l.parent AND k.has_toast_options
        WHERE l.toast_options <> k.toast_options
    )
    SELECT 'info', 'table ' || d.relation, 'other storage options than its siblings',
        format('%s%s, not %s', d.prefix, d.own, d.wanted), concat_ws('; ',
            format('ALTER TABLE %s RESET (', d.relation) || (
                SELECT string_agg(d.prefix || quote_ident(o.option_name), ', ') FROM pg_options_to_table(d.own) AS o
                WHERE o.option_name NOT IN (SELECT w.option_name FROM pg_options_to_table(d.wanted) AS w)) || ')',
            format('ALTER TABLE %s SET (', d.relation) || (
                SELECT string_agg(format('%s%I = %L', d.prefix, w.option_name, w.option_value), ', ')
                FROM pg_options_to_table(d.wanted) AS w) || ')')
    FROM different AS d
    UNION ALL
    SELECT 'warning', 'table ' || l.relation,
        format('is %s, unlike its siblings', CASE l.relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE 'logged' END),
        CASE l.relpersistence WHEN 'u' THEN 'A crash empties it.' END,
        format('ALTER TABLE %s SET %s', l.relation, CASE l.relpersistence WHEN 'u' THEN 'LOGGED' ELSE 'UNLOGGED' END)
    FROM leaf AS l JOIN kept AS k ON k.parent = l.parent AND k.has_persistence
    WHERE l.relpersistence <> k.persistence
$fn$;
COMMENT ON FUNCTION lifecycle._partition_sibling_drift(regclass) IS
'Partitions whose storage options, or being UNLOGGED, are not what most of their siblings share.';

CREATE FUNCTION lifecycle._partition_column_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, 'table ' || m.relation::regclass, f.finding, f.detail,
        format('ALTER TABLE %s ALTER COLUMN %I %s', m.relation::regclass, a.attname, f.change)
    FROM lifecycle._partition_members(target) AS m
    JOIN pg_attribute AS a ON a.attrelid = m.relation AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_attribute AS o ON o.attrelid = m.parent AND o.attname = a.attname
    CROSS JOIN LATERAL (VALUES
        (coalesce(a.attstattarget, -1) <> coalesce(o.attstattarget, -1), 'info',
            'another statistics target than its parent',
            format('column %I: %s, not %s', a.attname, coalesce(a.attstattarget, -1), coalesce(o.attstattarget, -1)),
            format('SET STATISTICS %s', coalesce(o.attstattarget, -1))),
        (a.attstorage <> o.attstorage, 'info', 'another column storage than its parent',
            format('column %I: %s, not %s', a.attname, a.attstorage, o.attstorage),
            'SET STORAGE ' || CASE o.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN'
                ELSE 'EXTENDED' END),
        (a.attcompression <> o.attcompression, 'info', 'another compression than its parent',
            format('column %I', a.attname),
            'SET COMPRESSION ' || CASE o.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'DEFAULT' END)
    ) AS f (is_so, severity, finding, detail, change)
    WHERE f.is_so
$fn$;
COMMENT ON FUNCTION lifecycle._partition_column_drift(regclass) IS
'Partitions whose columns have other statistics targets, storage or compression than those of their parents.';

-- A relation's replica identity, and where it is an index the one at the parent that it came from.
CREATE FUNCTION lifecycle._partition_storage_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'warning', 'table ' || c.oid::regclass, 'another replica identity than its parent',
        format('%s, not %s', c.relreplident, p.relreplident),
        format('ALTER TABLE %s REPLICA IDENTITY %s', c.oid::regclass,
            CASE p.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
                ELSE 'USING INDEX ' || quote_ident(x.wanted) END)
    FROM lifecycle._partition_members(target) AS m
    JOIN pg_class AS c ON c.oid = m.relation
    JOIN pg_class AS p ON p.oid = m.parent AND p.relreplident <> 'd'
    LEFT JOIN LATERAL (
        SELECT r.relname AS wanted, i.indisreplident
        FROM pg_index AS u
        JOIN pg_inherits AS h ON h.inhparent = u.indexrelid
        JOIN pg_index AS i ON i.indexrelid = h.inhrelid AND i.indrelid = c.oid
        JOIN pg_class AS r ON r.oid = i.indexrelid
        WHERE u.indrelid = p.oid AND u.indisreplident
    ) AS x ON p.relreplident = 'i'
    WHERE c.relreplident <> p.relreplident OR NOT x.indisreplident
    UNION ALL
    SELECT 'info', 'table ' || c.oid::regclass, 'in another tablespace than its parent',
        coalesce(s.spcname, 'the default one') || ', not ' || w.spcname,
        format('ALTER TABLE %s SET TABLESPACE %I', c.oid::regclass, w.spcname)
    FROM lifecycle._partition_members(target) AS m
    JOIN pg_class AS c ON c.oid = m.relation AND c.relkind IN ('r', 'p')
    JOIN pg_class AS p ON p.oid = m.parent AND p.reltablespace <> 0
    JOIN pg_tablespace AS w ON w.oid = p.reltablespace
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE c.reltablespace <> p.reltablespace
    UNION ALL
    SELECT 'info', 'table ' || q.relation, 'lacks the comment of its parent', NULL,
        format('COMMENT ON TABLE %s IS %L', q.relation, q.wanted)
    FROM (
        SELECT m.relation::regclass AS relation, d.description AS wanted, o.description,
            2 * count(*) FILTER (WHERE o.description = d.description) OVER w > count(*) OVER w AS is_rule
        FROM lifecycle._partition_members(target) AS m
        JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = m.parent AND d.objsubid = 0
        LEFT JOIN pg_description AS o ON o.classoid = d.classoid AND o.objoid = m.relation AND o.objsubid = 0
        WINDOW w AS (PARTITION BY m.parent)
    ) AS q
    WHERE q.is_rule AND q.description IS NULL
    UNION ALL
    SELECT s.* FROM lifecycle._partition_sibling_drift(target) AS s
    UNION ALL
    SELECT k.* FROM lifecycle._partition_column_drift(target) AS k
$fn$;
COMMENT ON FUNCTION lifecycle._partition_storage_drift(regclass) IS
'Partitions that differ from their parents, or from most of their siblings, in how rows are stored, replicated and
described.';
