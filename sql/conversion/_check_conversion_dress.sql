-- What a table wears: constraints, triggers, rights, replication, storage. Most of it is kept; a partitioned table
-- cannot have all of it.
CREATE FUNCTION lifecycle._check_conversion_constraints(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, format('table constraint %I on %s', k.conname, target), f.finding, f.detail, f.remedy
    FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid
    CROSS JOIN LATERAL (
        SELECT 'error', 'NO INHERIT', 'A partitioned table cannot have such a constraint.', NULL
        WHERE k.contype IN ('c', 'n') AND k.connoinherit
        UNION ALL
        SELECT 'error', 'speaks of the whole row', 'It is bound to the row type of this table.', NULL
        WHERE k.contype = 'c' AND position(quote_ident(c.relname) || '.*' IN pg_get_constraintdef(k.oid)) > 0
        UNION ALL
        SELECT CASE WHEN k.contype = 'f' THEN 'warning' ELSE 'error' END, 'was never validated',
            'Rows that break it cannot be copied.',
            format('ALTER TABLE %s VALIDATE CONSTRAINT %I', target, k.conname)
        -- What is not enforced is never validated either.
        WHERE NOT k.convalidated AND coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
        UNION ALL
        SELECT 'ok', 'is kept', pg_get_constraintdef(k.oid), NULL
        WHERE k.contype = 'f' AND k.convalidated AND k.confrelid <> target
    ) AS f (severity, finding, detail, remedy)
    WHERE k.conrelid = target AND k.contype IN ('c', 'f', 'n') AND k.conparentid = 0
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_constraints(regclass) IS
'The findings of pre_migration_check about check constraints, NOT NULL and foreign keys of the table.';

CREATE FUNCTION lifecycle._check_conversion_triggers(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, format('trigger %I on %s', t.tgname, target), f.finding, f.detail, NULL
    FROM pg_trigger AS t
    JOIN pg_proc AS p ON p.oid = t.tgfoid
    CROSS JOIN LATERAL (SELECT
        t.tgtype & 1 > 0 AS for_row, t.tgtype & 2 > 0 AS before, t.tgtype & 20 > 0 AS writes,
        -- Ours change no key, and know their table.
        p.pronamespace = to_regnamespace('lifecycle_data') AS is_ours) AS x
    CROSS JOIN LATERAL (
        SELECT 'error', 'is a row trigger with transition tables', 'A partitioned table cannot have one.'
        WHERE x.for_row AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL)
        UNION ALL
        SELECT 'warning', 'may not change a partition key',
            'A BEFORE ROW trigger that would move the row to another partition is refused by PostgreSQL.'
        WHERE x.for_row AND x.before AND x.writes AND x.is_ours IS NOT TRUE
        UNION ALL
        SELECT 'warning', 'will see the names of partitions', format('%s asks for the table it fires on.',
            t.tgfoid::regprocedure)
        WHERE x.for_row AND x.is_ours IS NOT TRUE AND p.prosrc ~* '\mtg_(relid|relname|table_name)\M'
        UNION ALL
        SELECT 'ok', 'is kept', NULL
    ) AS f (severity, finding, detail)
    WHERE t.tgrelid = target AND NOT t.tgisinternal
    UNION ALL
    SELECT 'ok', 'capture ' || c.queue_name, format('consumer %I goes on with the new table', c.consumer), NULL, NULL
    FROM lifecycle._captures(target) AS c
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_triggers(regclass) IS
'The findings of pre_migration_check about the table''s own triggers.';

CREATE FUNCTION lifecycle._check_conversion_replication(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN p.pubviaroot THEN 'ok' ELSE 'warning' END, format('publication %I', p.pubname),
        CASE WHEN p.pubviaroot THEN 'is kept' ELSE 'will publish the names of partitions' END,
        CASE WHEN NOT p.pubviaroot THEN 'Subscribers need tables of those names, or the setting beside.' END,
        CASE WHEN NOT p.pubviaroot
            THEN format('ALTER PUBLICATION %I SET (publish_via_partition_root = true)', p.pubname) END
    FROM pg_publication AS p
    WHERE p.puballtables OR EXISTS (SELECT FROM pg_publication_rel AS r WHERE r.prpubid = p.oid AND r.prrelid = target)
        OR EXISTS (SELECT FROM pg_publication_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.pnnspid
            WHERE n.pnpubid = p.oid AND c.oid = target)
    UNION ALL
    SELECT 'warning', format('publication %I', p.pubname), 'publishes the new table while it is filled',
        'It covers whole schemas. A subscriber without that table stops with an error.', NULL
    FROM pg_publication AS p
    WHERE p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace AS n
        JOIN pg_class AS c ON c.relnamespace = n.pnnspid WHERE n.pnpubid = p.oid AND c.oid = target)
    UNION ALL
    SELECT 'error', format('publication %I', p.pubname), 'belongs to another role',
        format('It belongs to %I.', pg_get_userbyid(p.pubowner)), NULL
    FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid AND r.prrelid = target
    WHERE NOT pg_has_role(current_user, p.pubowner, 'USAGE')
    UNION ALL
    SELECT 'error', format('subscription %s', s.srsubid), 'writes to the table',
        'A subscription is bound to the table by its oid, and its worker fires only triggers that are ENABLE ALWAYS.',
        NULL
    FROM pg_subscription_rel AS s WHERE s.srrelid = target
    UNION ALL
    SELECT 'ok', 'table ' || target, 'replica identity is kept on each partition',
        CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'USING INDEX' END,
        NULL
    FROM pg_class AS c WHERE c.oid = target AND c.relreplident <> 'd'
    UNION ALL
    SELECT 'info', 'replication slot ' || s.slot_name, 'is not being read',
        'It keeps the WAL of the copy until it is: '
        || pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)) || ' now.', NULL
    FROM pg_replication_slots AS s WHERE NOT s.active AND NOT pg_is_in_recovery()
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_replication(regclass) IS
'The findings of pre_migration_check about publications, subscriptions, replica identity and replication slots.';

CREATE FUNCTION lifecycle._check_conversion_storage(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, 'table ' || target, f.finding, f.detail, f.remedy
    FROM pg_class AS c
    CROSS JOIN LATERAL (
        SELECT 'ok', 'storage options go to each partition', array_to_string(c.reloptions, ', '), NULL
        WHERE c.reloptions IS NOT NULL
        UNION ALL
        SELECT 'ok', 'partitions go to its tablespace', s.spcname::text, NULL
        FROM pg_tablespace AS s WHERE s.oid = c.reltablespace
        UNION ALL
        SELECT 'warning', 'its order by CLUSTER is not kept', format('index %s', i.indexrelid::regclass), NULL
        FROM pg_index AS i WHERE i.indrelid = target AND i.indisclustered
        UNION ALL
        SELECT 'warning', 'a security label is not kept', format('%s: %s', l.provider, l.label), NULL
        FROM pg_seclabel AS l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = target
        UNION ALL
        SELECT 'info', 'takes as much space again while both tables stand', format(
            '%s of table and indexes, about as much WAL, and the queue of changed keys. '
            'PostgreSQL cannot tell how much is free.', pg_size_pretty(pg_total_relation_size(target))), NULL
        UNION ALL
        SELECT 'info', 'expected time of the copy', format('about %s rows, between %s and %s', c.reltuples::bigint,
            make_interval(secs => ceil(c.reltuples / 100000)), make_interval(secs => ceil(c.reltuples / 25000))), NULL
        WHERE c.reltuples >= 0
    ) AS f (severity, finding, detail, remedy)
    WHERE c.oid = target
    UNION ALL
    SELECT 'ok', 'statistics object ' || s.stxnamespace::regnamespace || '.' || quote_ident(s.stxname), 'is kept',
        NULL, NULL
    FROM pg_statistic_ext AS s WHERE s.stxrelid = target
    UNION ALL
    SELECT 'ok', 'sequence ' || d.objid::regclass, CASE d.deptype WHEN 'i'
            THEN 'the identity goes on from its value in the new table' ELSE 'will be owned by the new table' END,
        NULL, NULL
    FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target
        AND d.deptype IN ('a', 'i')
    UNION ALL
    SELECT 'ok', format('policy %I on %s', p.polname, target), 'is kept', NULL, NULL
    FROM pg_policy AS p WHERE p.polrelid = target
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_storage(regclass) IS
'The findings of pre_migration_check about storage, space and time, statistics, sequences and policies.';

CREATE FUNCTION lifecycle._check_conversion_bindings(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH moving AS (
        SELECT target::oid AS relation
        UNION ALL SELECT m.relation FROM lifecycle._bound_materialized(target) AS m (relation)
    ), bound AS (
        SELECT DISTINCT m.relation, b.kind, b.object_id, b.identity, b.owner, b.by_row_type, r.ev_class,
            b.kind = 'routine' AND lifecycle._in_signature(b.object_id, m.relation) AS is_remade
        FROM moving AS m
        CROSS JOIN LATERAL lifecycle._table_bindings(m.relation) AS b
        LEFT JOIN pg_rewrite AS r ON b.kind = 'rule' AND r.oid = b.object_id
    )
    SELECT DISTINCT f.severity, b.identity, f.finding, f.detail, f.remedy
    FROM bound AS b
    CROSS JOIN LATERAL (
        SELECT 'ok', 'is bound to the new table in the swap', NULL, NULL
        WHERE b.kind IN ('view', 'rule', 'policy', 'routine')
        UNION ALL
        SELECT 'ok', 'is built beside and filled after the swap, then takes the name', NULL, NULL
        WHERE b.kind = 'materialized view'
        UNION ALL
        SELECT 'error', format('cannot be built beside as %s', x.oid::regclass), 'There is something of that name.',
            format('ALTER TABLE %s RENAME TO ...', x.oid::regclass)
        FROM pg_class AS c
        JOIN pg_class AS x ON x.relnamespace = c.relnamespace AND x.relname = lifecycle._beside(c.oid)
        WHERE b.kind = 'materialized view' AND c.oid = b.object_id
        UNION ALL
        SELECT 'error', CASE WHEN b.by_row_type THEN 'uses the row type of the table'
                ELSE 'is bound to the table itself, not to its name' END,
            CASE WHEN b.by_row_type THEN 'It would stay with the type of the old table.'
                ELSE 'It would go on reading and writing the old table.' END,
            coalesce((SELECT format('ALTER TABLE %1$s ALTER COLUMN %2$I TYPE jsonb USING to_jsonb(%2$I); and after the '
                    'conversion: ALTER TABLE %1$s ALTER COLUMN %2$I TYPE %3$s USING jsonb_populate_record(NULL::%3$s, '
                    '%2$I)', a.attrelid::regclass, a.attname, t.oid::regtype)
                FROM pg_type AS t JOIN pg_attribute AS a ON a.atttypid = t.oid AND NOT a.attisdropped
                JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                WHERE t.typrelid = b.relation AND a.attrelid = b.object_id
                    AND b.identity = 'table column ' || a.attrelid::regclass || '.' || quote_ident(a.attname)),
                CASE WHEN b.kind = 'routine' THEN format('DROP %s; and after the conversion make it again', b.identity)
                END)
        WHERE b.kind = 'other' OR b.kind = 'routine' AND (SELECT p.prokind IN ('a', 'w') FROM pg_proc AS p
            WHERE p.oid = b.object_id)
        UNION ALL
        SELECT 'error', 'uses the row type of the table, and cannot be made anew: it is used itself', u.users, NULL
        FROM (SELECT string_agg(DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid), '; ') AS users
            FROM pg_depend AS d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = b.object_id) AS u
        WHERE b.is_remade AND u.users IS NOT NULL
        UNION ALL
        SELECT 'error', 'belongs to another role', format('It belongs to %I.', pg_get_userbyid(b.owner)), NULL
        WHERE b.kind <> 'other' AND NOT pg_has_role(current_user, b.owner, 'USAGE')
        UNION ALL
        SELECT 'error', format('%s stands on it', m.feature), 'It would stay with the old one.',
            format('SELECT * FROM lifecycle.rollback_migration(%s, dry_run => false)', m.migration_id)
        FROM lifecycle.migration AS m
        WHERE b.kind = 'materialized view' AND m.target_oid = b.object_id AND m.origin = lifecycle._origin()
            AND m.state <> 'rolled_back'
            AND (m.feature NOT IN ('materialized_view', 'view_policy') OR m.feature = 'view_policy' AND NOT (
                lifecycle._may_carry(m) AND m.state = 'applied'))
        UNION ALL
        SELECT 'ok', 'keeps its refresh policy', NULL, NULL
        FROM lifecycle._open_migrations('view_policy', b.object_id) AS m (ids)
        WHERE b.kind = 'materialized view' AND cardinality(m.ids) > 0
    ) AS f (severity, finding, detail, remedy)
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_bindings(regclass) IS
'The findings of pre_migration_check about what is bound to the table by its oid or row type.';
