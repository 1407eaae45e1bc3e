-- What goes on right now: whoever holds the table keeps the capture from starting and the swap from happening.
CREATE FUNCTION lifecycle._check_conversion_activity(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'warning', 'session ' || a.pid, 'has a transaction open for ' || date_trunc('second', x.open_for),
        format('%s, %s%s', coalesce(a.usename, '?'), coalesce(a.state, '?'),
            CASE WHEN EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'relation'
                AND l.relation = target AND l.database = (SELECT d.oid FROM pg_database AS d
                    WHERE d.datname = current_database())) THEN ', holds a lock of the table' ELSE '' END),
        NULL
    FROM pg_stat_activity AS a
    CROSS JOIN LATERAL (SELECT clock_timestamp() - a.xact_start AS open_for) AS x
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND x.open_for > interval '1 minute'
    UNION ALL
    SELECT CASE WHEN l.relation IS NULL THEN 'warning' ELSE 'error' END, format('prepared transaction %L', p.gid),
        'is waiting since ' || date_trunc('second', p.prepared),
        CASE WHEN l.relation IS NULL THEN format('by %I', p.owner) ELSE format('by %I: it holds %s of the table',
            p.owner, l.modes) END,
        format('ROLLBACK PREPARED %L', p.gid)
    FROM pg_prepared_xacts AS p
    LEFT JOIN LATERAL (SELECT k.relation, string_agg(k.mode, ', ' ORDER BY k.mode) AS modes
        FROM pg_locks AS x JOIN pg_locks AS k ON k.virtualtransaction = x.virtualtransaction AND k.pid IS NULL
        WHERE x.transactionid = p.transaction AND x.pid IS NULL AND k.relation = target GROUP BY 1) AS l ON true
    WHERE p.database = current_database()
    UNION ALL
    SELECT 'warning', 'table ' || target, 'autovacuum against wraparound is near', format(
        'Its oldest rows are %s transactions old. That vacuum does not give way to the swap.', age(c.relfrozenxid)),
        format('VACUUM FREEZE %s', target)
    FROM pg_class AS c
    WHERE c.oid = target AND c.relkind = 'r' AND c.relfrozenxid::text <> '0'
        AND age(c.relfrozenxid) > 0.9 * current_setting('autovacuum_freeze_max_age')::bigint
    UNION ALL
    SELECT 'info', format('event trigger %I', e.evtname), 'fires on our statements too',
        format('%s on %s', e.evtfoid::regproc, e.evtevent), NULL
    FROM pg_event_trigger AS e WHERE e.evtenabled <> 'D'
    UNION ALL
    SELECT 'info', CASE WHEN s.setrole = 0 THEN 'every role' ELSE format('role %I', pg_get_userbyid(s.setrole)) END,
        'writes as ' || x.setting, 'The capture is ENABLE ALWAYS and sees it; user triggers and foreign keys do not.',
        NULL
    FROM pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS x (setting)
    WHERE x.setting ~ '^session_replication_role=(?!origin)'
        AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_activity(regclass) IS
'The findings of pre_migration_check about sessions, prepared transactions and event triggers.';
