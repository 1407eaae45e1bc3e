-- The history of refreshes. PostgreSQL itself does not record when a materialized view was refreshed. Whoever may
-- refresh a view writes its row, as himself: PUBLIC may insert, the policy admits only views that the writer may
-- refresh, and without USAGE on the schema, which grant_lifecycle_use gives, nobody gets here at all. So no function
-- has to run with other rights than its caller's.
CREATE TABLE lifecycle.materialized_view_refresh (
    refresh_id bigint GENERATED ALWAYS AS IDENTITY,
    view_schema text NOT NULL,
    view_name text NOT NULL,
    view_oid oid NOT NULL,
    started_at timestamptz NOT NULL,
    refresh_time_ms numeric NOT NULL,
    mode text,
    status text NOT NULL,
    row_estimate bigint,
    size_bytes bigint,
    key_count bigint,
    sqlstate text,
    error text,
    note text,
    checked_at timestamptz,
    stats_epoch text,
    bases text,
    base_writes bigint,
    view_writes bigint,
    file_node oid,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    refreshed_by name NOT NULL DEFAULT current_user,
    session_by name NOT NULL DEFAULT session_user,
    CONSTRAINT materialized_view_refresh_pkey PRIMARY KEY (refresh_id),
    CONSTRAINT materialized_view_refresh_mode_check CHECK (mode IN ('concurrent', 'plain', 'incremental', 'rebuild')),
    CONSTRAINT materialized_view_refresh_status_check CHECK (status IN ('refreshed', 'failed', 'skipped')),
    CONSTRAINT materialized_view_refresh_sqlstate_check CHECK ((status = 'failed') = (sqlstate IS NOT NULL))
);
CREATE INDEX materialized_view_refresh_view_idx ON lifecycle.materialized_view_refresh (view_oid, started_at);
CREATE INDEX materialized_view_refresh_name_idx ON lifecycle.materialized_view_refresh (view_name, started_at);

COMMENT ON TABLE lifecycle.materialized_view_refresh IS
'One row a refresh that pg_lifecycle ran or tried. Views are named by text and by oid; origin says which database the
oid belongs to. key_count: keys that an incremental refresh computed; checked_at: when its tables were last found
unchanged since; stats_epoch, bases, base_writes: the lifecycle.view_mark before the refresh; view_writes, file_node:
rows written to the view itself, and its file, behind it, by which a refresh by hand is noticed. Read it through
lifecycle.mv_refresh_status.';

ALTER TABLE lifecycle.materialized_view_refresh ENABLE ROW LEVEL SECURITY;
CREATE POLICY refresh_read ON lifecycle.materialized_view_refresh FOR SELECT USING (true);
CREATE POLICY refresh_write ON lifecycle.materialized_view_refresh FOR INSERT
WITH CHECK (refreshed_by = current_user AND session_by = session_user AND lifecycle._may_refresh(view_oid));
CREATE POLICY refresh_check ON lifecycle.materialized_view_refresh FOR UPDATE
USING (lifecycle._may_refresh(view_oid)) WITH CHECK (lifecycle._may_refresh(view_oid));

GRANT INSERT (
    view_schema, view_name, view_oid, started_at, refresh_time_ms, mode, status, row_estimate, size_bytes, key_count,
    sqlstate, error, note, stats_epoch, bases, base_writes, view_writes, file_node
), UPDATE (checked_at) ON lifecycle.materialized_view_refresh TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('lifecycle.materialized_view_refresh', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.materialized_view_refresh_refresh_id_seq', '');

-- What the refresh functions call is called by their callers, with the callers' rights.
INSERT INTO lifecycle.routine_purpose (routine, purpose) VALUES
('refresh_all_materialized_views', 'use'),
('refresh_materialized_views', 'use'),
('refresh_materialized_view', 'use'),
('refresh_materialized_views_step', 'use'),
('preview_refresh_materialized_views', 'use'),
('_refresh_run', 'use'),
('_pending_refresh', 'use'),
('_rebuild_reason', 'use'),
('check_mv_freshness', 'use'),
('_may_refresh', 'use'),
('should_refresh_views', 'use'),
('refresh_load', 'use'),
('_view_uses', 'use'),
('_view_marks', 'use'),
('_rows_written', 'use'),
('_refresh_levels', 'use'),
('_refresh_need', 'use'),
('_refreshed_views', 'use'),
('_view_dependencies', 'use'),
('_last_refresh', 'use'),
('_view_policies', 'use'),
('_waiting_changes', 'use'),
('_refresh_state', 'use'),
('_view_changes', 'use'),
('_notify_refresh', 'use'),
('_refresh_incremental_item', 'use'),
('_refresh_cascade', 'use'),
('_mend_views', 'use'),
('_mend_captures', 'use'),
('_require_refreshable', 'use'),
('_incremental_views', 'use'),
('_view_sources', 'use'),
('_query_uses', 'use'),
('_query_findings', 'use'),
('_query_policies', 'use'),
('_unseen_changes', 'use'),
('_incremental_ground', 'use'),
('_refresh_order', 'use'),
('_require_schemas', 'use'),
('_refresh_mode', 'use'),
('_run_refresh', 'use'),
('_refresh_view', 'use'),
('_refresh_item', 'use'),
('_refresh_row', 'use'),
('_lock_refresh_run', 'use'),
('_raise_failures', 'use'),
('_execute', 'use'),
('_lock_wait', 'use'),
('_lock_holders', 'use'),
('_pause', 'use'),
('_origin', 'use'),
('_require_number', 'use'),
('_require_span', 'use'),
('_require_table', 'use')
ON CONFLICT ON CONSTRAINT routine_purpose_pkey DO NOTHING;
