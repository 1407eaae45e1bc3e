CREATE FUNCTION lifecycle._refresh_mode(view oid, concurrent boolean, OUT mode text, OUT note text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT
        CASE WHEN concurrent OR (concurrent IS NULL AND w.reason IS NULL) THEN 'concurrent' ELSE 'plain' END,
        CASE WHEN concurrent IS NULL THEN w.reason END
    FROM (
        SELECT CASE
            WHEN NOT c.relispopulated THEN 'plain: it held no data yet'
            WHEN NOT EXISTS (
                -- what PostgreSQL accepts: unique, complete, on columns only
                SELECT FROM pg_index AS i
                JOIN pg_class AS x ON x.oid = i.indexrelid
                JOIN pg_am AS a ON a.oid = x.relam
                WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND a.amname = 'btree'
                    AND i.indpred IS NULL AND 0 <> ALL (i.indkey)
            ) THEN 'plain: it has no unique index on columns alone and without WHERE'
        END AS reason
        FROM pg_class AS c WHERE c.oid = view
    ) AS w
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_mode(oid, boolean) IS
'Whether a refresh is concurrent or plain, and when nobody chose, why not concurrent.';

-- One view, with the patience of the core for its lock. Several views share a transaction in
-- refresh_all_materialized_views, so a lock is tried for again even with others in hand: it is waited for a
-- millisecond only, which makes nobody a deadlock.
CREATE FUNCTION lifecycle._run_refresh(
    view oid, mode text, search_path text, OUT code text, OUT error text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_timeout constant text := current_setting('lock_timeout');
    v_attempts constant integer := lifecycle.setting('lock_attempts')::integer;
BEGIN
    FOR v_attempt IN 1..v_attempts LOOP
        BEGIN
            PERFORM set_config('lock_timeout', lifecycle._lock_wait(), true);
            PERFORM lifecycle._execute(
                format('REFRESH MATERIALIZED VIEW %s%s', CASE mode WHEN 'concurrent' THEN 'CONCURRENTLY ' ELSE '' END,
                    view::regclass),
                _run_refresh.search_path
            );
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            PERFORM set_config('lock_timeout', v_timeout, true);
            code := NULL;
            error := NULL;
            RETURN;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, error = MESSAGE_TEXT;
        END;
        EXIT WHEN code NOT IN ('55P03', '40P01');
        IF v_attempt < v_attempts THEN
            PERFORM lifecycle._pause();
        ELSE
            error := concat_ws('; ', error, format('%s tries', v_attempts), lifecycle._lock_holders(ARRAY[view]));
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_refresh(oid, text, text) IS
'Refreshes one materialized view; returns SQLSTATE and message of what went wrong, NULLs when nothing did.';

CREATE FUNCTION lifecycle._refresh_view(view oid, concurrent boolean, search_path text)
RETURNS lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_started constant timestamptz := clock_timestamp();
    v_result lifecycle.refresh_result;
    v_mode record;
    v_failure record;
BEGIN
    SELECT n.nspname, c.relname INTO v_result.view_schema, v_result.view_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = view;
    SELECT m.mode, m.note INTO v_mode FROM lifecycle._refresh_mode(view, concurrent) AS m;
    SELECT r.code, r.error INTO v_failure
    FROM lifecycle._run_refresh(view, v_mode.mode, _refresh_view.search_path) AS r;
    v_result.refresh_time_ms := round((extract(epoch FROM clock_timestamp() - v_started) * 1000)::numeric, 3);
    v_result.mode := v_mode.mode;
    v_result.note := v_mode.note;
    v_result.status := CASE WHEN v_failure.code IS NULL THEN 'refreshed' ELSE 'failed' END;
    v_result.sqlstate := v_failure.code;
    v_result.error := v_failure.error;
    -- As the planner reckons: the density of the last ANALYZE times the present size.
    SELECT CASE WHEN c.relpages > 0 AND c.reltuples >= 0
            THEN round(c.reltuples::numeric / c.relpages * (pg_relation_size(c.oid)
                / current_setting('block_size')::integer))
            ELSE coalesce(nullif(c.reltuples, -1), nullif(pg_stat_get_live_tuples(c.oid), 0)) END::bigint,
        pg_total_relation_size(c.oid)
    INTO v_result.rows, v_result.bytes
    FROM pg_class AS c WHERE c.oid = view;
    INSERT INTO lifecycle.materialized_view_refresh (view_schema, view_name, view_oid, started_at, refresh_time_ms,
        mode, status, row_estimate, size_bytes, sqlstate, error, note)
    VALUES (v_result.view_schema, v_result.view_name, view, v_started, v_result.refresh_time_ms, v_result.mode,
        v_result.status, v_result.rows, v_result.bytes, v_result.sqlstate, v_result.error, v_result.note);
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_view(oid, boolean, text) IS
'Refreshes one materialized view, writes its history and returns what became of it.';
