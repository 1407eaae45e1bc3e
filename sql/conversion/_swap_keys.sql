-- Both directions. Dropped before the renames, so that the inverse runs under the old names; added behind them, NOT
-- VALID, so that nothing is scanned under the lock: they hold for every write from then on, and are validated
-- afterwards. Before PostgreSQL 18 a partitioned table takes no such key: its leaves do, and the root adopts theirs.
CREATE FUNCTION lifecycle._widened_key(constraint_oid oid, missing name[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN missing = '{}' THEN d.definition
        ELSE format('FOREIGN KEY (%s) REFERENCES %s(%s)%s', lifecycle._column_list(ARRAY(
                SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY AS n (number, place)
                JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = n.number ORDER BY n.place) || missing),
            k.confrelid::regclass, lifecycle._column_list(ARRAY(
                SELECT a.attname FROM unnest(k.confkey) WITH ORDINALITY AS n (number, place)
                JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = n.number ORDER BY n.place)
                || missing),
            substring(d.definition FROM ' REFERENCES .*?\)(.*)$')) END
    FROM pg_constraint AS k CROSS JOIN LATERAL (SELECT pg_get_constraintdef(k.oid) AS definition) AS d
    WHERE k.oid = constraint_oid
$fn$;
COMMENT ON FUNCTION lifecycle._widened_key(oid, name[]) IS
'The definition of a foreign key, with more columns on both sides.';

CREATE FUNCTION lifecycle._drop_keys(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('drop foreign key', format('table constraint %I on %s', k.conname, k.conrelid::regclass),
            format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
            lifecycle._ddl_constraint(k.oid))
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND k.conparentid = 0 AND conversion.source IN (k.conrelid, k.confrelid)
        ORDER BY k.oid
    )
$fn$;
COMMENT ON FUNCTION lifecycle._drop_keys(lifecycle.located_conversion) IS
'The steps that drop the foreign keys of and to the old table, which would bind it to rows that are replayed later.';

CREATE FUNCTION lifecycle._key_comment(constraint_oid oid, relation regclass, constraint_name name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(format('; COMMENT ON CONSTRAINT %I ON %s IS ', constraint_name, relation)
        || quote_literal(obj_description(constraint_oid, 'pg_constraint')), '')
$fn$;
COMMENT ON FUNCTION lifecycle._key_comment(oid, regclass, name) IS
'The statement that gives a constraint of a table the comment of this one.';

CREATE FUNCTION lifecycle._add_keys(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH foreign_key AS (
        SELECT k.*, c.relkind, regexp_replace(lifecycle._widened_key(k.oid, m.missing), ' NOT VALID$', '') AS definition
        FROM pg_constraint AS k
        JOIN pg_class AS c ON c.oid = k.conrelid
        -- A key of the table to itself is both.
        CROSS JOIN LATERAL (SELECT CASE WHEN k.confrelid = conversion.source THEN lifecycle._missing_keys(
            conversion.source, k.confkey, lifecycle._levels((conversion.conversion).levels)) ELSE '{}' END AS missing)
            AS m
        WHERE k.contype = 'f' AND k.conparentid = 0 AND conversion.source IN (k.conrelid, k.confrelid)
            AND (m.missing = '{}' OR (conversion.conversion).options ->> 'foreign_key_mode' = 'composite')
    )
    SELECT ARRAY(
        SELECT lifecycle._step('add foreign key', format('table constraint %I on %s', k.conname, t.relid),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', t.relid, k.conname, k.definition)
            || lifecycle._key_comment(k.oid, t.relid, k.conname))
        FROM foreign_key AS k
        CROSS JOIN pg_partition_tree(conversion.partitioned) AS t
        WHERE k.conrelid = conversion.source AND t.isleaf AND t.level > 0
        ORDER BY k.oid, t.relid
    ) || ARRAY(
        SELECT lifecycle._step('add foreign key', format('table constraint %I on %s', k.conname, k.conrelid::regclass),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s%s', k.conrelid::regclass, k.conname, k.definition,
                CASE WHEN k.relkind = 'p' THEN '' ELSE ' NOT VALID' END)
            || lifecycle._key_comment(k.oid, k.conrelid, k.conname),
            format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname))
        FROM foreign_key AS k
        WHERE k.conrelid <> conversion.source
        ORDER BY k.oid
    )
$fn$;
COMMENT ON FUNCTION lifecycle._add_keys(lifecycle.located_conversion) IS
'The steps that give the foreign keys of and to the old table to the new one, not validated yet.';

-- What the swap left to be validated says the catalog: keys of leaves without one on the root, keys to the root.
CREATE FUNCTION lifecycle._next_key(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT s.step FROM (
        SELECT 1, k.oid, lifecycle._step('validate foreign key',
            format('table constraint %I on %s', k.conname, k.conrelid::regclass),
            format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::regclass, k.conname))
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND NOT k.convalidated AND k.conparentid = 0
            -- What was not validated before stays so.
            AND NOT EXISTS (SELECT FROM jsonb_populate_recordset(NULL::lifecycle.plan_step,
                    (conversion.conversion).swap_steps) AS s
                WHERE s.action = 'drop foreign key' AND s.inverse ~ ' NOT VALID(;|$)'
                    AND s.object = format('table constraint %I on %s', k.conname, k.conrelid::regclass))
            AND (k.confrelid = conversion.partitioned OR k.conrelid IN (
                SELECT t.relid FROM pg_partition_tree(conversion.partitioned) AS t WHERE t.level > 0))
        UNION ALL
        (SELECT DISTINCT ON (k.conname) 2, k.oid, lifecycle._step('add foreign key',
            format('table constraint %I on %s', k.conname, conversion.partitioned),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', conversion.partitioned, k.conname,
                pg_get_constraintdef(k.oid)) || lifecycle._key_comment(k.oid, conversion.partitioned, k.conname))
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid IN (
            SELECT t.relid FROM pg_partition_tree(conversion.partitioned) AS t WHERE t.level > 0)
        ORDER BY k.conname, k.oid)
    ) AS s (place, oid, step)
    ORDER BY s.place, s.oid
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._next_key(lifecycle.located_conversion) IS
'The step that validates the next foreign key after the swap, or lets the root adopt it; NULL when all stand.';
