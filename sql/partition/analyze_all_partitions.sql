-- Autovacuum analyzes leaves, never what they belong to: the planner then knows nothing of the whole.
CREATE FUNCTION lifecycle._stale_relations(target regclass, all_of_them boolean)
RETURNS TABLE (relation regclass, only_itself boolean) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE tree AS (
        SELECT c.oid AS root, c.oid AS relation, c.relkind
        FROM pg_class AS c
        WHERE c.relkind = 'p' AND CASE WHEN target IS NULL THEN NOT c.relispartition ELSE c.oid = target::oid END
            AND c.relpersistence <> 't' AND pg_has_role(current_user, c.relowner, 'USAGE')
        UNION ALL
        SELECT t.root, c.oid, c.relkind
        FROM tree AS t
        JOIN pg_inherits AS i ON i.inhparent = t.relation
        JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p')
    ), stale AS MATERIALIZED (
        SELECT t.root, t.relation FROM tree AS t
        WHERE t.relkind = 'r' AND (all_of_them OR pg_stat_get_mod_since_analyze(t.relation) > 0
            OR coalesce(pg_stat_get_last_analyze_time(t.relation), pg_stat_get_last_autoanalyze_time(t.relation))
                IS NULL)
    )
    SELECT s.relation::regclass, false FROM stale AS s WHERE current_setting('server_version_num')::integer >= 180000
    UNION ALL
    -- Before PostgreSQL 18, the root takes all its leaves along.
    SELECT DISTINCT s.root::regclass, current_setting('server_version_num')::integer >= 180000 FROM stale AS s
    ORDER BY 2, 1
$fn$;
COMMENT ON FUNCTION lifecycle._stale_relations(regclass, boolean) IS
'What ANALYZE has to be told so that every changed leaf and every root above one has fresh statistics.';

CREATE FUNCTION lifecycle.analyze_all_partitions(target regclass DEFAULT NULL, all_of_them boolean DEFAULT false)
RETURNS SETOF lifecycle.partition_analysis LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_stale record;
    v_row lifecycle.partition_analysis;
    v_started timestamptz;
BEGIN
    IF target IS NOT NULL THEN
        PERFORM lifecycle._require_table(target, '{p}');
    END IF;
    FOR v_stale IN SELECT s.* FROM lifecycle._stale_relations(target, all_of_them) AS s LOOP
        v_started := clock_timestamp();
        v_row := NULL;
        v_row.status := 'analyzed';
        SELECT n.nspname, c.relname INTO v_row.partition_schema, v_row.partition_name
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v_stale.relation;
        BEGIN
            EXECUTE format('ANALYZE (SKIP_LOCKED) %s%s', CASE WHEN v_stale.only_itself THEN 'ONLY ' ELSE '' END,
                v_stale.relation);
        EXCEPTION WHEN OTHERS THEN
            v_row.status := 'failed';
            GET STACKED DIAGNOSTICS v_row.sqlstate = RETURNED_SQLSTATE, v_row.error = MESSAGE_TEXT;
        END;
        v_row.duration_ms := round((1000 * extract(epoch FROM clock_timestamp() - v_started))::numeric, 1);
        RETURN NEXT v_row;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle.analyze_all_partitions(regclass, boolean) IS
'Refreshes the statistics of partitioned tables: of their leaves that have changed, and of the whole, which autovacuum
never does. What is locked is passed over, what fails does not stop the others.

Arguments: target - one partitioned table, default all of the caller; all_of_them - also what has not changed.
Returns: one row a table (lifecycle.partition_analysis): partition_schema, partition_name, status (analyzed, failed),
duration_ms, sqlstate, error. Before PostgreSQL 18 the row of a root stands for its leaves as well.
Errors: 42809 target is no partitioned table.
Example: SELECT * FROM lifecycle.analyze_all_partitions();';
