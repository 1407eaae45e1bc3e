CREATE FUNCTION lifecycle.preview_purge_deleted(
    target regclass,
    older_than interval DEFAULT interval '30 days'
) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_deleted_at name;
    v_answer jsonb;
BEGIN
    PERFORM lifecycle._require_span(older_than);
    v_deleted_at := (lifecycle._soft_delete_columns(target)).deleted_at;
    EXECUTE format(
        'SELECT jsonb_build_object(''deleted'', count(*), ''expired'', count(*) FILTER (WHERE t.%1$I < %2$L), '
        '''purgeable'', count(*) FILTER (WHERE %3$s), ''held'', count(*) FILTER (WHERE t.%1$I < %2$L AND NOT (%3$s))) '
        'FROM %4$s AS t WHERE t.%1$I IS NOT NULL', v_deleted_at, now() - older_than,
        lifecycle._purge_condition(target, v_deleted_at, now() - older_than), target) INTO v_answer;
    RETURN v_answer;
END
$fn$;
COMMENT ON FUNCTION lifecycle.preview_purge_deleted(regclass, interval) IS
'What purge_deleted would do.

Arguments: target - the table; older_than - how long ago the rows must have been marked, interval, default 30 days.
Returns: jsonb of counts: deleted (marked rows), expired (old enough), purgeable (of them), held (of them: rows that are
live or younger refer to them).
Errors: 55000 soft delete is not enabled; 22023 a negative span.
Example: SELECT lifecycle.preview_purge_deleted(''public.packages'', ''90 days'');';
