-- The first questions of a conversion: may this table be one, and how would its rows be told apart?
CREATE FUNCTION lifecycle._check_conversion_kind(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, 'table ' || target, f.finding, f.detail, f.remedy
    FROM pg_class AS c
    CROSS JOIN LATERAL (
        SELECT 'error', 'is partitioned already', NULL, NULL WHERE c.relkind = 'p'
        UNION ALL
        SELECT 'error', 'is no table', 'Only ordinary tables can be converted.', NULL WHERE c.relkind NOT IN ('r', 'p')
        UNION ALL
        SELECT 'error', 'is a system, extension or temporary relation', NULL, NULL
        WHERE c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
                'lifecycle'::regnamespace)
            OR c.relpersistence = 't'
            OR EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.deptype = 'e')
        UNION ALL
        SELECT 'error', 'is unlogged', 'A crash empties it without any trigger.',
            format('ALTER TABLE %s SET LOGGED', target)
        WHERE c.relpersistence = 'u'
        UNION ALL
        SELECT 'error', CASE WHEN c.relispartition THEN 'is a partition' ELSE 'is part of a table inheritance' END,
            CASE WHEN c.relispartition THEN 'lifecycle.split_partition divides a partition.' END, NULL
        WHERE EXISTS (SELECT FROM pg_inherits AS i
            WHERE i.inhrelid = c.oid OR i.inhparent = c.oid AND c.relkind <> 'p')
        UNION ALL
        SELECT 'error', 'is a typed table', 'A partitioned table of a type cannot have partitions like it.',
            format('ALTER TABLE %s NOT OF', target)
        WHERE c.reloftype <> 0
        UNION ALL
        SELECT 'error', 'belongs to another role', format('It belongs to %I, the caller is %I.',
            pg_get_userbyid(c.relowner), current_user), NULL
        WHERE NOT pg_has_role(current_user, c.relowner, 'USAGE')
        UNION ALL
        SELECT 'error', 'row security hides rows from the caller',
            'The copy would have only the rows that the policies show.',
            format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', target)
        WHERE c.relkind = 'r' AND row_security_active(c.oid)
        UNION ALL
        SELECT 'warning', 'was never analyzed', 'Rows and times are guessed.', format('ANALYZE %s', target)
        WHERE c.relkind = 'r' AND c.reltuples < 0
    ) AS f (severity, finding, detail, remedy)
    WHERE c.oid = target
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_kind(regclass) IS
'The findings of pre_migration_check about what kind of table it is, and whose.';

CREATE FUNCTION lifecycle._check_conversion_identity(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN k.definition IS NULL THEN 'error' ELSE 'ok' END, 'table ' || target,
        CASE WHEN k.definition IS NULL THEN 'has no key that tells its rows apart'
            ELSE 'its rows are told apart by ' || k.definition END,
        CASE WHEN k.definition IS NULL
            THEN 'It takes a primary key, or a unique index on NOT NULL columns, neither partial nor deferrable.' END,
        CASE WHEN k.definition IS NULL
            THEN format('ALTER TABLE %s ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY', target) END
    FROM (SELECT 1) AS one
    LEFT JOIN LATERAL (
        SELECT CASE WHEN i.indisprimary THEN 'the primary key' ELSE 'index ' || i.indexrelid::regclass END AS definition
        FROM pg_index AS i
        WHERE i.indrelid = target AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL
            AND NOT EXISTS (SELECT FROM unnest(i.indkey[:i.indnkeyatts - 1]) AS n (number)
                JOIN pg_attribute AS a ON a.attrelid = target AND a.attnum = n.number WHERE NOT a.attnotnull)
        ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1
    ) AS k ON true
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_identity(regclass) IS
'The finding of pre_migration_check about the key that rows are copied and compared by.';

-- The columns that become partition keys. Counting the NULLs reads the table; where none can be, nothing is read.
CREATE FUNCTION lifecycle._check_conversion_columns(target regclass, levels jsonb[], key_mode text)
RETURNS SETOF lifecycle.finding LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_level record;
    v_nulls bigint := 0;
    v_object text;
BEGIN
    FOR v_level IN
        SELECT DISTINCT ON (a.attnum) l.level ->> 'method' AS method, a.attname, a.attnotnull, a.attgenerated,
            a.atttypid::regtype AS type,
            EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = target AND i.indisprimary
                AND (key_mode <> 'leaf' OR a.attnum = ANY (i.indkey[:i.indnkeyatts - 1]))) AS in_key
        FROM unnest(levels) AS l (level)
        JOIN pg_attribute AS a ON a.attrelid = target AND a.attname = l.level ->> 'column'
            AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum, l.level ->> 'method' = 'range' DESC
    LOOP
        v_object := format('table column %s.%I', target, v_level.attname);
        IF v_level.attgenerated <> '' THEN
            RETURN NEXT ROW('error', v_object, 'is generated', 'A generated column cannot be a partition key.',
                NULL)::lifecycle.finding;
        END IF;
        IF v_level.method = 'range' AND (SELECT t.typtype = 'd' FROM pg_type AS t WHERE t.oid = v_level.type) THEN
            RETURN NEXT ROW('error', v_object, format('is of domain %s', v_level.type),
                'Ranges are reckoned for the type itself.', NULL)::lifecycle.finding;
        END IF;
        BEGIN
            EXECUTE format('SELECT v.x FROM (VALUES (NULL::%s)) AS v (x) %s', v_level.type,
                CASE v_level.method WHEN 'hash' THEN 'GROUP BY 1' ELSE 'ORDER BY 1' END);
        EXCEPTION WHEN undefined_function THEN
            RETURN NEXT ROW('error', v_object, format('type %s cannot be a partition key', v_level.type),
                'It has no order.', NULL)::lifecycle.finding;
        END;
        IF NOT v_level.attnotnull THEN
            EXECUTE format('SELECT count(*) FROM ONLY %s AS t WHERE t.%I IS NULL', target, v_level.attname)
            INTO v_nulls;
            RETURN NEXT ROW(
                CASE WHEN v_nulls > 0 AND (v_level.in_key OR v_level.method = 'range') THEN 'error'
                    WHEN v_level.in_key OR v_level.method = 'range' THEN 'warning' ELSE 'info' END,
                v_object, format('may be NULL: %s rows are', v_nulls),
                CASE WHEN v_level.in_key THEN 'It becomes part of the primary key, and so NOT NULL.'
                    WHEN v_level.method = 'range' THEN 'No range holds NULL.'
                    ELSE 'NULL gets a partition of its own.' END
                || CASE WHEN v_nulls > 0 AND (v_level.in_key OR v_level.method = 'range')
                    THEN format(' Give these rows a value of %I, or delete them.', v_level.attname) ELSE '' END,
                -- Which value, nobody else can tell.
                CASE WHEN v_nulls = 0 AND (v_level.in_key OR v_level.method = 'range')
                    THEN format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', target, v_level.attname) END
            )::lifecycle.finding;
        END IF;
    END LOOP;
    RETURN NEXT ROW('info', 'table ' || target, 'an UPDATE of a partition key moves the row',
        'A concurrent UPDATE or DELETE of that row then gets 40001 and must be tried again.', NULL)::lifecycle.finding;
END
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_columns(regclass, jsonb[], text) IS
'The findings of pre_migration_check about the columns that become partition keys.';
