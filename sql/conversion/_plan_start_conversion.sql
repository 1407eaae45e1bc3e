-- The rows of a table are told apart by its primary key, or else by a unique index on NOT NULL columns.
CREATE FUNCTION lifecycle._row_key(source regclass, OUT key_columns name[], OUT index_oid oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(SELECT a.attname FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS n (number, place)
            JOIN pg_attribute AS a ON a.attrelid = source AND a.attnum = n.number ORDER BY n.place), i.indexrelid
    FROM pg_index AS i
    WHERE i.indrelid = source AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        AND i.indexprs IS NULL
        AND NOT EXISTS (SELECT FROM unnest(i.indkey[:i.indnkeyatts - 1]) AS n (number)
            JOIN pg_attribute AS a ON a.attrelid = source AND a.attnum = n.number WHERE NOT a.attnotnull)
    ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._row_key(regclass) IS 'The columns that tell the rows of a table apart, and their index.';

CREATE FUNCTION lifecycle._is_leaf_key(index_oid oid, levels jsonb[], key_mode text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT key_mode = 'leaf' AND CASE WHEN i.indisexclusion
        THEN current_setting('server_version_num')::integer < 170000 OR lifecycle._missing_keys(i.indrelid, ARRAY(
            SELECT n.number FROM pg_constraint AS k CROSS JOIN LATERAL unnest(k.conkey, k.conexclop) AS n (number,
                operator)
            JOIN pg_operator AS o ON o.oid = n.operator AND o.oprname = '='
            WHERE k.conindid = i.indexrelid AND k.contype = 'x'), levels) <> '{}'
        ELSE i.indisunique AND lifecycle._missing_keys(i.indrelid, i.indkey[:i.indnkeyatts - 1]::smallint[], levels)
            <> '{}' END
    FROM pg_index AS i WHERE i.indexrelid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._is_leaf_key(oid, jsonb[], text) IS
'Whether a unique index or exclusion constraint becomes one of each partition for itself.';

-- What this way of converting leaves to the caller, each with the statement to run first.
CREATE FUNCTION lifecycle._unsupported_conversion(target regclass, levels jsonb[], key_mode text)
RETURNS TABLE (object text, finding text, detail text, remedy text) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'index ' || i.indexrelid::regclass, 'is the replica identity and would be a key of each partition',
        'Partitions made later would not have it as their replica identity.',
        format('ALTER TABLE %s REPLICA IDENTITY FULL', target)
    FROM pg_index AS i
    WHERE i.indrelid = target AND i.indisreplident AND lifecycle._is_leaf_key(i.indexrelid, levels, key_mode)
    UNION ALL
    SELECT format('table constraint %I on %s', k.conname, target), 'is a foreign key that was never validated',
        'Each partition could have it, but before PostgreSQL 18 the partitioned table cannot, nor new partitions.',
        format('ALTER TABLE %s VALIDATE CONSTRAINT %I', target, k.conname)
    FROM pg_constraint AS k
    WHERE k.contype = 'f' AND NOT k.convalidated AND k.conrelid = target
    UNION ALL
    SELECT format('publication %I', p.pubname), 'chooses rows or columns of the table',
        'Of a partitioned table that takes publish_via_partition_root.',
        format('ALTER PUBLICATION %I SET (publish_via_partition_root = true)', p.pubname)
    FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
    WHERE r.prrelid = target AND NOT p.pubviaroot AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)
    UNION ALL
    SELECT format('migration %s', m.migration_id), format('%s stands on the table', m.feature),
        'It would stay with the old table. Roll it back, and make it again after the swap.',
        format('SELECT * FROM lifecycle.rollback_migration(%s, dry_run => false)', m.migration_id)
    FROM lifecycle.migration AS m
    WHERE m.target_oid = _unsupported_conversion.target::oid AND m.origin = lifecycle._origin()
        AND m.state <> 'rolled_back'
        AND m.feature NOT IN ('capture', 'soft_delete')
        AND NOT EXISTS (SELECT FROM lifecycle.migration_step AS s WHERE s.migration_id = m.migration_id
            AND s.action = 'register conversion')
$fn$;
COMMENT ON FUNCTION lifecycle._unsupported_conversion(regclass, jsonb[], text) IS
'What start_conversion refuses although PostgreSQL could do it, and what to run first.';

CREATE FUNCTION lifecycle._require_convertible(
    target regclass, levels jsonb[], key_mode text, foreign_key_mode text
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_reasons text;
BEGIN
    SELECT string_agg(format('%s: %s%s', f.object, f.finding, ' (' || coalesce(f.remedy, f.detail) || ')'), E'\n')
    INTO v_reasons
    FROM lifecycle.pre_migration_check(target, to_jsonb(levels), key_mode, foreign_key_mode) AS f
    WHERE f.severity = 'error';
    IF v_reasons IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s cannot be converted', target),
            DETAIL = v_reasons,
            HINT = format('SELECT * FROM lifecycle.pre_migration_check(%L, ...) names what to do.', target);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_convertible(regclass, jsonb[], text, text) IS
'Raises 0A000 with every reason why a table cannot be converted.';

-- Until the swap the new indexes have names that nobody else has.
CREATE FUNCTION lifecycle._new_index_name(index_oid oid) RETURNS name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._name(ARRAY[c.relname::text], 'partitioned') FROM pg_class AS c WHERE c.oid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._new_index_name(oid) IS
'What the counterpart of an index is called before the swap, and again after a rollback.';

CREATE FUNCTION lifecycle._index_statement(
    index_oid oid, relation text, index_name name, levels jsonb[], stage integer DEFAULT 1
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- A unique index that lacks partition keys is widened by them; anything else is made as it stands.
    SELECT CASE
        WHEN k.contype IN ('p', 'u') THEN lifecycle._step('add constraint',
            format('table constraint %I on %s', index_name, relation),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', relation, index_name, lifecycle._key_body(k.oid, m.missing)),
            NULL, stage, note => CASE WHEN m.missing <> '{}'
                THEN 'unique only together with ' || lifecycle._column_list(m.missing) END)
        WHEN k.contype = 'x' THEN lifecycle._step('add constraint',
            format('table constraint %I on %s', index_name, relation),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', relation, index_name, pg_get_constraintdef(k.oid)),
            NULL, stage)
        WHEN m.missing <> '{}' THEN lifecycle._step('create index',
            format('index %s.%I', c.relnamespace::regnamespace, index_name),
            format('CREATE UNIQUE INDEX %I ON %s USING %s', index_name, relation,
                lifecycle._index_body(index_oid, m.missing)), NULL, stage,
            note => 'unique only together with ' || lifecycle._column_list(m.missing))
        ELSE lifecycle._step('create index', format('index %s.%I', c.relnamespace::regnamespace, index_name),
            lifecycle._ddl_index_beside(index_oid, index_name, relation), NULL, stage)
    END
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint AS k
        ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
    CROSS JOIN LATERAL (SELECT CASE WHEN i.indisunique AND NOT i.indisexclusion THEN lifecycle._missing_keys(i.indrelid,
        i.indkey[:i.indnkeyatts - 1]::smallint[], levels) ELSE '{}' END AS missing) AS m
    WHERE i.indexrelid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._index_statement(oid, text, name, jsonb[], integer) IS
'The step that makes the counterpart of an index or unique constraint on the new table or one of its partitions.';

CREATE FUNCTION lifecycle._conversion_row_step(
    source regclass, partitioned text, old_name name, levels jsonb[], options jsonb, key_columns name[], root_key name[]
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('register conversion', 'conversion of ' || source,
        format('INSERT INTO lifecycle.conversion (source, source_oid, partitioned, partitioned_oid, old_name, levels, '
            || 'options, key_columns, root_key, queue, rows_total, fingerprint) VALUES (%L, %L::pg_catalog.regclass, '
            || '%L, %L::pg_catalog.regclass, %L, %L, %L, %L, %L, lifecycle._capture_queue(%2$L, ''conversion'')'
            || '::pg_catalog.text, %10$s, lifecycle._conversion_fingerprint(%2$L, %4$L))', source, source, partitioned,
            partitioned, old_name, to_jsonb(levels), options, key_columns, root_key, greatest(c.reltuples, 0)::bigint),
        format('UPDATE lifecycle.conversion SET phase = ''rolled_back'', ended_at = pg_catalog.clock_timestamp() '
            || 'WHERE source OPERATOR(pg_catalog.=) %L AND ended_at IS NULL', source))
    FROM pg_class AS c WHERE c.oid = source
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_row_step(regclass, text, name, jsonb[], jsonb, name[], name[]) IS
'The step that writes down a conversion.';

CREATE FUNCTION lifecycle._plan_start_conversion(
    source regclass, levels jsonb[], new_name name, old_name name, options jsonb, census jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_class constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = source);
    v_root constant text := format('%s.%I', v_class.relnamespace::regnamespace, new_name);
    v_key constant record := lifecycle._row_key(source);
    v_level_columns constant name[] := ARRAY(SELECT DISTINCT (l ->> 'column')::name FROM unnest(levels) AS l);
    v_root_key name[];
BEGIN
    IF to_regclass(v_root) IS NOT NULL
        OR to_regclass(format('%s.%I', v_class.relnamespace::regnamespace, old_name)) IS NOT NULL
    THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_table',
            MESSAGE = format('%s or %s.%I exists already', v_root, v_class.relnamespace::regnamespace, old_name),
            HINT = 'Choose another new_name or old_name.';
    END IF;
    v_root_key := v_key.key_columns || CASE WHEN options ->> 'key_mode' = 'leaf' THEN '{}' ELSE
        lifecycle._missing_keys(source, (SELECT i.indkey[:i.indnkeyatts - 1]::smallint[] FROM pg_index AS i
            WHERE i.indexrelid = v_key.index_oid), levels) END;
    RETURN lifecycle._data_schema_steps()
        || lifecycle._step('create table', 'table ' || v_root,
            format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS) '
                'PARTITION BY %s', v_root, source, lifecycle._partition_by(levels))
            || CASE WHEN pg_get_userbyid(v_class.relowner) <> current_user
                THEN format('; ALTER TABLE %s OWNER TO %I', v_root, pg_get_userbyid(v_class.relowner)) ELSE '' END
            -- As the key will have it, which is made when the rows are there.
            || coalesce((SELECT format('; ALTER TABLE %s ', v_root)
                    || string_agg(format('ALTER COLUMN %I SET NOT NULL', a.attname), ', ' ORDER BY a.attnum)
                FROM pg_attribute AS a WHERE a.attrelid = source AND a.attname = ANY (v_root_key)
                    AND NOT a.attnotnull), '')
            || lifecycle._ddl_acl('TABLE', v_root, NULL, v_class.relowner),
            format('DROP TABLE %s', v_root),
            note => format('about %s rows, %s', greatest(v_class.reltuples, 0)::bigint,
                pg_size_pretty(pg_total_relation_size(source))))
        || lifecycle._plan_capture(source, 'conversion', v_key.key_columns || ARRAY(
            SELECT c FROM unnest(v_level_columns) AS c WHERE c <> ALL (v_key.key_columns)), 'statement', true)
        || lifecycle._conversion_row_step(source, v_root, old_name, levels, options, v_key.key_columns, v_root_key)
        || CASE WHEN options ->> 'key_mode' = 'leaf' THEN lifecycle._step('forget leaf keys', 'leaf keys of ' || v_root,
            format('DELETE FROM lifecycle.partition_leaf_key WHERE parent OPERATOR(pg_catalog.=) %L', v_root),
            format('DELETE FROM lifecycle.partition_leaf_key WHERE parent OPERATOR(pg_catalog.=) %L', v_root),
            note => 'they are written down when they stand') END
        || lifecycle._policy_step(v_root, to_jsonb(levels), (options ->> 'premake')::integer, NULL,
            options ->> 'time_zone', NULL, NULL)
        || lifecycle._plan_leaves(source, v_root, NULL, v_class.relname, levels, census, options, '{}');
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_start_conversion(regclass, jsonb[], name, name, jsonb, jsonb) IS
'The plan of start_conversion: the new table and the capture, and in a second stage the partitions.';
