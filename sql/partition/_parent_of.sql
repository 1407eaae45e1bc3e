CREATE FUNCTION lifecycle._parent_of(partition regclass) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parent constant regclass := (SELECT i.inhparent FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhrelid = partition AND c.relispartition);
BEGIN
    PERFORM lifecycle._require_table(partition);
    IF v_parent IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is no partition', partition),
            HINT = CASE WHEN EXISTS (SELECT FROM pg_partitioned_table AS p WHERE p.partrelid = partition)
                THEN format('SELECT partition_name FROM lifecycle.check_partition_sizes(%L) lists its partitions.',
                    partition)
                ELSE 'Name a table that is attached to a partitioned one.' END;
    END IF;
    RETURN v_parent;
END
$fn$;
COMMENT ON FUNCTION lifecycle._parent_of(regclass) IS 'The table of a partition; raises 42809 for what is none.';
