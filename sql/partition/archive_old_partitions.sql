-- After DETACH, when nobody reads it any more. Indexes do not follow their table.
CREATE FUNCTION lifecycle._tablespace_steps(
    parent regclass, partitions regclass[], into_schema name, into_tablespace name
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH of_partition AS (
        SELECT p.partition, p.place, t.relation,
            CASE WHEN lifecycle._detach_form(parent, p.partition, NULL) = ' CONCURRENTLY' THEN 2 ELSE 1 END AS stage
        FROM unnest(partitions) WITH ORDINALITY AS p (partition, place)
        CROSS JOIN LATERAL unnest(p.partition::oid || lifecycle._partitions(p.partition)) AS t (relation)
        WHERE into_tablespace IS NOT NULL
    ), member AS (
        SELECT o.*, o.relation AS of_table FROM of_partition AS o
        UNION ALL
        SELECT o.partition, o.place, i.indexrelid, o.stage, i.indrelid FROM of_partition AS o
        JOIN pg_index AS i ON i.indrelid = o.relation
    ), found AS (
        SELECT c.oid, CASE c.relkind WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END AS kind, s.spcname, m.place, m.stage,
            format('%I.%I', CASE WHEN m.of_table = m.partition THEN coalesce(into_schema, n.nspname) ELSE n.nspname END,
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
        format('ALTER %s %s SET TABLESPACE %I', f.kind, f.identity, f.spcname), f.stage)
        ORDER BY f.place, f.kind DESC, f.oid), '{}')
    FROM found AS f
$fn$;
COMMENT ON FUNCTION lifecycle._tablespace_steps(regclass, regclass[], name, name) IS
'The steps that move detached partitions with their indexes into another tablespace.';

-- Whoever reads one of them keeps that one, not the others.
CREATE FUNCTION lifecycle._archive_set(
    parent regclass, partitions regclass[], marks xid[], into_schema name, into_tablespace name, dry_run boolean
) RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_retired lifecycle.retired_set;
    v_plan lifecycle.plan_step[];
    v_further lifecycle.plan_step[];
BEGIN
    v_retired := lifecycle._retire(parent, partitions, marks, 'detach partition', EXISTS (SELECT
        FROM unnest(partitions) AS p WHERE lifecycle._detach_form(parent, p, NULL) <> ' CONCURRENTLY'), dry_run);
    v_plan := coalesce(lifecycle._detach_steps(parent, v_retired.partitions, into_schema, true), '{}');
    v_further := lifecycle._tablespace_steps(parent, v_retired.partitions, into_schema, into_tablespace);
    RETURN lifecycle._set_plan(parent, v_plan || v_further, v_retired.failures,
        singles => CASE WHEN v_further = '{}' THEN v_plan ELSE '{}' END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._archive_set(regclass, regclass[], xid[], name, name, boolean) IS
'Locks a table and plans the detachment of some of its partitions; what cannot go is a failure, the others go.';

CREATE FUNCTION lifecycle.archive_old_partitions(
    months integer DEFAULT NULL,
    target regclass DEFAULT NULL,
    into_schema name DEFAULT NULL,
    into_tablespace name DEFAULT NULL,
    max_partitions integer DEFAULT NULL,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF months IS NOT NULL THEN
        PERFORM lifecycle._require_number('months', months, 1, 12000,
            'So many are kept; leave it out to go by the policies.');
    END IF;
    IF max_partitions IS NOT NULL THEN
        PERFORM lifecycle._require_number('max_partitions', max_partitions, 1,
            hint => 'So many are detached by one call.');
    END IF;
    IF into_schema IS NOT NULL THEN
        PERFORM lifecycle._require_schema('into_schema', into_schema);
    END IF;
    IF into_tablespace IS NOT NULL AND NOT EXISTS (SELECT FROM pg_tablespace AS s WHERE s.spcname = into_tablespace)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('tablespace %I does not exist', into_tablespace);
    END IF;
    PERFORM lifecycle._require_policy(target);
    RETURN QUERY SELECT * FROM lifecycle._apply_sets(ARRAY(
        SELECT CASE WHEN o.partitions = '{}'
            THEN lifecycle._set_plan(o.parent, lifecycle._left_over('detach partition', o.parent, o.made))
            ELSE lifecycle._archive_set(o.parent, o.partitions, o.marks, into_schema, into_tablespace, dry_run) END
        FROM lifecycle._old_sets(months, target, max_partitions, true) AS o
        ORDER BY o.parent, o.partitions = '{}'), dry_run, expected_plan, archive_old_partitions.search_path,
        'partition_archive');
END
$fn$;
COMMENT ON FUNCTION lifecycle.archive_old_partitions(
    integer, regclass, name, name, integer, boolean, text, text
) IS
'Detaches the partitions of managed tables that end before a point in time, by their real upper bound: nothing newer
goes with them. Their rows stay; lifecycle.drop_archived_partitions drops them after a grace period, and until then a
rollback attaches them again. With the setting detach_concurrently
they are pending top-level steps. What foreign keys refer to, or somebody reads, stays, as a row with status failed; the
others go.

Arguments: months - how many months are kept, default what each policy says (retention), tables without one are left
alone; target - one managed table, default all of the caller; into_schema, into_tablespace - where they go, default they
stay where they are; a tablespace means that the table and its indexes are copied; max_partitions - of one call, default
as many as are detached in a fifth of a second, for so long is the table locked; what is left over is told; dry_run -
only show the plan, the default; expected_plan - plan_hash of the reviewed dry run; search_path - not used by the
statements.
Returns: one row a step (lifecycle.step_result); what could not be done is a row with status failed.
Errors: 22023 months or max_partitions; 3F000 no such schema; 42704 no such tablespace; 55000 target has no
policy, or the plan is not the reviewed one.
Example: SELECT object, note FROM lifecycle.archive_old_partitions(12);';
