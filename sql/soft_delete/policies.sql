-- A role sees the deletions of tables that it may read, and writes those of tables that it owns.
ALTER TABLE lifecycle.deletion ENABLE ROW LEVEL SECURITY;
CREATE POLICY deletion_read ON lifecycle.deletion FOR SELECT
USING (has_table_privilege(lifecycle._deletion_relation(table_schema, table_name, table_oid, origin), 'SELECT'));
-- A number that was not given out yet would be missed by whose deletion gets it.
CREATE POLICY deletion_write ON lifecycle.deletion FOR INSERT
WITH CHECK (
    lifecycle._owns_relation(table_oid)
    AND deletion_id <= pg_catalog.pg_sequence_last_value('lifecycle.deletion_deletion_id_seq'::pg_catalog.regclass)
);
CREATE POLICY deletion_change ON lifecycle.deletion FOR UPDATE
USING (lifecycle._owns_relation(lifecycle._deletion_relation(table_schema, table_name, table_oid, origin)));
CREATE POLICY deletion_removal ON lifecycle.deletion FOR DELETE
USING (lifecycle._owns_relation(lifecycle._deletion_relation(table_schema, table_name, table_oid, origin)));
ALTER TABLE lifecycle.deletion_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY deletion_change_read ON lifecycle.deletion_change FOR SELECT
USING (has_table_privilege(lifecycle._deletion_relation(table_schema, table_name, table_oid, origin), 'SELECT'));
CREATE POLICY deletion_change_write ON lifecycle.deletion_change FOR INSERT
WITH CHECK (lifecycle._owns_relation(table_oid));
-- The owner of the table that a deletion is of forgets with it what it has cleared in tables of others.
CREATE POLICY deletion_change_removal ON lifecycle.deletion_change FOR DELETE
USING (
    lifecycle._owns_relation(lifecycle._deletion_relation(table_schema, table_name, table_oid, origin))
    OR lifecycle._may_forget(deletion_id)
);
