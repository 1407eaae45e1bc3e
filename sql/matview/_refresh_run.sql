CREATE FUNCTION lifecycle._pending_refresh(view oid) RETURNS lifecycle.refresh_result
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_result lifecycle.refresh_result;
BEGIN
    SELECT n.nspname, c.relname INTO v_result.view_schema, v_result.view_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = view;
    v_result.status := 'pending';
    v_result.note := 'the time of this step was used up';
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._pending_refresh(oid) IS 'The row of a view that is left for the next step.';

-- since: what was tried since then is left as it is (the steps of one run); until: what comes later is left for the
-- next step.
CREATE FUNCTION lifecycle._refresh_run(
    schemas name[], concurrent boolean, only_changed boolean, only_due boolean, since timestamptz, until timestamptz,
    search_path text
) RETURNS SETOF lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_item lifecycle.refresh_item;
    v_result lifecycle.refresh_result := lifecycle._lock_refresh_run();
    v_done oid[] := ARRAY[]::oid[];
    v_stale oid[] := ARRAY[]::oid[];
    v_fresh oid[] := ARRAY[]::oid[];
    v_wait text := lifecycle._lock_wait();
    v_rebuilt oid[] := ARRAY[]::oid[];
    v_failed integer := 0;
    v_skipped integer := 0;
    v_is_late boolean := false;
BEGIN
    IF v_result.status IS NOT NULL THEN
        RETURN NEXT v_result;
        RETURN;
    END IF;
    IF since IS NOT NULL THEN
        SELECT coalesce(array_agg(s.view), '{}'),
            coalesce(array_agg(s.view) FILTER (WHERE s.last_status IN ('failed', 'skipped')), '{}'),
            coalesce(array_agg(s.view) FILTER (WHERE s.last_status = 'refreshed'), '{}')
        INTO v_done, v_stale, v_fresh
        FROM lifecycle._refresh_state() AS s WHERE greatest(s.last_tried_at, s.checked_at) >= since;
    END IF;
    PERFORM set_config('lifecycle.mending', 'later', true);
    FOREACH v_item IN ARRAY lifecycle._refresh_order(schemas, only_changed, only_due) LOOP
        CONTINUE WHEN v_item.view = ANY (v_done);
        IF v_is_late THEN
            RETURN NEXT lifecycle._pending_refresh(v_item.view);
            CONTINUE;
        END IF;
        v_result := lifecycle._refresh_item(v_item, v_stale, v_fresh, concurrent, v_wait, _refresh_run.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        CONTINUE WHEN v_result.status IS NULL;
        IF v_result.status IN ('failed', 'skipped') THEN
            v_stale := v_stale || v_item.view;
            v_failed := v_failed + (v_result.status = 'failed')::integer;
            v_skipped := v_skipped + (v_result.status = 'skipped')::integer;
        ELSIF v_result.status = 'refreshed' THEN
            v_fresh := v_fresh || v_item.view;
            -- Now there is a lock in hand.
            v_wait := CASE v_item.kind WHEN 'materialized view' THEN '1ms' ELSE v_wait END;
        END IF;
        v_rebuilt := v_rebuilt || CASE v_result.mode WHEN 'rebuild' THEN v_item.view END;
        -- What leaves no trace would be the first of each step for ever.
        v_is_late := coalesce(clock_timestamp() >= until, false)
            AND v_result.status IN ('refreshed', 'failed', 'skipped');
        RETURN NEXT v_result;
    END LOOP;
    PERFORM lifecycle._mend_views(v_rebuilt);
    -- A caller may not read the rows.
    IF v_failed > 0 THEN
        RAISE WARNING '% views failed, % were skipped because of them', v_failed, v_skipped;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_run(
    name[], boolean, boolean, boolean, timestamptz, timestamptz, text
) IS 'What refresh_all_materialized_views and refresh_materialized_views_step do.';
