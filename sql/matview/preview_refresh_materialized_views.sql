CREATE FUNCTION lifecycle.preview_refresh_materialized_views(
    schemas name[] DEFAULT NULL,
    concurrent boolean DEFAULT NULL,
    only_changed boolean DEFAULT false,
    only_due boolean DEFAULT false
) RETURNS TABLE (
    place integer, view_schema name, view_name name, kind text, action text, mode text, estimated_ms numeric, note text
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_item lifecycle.refresh_item;
    v_mode record;
    v_fresh oid[] := ARRAY[]::oid[];
BEGIN
    FOREACH v_item IN ARRAY lifecycle._refresh_order(schemas, only_changed, only_due) LOOP
        place := coalesce(place, 0) + 1;
        kind := v_item.kind;
        action := CASE WHEN v_item.need = 'due' OR v_item.need = 'fed' AND v_item.depends_on && v_fresh THEN 'refresh'
            ELSE 'leave' END;
        SELECT n.nspname, c.relname, (lifecycle._last_refresh(c.oid, lifecycle._origin(), true)).refresh_time_ms
        INTO view_schema, view_name, estimated_ms
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v_item.view;
        IF action = 'leave' THEN
            SELECT NULL AS mode, v_item.why AS note INTO v_mode;
            estimated_ms := NULL;
        ELSIF kind = 'incremental view' THEN
            SELECT CASE WHEN r.reason IS NULL THEN 'incremental' ELSE 'rebuild' END AS mode, r.reason AS note
            INTO v_mode
            FROM lifecycle._incremental_views(v_item.view) AS v
            CROSS JOIN LATERAL (SELECT lifecycle._rebuild_reason(v) AS reason) AS r;
            v_fresh := v_fresh || v_item.view;
        ELSE
            v_mode := lifecycle._refresh_mode(v_item.view, concurrent);
            v_fresh := v_fresh || v_item.view;
        END IF;
        mode := v_mode.mode;
        note := nullif(concat_ws('; ', v_mode.note, v_item.note), '');
        RETURN NEXT;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle.preview_refresh_materialized_views(name[], boolean, boolean, boolean) IS
'What lifecycle.refresh_materialized_views, called with the same arguments, would do now; it changes nothing.

Arguments: schemas, concurrent, only_changed, only_due - as for lifecycle.refresh_materialized_views.
Returns: one row a view in refresh order: place; view_schema, view_name, kind; action refresh or leave; mode concurrent,
plain, incremental or rebuild; estimated_ms, what its last refresh took; note, why it is left, not concurrent, or
rebuilt.
Errors: none.
Example: SELECT view_name, action, mode, note FROM lifecycle.preview_refresh_materialized_views(only_due => true);';
