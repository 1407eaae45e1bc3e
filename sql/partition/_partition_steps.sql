-- LIKE and ATTACH bring columns, defaults, constraints, indexes, foreign keys and row triggers. What follows is what
-- they leave out. Rights and row security are the parent's, so that nobody reads in a partition what the parent keeps
-- from him; storage is that of the newest sibling, since a partitioned table has none.
CREATE FUNCTION lifecycle._storage_clauses(parent regclass, sibling oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce((
            SELECT ' WITH (' || string_agg(format('%s%I = %L', o.prefix, o.option_name, o.option_value), ', '
                ORDER BY o.prefix, o.option_name) || ')'
            FROM (
                SELECT '' AS prefix, r.* FROM pg_options_to_table(s.reloptions) AS r
                UNION ALL
                SELECT 'toast.', r.* FROM pg_class AS t, pg_options_to_table(t.reloptions) AS r
                WHERE t.oid = s.reltoastrelid
            ) AS o
        ), '')
        || coalesce((
            SELECT format(' TABLESPACE %I', x.spcname) FROM pg_tablespace AS x
            WHERE x.oid = coalesce(nullif(p.reltablespace, 0), nullif(s.reltablespace, 0))
        ), '')
    FROM pg_class AS p LEFT JOIN pg_class AS s ON s.oid = sibling
    WHERE p.oid = parent
$fn$;
COMMENT ON FUNCTION lifecycle._storage_clauses(regclass, oid) IS
'WITH and TABLESPACE of a new partition: as the newest sibling has them, the tablespace rather as the parent has it.';

-- Default privileges of whoever creates the partition could open it to roles that the parent does not know.
CREATE FUNCTION lifecycle._partition_grants(parent regclass, partition text) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH given AS (
        SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
            ', ') AS roles
        FROM pg_default_acl AS d CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
        WHERE d.defaclobjtype = 'r' AND d.defaclrole = to_regrole(quote_ident(current_user))
    ), column_grants AS (
        SELECT coalesce(string_agg(format('; GRANT %s (%I) ON TABLE %s TO %s%s', x.privilege_type, a.attname, partition,
            CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
            CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), ''
            ORDER BY a.attnum, x.grantee, x.privilege_type), '') AS statements
        FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS x
        WHERE a.attrelid = parent AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT CASE WHEN c.relacl IS NULL AND g.roles IS NULL AND k.statements = '' THEN '{}' ELSE ARRAY[lifecycle._step(
        'grant', 'privileges on ' || partition, ltrim(
            coalesce(format('REVOKE ALL ON TABLE %s FROM ', partition) || g.roles, '')
            || lifecycle._ddl_acl('TABLE', partition, coalesce(c.relacl, acldefault('r', c.relowner)), c.relowner)
            || k.statements, '; '),
        note => 'as the parent grants them'
    )] END
    FROM pg_class AS c, given AS g, column_grants AS k
    WHERE c.oid = parent
$fn$;
COMMENT ON FUNCTION lifecycle._partition_grants(regclass, text) IS
'The step that gives a new partition the privileges of its parent and no others.';

-- The name of the partition's index is known only when it stands, so the statement looks it up.
CREATE FUNCTION lifecycle._partition_replica_identity(parent regclass, sibling oid, partition text)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN n.identity = 'f' THEN ARRAY[lifecycle._step('set replica identity', 'table ' || partition,
            format('ALTER TABLE %s REPLICA IDENTITY FULL', partition))]
        WHEN n.identity = 'n' THEN ARRAY[lifecycle._step('set replica identity', 'table ' || partition,
            format('ALTER TABLE %s REPLICA IDENTITY NOTHING', partition))]
        WHEN n.identity = 'i' AND x.parent_index IS NOT NULL THEN ARRAY[lifecycle._step('set replica identity',
            'table ' || partition, format('DO %L', format(
                'BEGIN EXECUTE (SELECT pg_catalog.format(%L, c.relname) FROM pg_catalog.pg_index AS x '
                || 'JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) x.indexrelid '
                || 'CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(c.oid) AS a (relid) '
                || 'WHERE a.relid OPERATOR(pg_catalog.=) %L::pg_catalog.regclass '
                || 'AND x.indrelid OPERATOR(pg_catalog.=) %L::pg_catalog.regclass); END',
                format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %%I', replace(partition, '%', '%%')),
                x.parent_index, partition)))]
        ELSE '{}'
    END
    FROM pg_class AS p
    LEFT JOIN pg_class AS s ON s.oid = sibling
    CROSS JOIN LATERAL (SELECT coalesce(nullif(p.relreplident, 'd'), s.relreplident) AS identity) AS n
    CROSS JOIN LATERAL (
        SELECT coalesce(
            (SELECT i.indexrelid FROM pg_index AS i WHERE i.indrelid = p.oid AND i.indisreplident),
            (SELECT h.inhparent FROM pg_index AS i JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid
             WHERE i.indrelid = s.oid AND i.indisreplident)
        )::regclass AS parent_index
    ) AS x
    WHERE p.oid = parent
$fn$;
COMMENT ON FUNCTION lifecycle._partition_replica_identity(regclass, oid, text) IS
'The step that sets the replica identity of a new partition as the parent, or else the newest sibling, has it.';

-- Statistics targets, which LIKE leaves out: those of the parent, where it says nothing those of the newest sibling.
CREATE FUNCTION lifecycle._partition_statistics(model regclass, sibling oid, partition text)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN count(*) = 0 THEN '{}' ELSE ARRAY[lifecycle._step('set statistics target', 'table ' || partition,
        format('ALTER TABLE %s %s', partition,
            string_agg(format('ALTER COLUMN %I SET STATISTICS %s', a.attname, t.wanted), ', ' ORDER BY a.attnum)))] END
    FROM pg_attribute AS a
    LEFT JOIN pg_attribute AS s ON s.attrelid = sibling AND s.attname = a.attname
    -- Not set is -1 before PostgreSQL 17, and NULL from there on.
    CROSS JOIN LATERAL (SELECT coalesce(nullif(a.attstattarget, -1), s.attstattarget) AS wanted) AS t
    WHERE a.attrelid = model AND a.attnum > 0 AND NOT a.attisdropped AND t.wanted >= 0
$fn$;
COMMENT ON FUNCTION lifecycle._partition_statistics(regclass, oid, text) IS
'The step that gives the columns of a new partition their statistics targets.';

-- What is published at the parent or above comes by itself.
CREATE FUNCTION lifecycle._partition_publications(sibling oid, partition text) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(lifecycle._step('publish', 'publication ' || quote_ident(p.pubname),
        lifecycle._publish(r.oid, partition),
        format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, partition), note => 'as the newest sibling is')
        ORDER BY p.pubname), '{}')
    FROM pg_publication_rel AS r
    JOIN pg_publication AS p ON p.oid = r.prpubid AND pg_has_role(current_user, p.pubowner, 'USAGE')
    WHERE r.prrelid = sibling AND (SELECT c.relkind FROM pg_class AS c WHERE c.oid = r.prrelid) = 'r'
$fn$;
COMMENT ON FUNCTION lifecycle._partition_publications(oid, text) IS
'The steps that publish a new partition where its newest sibling is published by itself.';

-- The parent may itself be made in the same plan; then its nearest ancestor that stands is the model.
CREATE FUNCTION lifecycle._partition_steps(
    model regclass,
    sibling oid,
    partition text,
    bounds text,
    note text,
    parent text DEFAULT NULL,
    partition_by text DEFAULT NULL,
    is_captured boolean DEFAULT true
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_model constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = model);
    v_sibling constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = _partition_steps.sibling);
    v_parent constant text := coalesce(parent, model::text);
    v_object constant text := 'table ' || partition;
    v_comment constant text := obj_description(model, 'pg_class');
    v_plan lifecycle.plan_step[];
BEGIN
    v_plan := ARRAY[lifecycle._step('create partition', v_object,
        format('CREATE%s TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS)%s%s',
            CASE WHEN partition_by IS NULL AND v_sibling.relpersistence = 'u' THEN ' UNLOGGED' ELSE '' END, partition,
            v_parent, ' PARTITION BY ' || partition_by,
            -- A partitioned table has no storage.
            lifecycle._storage_clauses(model, CASE WHEN partition_by IS NULL THEN _partition_steps.sibling END)),
        format('DROP TABLE %s', partition), note => _partition_steps.note)];
    IF pg_get_userbyid(v_model.relowner) <> current_user THEN
        v_plan := v_plan || lifecycle._step('set owner', v_object,
            format('ALTER TABLE %s OWNER TO %I', partition, pg_get_userbyid(v_model.relowner)));
    END IF;
    v_plan := v_plan || lifecycle._partition_grants(model, partition);
    IF v_model.relrowsecurity OR v_sibling.relrowsecurity THEN
        v_plan := v_plan || lifecycle._step('enable row security', v_object,
            format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY%s', partition,
                CASE WHEN v_model.relforcerowsecurity OR v_sibling.relforcerowsecurity
                    THEN ', FORCE ROW LEVEL SECURITY' ELSE '' END));
    END IF;
    v_plan := v_plan || ARRAY(
        SELECT lifecycle._copy_policy(p.oid, partition) FROM pg_policy AS p WHERE p.polrelid = model ORDER BY p.polname
    );
    IF v_comment IS NOT NULL
        AND (v_sibling IS NULL OR obj_description(_partition_steps.sibling, 'pg_class') = v_comment)
    THEN
        v_plan := v_plan || lifecycle._step('set comment', v_object,
            format('COMMENT ON TABLE %s IS %L', partition, v_comment));
    END IF;
    RETURN v_plan || lifecycle._partition_statistics(model, _partition_steps.sibling, partition)
        || CASE WHEN partition_by IS NULL THEN lifecycle._leaf_key_steps(model, partition) END
        || lifecycle._step('attach partition', v_object,
            format('ALTER TABLE %s ATTACH PARTITION %s %s', v_parent, partition, bounds),
            format('ALTER TABLE %s DETACH PARTITION %s', v_parent, partition))
        || lifecycle._partition_replica_identity(model, _partition_steps.sibling, partition)
        || CASE WHEN partition_by IS NULL
            THEN lifecycle._partition_publications(_partition_steps.sibling, partition) END
        -- No write can come between ATTACH and the triggers: they are of one transaction.
        || CASE WHEN is_captured THEN lifecycle._capture_partition_steps(model, partition) END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._partition_steps(regclass, oid, text, text, text, text, text, boolean) IS
'The steps that make a partition like a model, its parent or what stands above it, and attach it.';
