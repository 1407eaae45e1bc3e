-- A row that the old table has no place for is known when it is written, not only when it is brought over: what was
-- written since the last replay is compared with all that stands, by the indexes. A look, not a scan: of a long queue
-- the first entries are asked for.
CREATE FUNCTION lifecycle._way_back_problem(conversion lifecycle.located_conversion) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row constant lifecycle.conversion := conversion.conversion;
    v_queue constant regclass := CASE WHEN v_row.phase = 'swapped' THEN lifecycle._named_relation(v_row.queue) END;
    v_index record;
    v_found boolean;
    v_columns text;
BEGIN
    IF v_row.phase = 'swapped' THEN
        -- A replay brings over the columns that both have.
        SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
        INTO v_columns
        FROM pg_attribute AS a
        LEFT JOIN pg_attribute AS o ON o.attrelid = conversion.source AND o.attname = a.attname
            AND o.atttypid = a.atttypid AND o.atttypmod = a.atttypmod
        WHERE a.attrelid = conversion.partitioned AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            AND o.attnum IS NULL;
        IF v_columns IS NOT NULL THEN
            RETURN format('columns have come or changed since the swap, and the old table has none like them: %s',
                v_columns);
        END IF;
    END IF;
    IF v_queue IS NULL OR conversion.source IS NULL OR conversion.partitioned IS NULL
        OR NOT has_schema_privilege('lifecycle_data', 'USAGE') OR NOT has_table_privilege(v_queue, 'SELECT')
        OR NOT has_table_privilege(conversion.partitioned, 'SELECT') OR row_security_active(conversion.partitioned)
    THEN
        RETURN NULL;
    END IF;
    FOR v_index IN
        SELECT i.indexrelid::regclass AS name, string_agg(quote_ident(a.attname), ', ' ORDER BY n.place) AS columns,
            string_agg(format('o.%1$I %2$s p.%1$I', a.attname, lifecycle._equality(a.atttypid)), ' AND '
                ORDER BY n.place) AS condition
        FROM pg_index AS i
        CROSS JOIN LATERAL unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS n (number, place)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = n.number
        WHERE i.indrelid = conversion.source AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
        GROUP BY i.indexrelid, i.indnkeyatts
        -- Those that are wider in the new table.
        HAVING NOT array_agg(a.attname) @> ARRAY(SELECT (l ->> 'column')::name
            FROM jsonb_array_elements(v_row.levels) AS l)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM (SELECT DISTINCT %1$s FROM (SELECT * FROM %2$s LIMIT 1000) AS k) '
            'AS q JOIN %3$s AS p ON %4$s JOIN %3$s AS o ON %5$s '
            'WHERE (o.tableoid, o.ctid) IS DISTINCT FROM (p.tableoid, p.ctid))',
            lifecycle._column_list(v_row.key_columns), v_queue, conversion.partitioned, (
                SELECT string_agg(format('p.%1$I %2$s q.%1$I', k.name, lifecycle._equality(a.atttypid)), ' AND ')
                FROM unnest(v_row.key_columns) AS k (name)
                JOIN pg_attribute AS a ON a.attrelid = conversion.partitioned AND a.attname = k.name
            ), v_index.condition) INTO v_found;
        IF v_found THEN
            RETURN format('two rows have the same (%s), of which %s can take one', v_index.columns, v_index.name);
        END IF;
    END LOOP;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._way_back_problem(lifecycle.located_conversion) IS
'What was written since the last replay, or altered since the swap, and the old table cannot take; NULL when there is
nothing, or when the caller may not look.';

-- Who may read neither the queue nor the tables still sees how far it is.
CREATE FUNCTION lifecycle._conversion_state(conversion lifecycle.located_conversion) RETURNS lifecycle.conversion_state
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_state lifecycle.conversion_state;
BEGIN
    -- Each batch asks: the plan of this is kept.
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
            WHEN 'rolled_back' THEN CASE WHEN lifecycle._has_open_keys(conversion)
                THEN 'foreign keys to validate: CALL lifecycle.run_pending()' END
        END,
        c.ended_at IS NULL AND c.blocked IS NULL AND s.oid IS NOT NULL AND q.problem IS NULL,
        coalesce('rollback is impossible: ' || coalesce(c.blocked, q.problem), c.last_error), c.last_sqlstate,
        c.last_error_at
    INTO v_state
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
        SELECT CASE WHEN c.phase = 'swapped' THEN coalesce((
            SELECT string_agg(f.detail, '; ') FROM lifecycle._captures(conversion.partitioned) AS k
            CROSS JOIN LATERAL lifecycle._capture_problems(k) AS f
            WHERE k.consumer = 'conversion_reverse' AND f.severity = 'error' AND f.finding <> 'partitions'
        ), lifecycle._way_back_problem(conversion)) END AS problem
    ) AS q;
    RETURN v_state;
END
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_state(lifecycle.located_conversion) IS 'How far a conversion is.';
