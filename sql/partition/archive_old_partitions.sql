-- After DETACH, when nobody reads it any more. Indexes do not follow their table.
CREATE FUNCTION lifecycle._tablespace_steps(
    partition regclass, into_schema name, into_tablespace name, stage integer
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH member AS (
        SELECT t.relid AS relation, t.relid AS of_table FROM pg_partition_tree(partition) AS t
        UNION ALL
        SELECT i.indexrelid, i.indrelid FROM pg_partition_tree(partition) AS t
        JOIN pg_index AS i ON i.indrelid = t.relid
    ), found AS (
        SELECT c.oid, CASE c.relkind WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END AS kind, s.spcname,
            format('%I.%I', CASE WHEN m.of_table = partition THEN coalesce(into_schema, n.nspname) ELSE n.nspname END,
                c.relname) AS identity
        FROM member AS m
        JOIN pg_class AS c ON c.oid = m.relation AND c.relkind IN ('r', 'i')
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_database AS d ON d.datname = current_database()
        JOIN pg_tablespace AS s ON s.oid = coalesce(nullif(c.reltablespace, 0), d.dattablespace)
        WHERE s.spcname <> into_tablespace
    )
    SELECT coalesce(array_agg(lifecycle._step('set tablespace', lower(f.kind) || ' ' || f.identity,
        format('ALTER %s %s SET TABLESPACE %I', f.kind, f.identity, into_tablespace),
        format('ALTER %s %s SET TABLESPACE %I', f.kind, f.identity, f.spcname), stage)
        ORDER BY f.kind DESC, f.oid), '{}')
    FROM found AS f
$fn$;
COMMENT ON FUNCTION lifecycle._tablespace_steps(regclass, name, name, integer) IS
'The steps that move a detached partition with its indexes into another tablespace.';

CREATE FUNCTION lifecycle._archive_set(
    parent regclass, partitions oid[], into_schema name, into_tablespace name, dry_run boolean
) RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_partition regclass;
    v_detach lifecycle.plan_step[];
    v_set lifecycle.set_plan;
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    v_set.parent := parent;
    v_set.plan := ARRAY[]::lifecycle.plan_step[];
    v_set.failures := ARRAY[]::lifecycle.step_result[];
    BEGIN
        IF EXISTS (SELECT FROM unnest(partitions) AS p WHERE lifecycle._detach_form(parent, p, NULL) <> ' CONCURRENTLY')
        THEN
            PERFORM lifecycle._lock_detach(parent, partitions::regclass[], dry_run);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
        v_set.failures := ARRAY[lifecycle._failed_step(parent, v_sqlstate, v_message, v_detail,
            'detach partition')];
        RETURN v_set;
    END;
    FOREACH v_partition IN ARRAY partitions::regclass[] LOOP
        BEGIN
            PERFORM lifecycle._require_unreferenced(parent, v_partition);
            v_detach := lifecycle._detach_steps(parent, v_partition, into_schema,
                lifecycle._partition_bounds(v_partition));
            v_set.plan := v_set.plan || v_detach || lifecycle._tablespace_steps(v_partition, into_schema,
                into_tablespace, CASE WHEN v_detach[1].top_level THEN 2 ELSE 1 END);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL;
            v_set.failures := v_set.failures
                || lifecycle._failed_step(v_partition, v_sqlstate, v_message, v_detail,
                    'detach partition');
        END;
    END LOOP;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._archive_set(regclass, oid[], name, name, boolean) IS
'Locks a table and plans the detachment of some of its partitions; what cannot go is a failure, the others go.';

CREATE FUNCTION lifecycle.archive_old_partitions(
    months integer DEFAULT NULL,
    target regclass DEFAULT NULL,
    into_schema name DEFAULT NULL,
    into_tablespace name DEFAULT NULL,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF months < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('months must be at least 1, not %s', months);
    ELSIF into_schema IS NOT NULL AND to_regnamespace(quote_ident(into_schema)) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
            MESSAGE = format('schema %I does not exist', into_schema);
    ELSIF into_tablespace IS NOT NULL AND NOT EXISTS (SELECT FROM pg_tablespace AS s WHERE s.spcname = into_tablespace)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('tablespace %I does not exist', into_tablespace);
    END IF;
    PERFORM lifecycle._require_policy(target);
    RETURN QUERY SELECT * FROM lifecycle._apply_sets(ARRAY(
        SELECT lifecycle._archive_set(o.parent, o.partitions, into_schema, into_tablespace, dry_run)
        FROM (
            SELECT p.parent, array_agg(p.partition ORDER BY p.upper_bound, p.partition) AS partitions
            FROM lifecycle._old_partitions(months, target) AS p GROUP BY p.parent ORDER BY p.parent
        ) AS o), dry_run, expected_plan, archive_old_partitions.search_path, 'partition_archive');
END
$fn$;
COMMENT ON FUNCTION lifecycle.archive_old_partitions(integer, regclass, name, name, boolean, text, text) IS
'Detaches the partitions of managed tables that end before a point in time, by their real upper bound: nothing newer
goes with them. Their rows stay; lifecycle.drop_archived_partitions drops them after a grace period, and until then a
rollback attaches them again. With the setting detach_concurrently they are pending top-level steps. What foreign keys
refer to stays, as a row with status failed; the others go.

Arguments: months - how many months are kept, default what each policy says (retention), tables without one are left
alone; target - one managed table, default all of the caller; into_schema, into_tablespace - where they go, default they
stay where they are; a tablespace means that the table and its indexes are copied; dry_run - only show the plan, the
default; expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); what could not be done is a row with status failed.
Errors: 22023 months below 1; 3F000 no such schema; 42704 no such tablespace; 55000 target has no policy, or the plan is
not the reviewed one.
Example: SELECT object, note FROM lifecycle.archive_old_partitions(12);';
