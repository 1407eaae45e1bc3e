CREATE VIEW lifecycle.mv_refresh_status WITH (security_invoker = true) AS
SELECT
    n.nspname AS view_schema,
    c.relname AS view_name,
    CASE WHEN i.target IS NULL THEN c.relispopulated ELSE i.rebuilt_at IS NOT NULL END AS is_populated,
    clock.data_as_of AS last_refreshed_at,
    extract(EPOCH FROM clock_timestamp() - clock.data_as_of)::bigint AS seconds_old,
    done.refresh_time_ms,
    done.mode,
    done.refreshed_by,
    nullif(c.reltuples, -1)::bigint AS row_estimate,
    pg_total_relation_size(c.oid) AS size_bytes,
    latest.status AS last_status,
    latest.started_at AS last_tried_at,
    latest.sqlstate AS last_sqlstate,
    coalesce(latest.error, CASE latest.status WHEN 'skipped' THEN latest.note END) AS last_error,
    CASE WHEN i.target IS NULL THEN 'materialized view' ELSE 'incremental view' END AS kind,
    clock.checked_at,
    clock.data_as_of
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN lifecycle.incremental_view AS i
    ON c.oid = CASE WHEN i.origin = lifecycle._origin() THEN i.target_oid ELSE to_regclass(i.target)::oid END
-- In the database that wrote the row the oid counts, which follows a rename; in a restored one the name.
LEFT JOIN LATERAL (
    SELECT r.*
    FROM lifecycle.materialized_view_refresh AS r
    WHERE
        r.status = 'refreshed'
        AND CASE
            WHEN r.origin = lifecycle._origin() THEN r.view_oid = c.oid
            ELSE r.view_schema = n.nspname AND r.view_name = c.relname
        END
    ORDER BY r.started_at DESC
    LIMIT 1
) AS done ON true
LEFT JOIN LATERAL (
    SELECT r.*
    FROM lifecycle.materialized_view_refresh AS r
    WHERE
        CASE
            WHEN r.origin = lifecycle._origin() THEN r.view_oid = c.oid
            ELSE r.view_schema = n.nspname AND r.view_name = c.relname
        END
    ORDER BY r.started_at DESC
    LIMIT 1
) AS latest ON true
-- An incremental view that has not changed was checked all the same; a refresh of nothing leaves no history.
LEFT JOIN LATERAL (
    SELECT
        CASE WHEN i.target IS NULL THEN latest.started_at ELSE i.checked_at END AS checked_at,
        CASE WHEN i.target IS NULL THEN done.started_at ELSE i.data_as_of END AS data_as_of
) AS clock ON true
WHERE c.relkind = 'm' OR i.target IS NOT NULL;

COMMENT ON VIEW lifecycle.mv_refresh_status IS
'Every materialized view with its last refresh through pg_lifecycle (a refresh by hand leaves no trace in PostgreSQL),
and every incremental view.
Columns: view_schema, view_name; is_populated; last_refreshed_at (the start of the refresh: the data is as of then),
seconds_old; refresh_time_ms in milliseconds, mode, refreshed_by of that refresh; row_estimate, size_bytes now;
last_status, last_tried_at, last_sqlstate, last_error of the last try, which may have failed; kind: materialized view or
incremental view; two clocks: checked_at, when it was last looked at, and data_as_of, the moment whose data it shows.
Example: SELECT view_name, seconds_old, last_status FROM lifecycle.mv_refresh_status;';
