-- The second way: the old table becomes the first partition. No row is copied; a CHECK that is validated beforehand
-- spares the scan when it is attached. The texts of a definition are read while the old table has the name: run after
-- it was renamed, they speak of the new one. The steps name no object that the journal would follow, since one name
-- means two tables in turn.
CREATE FUNCTION lifecycle._attach_step(
    target regclass, action text, statement text, inverse text, stage integer DEFAULT 4, note text DEFAULT NULL
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step(action, 'conversion of ' || target, statement, inverse, stage, note => note)
$fn$;
COMMENT ON FUNCTION lifecycle._attach_step(regclass, text, text, text, integer, text) IS
'A step of a conversion that attaches the old table.';

CREATE FUNCTION lifecycle._attach_bounds(source regclass, level jsonb, time_zone text) RETURNS lifecycle.range_ends
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_type constant regtype := lifecycle._level_type(source, level);
    v_is_number constant boolean := v_type IN ('int2', 'int4', 'int8', 'numeric');
    v_now constant numeric := CASE WHEN v_is_number THEN 0 ELSE extract(epoch FROM now()) END;
    v_lowest text;
    v_highest text;
    v_first lifecycle.range_ends;
    v_last lifecycle.range_ends;
BEGIN
    EXECUTE format('SELECT t.%1$I::text FROM ONLY %2$s AS t WHERE t.%1$I IS NOT NULL ORDER BY t.%1$I LIMIT 1',
        level ->> 'column', source) INTO v_lowest;
    EXECUTE format('SELECT t.%1$I::text FROM ONLY %2$s AS t WHERE t.%1$I IS NOT NULL ORDER BY t.%1$I DESC LIMIT 1',
        level ->> 'column', source) INTO v_highest;
    SELECT p.* INTO v_first FROM lifecycle._periods(v_type, level ->> 'every', _attach_bounds.time_zone, NULL,
        coalesce((lifecycle._range_bound(v_type, v_lowest, 'UTC')).place, v_now), 0) AS p;
    -- One period more than there are rows for, so that no write fails before there are other partitions.
    SELECT p.* INTO v_last FROM lifecycle._periods(v_type, level ->> 'every', _attach_bounds.time_zone, NULL,
        greatest((lifecycle._range_bound(v_type, v_highest, 'UTC')).place, v_now), 1) AS p
    ORDER BY (p.upper_end).place DESC LIMIT 1;
    RETURN ROW(v_first.lower_end, v_last.upper_end);
END
$fn$;
COMMENT ON FUNCTION lifecycle._attach_bounds(regclass, jsonb, text) IS
'The range of the first partition: all rows that there are, and one period more.';

-- Unique indexes widened by the keys are built beforehand. A primary key gives way to the wider one; an index with its
-- columns stays, so that a rollback has it back at once.
CREATE FUNCTION lifecycle._attach_keys(target regclass, levels jsonb[], at_once boolean) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(s.step ORDER BY s.place, x.indexrelid), '{}')
    FROM (
        SELECT i.indexrelid, i.indisprimary, k.conname, quote_ident(n.nspname) || '.' AS schema_name,
            lifecycle._name(ARRAY[c.relname::text], 'keys') AS wide,
            lifecycle._name(ARRAY[c.relname::text], 'kept') AS kept,
            CASE WHEN at_once THEN '' ELSE ' CONCURRENTLY' END AS concurrently,
            lifecycle._index_body(i.indexrelid, '{}') AS narrow_columns,
            lifecycle._index_body(i.indexrelid, m.missing) AS wide_columns
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = target AND k.contype IN ('p', 'u')
        CROSS JOIN LATERAL (SELECT lifecycle._missing_keys(target, i.indkey[:i.indnkeyatts - 1]::smallint[], levels)
            AS missing) AS m
        WHERE i.indrelid = target AND i.indisunique AND m.missing <> '{}'
    ) AS x
    CROSS JOIN LATERAL (
        SELECT 1, lifecycle._step('create index', 'index ' || x.schema_name || quote_ident(x.wide),
            format('CREATE UNIQUE INDEX%s %I ON %s USING %s', x.concurrently, x.wide, target, x.wide_columns),
            format('DROP INDEX IF EXISTS %s%I', x.schema_name, x.wide), 2, NOT at_once)
        UNION ALL
        SELECT 2, lifecycle._step('create index', 'index ' || x.schema_name || quote_ident(x.kept),
            format('CREATE UNIQUE INDEX%s %I ON %s USING %s', x.concurrently, x.kept, target, x.narrow_columns),
            format('DROP INDEX IF EXISTS %s%I', x.schema_name, x.kept), 2, NOT at_once, 'for the rollback')
        WHERE x.indisprimary
        UNION ALL
        SELECT 3, lifecycle._attach_step(target, 'widen primary key', format('ALTER TABLE %s DROP CONSTRAINT %I',
            target, x.conname), format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I%s', target,
            x.conname, x.kept, lifecycle._ddl_comments(format('table constraint %I on %s', x.conname, target))))
        WHERE x.indisprimary
        UNION ALL
        SELECT 4, lifecycle._attach_step(target, 'widen unique key',
            format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %2$I', target, x.wide,
                CASE WHEN x.indisprimary THEN 'PRIMARY KEY' ELSE 'UNIQUE' END),
            format('ALTER TABLE %s DROP CONSTRAINT %I', target, x.wide))
        WHERE x.conname IS NOT NULL
    ) AS s (place, step)
$fn$;
COMMENT ON FUNCTION lifecycle._attach_keys(regclass, jsonb[], boolean) IS
'The steps that give the old table unique indexes with the partition keys.';

-- What the new table has from the old one: the texts are those of the old one, under the name that both have in turn.
CREATE FUNCTION lifecycle._attach_dress(target regclass, levels jsonb[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s%s', target, k.conname, CASE k.contype
                WHEN 'f' THEN pg_get_constraintdef(k.oid) ELSE lifecycle._key_body(k.oid, m.missing) END,
            lifecycle._ddl_comments(format('table constraint %I on %s', k.conname, target)))
        FROM pg_constraint AS k
        CROSS JOIN LATERAL (SELECT CASE k.contype WHEN 'f' THEN '{}'
            ELSE lifecycle._missing_keys(target, k.conkey, levels) END AS missing) AS m
        WHERE k.conrelid = target AND k.contype IN ('p', 'u', 'f')
        ORDER BY k.contype DESC, k.conname
    ) || ARRAY(
        SELECT CASE WHEN i.indisunique AND m.missing <> '{}'
                THEN format('CREATE UNIQUE INDEX %I ON %s USING %s', c.relname, target,
                    lifecycle._index_body(i.indexrelid, m.missing))
                ELSE pg_get_indexdef(i.indexrelid) END
            || lifecycle._ddl_comments('index ' || i.indexrelid::regclass)
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        CROSS JOIN LATERAL (SELECT lifecycle._missing_keys(target, i.indkey[:i.indnkeyatts - 1]::smallint[], levels)
            AS missing) AS m
        WHERE i.indrelid = target AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid
            AND k.conrelid = target AND k.contype IN ('p', 'u'))
        ORDER BY c.relname
    ) || (
        SELECT ARRAY[ltrim(
            lifecycle._ddl_acl('TABLE', target::text, coalesce(c.relacl, acldefault('r', c.relowner)), c.relowner)
            || lifecycle._ddl_column_acl(target) || lifecycle._ddl_comments('table ' || target), '; ')]
            || CASE WHEN c.relrowsecurity THEN format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY%s', target,
                CASE WHEN c.relforcerowsecurity THEN ', FORCE ROW LEVEL SECURITY' ELSE '' END) END
        FROM pg_class AS c WHERE c.oid = target
    ) || ARRAY(SELECT lifecycle._ddl_policy(p.oid) FROM pg_policy AS p WHERE p.polrelid = target ORDER BY p.polname)
$fn$;
COMMENT ON FUNCTION lifecycle._attach_dress(regclass, jsonb[]) IS
'The statements that give the new table keys, indexes, rights, row security and comments of the old one.';

-- Bound to the table and not to its name: taken off before the names change hands, and put on afterwards.
CREATE FUNCTION lifecycle._attach_bindings(target regclass, old_table text)
RETURNS TABLE (place bigint, action text, take_off text, put_back text, put_on text, take_away text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT row_number() OVER (), b.*
    FROM (
        SELECT 'trigger', format('DROP TRIGGER %I ON %s', t.tgname, target), lifecycle._ddl_trigger(t.oid),
            lifecycle._ddl_trigger(t.oid), format('DROP TRIGGER %I ON %s', t.tgname, target)
        FROM pg_trigger AS t WHERE t.tgrelid = target AND NOT t.tgisinternal
        UNION ALL
        SELECT 'foreign key to it', format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
            lifecycle._ddl_constraint(k.oid), NULL, NULL
        FROM pg_constraint AS k
        WHERE k.confrelid = target AND k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> target
        UNION ALL
        SELECT 'publication', format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, target),
            lifecycle._publish(r.oid, target::text), lifecycle._publish(r.oid, target::text),
            format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, target)
        FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
        WHERE r.prrelid = target
        UNION ALL
        SELECT 'rule', format('DROP RULE %I ON %s', r.rulename, target), lifecycle._ddl_rule(r.oid),
            lifecycle._ddl_rule(r.oid), format('DROP RULE %I ON %s', r.rulename, target)
        FROM pg_rewrite AS r WHERE r.ev_class = target
        UNION ALL
        -- A routine of the row type is made anew, and taken away again before the way back.
        SELECT r.kind, r.take_off, r.put_on, r.put_on, r.take_off FROM lifecycle._rebindings(target) AS r
        UNION ALL
        SELECT 'sequence', NULL, NULL, s.statement || format('%s.%I', target, s.attname),
            s.statement || format('%s.%I', old_table, s.attname)
        FROM (SELECT format('ALTER SEQUENCE %s OWNED BY ', d.objid::regclass) AS statement, a.attname
            FROM pg_depend AS d
            JOIN pg_class AS q ON q.oid = d.objid AND q.relkind = 'S'
            JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target
                AND d.deptype = 'a') AS s
    ) AS b
$fn$;
COMMENT ON FUNCTION lifecycle._attach_bindings(regclass, text) IS
'Triggers, foreign keys from elsewhere, publications, views and sequences: the statements before the names change hands,
with their inverses, and those afterwards, with theirs.';

CREATE FUNCTION lifecycle._attach_index_names(target regclass, levels jsonb[]) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(lifecycle._attach_step(target, 'rename index',
        format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass, n.name),
        format('ALTER INDEX %s.%I RENAME TO %I', c.relnamespace::regnamespace, n.name, c.relname)) ORDER BY c.relname),
        '{}')
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    CROSS JOIN LATERAL (SELECT lifecycle._name(ARRAY[c.relname::text], 'old') AS name) AS n
    WHERE i.indrelid = target AND NOT (i.indisprimary
        AND lifecycle._missing_keys(target, i.indkey[:i.indnkeyatts - 1]::smallint[], levels) <> '{}')
$fn$;
COMMENT ON FUNCTION lifecycle._attach_index_names(regclass, jsonb[]) IS
'The steps that free the names of the indexes of the old table.';

CREATE FUNCTION lifecycle._attach_new_name(target regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._free_identity(target::text, lifecycle._name(ARRAY[c.relname::text], 'partitioned'), false, '')
    FROM pg_class AS c WHERE c.oid = target
$fn$;
COMMENT ON FUNCTION lifecycle._attach_new_name(regclass) IS 'What the new table is called before it takes the name.';

-- A partition can have no identity beside that of its table (PostgreSQL 17): it goes over, and goes on from its value.
CREATE FUNCTION lifecycle._attach_identity(target regclass, old_name name) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    -- First here, so last on the way back, when the sequence has its name again.
    RETURN ARRAY(
        SELECT lifecycle._attach_step(target, 'rights of identity', 'SELECT', nullif(ltrim(lifecycle._sequence_grants(
            d.objid), '; '), ''))
        FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target
            AND d.deptype = 'i' AND EXISTS (SELECT FROM pg_sequence AS q WHERE q.seqrelid = d.objid)
    ) || ARRAY(
        SELECT lifecycle._attach_step(target, s.action, s.statement, s.inverse)
        FROM unnest(lifecycle._swap_sequences(target, old_name)) WITH ORDINALITY
            AS s (step, stage, action, object, statement, inverse, top_level, note, place)
        WHERE s.action <> 'own sequence' ORDER BY s.place
    ) || ARRAY(
        SELECT lifecycle._attach_step(target, 'drop identity', format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY',
                o.name, a.attname),
            format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s.%I INCREMENT %s '
                || 'MINVALUE %s MAXVALUE %s START %s CACHE %s%s)', o.name, a.attname,
                CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, s.relnamespace::regnamespace,
                lifecycle._away_name(s.relnamespace, s.relname, 'old'), q.seqincrement, q.seqmin, q.seqmax, q.seqstart,
                q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END))
        FROM pg_depend AS d
        JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_sequence AS q ON q.seqrelid = s.oid
        JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        JOIN pg_class AS c ON c.oid = d.refobjid
        CROSS JOIN LATERAL (SELECT format('%s.%I', c.relnamespace::regnamespace, old_name) AS name) AS o
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target
            AND d.deptype = 'i'
        ORDER BY a.attnum
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._attach_identity(regclass, name) IS
'The steps that hand over identities, when the tables have their new names and before the old one is attached.';

-- A rollback takes the rows along that have come into other partitions since.
CREATE FUNCTION lifecycle._attach_swap(
    target regclass, old_name name, levels jsonb[], bounds lifecycle.range_ends, time_zone text, bounds_check name
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = target);
    v_old constant text := format('%s.%I', v_source.relnamespace::regnamespace, old_name);
    v_new constant text := lifecycle._attach_new_name(target);
    v_columns constant text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute AS a
        WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '');
    v_ends lifecycle.range_ends;
    v_identity text;
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
BEGIN
    v_plan := v_plan || lifecycle._attach_step(target, 'rename table', format('ALTER TABLE %s RENAME TO %I', target,
            old_name), format('ALTER TABLE %s RENAME TO %I', v_old, v_source.relname))
        -- The one step with an address: the name has stood for two tables, and a rollback follows neither by it.
        || lifecycle._step('rename table', 'table ' || target, format('ALTER TABLE %s RENAME TO %I', v_new,
            v_source.relname), format('ALTER TABLE %s RENAME TO %I', target, (parse_ident(v_new))[2]), 4)
        || ARRAY(SELECT lifecycle._attach_step(target, 'give it', d.statement, NULL)
            FROM unnest(lifecycle._attach_dress(target, levels)) WITH ORDINALITY AS d (statement, place)
            WHERE d.statement <> '' ORDER BY d.place);
    FOR v_ends IN SELECT * FROM lifecycle._periods(lifecycle._level_type(target, levels[1]), levels[1] ->> 'every',
        _attach_swap.time_zone, (bounds.upper_end).place, (bounds.upper_end).place, 2)
    LOOP
        v_identity := lifecycle._free_identity(target::text, lifecycle._first_name(v_source.relname, v_ends.lower_end,
            v_ends.upper_end), false, (v_ends.lower_end).literal);
        v_plan := v_plan || ARRAY(
            SELECT lifecycle._step(p.action, p.object, p.statement, p.inverse, 4, note => p.note)
            FROM unnest(lifecycle._partition_steps(target, target, v_identity, format('FOR VALUES FROM (%s) TO (%s)',
                (v_ends.lower_end).literal, (v_ends.upper_end).literal), NULL, target::text, NULL, false))
                WITH ORDINALITY AS p (step, stage, action, object, statement, inverse, top_level, note, place)
            ORDER BY p.place);
    END LOOP;
    RETURN v_plan || lifecycle._attach_identity(target, old_name) || lifecycle._attach_step(target, 'attach table',
            format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', target, v_old,
                (bounds.lower_end).literal, (bounds.upper_end).literal),
            format('ALTER TABLE %1$s DETACH PARTITION %2$s; WITH moved AS (DELETE FROM %1$s RETURNING %3$s) '
                'INSERT INTO %2$s (%3$s) SELECT %3$s FROM moved', target, v_old, v_columns),
            note => 'the CHECK spares the scan')
        || lifecycle._attach_step(target, 'drop bounds', format('ALTER TABLE %s DROP CONSTRAINT %I', v_old,
            bounds_check), NULL);
END
$fn$;
COMMENT ON FUNCTION lifecycle._attach_swap(regclass, name, jsonb[], lifecycle.range_ends, text, name) IS
'The steps that put the new table into the place of the old one and the old one below it.';

CREATE FUNCTION lifecycle._require_attachable(
    target regclass, levels jsonb[], key_mode text, foreign_key_mode text
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_found text;
BEGIN
    v_found := (
        SELECT string_agg(f.reason, '; ') FROM (
            SELECT 'its first level is not RANGE' WHERE levels[1] ->> 'method' <> 'range'
            UNION ALL SELECT 'key_mode leaf' WHERE key_mode = 'leaf'
            UNION ALL SELECT 'foreign_key_mode composite' WHERE foreign_key_mode = 'composite'
            UNION ALL SELECT 'foreign key ' || k.conname FROM pg_constraint AS k
            WHERE k.confrelid = target AND k.contype = 'f' AND (foreign_key_mode <> 'drop' OR k.conrelid = target)
            UNION ALL SELECT b.identity FROM lifecycle._table_bindings(target) AS b WHERE b.kind = 'materialized view'
            UNION ALL SELECT 'capture for ' || c.consumer FROM lifecycle._captures(target) AS c
            UNION ALL SELECT 'soft delete' WHERE lifecycle._has_soft_delete(target)
            UNION ALL SELECT 'replica identity by an index' FROM pg_class AS c
            WHERE c.oid = target AND c.relreplident = 'i'
        ) AS f (reason)
    );
    IF v_found IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s cannot become a partition as it stands', target),
            DETAIL = v_found,
            HINT = 'Leave attach_existing out: then the rows are copied, and this is kept.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_attachable(regclass, jsonb[], text, text) IS
'Raises 0A000 for what the second way of converting a table cannot keep.';

CREATE FUNCTION lifecycle._plan_attach_existing(
    target regclass, levels jsonb[], old_name name, time_zone text, at_once boolean
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_name constant name := (SELECT c.relname FROM pg_class AS c WHERE c.oid = target);
    v_old_name constant name := coalesce(_plan_attach_existing.old_name, lifecycle._name(ARRAY[v_name::text], 'old'));
    v_old constant text := (SELECT format('%s.%I', c.relnamespace::regnamespace, v_old_name) FROM pg_class AS c
        WHERE c.oid = target);
    v_check constant name := lifecycle._name(ARRAY[v_name::text], 'bounds');
    v_owner constant name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target);
    v_bounds constant lifecycle.range_ends := lifecycle._attach_bounds(target, levels[1],
        _plan_attach_existing.time_zone);
    v_keys constant lifecycle.plan_step[] := lifecycle._attach_keys(target, levels, at_once);
    v_bindings record;
    v_keys_off lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
    v_off lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
    v_on lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
BEGIN
    IF to_regclass(v_old) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_table', MESSAGE = format('%s exists already', v_old),
            HINT = 'Choose another old_name.';
    END IF;
    FOR v_bindings IN SELECT b.* FROM lifecycle._attach_bindings(target, v_old) AS b ORDER BY b.place LOOP
        IF v_bindings.action = 'foreign key to it' THEN
            v_keys_off := v_keys_off || lifecycle._attach_step(target, 'take off ' || v_bindings.action,
                v_bindings.take_off, v_bindings.put_back);
        ELSIF v_bindings.put_back IS NOT NULL THEN
            v_off := v_off || lifecycle._attach_step(target, 'take off ' || v_bindings.action,
                -- What is only to be put back needs a statement, for the journal to know that it was run.
                coalesce(v_bindings.take_off, 'SELECT'), v_bindings.put_back);
        END IF;
        IF v_bindings.put_on IS NOT NULL THEN
            v_on := v_on || lifecycle._attach_step(target, 'put on ' || v_bindings.action, v_bindings.put_on,
                v_bindings.take_away);
        END IF;
    END LOOP;
    RETURN ARRAY[
            lifecycle._attach_step(target, 'add bounds', format(
                'ALTER TABLE %1$s ADD CONSTRAINT %2$I CHECK (%3$I IS NOT NULL AND %3$I >= %4$s AND %3$I < %5$s) '
                'NOT VALID', target, v_check, levels[1] ->> 'column', (v_bounds.lower_end).literal,
                (v_bounds.upper_end).literal),
                format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', target, v_check), 1,
                'from now on rows outside of it are refused'),
            lifecycle._attach_step(target, 'validate bounds', format('ALTER TABLE %s VALIDATE CONSTRAINT %I', target,
                v_check), NULL, 3, 'reads the table beside its readers and writers')]
        || v_keys_off || v_keys || lifecycle._attach_index_names(target, levels)
        || lifecycle._attach_step(target, 'create table',
            format('CREATE TABLE %1$s (LIKE %2$s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES '
                'EXCLUDING STATISTICS) '
                'PARTITION BY %3$s; ALTER TABLE %1$s DROP CONSTRAINT %4$I; ALTER TABLE %1$s OWNER TO %5$I',
                lifecycle._attach_new_name(target), target, lifecycle._partition_by(levels[1:1]), v_check, v_owner),
            format('DROP TABLE %s', lifecycle._attach_new_name(target)))
        || v_off || lifecycle._attach_swap(target, v_old_name, levels, v_bounds,
            _plan_attach_existing.time_zone, v_check)
        || v_on || CASE WHEN cardinality(levels) = 1 THEN (
            SELECT lifecycle._step(p.action, p.object, p.statement, p.inverse, 4)
            FROM lifecycle._policy_step(target::text, to_jsonb(levels), 6, NULL, _plan_attach_existing.time_zone, NULL,
                NULL) AS p) END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_attach_existing(regclass, jsonb[], name, text, boolean) IS
'The plan of a conversion that makes the old table the first partition. Stage 1 adds the bounds, 2 builds unique indexes
with the keys (top level), 3 validates the bounds, 4 swaps.';
