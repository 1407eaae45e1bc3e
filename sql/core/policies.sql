-- Who writes the journal writes it as himself: a step joins only a migration, and a part only a group, of the role that
-- adds it. What a superuser has applied to his tables an administrator may take back as far as his own rights go, but
-- he can neither revive it nor turn it to another object. A change of a table is what its rollback takes back, so only
-- who has the rights of its owner says that there was one.
CREATE POLICY migration_read ON lifecycle.migration FOR SELECT USING (true);
CREATE POLICY migration_write ON lifecycle.migration FOR INSERT
WITH CHECK (
    applied_by = current_user AND session_by = lifecycle._session_role()
    AND (target_oid IS NULL OR lifecycle._owns_recorded(target_oid, target, origin, false))
    AND (part_of IS NULL OR EXISTS (
        SELECT FROM lifecycle.migration AS g
        WHERE
            g.migration_id = migration.part_of
            AND g.applied_by = current_user
            AND g.session_by = lifecycle._session_role()
    ))
);
CREATE POLICY migration_change ON lifecycle.migration FOR UPDATE
USING (
    lifecycle._may_run(applied_by, session_by, writer)
    AND (applied_by = current_user OR lifecycle._owns_recorded(target_oid, target, origin))
)
WITH CHECK (
    (applied_by = current_user OR state = 'rolled_back')
    AND (rolled_back_by IS NULL OR rolled_back_by = current_user)
);

CREATE POLICY migration_step_read ON lifecycle.migration_step FOR SELECT USING (true);
CREATE POLICY migration_step_write ON lifecycle.migration_step FOR INSERT
WITH CHECK (
    applied_by = current_user AND session_by = lifecycle._session_role()
    AND EXISTS (
        SELECT FROM lifecycle.migration AS m
        WHERE
            m.migration_id = migration_step.migration_id
            AND m.applied_by = current_user
            AND m.session_by = lifecycle._session_role()
    )
);
CREATE POLICY migration_step_change ON lifecycle.migration_step FOR UPDATE
USING (
    lifecycle._may_run(applied_by, session_by, writer)
    AND (applied_by = current_user OR EXISTS (
        SELECT FROM lifecycle.migration AS m
        WHERE
            m.migration_id = migration_step.migration_id
            AND lifecycle._owns_recorded(m.target_oid, m.target, m.origin)
    ))
)
WITH CHECK (applied_by = current_user OR status = 'rolled_back');

-- Only the owner of both tables says that one stands for the other: who may read the records of one may then read
-- those of the other.
CREATE POLICY successor_read ON lifecycle.successor FOR SELECT USING (true);
CREATE POLICY successor_write ON lifecycle.successor FOR INSERT
WITH CHECK (lifecycle._owns_relation(former_oid) AND lifecycle._owns_relation(present_oid));
CREATE POLICY successor_change ON lifecycle.successor FOR UPDATE
USING (lifecycle._owns_relation(present_oid)) WITH CHECK (lifecycle._owns_relation(present_oid));
CREATE POLICY successor_removal ON lifecycle.successor FOR DELETE USING (lifecycle._owns_relation(present_oid));

-- Where dblink connects to decides where a superuser's statements go: only the owner of the extension says that.
CREATE POLICY setting_value_read ON lifecycle.setting_value FOR SELECT USING (true);
CREATE POLICY setting_value_write ON lifecycle.setting_value
USING (name <> 'dblink_connection')
WITH CHECK (name <> 'dblink_connection' AND changed_by = current_user);

-- The origin tells this database's oids from those that a restore brought along.
ALTER TABLE lifecycle.migration ALTER COLUMN origin SET DEFAULT lifecycle._origin();
ALTER TABLE lifecycle.successor ALTER COLUMN origin SET DEFAULT lifecycle._origin();
ALTER TABLE lifecycle.migration ALTER COLUMN session_by SET DEFAULT lifecycle._session_role();
ALTER TABLE lifecycle.migration_step ALTER COLUMN session_by SET DEFAULT lifecycle._session_role();
ALTER TABLE lifecycle.migration
ALTER COLUMN writer SET DEFAULT lifecycle._writer(current_user, lifecycle._session_role());
ALTER TABLE lifecycle.migration_step
ALTER COLUMN writer SET DEFAULT lifecycle._writer(current_user, lifecycle._session_role());
