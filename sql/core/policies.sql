-- Who writes the journal writes it as himself, and a step joins only a migration of the role that adds it.
CREATE POLICY migration_read ON lifecycle.migration FOR SELECT USING (true);
CREATE POLICY migration_write ON lifecycle.migration FOR INSERT
WITH CHECK (applied_by = current_user AND session_by = session_user);
CREATE POLICY migration_change ON lifecycle.migration FOR UPDATE
USING (lifecycle._may_run(applied_by, session_by))
WITH CHECK (rolled_back_by IS NULL OR rolled_back_by = current_user);

CREATE POLICY migration_step_read ON lifecycle.migration_step FOR SELECT USING (true);
CREATE POLICY migration_step_write ON lifecycle.migration_step FOR INSERT
WITH CHECK (
    applied_by = current_user AND session_by = session_user
    AND EXISTS (
        SELECT FROM lifecycle.migration AS m
        WHERE
            m.migration_id = migration_step.migration_id
            AND m.applied_by = current_user
            AND m.session_by = session_user
    )
);
CREATE POLICY migration_step_change ON lifecycle.migration_step FOR UPDATE
USING (lifecycle._may_run(applied_by, session_by));

-- The origin tells this database's oids from those that a restore brought along.
ALTER TABLE lifecycle.migration ALTER COLUMN origin SET DEFAULT lifecycle._origin();
