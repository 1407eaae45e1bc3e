CREATE FUNCTION lifecycle._refresh_mode(view oid, concurrent boolean, OUT mode text, OUT note text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF concurrent IS NULL THEN
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
        END INTO note
        FROM pg_class AS c WHERE c.oid = view;
    END IF;
    mode := CASE WHEN coalesce(concurrent, note IS NULL) THEN 'concurrent' ELSE 'plain' END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_mode(oid, boolean) IS
'Whether a refresh is concurrent or plain, and when nobody chose, why not concurrent.';

-- One view, with the patience of the core for its lock. Several views share a transaction in
-- refresh_all_materialized_views, so a lock is tried for again even with others in hand: it is waited for a
-- millisecond only (lock_wait), which makes nobody a deadlock.
CREATE FUNCTION lifecycle._run_refresh(
    view oid, mode text, lock_wait text, search_path text, OUT code text, OUT error text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_timeout constant text := current_setting('lock_timeout');
    v_attempt integer := 0;
    v_detail text;
    v_hint text;
BEGIN
    LOOP
        v_attempt := v_attempt + 1;
        BEGIN
            PERFORM set_config('lock_timeout', lock_wait, true);
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
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, error = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL, v_hint = PG_EXCEPTION_HINT;
            error := concat_ws('; ', error, nullif(v_detail, ''), nullif(v_hint, ''));
        END;
        EXIT WHEN code NOT IN ('55P03', '40P01');
        IF v_attempt >= lifecycle.setting('lock_attempts')::integer THEN
            error := concat_ws('; ', error, format('%s tries', v_attempt), lifecycle._lock_holders(ARRAY[view]));
            EXIT;
        END IF;
        PERFORM lifecycle._pause();
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_refresh(oid, text, text, text) IS
'Refreshes one materialized view; returns SQLSTATE and message of what went wrong, NULLs when nothing did.';

-- Who asked for it is told, at the commit.
CREATE FUNCTION lifecycle._notify_refresh(view oid, result lifecycle.refresh_result) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF result.status = 'refreshed' AND EXISTS (SELECT FROM lifecycle.materialized_view_policy AS p
        WHERE p.notify_channel IS NOT NULL)
    THEN
        PERFORM pg_notify((p.policy).notify_channel, jsonb_build_object('schema', result.view_schema,
            'view', result.view_name, 'mode', result.mode, 'refresh_time_ms', result.refresh_time_ms)::text)
        FROM lifecycle._view_policies() AS p
        WHERE p.view = _notify_refresh.view AND (p.policy).notify_channel IS NOT NULL;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._notify_refresh(oid, lifecycle.refresh_result) IS
'Sends the notification that the policy of a view asks for, when it was refreshed.';

CREATE FUNCTION lifecycle._refresh_view(
    item lifecycle.refresh_item, concurrent boolean, lock_wait text, search_path text
) RETURNS lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_started constant timestamptz := clock_timestamp();
    v_mark constant lifecycle.view_mark := item.mark;
    v_counted constant boolean := v_mark.note IS NULL;
    v_result lifecycle.refresh_result;
    v_mode record;
    v_failure record;
BEGIN
    v_mode := lifecycle._refresh_mode(item.view, concurrent);
    v_failure := lifecycle._run_refresh(item.view, v_mode.mode, lock_wait, _refresh_view.search_path);
    v_result.refresh_time_ms := round((extract(epoch FROM clock_timestamp() - v_started) * 1000)::numeric, 3);
    v_result.mode := v_mode.mode;
    v_result.note := v_mode.note;
    v_result.status := CASE WHEN v_failure.code IS NULL THEN 'refreshed' ELSE 'failed' END;
    v_result.sqlstate := v_failure.code;
    v_result.error := v_failure.error;
    INSERT INTO lifecycle.materialized_view_refresh (view_schema, view_name, view_oid, started_at, refresh_time_ms,
        mode, status, row_estimate, size_bytes, sqlstate, error, note, stats_epoch, bases, base_writes, view_writes,
        file_node)
    SELECT n.nspname, c.relname, c.oid, v_started, v_result.refresh_time_ms, v_result.mode, v_result.status,
        -- As the planner reckons: the density of the last ANALYZE times the present size.
        CASE WHEN c.relpages > 0 AND c.reltuples >= 0
            THEN round(c.reltuples::numeric / c.relpages * (pg_relation_size(c.oid)
                / current_setting('block_size')::integer))
            ELSE coalesce(nullif(c.reltuples, -1), nullif(pg_stat_get_live_tuples(c.oid), 0)) END::bigint,
        pg_total_relation_size(c.oid), v_result.sqlstate, v_result.error, v_result.note,
        CASE WHEN v_counted THEN v_mark.stats_epoch END, CASE WHEN v_counted THEN v_mark.bases END,
        CASE WHEN v_counted THEN v_mark.base_writes END, lifecycle._rows_written(c.oid), c.relfilenode
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = item.view AND c.relkind = 'm'
    RETURNING view_schema, view_name, row_estimate, size_bytes
    INTO v_result.view_schema, v_result.view_name, v_result.rows, v_result.bytes;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM lifecycle._notify_refresh(item.view, v_result);
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_view(lifecycle.refresh_item, boolean, text, text) IS
'Refreshes one materialized view, writes its history and returns what became of it; NULL when it is gone.';

-- Beside others a failure is a row in the history; the savepoint takes back what it had begun, drained queues too.
CREATE FUNCTION lifecycle._refresh_incremental_item(target oid) RETURNS lifecycle.refresh_result
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_started constant timestamptz := clock_timestamp();
    v_result lifecycle.refresh_result;
    v_detail text;
    v_hint text;
BEGIN
    BEGIN
        SELECT r.* INTO v_result FROM lifecycle.refresh_incremental_view(target::regclass) AS r;
        RETURN v_result;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_result.sqlstate = RETURNED_SQLSTATE, v_result.error = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL, v_hint = PG_EXCEPTION_HINT;
        v_result.error := concat_ws('; ', v_result.error, nullif(v_detail, ''), nullif(v_hint, ''));
    END;
    v_result.status := 'failed';
    v_result.refresh_time_ms := round((extract(epoch FROM clock_timestamp() - v_started) * 1000)::numeric, 3);
    INSERT INTO lifecycle.materialized_view_refresh (view_schema, view_name, view_oid, started_at, refresh_time_ms,
        status, sqlstate, error)
    SELECT n.nspname, c.relname, c.oid, v_started, v_result.refresh_time_ms, v_result.status, v_result.sqlstate,
        v_result.error
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target
    RETURNING view_schema, view_name INTO v_result.view_schema, v_result.view_name;
    RETURN CASE WHEN v_result.view_name IS NOT NULL THEN v_result END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_incremental_item(oid) IS
'Refreshes an incremental view; a failure is written down and returned, not raised. NULL when it is gone.';
