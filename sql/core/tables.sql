-- The journal. Rows hold statements that will be executed later, so writing them is a privilege, tied by row-level
-- security and by DEFAULTs that no grant lets anybody override to the role that writes. DEFAULTs, not triggers: a
-- trigger would fire during a restore and stamp every row with the restoring role.
CREATE TABLE lifecycle.migration (
    migration_id bigint GENERATED ALWAYS AS IDENTITY,
    name text,
    feature text NOT NULL,
    part_of bigint,
    target text,
    target_oid oid,
    parameters jsonb NOT NULL DEFAULT '{}',
    search_path text NOT NULL,
    plan_hash text NOT NULL,
    state text NOT NULL DEFAULT 'applied',
    origin text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by name NOT NULL DEFAULT current_user,
    session_by name NOT NULL,
    writer text NOT NULL,
    rolled_back_at timestamptz,
    rolled_back_by name,
    CONSTRAINT migration_pkey PRIMARY KEY (migration_id),
    CONSTRAINT migration_part_of_fkey FOREIGN KEY (part_of) REFERENCES lifecycle.migration (migration_id),
    CONSTRAINT migration_state_check CHECK (state IN ('applied', 'pending', 'rolled_back')),
    CONSTRAINT migration_rolled_back_check CHECK ((state = 'rolled_back') = (rolled_back_at IS NOT NULL)),
    CONSTRAINT migration_target_check CHECK ((target IS NULL) = (target_oid IS NULL))
);
-- A name is taken only as long as its migration stands.
CREATE UNIQUE INDEX migration_name_key ON lifecycle.migration (name) WHERE state <> 'rolled_back';
CREATE INDEX migration_target_idx ON lifecycle.migration (feature, target_oid) WHERE state <> 'rolled_back';
CREATE INDEX migration_part_of_idx ON lifecycle.migration (part_of);

COMMENT ON TABLE lifecycle.migration IS
'The journal: one row a change. Read it through lifecycle.migration_history. Objects are named by text and by oid,
because a regclass column makes a partial restore lose the whole table; origin says which database the oids belong
to.';

CREATE TABLE lifecycle.migration_step (
    migration_id bigint NOT NULL,
    step integer NOT NULL,
    stage integer NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    statement text NOT NULL,
    inverse text,
    top_level boolean NOT NULL DEFAULT false,
    note text,
    status text NOT NULL DEFAULT 'pending',
    address lifecycle.object_address,
    made boolean NOT NULL DEFAULT false,
    fingerprint text,
    server_major integer,
    sqlstate text,
    message text,
    run_at timestamptz,
    applied_by name NOT NULL DEFAULT current_user,
    session_by name NOT NULL,
    writer text NOT NULL,
    CONSTRAINT migration_step_pkey PRIMARY KEY (migration_id, step),
    CONSTRAINT migration_step_migration_id_fkey
    FOREIGN KEY (migration_id) REFERENCES lifecycle.migration (migration_id) ON DELETE CASCADE,
    CONSTRAINT migration_step_status_check CHECK (status IN ('pending', 'done', 'failed', 'rolled_back')),
    CONSTRAINT migration_step_sqlstate_check CHECK ((status = 'failed') = (sqlstate IS NOT NULL)),
    CONSTRAINT migration_step_run_at_check CHECK ((status = 'pending') = (run_at IS NULL))
);
CREATE INDEX migration_step_open_idx ON lifecycle.migration_step (migration_id, stage)
WHERE status IN ('pending', 'failed');

COMMENT ON TABLE lifecycle.migration_step IS
'The steps of each change as they were run, with their inverse, what they touched (address; made: it did not exist
before; fingerprint, and the server major
that rendered the fingerprint) and, where a step failed, SQLSTATE and message.';

CREATE TABLE lifecycle.successor (
    former_oid oid NOT NULL,
    present_oid oid NOT NULL,
    origin text NOT NULL,
    CONSTRAINT successor_pkey PRIMARY KEY (former_oid, origin)
);
CREATE INDEX successor_present_idx ON lifecycle.successor (present_oid);
COMMENT ON TABLE lifecycle.successor IS
'Which table has taken the place of another one: a conversion swaps two tables, and what was recorded of the one is then
about the other.';

CREATE TABLE lifecycle.setting_definition (
    name text NOT NULL,
    default_value text NOT NULL,
    unit text NOT NULL,
    description text NOT NULL,
    CONSTRAINT setting_definition_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE lifecycle.setting_definition IS
'The settings that exist, with their defaults. Belongs to the extension; changed values are in
lifecycle.setting_value.';

CREATE TABLE lifecycle.setting_value (
    name text NOT NULL,
    value text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by name NOT NULL DEFAULT current_user,
    CONSTRAINT setting_value_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE lifecycle.setting_value IS
'The settings changed in this database; dumped with it. Write it through lifecycle.set_setting.';

CREATE TABLE lifecycle.routine_purpose (
    routine name NOT NULL,
    purpose text NOT NULL,
    CONSTRAINT routine_purpose_pkey PRIMARY KEY (routine),
    CONSTRAINT routine_purpose_purpose_check CHECK (purpose IN ('public', 'use'))
);
COMMENT ON TABLE lifecycle.routine_purpose IS
'Which routines are for applications (use: granted by lifecycle.grant_lifecycle_use) and which for everybody (public).
A routine that is not listed is for administrators.';

-- Column grants leave out applied_by, session_by, writer, applied_at and origin: nobody writes in another's name.
CREATE TABLE lifecycle.admin_privilege (
    relation name NOT NULL,
    privileges text NOT NULL,
    CONSTRAINT admin_privilege_pkey PRIMARY KEY (relation)
);
COMMENT ON TABLE lifecycle.admin_privilege IS
'What lifecycle.grant_lifecycle_admin grants on the tables of the extension, besides SELECT.';

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
('setting_value', 'INSERT (name, value), UPDATE (value, changed_at, changed_by), DELETE'),
(
    'migration',
    'INSERT (name, feature, part_of, target, target_oid, parameters, search_path, plan_hash, state), '
    || 'UPDATE (state, rolled_back_at, rolled_back_by)'
),
(
    'migration_step',
    'INSERT (migration_id, step, stage, action, object, statement, inverse, top_level, note), '
    || 'UPDATE (status, sqlstate, message, run_at, address, made, fingerprint, server_major)'
),
('successor', 'INSERT (former_oid, present_oid), UPDATE (present_oid), DELETE');

INSERT INTO lifecycle.setting_definition (name, default_value, unit, description) VALUES
('lock_timeout', '500', 'ms', 'How long one try of a change waits for its first lock, at most deadlock_timeout / 2.'),
('lock_attempts', '10', 'tries', 'How often a change tries to get its locks before it gives up with 55P03.'),
('lock_retry_delay', '200', 'ms', 'The mean pause between two tries; each lasts between 0.5 and 1.5 times that.'),
('top_level_runner', 'none', 'none | dblink', 'How run_pending() runs what PostgreSQL refuses inside a function.'),
('dblink_connection', '', 'connection', 'What dblink connects to; empty: this database over the local socket.');

INSERT INTO lifecycle.routine_purpose (routine, purpose) VALUES
('setting', 'use'),
('_setting_definition', 'use'),
('_require_setting_value', 'use'),
('_may_run', 'use'),
('_session_role', 'use'),
('_owns_relation', 'use'),
('_owns_recorded', 'use'),
('_owns_all', 'use'),
('_named_relation', 'use'),
('_present_oid', 'use'),
('_former_oids', 'use'),
('_is_superuser', 'use'),
('_writer', 'use');

ALTER TABLE lifecycle.migration ENABLE ROW LEVEL SECURITY;
ALTER TABLE lifecycle.migration_step ENABLE ROW LEVEL SECURITY;
ALTER TABLE lifecycle.setting_value ENABLE ROW LEVEL SECURITY;
ALTER TABLE lifecycle.successor ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('lifecycle.migration', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.migration_migration_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.migration_step', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.setting_value', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.successor', '');
