CREATE FUNCTION lifecycle.preview_rewrite_partitions(target regclass DEFAULT NULL)
RETURNS TABLE (
    parent text, kind text, sources text[], migration_id bigint, blocks_done bigint, blocks_total bigint,
    rows_copied bigint, entries bigint
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.parent, r.kind, r.sources, lifecycle._rewrite_migration(r),
        (SELECT sum(b) FROM unnest(r.blocks_done) AS b)::bigint,
        (SELECT sum(coalesce(nullif(t.total, 0), pg_relation_size(to_regclass(t.source))
                / current_setting('block_size')::integer))
         FROM unnest(r.sources, r.blocks_total) AS t (source, total))::bigint,
        r.rows_copied,
        (SELECT coalesce(sum(c.entries), 0) FROM lifecycle.capture_status() AS c WHERE c.queue = ANY (r.queues))::bigint
    FROM lifecycle._rewrites(target) AS r
$fn$;
COMMENT ON FUNCTION lifecycle.preview_rewrite_partitions(regclass) IS
'The splits, merges and drained default partitions that are under way, and how far they are. Their steps are those of
lifecycle.pending_steps(migration_id).

Arguments: target - of one partitioned table, or of one partition that is replaced; default all of the caller.
Returns: one row a rewrite: the table, kind (split, merge, drain), what is replaced (sources), its migration_id, how
many blocks are copied and to be copied, rows_copied, and the entries in the queues of changed rows.
Errors: none.
Example: SELECT kind, sources, blocks_done, blocks_total FROM lifecycle.preview_rewrite_partitions();';
