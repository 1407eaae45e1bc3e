-- A row says which function lifecycle.sync_capture attaches to a table.
CREATE POLICY capture_read ON lifecycle.capture FOR SELECT USING (true);
CREATE POLICY capture_write ON lifecycle.capture
USING (lifecycle._owns_recorded(source_oid, source, origin))
WITH CHECK (
    lifecycle._owns_recorded(source_oid, source, origin, false) AND lifecycle._owns_recorded(queue_oid, queue, origin)
);
