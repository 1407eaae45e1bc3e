CREATE FUNCTION lifecycle.rebuild_incremental_view(target regclass) RETURNS SETOF lifecycle.refresh_result
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_view constant lifecycle.located_incremental := lifecycle._require_incremental(target);
BEGIN
    IF lifecycle._lock_incremental(target) AND v_view.rebuild_reason IS NULL THEN
        UPDATE lifecycle.incremental_view AS v SET rebuild_reason = 'it was asked for'
        WHERE v.query_view_oid = v_view.query_view::oid;
    END IF;
    RETURN QUERY SELECT * FROM lifecycle.refresh_incremental_view(target);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rebuild_incremental_view(regclass) IS
'Runs the whole query of an incremental view and writes the rows that differ. Readers go on meanwhile.

Arguments: target - the incremental view.
Returns: one row (lifecycle.refresh_result), mode rebuild; or status busy.
Errors: as lifecycle.refresh_incremental_view.
Example: SELECT * FROM lifecycle.rebuild_incremental_view(''public.shop_total'');';
