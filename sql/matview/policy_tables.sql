-- How often, and after how many changes. What stands, the catalogs say; a row whose view is gone binds nobody.
CREATE TABLE lifecycle.materialized_view_policy (
    policy_id bigint GENERATED ALWAYS AS IDENTITY,
    view_name text NOT NULL,
    view_oid oid NOT NULL,
    every interval NOT NULL,
    min_changes bigint NOT NULL,
    max_age interval,
    notify_channel name,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    managed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    managed_by name NOT NULL DEFAULT current_user,
    CONSTRAINT materialized_view_policy_pkey PRIMARY KEY (policy_id),
    CONSTRAINT materialized_view_policy_view_key UNIQUE (view_oid, origin),
    CONSTRAINT materialized_view_policy_every_check CHECK (every > interval '0'),
    CONSTRAINT materialized_view_policy_min_changes_check CHECK (min_changes >= 0),
    CONSTRAINT materialized_view_policy_max_age_check CHECK (max_age >= every)
);
COMMENT ON TABLE lifecycle.materialized_view_policy IS
'One row a managed view, materialized or incremental: how often it may be refreshed, after how many changes, after how
long at the latest, and who is told. It is named by text and by oid; origin says which database the oid belongs to.';

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'materialized_view_policy',
    'INSERT (view_name, view_oid, every, min_changes, max_age, notify_channel), '
    || 'UPDATE (view_name, view_oid, every, min_changes, max_age, notify_channel, origin), DELETE'
),
('materialized_view_policy_policy_id_seq', 'USAGE');

ALTER TABLE lifecycle.materialized_view_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY materialized_view_policy_read ON lifecycle.materialized_view_policy FOR SELECT USING (true);
CREATE POLICY materialized_view_policy_write ON lifecycle.materialized_view_policy
USING (lifecycle._owns_recorded(view_oid, view_name, origin))
WITH CHECK (lifecycle._owns_recorded(view_oid, view_name, origin, false));

SELECT pg_catalog.pg_extension_config_dump('lifecycle.materialized_view_policy', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.materialized_view_policy_policy_id_seq', '');
