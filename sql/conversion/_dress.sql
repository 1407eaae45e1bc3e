-- What the table wears and neither LIKE nor an index brings: rights, policies, comments, replica identity, statistics.
CREATE FUNCTION lifecycle._dress_relation(source regclass, relation regclass, is_root boolean)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._partition_grants(source, relation::text)
        || CASE WHEN c.relrowsecurity THEN ARRAY[lifecycle._step('enable row security', 'table ' || relation,
            format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY%s', relation,
                CASE WHEN c.relforcerowsecurity THEN ', FORCE ROW LEVEL SECURITY' ELSE '' END))] ELSE '{}' END
        || ARRAY(SELECT lifecycle._copy_policy(p.oid, relation::text) FROM pg_policy AS p
            WHERE p.polrelid = source AND NOT EXISTS (SELECT FROM pg_policy AS o
                WHERE o.polrelid = relation AND o.polname = p.polname) ORDER BY p.polname)
        || CASE WHEN is_root AND obj_description(source, 'pg_class') IS NOT NULL THEN ARRAY[lifecycle._step(
            'set comment', 'table ' || relation, format('COMMENT ON TABLE %s IS %L', relation,
                obj_description(source, 'pg_class')))] ELSE '{}' END
        || CASE WHEN c.relreplident IN ('f', 'n') THEN ARRAY[lifecycle._replica_identity_step(relation,
            CASE c.relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)]
            WHEN c.relreplident = 'i' THEN ARRAY(SELECT lifecycle._replica_identity_step(relation, 'USING INDEX '
                    || quote_ident(n.relname))
                FROM pg_index AS i
                JOIN pg_index AS x ON x.indrelid = relation
                JOIN pg_class AS n ON n.oid = x.indexrelid
                CROSS JOIN LATERAL (SELECT o.relname FROM pg_partition_ancestors(n.oid) AS a (relid)
                    JOIN pg_class AS o ON o.oid = a.relid UNION SELECT n.relname) AS h
                WHERE i.indrelid = source AND i.indisreplident
                    AND h.relname = lifecycle._new_index_name(i.indexrelid)) ELSE '{}' END
        || ARRAY(SELECT lifecycle._step('set statistics', format('column %s.%I', relation, a.attname),
                format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', relation, a.attname, a.attstattarget))
            FROM pg_attribute AS a WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attstattarget >= 0)
        || ARRAY(SELECT lifecycle._step('set column options', format('column %s.%I', relation, a.attname),
                format('ALTER TABLE ONLY %s ALTER COLUMN %I SET (%s)', relation, a.attname,
                    array_to_string(a.attoptions, ', ')))
            FROM pg_attribute AS a WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attoptions IS NOT NULL)
    FROM pg_class AS c WHERE c.oid = source
$fn$;
COMMENT ON FUNCTION lifecycle._dress_relation(regclass, regclass, boolean) IS
'The steps that give a table of the new tree what the old table wears.';

CREATE FUNCTION lifecycle._dress_root(source regclass, partitioned regclass) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('create statistics', 'statistics object ' || quote_ident(s.stxname),
            format('CREATE STATISTICS %s.%I%s', s.stxnamespace::regnamespace,
                lifecycle._name(ARRAY[s.stxname::text], 'partitioned'),
                left(substr(d.definition, length(format('CREATE STATISTICS %s.%I', s.stxnamespace::regnamespace,
                    s.stxname)) + 1), -length(source::text)) || partitioned)
            || CASE WHEN obj_description(s.oid, 'pg_statistic_ext') IS NULL THEN '' ELSE format(
                '; COMMENT ON STATISTICS %s.%I IS %L', s.stxnamespace::regnamespace,
                lifecycle._name(ARRAY[s.stxname::text], 'partitioned'),
                obj_description(s.oid, 'pg_statistic_ext')) END
            || CASE WHEN s.stxstattarget >= 0 THEN format('; ALTER STATISTICS %s.%I SET STATISTICS %s',
                s.stxnamespace::regnamespace, lifecycle._name(ARRAY[s.stxname::text], 'partitioned'),
                s.stxstattarget) ELSE '' END)
        FROM pg_statistic_ext AS s
        CROSS JOIN LATERAL (SELECT pg_get_statisticsobjdef(s.oid) AS definition) AS d
        WHERE s.stxrelid = source AND NOT EXISTS (SELECT FROM pg_statistic_ext AS o WHERE o.stxrelid = partitioned
            AND o.stxname = lifecycle._name(ARRAY[s.stxname::text], 'partitioned'))
    ) || ARRAY(
        SELECT lifecycle._step('set comment', 'index ' || x.indexrelid::regclass,
            format('COMMENT ON INDEX %s IS %L', x.indexrelid::regclass, obj_description(i.indexrelid, 'pg_class')))
        FROM pg_index AS i
        JOIN pg_index AS x ON x.indrelid = partitioned
        JOIN pg_class AS n ON n.oid = x.indexrelid AND n.relname = lifecycle._new_index_name(i.indexrelid)
        WHERE i.indrelid = source AND obj_description(i.indexrelid, 'pg_class') IS NOT NULL
    ) || ARRAY(
        SELECT lifecycle._step('set comment', format('policy %I on %s', p.polname, partitioned),
            format('COMMENT ON POLICY %I ON %s IS %L', p.polname, partitioned, obj_description(p.oid, 'pg_policy')))
        FROM pg_policy AS p
        WHERE p.polrelid = source AND obj_description(p.oid, 'pg_policy') IS NOT NULL
    ) || ARRAY(
        SELECT lifecycle._step('set comment', format('constraint %I on %s', k.conname, partitioned),
            format('COMMENT ON CONSTRAINT %I ON %s IS %L', n.relname, partitioned,
                obj_description(k.oid, 'pg_constraint')))
        FROM pg_constraint AS k
        JOIN pg_index AS x ON x.indrelid = partitioned
        JOIN pg_class AS n ON n.oid = x.indexrelid AND n.relname = lifecycle._new_index_name(k.conindid)
        WHERE k.conrelid = source AND k.contype IN ('p', 'u', 'x')
            AND obj_description(k.oid, 'pg_constraint') IS NOT NULL
    )
$fn$;
COMMENT ON FUNCTION lifecycle._dress_root(regclass, regclass) IS
'The steps that give the new table extended statistics and comments on indexes and constraints.';

CREATE FUNCTION lifecycle._dress(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_path constant text := (conversion.conversion).options ->> 'search_path';
BEGIN
    PERFORM lifecycle._run_steps(lifecycle._dress_relation(conversion.source, m.relation,
        m.relation = conversion.partitioned), v_path)
    FROM unnest(conversion.partitioned::oid || lifecycle._partitions(conversion.partitioned)) AS m (relation);
    PERFORM lifecycle._run_steps(lifecycle._dress_root(conversion.source, conversion.partitioned), v_path);
    -- Without statistics the first queries after the swap would be the slow ones.
    EXECUTE format('ANALYZE %s', conversion.partitioned);
    UPDATE lifecycle.conversion AS c SET phase = 'ready'
    WHERE c.conversion_id = (conversion.conversion).conversion_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle._dress(lifecycle.located_conversion) IS
'Gives the new tree what the old table wears, and statistics.';
