CREATE VIEW lifecycle.v_partition_stats WITH (security_invoker = true) AS
SELECT
    z.parent_schema,
    z.parent_name,
    z.partition_schema,
    z.partition_name,
    z.lower_bound,
    z.upper_bound,
    z.row_estimate,
    z.size_bytes,
    z.size_gb,
    z.share,
    t.n_live_tup AS live_rows,
    t.n_dead_tup AS dead_rows,
    t.n_mod_since_analyze AS changes_since_analyze,
    coalesce(t.seq_scan, 0) + coalesce(t.idx_scan, 0) AS scans,
    greatest(t.last_vacuum, t.last_autovacuum) AS last_vacuum,
    greatest(t.last_analyze, t.last_autoanalyze) AS last_analyze
FROM lifecycle.check_partition_sizes() AS z
LEFT JOIN pg_stat_all_tables AS t ON z.partition_schema = t.schemaname AND z.partition_name = t.relname;

COMMENT ON VIEW lifecycle.v_partition_stats IS
'One row a partition that holds rows itself, at any depth: its bounds, its size (bytes with indexes and TOAST; a GB is
1024^3 bytes; share of its set in per cent), what the statistics say of its rows, and when it was vacuumed and analyzed.
Example: SELECT * FROM lifecycle.v_partition_stats ORDER BY size_bytes DESC LIMIT 10;';
