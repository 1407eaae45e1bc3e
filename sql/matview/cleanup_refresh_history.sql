-- Whoever may refresh a view may shorten its history, and everybody what he has written himself.
CREATE POLICY refresh_remove ON lifecycle.materialized_view_refresh FOR DELETE
USING (refreshed_by = current_user OR lifecycle._may_refresh(view_oid));

-- INSERT, which PUBLIC has as well, is how grant_lifecycle_admin knows that it was here.
INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
('materialized_view_refresh', 'INSERT (note), DELETE');

CREATE FUNCTION lifecycle.cleanup_refresh_history(keep interval DEFAULT '30 days') RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_count bigint;
BEGIN
    PERFORM lifecycle._require_span('keep', keep, '1 minute');
    -- What mv_refresh_status shows must stay: the last try of each view, and the last one that succeeded.
    DELETE FROM lifecycle.materialized_view_refresh AS r
    WHERE r.started_at < clock_timestamp() - keep
        AND EXISTS (
            SELECT FROM lifecycle.materialized_view_refresh AS later
            WHERE later.view_oid = r.view_oid AND later.origin = r.origin AND later.refresh_id > r.refresh_id
                AND (later.status = 'refreshed' OR r.status <> 'refreshed')
        );
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$fn$;
COMMENT ON FUNCTION lifecycle.cleanup_refresh_history(interval) IS
'Deletes old rows from the history of refreshes: a view that is refreshed every few seconds writes many. The last try of
each view, and the last one that succeeded, stay.

Arguments: keep - how far back the history stays, an interval with its unit, zero or at least a minute,
default 30 days.
Returns: how many rows were deleted, of views that the caller may refresh and of refreshes that he ran.
Errors: 22023 keep; 42501 not an administrator.
Example: SELECT lifecycle.cleanup_refresh_history(''7 days'');';
