CREATE FUNCTION lifecycle.refresh_materialized_view(
    target regclass,
    concurrent boolean DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_result lifecycle.refresh_result;
BEGIN
    PERFORM lifecycle._require_table(target, '{m}');
    IF NOT lifecycle._may_refresh(target) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role %I may not refresh %s', current_user, target),
            HINT = format('Only its owner, %I, may; since PostgreSQL 17 also who has the MAINTAIN privilege on it.',
                (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target));
    END IF;
    v_result := lifecycle._refresh_view(target, concurrent, refresh_materialized_view.search_path);
    IF v_result.status = 'failed' THEN
        RAISE EXCEPTION USING
            ERRCODE = v_result.sqlstate,
            MESSAGE = format('%s was not refreshed: %s', target, v_result.error),
            DETAIL = format('Mode: %s.', concat_ws(', ', v_result.mode, v_result.note));
    END IF;
    RETURN NEXT v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle.refresh_materialized_view(regclass, boolean, text) IS
'Refreshes one materialized view and nothing that it reads.

Arguments: target - the materialized view; concurrent - true or false, default where PostgreSQL allows it; search_path -
what its functions see, by default the caller''s path.
Returns: one row (lifecycle.refresh_result).
Errors: 42809 not a materialized view; 42501 not the owner; 55P03 lock; what the query raises, with its SQLSTATE. A
failure takes its row in the history back with it.
Example: SELECT * FROM lifecycle.refresh_materialized_view(''public.mv_totals'');';
