-- A row says which function lifecycle.sync_capture attaches to a table.
CREATE POLICY capture_read ON lifecycle.capture FOR SELECT USING (true);
CREATE POLICY capture_write ON lifecycle.capture FOR INSERT
WITH CHECK (started_by = current_user AND lifecycle._owns_recorded(source_oid, source, origin));
CREATE POLICY capture_change ON lifecycle.capture FOR UPDATE
USING (lifecycle._owns_recorded(source_oid, source, origin))
WITH CHECK (lifecycle._owns_recorded(source_oid, source, origin));
CREATE POLICY capture_remove ON lifecycle.capture FOR DELETE
USING (lifecycle._owns_recorded(source_oid, source, origin));
