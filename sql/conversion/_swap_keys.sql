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

CREATE FUNCTION lifecycle._key_comment(constraint_oid oid, relation regclass, constraint_name name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(format('; COMMENT ON CONSTRAINT %I ON %s IS ', constraint_name, relation)
        || quote_literal(obj_description(constraint_oid, 'pg_constraint')), '')
$fn$;
COMMENT ON FUNCTION lifecycle._key_comment(oid, regclass, name) IS
'The statement that gives a constraint of a table the comment of this one.';

CREATE FUNCTION lifecycle._drop_keys(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- Back as short as there: a plain table gets its key NOT VALID, a partitioned one adopts those of its leaves.
    SELECT ARRAY(
        SELECT lifecycle._step('drop foreign key', format('table constraint %I on %s', k.conname, r.name),
            format('ALTER TABLE %s DROP CONSTRAINT %I', r.name, k.conname),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s%s', r.name, k.conname, pg_get_constraintdef(k.oid),
                CASE WHEN k.convalidated AND c.relkind <> 'p' THEN ' NOT VALID' ELSE '' END)
            || lifecycle._key_comment(k.oid, r.name, k.conname),
            note => CASE WHEN NOT k.convalidated THEN 'was never validated' END)
        FROM pg_constraint AS k
        JOIN pg_class AS c ON c.oid = k.conrelid
        CROSS JOIN LATERAL (SELECT k.conrelid::regclass AS name) AS r
        WHERE k.contype = 'f' AND k.conparentid = 0 AND conversion.source IN (k.conrelid, k.confrelid)
        ORDER BY k.oid
    )
$fn$;
COMMENT ON FUNCTION lifecycle._drop_keys(lifecycle.located_conversion) IS
'The steps that drop the foreign keys of and to the old table, which would bind it to rows that are replayed later.';

CREATE FUNCTION lifecycle._leaves(relation regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT c.oid::regclass FROM pg_class AS c WHERE c.oid = ANY (lifecycle._partitions(relation)) AND c.relkind = 'r'
    ORDER BY c.oid
$fn$;
COMMENT ON FUNCTION lifecycle._leaves(regclass) IS 'The partitions of a table that hold rows.';

CREATE FUNCTION lifecycle._add_keys(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH foreign_key AS (
        SELECT k.oid, k.conname, CASE WHEN k.conrelid = conversion.source THEN conversion.partitioned
                ELSE k.conrelid::regclass END AS relation,
            k.convalidated AND k.conrelid <> conversion.source AND c.relkind = 'p' AS is_partitioned,
            regexp_replace(lifecycle._widened_key(k.oid, m.missing), ' NOT VALID$', '') AS definition
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
        SELECT lifecycle._step('add foreign key', format('table constraint %I on %s', k.conname, t.name),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', t.name, k.conname, k.definition)
            || lifecycle._key_comment(k.oid, t.name, k.conname))
        FROM foreign_key AS k
        CROSS JOIN LATERAL (
            SELECT l.name FROM lifecycle._leaves(k.relation) AS l (name)
            WHERE k.is_partitioned OR k.relation = conversion.partitioned
            UNION ALL
            SELECT k.relation WHERE NOT k.is_partitioned AND k.relation <> conversion.partitioned
        ) AS t
        ORDER BY k.relation <> conversion.partitioned, k.oid, t.name
    )
$fn$;
COMMENT ON FUNCTION lifecycle._add_keys(lifecycle.located_conversion) IS
'The steps that give the foreign keys of and to the old table to the new one, not validated yet.';

-- What the swap left to be validated says the catalog: keys of leaves without one on the root, keys to the root. A
-- leaf that was made since has none yet, and the root would scan it while it adopts the others.
CREATE FUNCTION lifecycle._next_key(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH dropped AS (
        SELECT s.object, s.note FROM jsonb_populate_recordset(NULL::lifecycle.plan_step,
            (conversion.conversion).swap_steps) AS s
        WHERE s.action = 'drop foreign key'
    ), foreign_key AS (
        SELECT k.oid, k.conname, k.conrelid, k.convalidated, r.root
        FROM pg_constraint AS k
        CROSS JOIN LATERAL (SELECT pg_partition_root(k.conrelid) AS root) AS r
        WHERE k.contype = 'f' AND k.conparentid = 0
            AND (k.confrelid = conversion.partitioned OR r.root = conversion.partitioned)
            -- What was not validated before stays so.
            AND NOT EXISTS (SELECT FROM dropped AS d
                WHERE d.note = 'was never validated'
                    AND d.object = format('table constraint %I on %s', k.conname, k.conrelid::regclass))
    ), of_leaf AS (
        -- A leaf of another table may have one of its own.
        SELECT * FROM foreign_key AS k
        WHERE k.conrelid <> k.root AND (k.root = conversion.partitioned OR EXISTS (SELECT FROM dropped AS d
            WHERE d.object = format('table constraint %I on %s', k.conname, k.root)))
    )
    SELECT s.step FROM (
        SELECT 1, k.oid, lifecycle._step('add foreign key', format('table constraint %I on %s', k.conname, l.name),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', l.name, k.conname,
                regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''))
            || lifecycle._key_comment(k.oid, l.name, k.conname))
        FROM of_leaf AS k CROSS JOIN LATERAL lifecycle._leaves(k.root) AS l (name)
        WHERE NOT EXISTS (SELECT FROM pg_constraint AS o WHERE o.conrelid = l.name AND o.conname = k.conname)
        UNION ALL
        SELECT 2, k.oid, lifecycle._step('validate foreign key',
            format('table constraint %I on %s', k.conname, k.conrelid::regclass),
            format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::regclass, k.conname))
        FROM foreign_key AS k WHERE NOT k.convalidated
        UNION ALL
        (SELECT DISTINCT ON (k.root, k.conname) 3, k.oid, lifecycle._step('add foreign key',
            format('table constraint %I on %s', k.conname, k.root),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.root, k.conname, pg_get_constraintdef(k.oid))
            || lifecycle._key_comment(k.oid, k.root, k.conname))
        FROM of_leaf AS k
        ORDER BY k.root, k.conname, k.oid)
    ) AS s (place, oid, step)
    ORDER BY s.place, s.oid
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._next_key(lifecycle.located_conversion) IS
'The step that validates the next foreign key after the swap, or lets the root adopt it; NULL when all stand.';

-- The way back. Keys that the swap dropped, with their tables as they will be called; only the old table changes its
-- name.
CREATE FUNCTION lifecycle._dropped_keys(conversion lifecycle.located_conversion) RETURNS TABLE (
    step integer, relation text, constraint_name text, partitioned regclass, was_valid boolean, definition text,
    inverse text, is_gone boolean
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH dropped AS MATERIALIZED (
        SELECT * FROM jsonb_populate_recordset(NULL::lifecycle.plan_step, (conversion.conversion).swap_steps) AS s
        WHERE s.action = 'drop foreign key'
    )
    SELECT s.step, i.name, n.constraint_name, c.oid::regclass, s.note IS DISTINCT FROM 'was never validated',
        coalesce(left(f.definition, nullif(strpos(f.definition, format('; COMMENT ON CONSTRAINT %s ON %s IS ',
            n.constraint_name, n.relation)), 0) - 1), f.definition),
        CASE WHEN i.name = n.relation THEN s.inverse ELSE replace(replace(s.inverse,
            format('ALTER TABLE %s ADD', n.relation), format('ALTER TABLE %s ADD', i.name)),
            format('%s ON %s IS ', n.constraint_name, n.relation), format('%s ON %s IS ', n.constraint_name, i.name))
        END, t.present IS NULL
    FROM dropped AS s
    CROSS JOIN LATERAL (SELECT parse_ident(substr(s.statement, length('ALTER TABLE ') + 1), false) AS parts) AS p
    CROSS JOIN LATERAL (SELECT format('%I.%I', p.parts[1], p.parts[2]) AS relation) AS r
    CROSS JOIN LATERAL (SELECT r.relation, substr(s.statement,
        length('ALTER TABLE ' || r.relation || ' DROP CONSTRAINT ') + 1) AS constraint_name) AS n
    CROSS JOIN LATERAL (SELECT substr(s.inverse, length('ALTER TABLE ' || n.relation) + 1) AS definition) AS f
    CROSS JOIN LATERAL (
        -- A table with another name by now is known by the key that the swap has given it.
        SELECT coalesce(to_regclass(n.relation), (
            SELECT min(o.oid) FROM pg_constraint AS k
            CROSS JOIN LATERAL (SELECT coalesce(pg_partition_root(k.conrelid), k.conrelid)::oid AS oid) AS o
            WHERE k.contype = 'f' AND k.confrelid = conversion.partitioned AND o.oid <> conversion.partitioned
                AND quote_ident(k.conname) = n.constraint_name
                AND NOT EXISTS (SELECT FROM dropped AS d
                    WHERE d.object = format('table constraint %I on %s', k.conname, o.oid::regclass))
            HAVING count(DISTINCT o.oid) = 1
        )::regclass) AS present
    ) AS t
    CROSS JOIN LATERAL (SELECT coalesce(t.present::text, n.relation) AS name) AS i
    LEFT JOIN pg_class AS c ON c.oid = t.present AND c.oid <> conversion.partitioned AND c.relkind = 'p'
$fn$;
COMMENT ON FUNCTION lifecycle._dropped_keys(lifecycle.located_conversion) IS
'The foreign keys that a swap has dropped: table and name as text, the table itself where it is partitioned,
whether the key was valid, its definition after ALTER TABLE and the name, the statement that gives it back, and whether
the table is gone.';

CREATE FUNCTION lifecycle._drop_new_keys(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('undo add foreign key',
            format('table constraint %I on %s', k.conname, k.conrelid::regclass),
            format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname))
        FROM pg_constraint AS k
        CROSS JOIN LATERAL (SELECT pg_partition_root(k.conrelid) AS root) AS r
        WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = conversion.partitioned
            AND r.root IS DISTINCT FROM conversion.partitioned
            -- What somebody has made since is not taken from him.
            AND EXISTS (SELECT FROM lifecycle._dropped_keys(conversion) AS d
                WHERE d.constraint_name = quote_ident(k.conname)
                    AND d.relation IN (k.conrelid::regclass::text, r.root::text))
        ORDER BY k.oid
    )
$fn$;
COMMENT ON FUNCTION lifecycle._drop_new_keys(lifecycle.located_conversion) IS
'The steps that drop the foreign keys which the swap has turned to the new table.';

CREATE FUNCTION lifecycle._undrop_keys(conversion lifecycle.located_conversion, dropped lifecycle.plan_step)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('undo drop foreign key', format('table constraint %s on %s', d.constraint_name,
            d.relation), CASE WHEN NOT d.is_gone THEN d.inverse END, (dropped).statement,
            note => CASE WHEN d.is_gone THEN 'the table is gone' ELSE (dropped).note END)
        WHERE d.partitioned IS NULL OR NOT d.was_valid
        UNION ALL
        SELECT lifecycle._step('undo drop foreign key',
            format('table constraint %s on %s', d.constraint_name, l.name),
            format('ALTER TABLE %s%s NOT VALID', l.name, d.definition))
        FROM lifecycle._leaves(d.partitioned) AS l (name) WHERE d.was_valid
    )
    FROM lifecycle._dropped_keys(conversion) AS d WHERE d.step = (dropped).step
$fn$;
COMMENT ON FUNCTION lifecycle._undrop_keys(lifecycle.located_conversion, lifecycle.plan_step) IS
'The steps that give a foreign key back which the swap has dropped, not validated.';

-- Every key in a stage of its own, so that no lock outlives its scan; a table that is dropped before its turn keeps no
-- other one waiting.
CREATE FUNCTION lifecycle._validate_old_keys(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step(s.action, format('table constraint %s on %s', s.constraint_name, s.relation),
            s.statement, stage => 1 + (row_number() OVER (ORDER BY s.place, s.step, s.relation))::integer)
        FROM (
            SELECT d.step, 1 AS place, d.constraint_name, r.name AS relation, 'validate foreign key' AS action,
                format('ALTER TABLE IF EXISTS %s VALIDATE CONSTRAINT %s', r.name, d.constraint_name) AS statement
            FROM lifecycle._dropped_keys(conversion) AS d
            CROSS JOIN LATERAL (
                SELECT d.relation WHERE d.partitioned IS NULL
                UNION ALL SELECT l.name::text FROM lifecycle._leaves(d.partitioned) AS l (name)
            ) AS r (name)
            WHERE d.was_valid AND NOT d.is_gone
            UNION ALL
            SELECT d.step, 2, d.constraint_name, d.relation, 'add foreign key', d.inverse
            FROM lifecycle._dropped_keys(conversion) AS d
            WHERE d.was_valid AND d.partitioned IS NOT NULL
        ) AS s
        ORDER BY s.place, s.step, s.relation
    )
$fn$;
COMMENT ON FUNCTION lifecycle._validate_old_keys(lifecycle.located_conversion) IS
'The later stages of the way back: each foreign key of the old table is validated, a partitioned table adopts those of
its leaves.';

-- Whoever has validated them.
CREATE FUNCTION lifecycle._has_open_keys(conversion lifecycle.located_conversion) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_constraint AS k
        JOIN lifecycle._dropped_keys(conversion) AS d ON d.was_valid AND d.constraint_name = quote_ident(k.conname)
        CROSS JOIN LATERAL (SELECT pg_partition_root(k.conrelid) AS root) AS r
        WHERE k.contype = 'f' AND k.conparentid = 0
            AND (k.conrelid::regclass::text = d.relation AND NOT k.convalidated
                OR r.root <> k.conrelid AND r.root::text = d.relation)
    )
$fn$;
COMMENT ON FUNCTION lifecycle._has_open_keys(lifecycle.located_conversion) IS
'Whether a foreign key that came back with a swap back is not validated yet.';
