-- pg_partition_tree() locks every table that it lists, to the end of the transaction: a tree of thousands of leaves
-- would fill the lock table only to be looked at.
CREATE FUNCTION lifecycle._partitions(root regclass) RETURNS oid[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN ARRAY(
        WITH RECURSIVE member AS (
            SELECT i.inhrelid FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
            WHERE i.inhparent = root AND c.relkind = 'p'
            UNION ALL
            SELECT i.inhrelid FROM member AS m JOIN pg_inherits AS i ON i.inhparent = m.inhrelid
        )
        SELECT m.inhrelid FROM member AS m ORDER BY m.inhrelid
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._partitions(regclass) IS
'The partitions below a partitioned table, of every level, in the order of their oids; none is locked.';
