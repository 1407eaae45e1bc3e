-- What is kept incrementally. Objects are named by text and by oid; origin says which database the oids belong to.
CREATE TABLE lifecycle.incremental_view (
    target text NOT NULL,
    target_oid oid NOT NULL,
    query_view text NOT NULL,
    query_view_oid oid NOT NULL,
    key_columns name[] NOT NULL,
    sources jsonb NOT NULL,
    settings jsonb NOT NULL,
    tolerance interval,
    rebuild_reason text,
    checked_at timestamptz,
    data_as_of timestamptz,
    rebuilt_at timestamptz,
    rebuild_ms numeric,
    key_ms numeric,
    routine text,
    routine_oid oid,
    fingerprint text,
    ground jsonb,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by name NOT NULL DEFAULT current_user,
    session_by name NOT NULL DEFAULT lifecycle._session_role(),
    writer text NOT NULL DEFAULT lifecycle._writer(current_user, lifecycle._session_role()),
    CONSTRAINT incremental_view_pkey PRIMARY KEY (query_view)
);
COMMENT ON TABLE lifecycle.incremental_view IS
'One row an incremental view: the table, the view that holds its query, the key, the sources with the way from a changed
row to its keys, the settings under which the query is run, and two clocks: checked_at, when it was last looked at, and
data_as_of, the moment whose data it shows. rebuild_reason: why the next refresh reads everything. rebuild_ms:
what the last rebuild took; key_ms: what a key takes, by the refreshes of 1000 keys and more. routine: the generated
function for few keys; fingerprint: the row versions in the catalogs with which it was last found to be right, NULL when
it must not be called. ground: the definitions and triggers as they were at the last refresh. Read it through
lifecycle.mv_refresh_status.';

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'incremental_view',
    'INSERT (target, target_oid, query_view, query_view_oid, key_columns, sources, settings, tolerance, '
    || 'rebuild_reason, routine, ground), UPDATE (target, target_oid, query_view_oid, rebuild_reason, checked_at, '
    || 'data_as_of, rebuilt_at, rebuild_ms, key_ms, routine_oid, fingerprint, ground, origin), DELETE'
);

INSERT INTO lifecycle.setting_definition (name, default_value, unit, description) VALUES
(
    'incremental_share', '20', '%',
    'Beyond this share of its rows, and 1000 keys, an incremental view is rebuilt until times are known. 100: never.'
);

ALTER TABLE lifecycle.incremental_view ENABLE ROW LEVEL SECURITY;
CREATE POLICY incremental_view_read ON lifecycle.incremental_view FOR SELECT USING (true);
CREATE POLICY incremental_view_write ON lifecycle.incremental_view
USING (lifecycle._owns_recorded(target_oid, target, origin))
WITH CHECK (
    lifecycle._owns_recorded(target_oid, target, origin, false)
    AND lifecycle._owns_recorded(query_view_oid, query_view, origin)
);

INSERT INTO lifecycle.routine_purpose (routine, purpose) VALUES
('_session_role', 'use'),
('_origin', 'use')
ON CONFLICT ON CONSTRAINT routine_purpose_pkey DO NOTHING;

SELECT pg_catalog.pg_extension_config_dump('lifecycle.incremental_view', '');
