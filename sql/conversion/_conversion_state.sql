-- Who may read neither the queue nor the tables still sees how far it is.
CREATE FUNCTION lifecycle._conversion_state(conversion lifecycle.located_conversion) RETURNS lifecycle.conversion_state
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT c.conversion_id, n.nspname, s.relname, p.relname, c.phase, c.rows_copied,
        greatest(c.rows_total, c.rows_copied),
        CASE WHEN c.phase = 'copy' THEN round(least(99.9, 100.0 * c.rows_copied / greatest(c.rows_total, c.rows_copied,
            1)), 1) ELSE 100 END,
        r.rate,
        CASE WHEN c.phase = 'copy' THEN make_interval(secs => (greatest(c.rows_total - c.rows_copied, 0)
            / nullif(r.rate, 0))::float8) END,
        z.entries, clock_timestamp() - z.oldest,
        CASE c.phase
            WHEN 'copy' THEN 'rows to copy' WHEN 'index' THEN 'indexes to build' WHEN 'dress' THEN 'rights and policies'
            WHEN 'ready' THEN CASE WHEN z.entries > 0 THEN 'queue to replay' END
            WHEN 'swapped' THEN CASE WHEN z.entries > 0 THEN 'queue to replay into the old table'
                WHEN (lifecycle._next_key(conversion)).statement IS NOT NULL THEN 'foreign keys to validate'
                WHEN (lifecycle._pending_view(conversion)).beside IS NOT NULL THEN 'materialized views to build' END
        END,
        c.ended_at IS NULL AND c.blocked IS NULL AND s.oid IS NOT NULL AND q.problem IS NULL,
        coalesce('rollback is impossible: ' || coalesce(c.blocked, q.problem), c.last_error), c.last_sqlstate,
        c.last_error_at
    FROM (SELECT (conversion.conversion).*) AS c
    LEFT JOIN pg_class AS s ON s.oid = conversion.source
    LEFT JOIN pg_class AS p ON p.oid = conversion.partitioned
    LEFT JOIN pg_namespace AS n ON n.oid = coalesce(p.relnamespace, s.relnamespace)
    LEFT JOIN LATERAL (
        SELECT e.entries, e.oldest
        FROM (SELECT lifecycle._named_relation(c.queue) AS queue WHERE c.ended_at IS NULL OFFSET 0) AS k
        CROSS JOIN LATERAL lifecycle._capture_size(k.queue) AS e
        WHERE k.queue IS NOT NULL
    ) AS z ON true
    CROSS JOIN LATERAL (
        SELECT round((c.rows_copied / nullif(extract(epoch FROM coalesce(c.copied_at, clock_timestamp())
            - c.copy_started_at), 0))::numeric) AS rate
    ) AS r
    CROSS JOIN LATERAL (
        -- After the swap the way back rests on the capture alone.
        SELECT CASE WHEN c.phase = 'swapped' THEN (
            SELECT string_agg(f.detail, '; ') FROM lifecycle._captures(conversion.partitioned) AS k
            CROSS JOIN LATERAL lifecycle._capture_problems(k) AS f
            WHERE k.consumer = 'conversion_reverse' AND f.severity = 'error' AND f.finding <> 'partitions'
        ) END AS problem
    ) AS q
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_state(lifecycle.located_conversion) IS 'How far a conversion is.';
