CREATE FUNCTION lifecycle.preview_purge_deleted(
    target regclass,
    older_than interval DEFAULT interval '30 days'
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_cutoff timestamptz;
    v_deleted_at name;
    v_condition text;
    v_purgeable bigint;
    v_others jsonb := '{}';
    v_answer jsonb;
BEGIN
    PERFORM lifecycle._require_span('older_than', older_than, '1 minute');
    v_cutoff := now() - older_than;
    v_deleted_at := (lifecycle._soft_delete_columns(target)).deleted_at;
    v_condition := lifecycle._purge_condition(target, v_deleted_at, v_cutoff);
    PERFORM lifecycle._require_purgeable(target);
    EXECUTE format('SELECT jsonb_build_object(''deleted'', count(*), ''expired'', count(*) FILTER (WHERE t.%1$I < '
        '%2$L)), count(*) FILTER (WHERE %3$s) FROM %4$s AS t WHERE t.%1$I IS NOT NULL',
        v_deleted_at, v_cutoff, v_condition, target) INTO v_answer, v_purgeable;
    -- What hangs together by foreign keys is gone through as the purge itself does it.
    IF EXISTS (SELECT FROM lifecycle._purge_keys(target)) THEN
        SELECT coalesce(sum(s.rows) FILTER (WHERE s.root = target), 0),
            coalesce(jsonb_object_agg(s.root::regclass, s.rows) FILTER (WHERE s.root <> target), '{}')
        INTO v_purgeable, v_others
        FROM (
            SELECT p.root, sum(cardinality(p.places)) AS rows
            FROM unnest(lifecycle._purge_set(target, v_cutoff, lifecycle._purge_pick(target, v_cutoff, NULL, false,
                '{}', false), false)) AS p
            GROUP BY p.root
        ) AS s;
    END IF;
    RETURN v_answer || jsonb_build_object('purgeable', v_purgeable, 'held',
        (v_answer ->> 'expired')::bigint - v_purgeable, 'others', v_others);
END
$fn$;
COMMENT ON FUNCTION lifecycle.preview_purge_deleted(regclass, interval) IS
'What purge_deleted would do.

Arguments: target - the table; older_than - how long ago the rows must have been marked, interval, zero or at least a
minute, default 30 days.
Returns: jsonb of counts: deleted (marked rows), expired (old enough), purgeable (of them), held (of them: rows that are
live or younger refer to them, or to what refers to them), others ({"table": rows} that go with them).
Errors: 55000 soft delete is not enabled; 22023 older_than; 42501 by privileges, also on a table that refers to it.
Example: SELECT lifecycle.preview_purge_deleted(''public.packages'', ''90 days'');';
