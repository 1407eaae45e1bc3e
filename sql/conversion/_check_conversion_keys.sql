-- A unique constraint of a partitioned table must hold all partition keys. What becomes of one that does not is the
-- caller's decision: refuse (the default), extend it by the keys, or keep it on each leaf.
CREATE FUNCTION lifecycle._missing_keys(target regclass, numbers smallint[], levels jsonb[]) RETURNS name[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT a.attname
        FROM unnest(levels) WITH ORDINALITY AS l (level, place)
        JOIN pg_attribute AS a ON a.attrelid = target AND a.attname = l.level ->> 'column'
            AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attnum <> ALL (coalesce(numbers, '{}'))
        GROUP BY a.attname ORDER BY min(l.place)
    )
$fn$;
COMMENT ON FUNCTION lifecycle._missing_keys(regclass, smallint[], jsonb[]) IS
'The partition keys that are not among some columns of a table, in the order of the levels.';

CREATE FUNCTION lifecycle._quoted_list(names name[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(quote_ident(n.name), ', ' ORDER BY n.place) FROM unnest(names) WITH ORDINALITY AS n (name, place)
$fn$;
COMMENT ON FUNCTION lifecycle._quoted_list(name[]) IS 'Column names as they are written between parentheses.';

CREATE FUNCTION lifecycle._check_conversion_unique(target regclass, levels jsonb[], key_mode text)
RETURNS SETOF lifecycle.finding LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT
        CASE WHEN x.missing = '{}' THEN 'ok' WHEN key_mode = 'refuse' THEN 'error' ELSE 'warning' END,
        x.object,
        CASE WHEN x.missing = '{}' THEN 'holds the partition keys'
            WHEN key_mode = 'refuse' THEN 'lacks partition keys: ' || x.lacking
            WHEN key_mode = 'extend' THEN 'becomes unique only together with ' || x.lacking
            ELSE 'becomes unique only within each partition' END,
        CASE WHEN x.missing <> '{}' THEN
            CASE WHEN key_mode = 'refuse' THEN 'PostgreSQL has no unique constraint across partitions without them. '
                ELSE '' END
            || format('The same (%s) may then stand in several partitions, and ON CONFLICT (%1$s) is refused.',
                x.columns) END,
        CASE WHEN x.missing <> '{}' AND key_mode = 'refuse' THEN
            'key_mode => ''extend'' adds the keys' END
    FROM (
        SELECT coalesce('table constraint ' || quote_ident(k.conname) || ' on ' || target,
                'index ' || i.indexrelid::regclass) AS object,
            lifecycle._missing_keys(target, i.indkey[:i.indnkeyatts - 1]::smallint[], levels) AS missing,
            lifecycle._quoted_list(lifecycle._missing_keys(target, i.indkey[:i.indnkeyatts - 1]::smallint[],
                levels)) AS lacking,
            (SELECT string_agg(pg_get_indexdef(i.indexrelid, n, false), ', ' ORDER BY n)
             FROM generate_series(1, i.indnkeyatts) AS n) AS columns
        FROM pg_index AS i
        LEFT JOIN pg_constraint AS k
            ON k.conindid = i.indexrelid AND k.conrelid = target AND k.contype IN ('p', 'u', 'x')
        WHERE i.indrelid = target AND i.indisunique AND k.contype IS DISTINCT FROM 'x'
    ) AS x
    UNION ALL
    SELECT CASE WHEN x.stands THEN 'ok' WHEN key_mode = 'leaf' THEN 'warning' ELSE 'error' END,
        format('table constraint %I on %s', k.conname, target),
        CASE WHEN x.stands THEN 'holds the partition keys'
            WHEN key_mode = 'leaf' THEN 'will exclude only within each partition'
            ELSE 'cannot be a constraint of the partitioned table' END,
        CASE WHEN NOT x.stands THEN 'Exclusion across partitions takes PostgreSQL 17 and all keys, compared by =.' END,
        CASE WHEN NOT x.stands AND key_mode <> 'leaf' THEN format('ALTER TABLE %s DROP CONSTRAINT %I', target,
            k.conname) END
    FROM pg_constraint AS k
    CROSS JOIN LATERAL (SELECT current_setting('server_version_num')::integer >= 170000
        AND lifecycle._missing_keys(target, ARRAY(
            SELECT n.number FROM unnest(k.conkey, k.conexclop) AS n (number, operator)
            JOIN pg_operator AS o ON o.oid = n.operator AND o.oprname = '='), levels) = '{}' AS stands) AS x
    WHERE k.conrelid = target AND k.contype = 'x'
    UNION ALL
    SELECT 'error', 'index ' || i.indexrelid::regclass, 'is not valid', 'It would be left out.',
        format('DROP INDEX %s', i.indexrelid::regclass)
    FROM pg_index AS i WHERE i.indrelid = target AND NOT i.indisvalid
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_unique(regclass, jsonb[], text) IS
'The findings of pre_migration_check about unique and exclusion constraints and invalid indexes.';

CREATE FUNCTION lifecycle._check_conversion_incoming(
    target regclass, levels jsonb[], key_mode text, foreign_key_mode text
) RETURNS SETOF lifecycle.finding LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, format('table constraint %I on %s', x.conname, x.child), f.finding, f.detail, f.remedy
    FROM (
        SELECT k.conname, k.conrelid::regclass AS child, lifecycle._missing_keys(target, k.confkey, levels) AS missing,
            c.relowner, ARRAY(
                SELECT m.name FROM unnest(lifecycle._missing_keys(target, k.confkey, levels)) AS m (name)
                JOIN pg_attribute AS p ON p.attrelid = target AND p.attname = m.name
                WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attname = m.name
                    AND a.atttypid = p.atttypid AND NOT a.attisdropped)
            ) AS absent
        FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
        WHERE k.confrelid = target AND k.contype = 'f' AND k.conparentid = 0
    ) AS x
    CROSS JOIN LATERAL (
        SELECT 'ok', 'will refer to the partitioned table', NULL, NULL WHERE x.missing = '{}'
        UNION ALL
        SELECT 'error', 'refers to columns without the partition keys: ' || lifecycle._quoted_list(x.missing),
            'A foreign key needs a unique constraint there, and that will hold the keys.',
            'foreign_key_mode => ''composite'' where the referring table has the columns too, or ''drop'''
        WHERE x.missing <> '{}' AND foreign_key_mode = 'refuse'
        UNION ALL
        SELECT 'error', 'cannot be widened: the unique constraint it refers to will not be', NULL,
            'key_mode => ''extend'''
        WHERE x.missing <> '{}' AND foreign_key_mode = 'composite' AND key_mode <> 'extend'
        UNION ALL
        SELECT 'error', 'cannot be widened: it lacks ' || lifecycle._quoted_list(x.absent),
            format('A column of the same name and type is needed in %s.', x.child), 'foreign_key_mode => ''drop'''
        WHERE x.missing <> '{}' AND foreign_key_mode = 'composite' AND x.absent <> '{}'
        UNION ALL
        SELECT 'warning', 'will refer to ' || lifecycle._quoted_list(x.missing) || ' too',
            CASE WHEN x.child = target THEN 'Rows can then refer only to rows of their own partition keys.'
                ELSE 'Its columns of these names must have the same values as the row referred to.' END, NULL
        WHERE x.missing <> '{}' AND foreign_key_mode = 'composite' AND key_mode = 'extend' AND x.absent = '{}'
        UNION ALL
        SELECT 'warning', 'is dropped', 'A rollback of the conversion brings it back.', NULL
        WHERE x.missing <> '{}' AND foreign_key_mode = 'drop'
        UNION ALL
        SELECT 'error', 'is on a table of another role', format('It belongs to %I.', pg_get_userbyid(x.relowner)), NULL
        WHERE NOT pg_has_role(current_user, x.relowner, 'USAGE')
    ) AS f (severity, finding, detail, remedy)
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_incoming(regclass, jsonb[], text, text) IS
'The findings of pre_migration_check about foreign keys that refer to the table, its own included.';
