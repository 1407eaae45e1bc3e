CREATE FUNCTION lifecycle.monitor_migration() RETURNS SETOF lifecycle.conversion_state
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT s.*
    FROM lifecycle._conversions() AS c
    CROSS JOIN LATERAL lifecycle._conversion_state(c) AS s
    WHERE (c.conversion).ended_at IS NULL OR (c.conversion).ended_at > now() - interval '1 day'
    ORDER BY s.conversion_id DESC
$fn$;
COMMENT ON FUNCTION lifecycle.monitor_migration() IS
'How far conversions are, from any session: those under way, and those that ended in the last day.

Arguments: none.
Returns: one row a conversion (lifecycle.conversion_state): conversion_id, table_schema, table_name (of the plain
table), partitioned_name, phase (copy, index, dress, ready, swapped, finished, rolled_back), rows_done and rows_total
(an estimate), percent, rate (rows a second), eta, queue_entries and queue_lag (age of the oldest entry), remaining
(what convert_data still has to do, or run_pending after the way back; NULL: nothing), rollback_possible, and the last
error with its SQLSTATE and time.
Errors: none.
Example: SELECT table_name, phase, percent, rate, eta, queue_entries, last_error FROM lifecycle.monitor_migration();';
