CREATE VIEW lifecycle.mv_refresh_status WITH (security_invoker = true) AS
SELECT
    n.nspname AS view_schema,
    c.relname AS view_name,
    s.is_populated,
    s.last_refreshed_at,
    extract(EPOCH FROM clock_timestamp() - s.last_refreshed_at)::bigint AS seconds_old,
    s.refresh_time_ms,
    s.mode,
    s.refreshed_by,
    nullif(c.reltuples, -1)::bigint AS row_estimate,
    pg_total_relation_size(c.oid) AS size_bytes,
    s.last_status,
    s.last_tried_at,
    s.last_sqlstate,
    s.last_error,
    s.kind,
    s.checked_at,
    s.data_as_of,
    s.changes AS changes_since,
    s.change_note,
    s.refreshed_by_hand,
    s.every,
    s.min_changes,
    s.max_age,
    s.due_at,
    s.need = 'due' AS is_due
FROM lifecycle._refresh_state() AS s
INNER JOIN pg_class AS c ON s.view = c.oid
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid;

COMMENT ON VIEW lifecycle.mv_refresh_status IS
'Every materialized view with its last refresh through pg_lifecycle, and every incremental view.
Columns: view_schema, view_name; is_populated; last_refreshed_at (the start of the refresh: the data is as of then),
seconds_old; refresh_time_ms in milliseconds, mode, refreshed_by of that refresh; row_estimate, size_bytes now;
last_status, last_tried_at, last_sqlstate, last_error of the last try, which may have failed; kind: materialized view or
incremental view; two clocks: checked_at, when it was last looked at, and data_as_of, the moment whose data it shows;
changes_since: rows written since to the tables that it reads, or entries that wait in its queues; NULL where nobody can
tell, change_note says why; refreshed_by_hand: somebody else has refreshed it since (seen where rows came or went);
every, min_changes, max_age: its policy, NULL without one; due_at: its time by every; is_due: it would be refreshed now.
Example: SELECT view_name, seconds_old, last_status, is_due FROM lifecycle.mv_refresh_status;';
