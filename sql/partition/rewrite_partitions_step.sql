-- The capture or the exchange, or that it has to wait: a lock that is not free, too many rows written meanwhile.
-- Nothing is lost, the next call goes on.
CREATE FUNCTION lifecycle._try_rewrite_stage(
    rewrite lifecycle.partition_rewrite, migration_id bigint, is_last boolean
) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_message text;
    v_detail text;
BEGIN
    PERFORM lifecycle._run_stage(s) FROM (
        SELECT s.* FROM lifecycle.migration_step AS s
        WHERE s.migration_id = _try_rewrite_stage.migration_id AND s.status IN ('pending', 'failed')
        ORDER BY CASE WHEN is_last THEN -s.step ELSE s.step END LIMIT 1
    ) AS s;
    RETURN jsonb_build_object('status', CASE WHEN is_last THEN 'done' ELSE 'copying' END, 'rows', 0);
EXCEPTION WHEN lock_not_available OR deadlock_detected OR object_in_use THEN
    GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
    RETURN jsonb_build_object('status', 'waiting', 'rows', 0, 'message', v_message, 'detail', concat_ws(E'\n',
        lifecycle._lock_holders((rewrite.parent::regclass || rewrite.sources::regclass[])::oid[]), v_detail));
END
$fn$;
COMMENT ON FUNCTION lifecycle._try_rewrite_stage(lifecycle.partition_rewrite, bigint, boolean) IS
'Runs the next stage of a rewrite, or all that are left (is_last); returns jsonb with status copying or done, or waiting
and why.';

CREATE FUNCTION lifecycle.rewrite_partitions_step(
    target regclass DEFAULT NULL,
    batch_size integer DEFAULT 10000,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rewrite lifecycle.partition_rewrite;
    v_slice jsonb;
    v_id bigint;
BEGIN
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    PERFORM lifecycle._require_number('batch_size', batch_size, 1);
    SELECT r.* INTO v_rewrite FROM lifecycle._rewrites(target) AS r LIMIT 1;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('status', 'nothing', 'rows', 0);
    END IF;
    v_id := lifecycle._rewrite_migration(v_rewrite);
    IF EXISTS (SELECT FROM lifecycle.migration_step AS s WHERE s.migration_id = v_id
        AND s.action = 'lock for capture' AND s.status IN ('pending', 'failed'))
    THEN
        v_slice := lifecycle._try_rewrite_stage(v_rewrite, v_id, false);
    ELSE
        v_slice := lifecycle._rewrite_slice(v_rewrite.staging, batch_size, rewrite_partitions_step.search_path);
        IF v_slice ->> 'status' = 'ready' THEN
            v_slice := lifecycle._try_rewrite_stage(v_rewrite, v_id, true);
        END IF;
    END IF;
    RETURN jsonb_build_object('parent', v_rewrite.parent, 'kind', v_rewrite.kind) || v_slice;
END
$fn$;
COMMENT ON FUNCTION lifecycle.rewrite_partitions_step(regclass, integer, text) IS
'One slice of CALL lifecycle.rewrite_partitions in the caller''s transaction, where only a function can be called: the
triggers, about batch_size rows, the rows written meanwhile, or the exchange. Commit, and call it until
status is nothing.

Arguments: target - a partitioned table, or a partition that is replaced; default the oldest rewrite under way;
batch_size - rows, default 10000; search_path - for functions in constraints and indexes.
Returns: jsonb: parent, kind, rows, status: copying, replaying (changed rows), waiting (for locks, detail says whose),
done, or nothing.
Errors: 25000 another isolation level than READ COMMITTED; 42501 not an administrator, or the steps of another role;
55P03 another session is at it; 22023 batch_size.
Example: SELECT lifecycle.rewrite_partitions_step(''public.metric'');';
