-- The conversion, while the application writes. Each statement is a transaction of its own (psql without
-- --single-transaction): the procedures commit between their batches, and can be called again after anything.

-- What stands in the way, what will change, what is kept. Nothing of severity error may be left.
SELECT severity, object, finding, detail, remedy FROM partition_mgmt.pre_migration_check() WHERE severity <> 'ok';

-- The whole plan, nothing done.
SELECT step, stage, action, object, statement, note FROM partition_mgmt.safe_migrate_table('petri_observations', true);

-- A first slice by the document's call; it begins the conversion.
SELECT phase, rows_done, rows_total, remaining FROM partition_mgmt.migrate_to_partitioned(p_batch_size := 10000);

-- The rest: copies in key ranges, builds the indexes, catches up with what is written meanwhile.
CALL lifecycle.convert_data('public.petri_observations', batch_size => 10000);

SELECT phase, rows_done, rows_total, percent, queue_entries, rollback_possible FROM partition_mgmt.monitor_migration();
SELECT severity, object, finding, detail FROM partition_mgmt.post_migration_validation();

-- The names change places, in some milliseconds. From now on petri_observations is the partitioned table, and
-- petri_observations_old is kept in step with it.
CALL lifecycle.swap_tables('public.petri_observations');

SELECT schema_name, table_name FROM (
    SELECT n.nspname AS schema_name, c.relname AS table_name, c.relkind
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relname IN ('petri_observations', 'petri_observations_old')
) AS t
ORDER BY table_name;
