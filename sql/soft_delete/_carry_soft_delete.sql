-- A conversion puts a partitioned table in the place of a soft-deleted one. The columns, the indexes and the view come
-- along as any others do; what is only of soft delete is here: the triggers, which go from the old table (it would mark
-- where rows are only to be kept in step), the generated functions, which stay and name the table themselves from then
-- on, the journal, and the records of deletions.
CREATE FUNCTION lifecycle._is_soft_delete_trigger(trigger_oid oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (SELECT FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid
        WHERE t.oid = trigger_oid AND t.tgname ~ '^(aa|zz)_soft_delete(_|$)'
            AND f.pronamespace = to_regnamespace('lifecycle_data'))
$fn$;
COMMENT ON FUNCTION lifecycle._is_soft_delete_trigger(oid) IS
'Whether a trigger is one of those that make its table a soft-deleted one.';

CREATE FUNCTION lifecycle._take_off_soft_delete(target regclass) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('put trigger aside', format('trigger %I on %s', t.tgname, target),
            format('%s; ALTER TRIGGER %I ON %s RENAME TO %I', lifecycle._ddl_firing(target::text, 'TRIGGER', t.tgname,
                'D'), t.tgname, target, n.aside),
            format('ALTER TRIGGER %I ON %s RENAME TO %I; %s', n.aside, target, t.tgname,
                lifecycle._ddl_firing(target::text, 'TRIGGER', t.tgname, t.tgenabled)))
        FROM pg_trigger AS t
        -- Not dropped: after the way back the journal must find those that it knows.
        CROSS JOIN LATERAL (SELECT lifecycle._name(ARRAY['was', t.tgname::text]) AS aside) AS n
        WHERE t.tgrelid = target AND NOT t.tgisinternal AND lifecycle._is_soft_delete_trigger(t.oid)
        ORDER BY t.tgname
    )
$fn$;
COMMENT ON FUNCTION lifecycle._take_off_soft_delete(regclass) IS
'The steps by which a table is no soft-deleted one, before its name goes to the one that takes its place.';

CREATE FUNCTION lifecycle._put_on_soft_delete(target regclass, successor regclass) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns record;
    v_key constant lifecycle.key_column[] := lifecycle._key_columns(successor);
BEGIN
    IF NOT lifecycle._has_soft_delete(target) THEN
        RETURN '{}';
    END IF;
    SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(target) AS c;
    RETURN lifecycle._sync_function_steps(target, v_key, coalesce(lifecycle._soft_delete_path(target), 'pg_catalog'),
        true) || ARRAY(
        SELECT lifecycle._step('create trigger', format('trigger %I on %s', n.name, target),
            coalesce(lifecycle._ddl_trigger(t.oid), format('CREATE TRIGGER %I ', n.name)
                || format(n.definition, target) || format(' EXECUTE FUNCTION %s(); ALTER TABLE %s ENABLE ALWAYS '
                'TRIGGER %I', lifecycle._soft_delete_sibling(target, n.suffix), target, n.name)),
            format('DROP TRIGGER %I ON %s', n.name, target))
        FROM lifecycle._soft_delete_triggers(target, v_columns.deleted_at, v_columns.deletion_id, true) AS n
        LEFT JOIN pg_trigger AS t ON t.tgrelid = target AND t.tgname = n.name
        ORDER BY n.name
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._put_on_soft_delete(regclass, regclass) IS
'The steps by which the table that has the name of a soft-deleted one by then, a partitioned one, is soft-deleted.';

CREATE FUNCTION lifecycle._carry_soft_delete(target regclass, successor regclass, keys name[])
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH added AS (
        SELECT array_agg(ROW(s.*)::lifecycle.plan_step) AS steps
        FROM unnest(lifecycle._put_on_soft_delete(target, successor)) AS s
        WHERE s.action = 'create trigger' AND lifecycle._address(s.object) IS NULL
    )
    SELECT ARRAY[
        -- Records stay behind when soft delete is rolled back, and are the table's all the same.
        lifecycle._step('follow', 'deletions of ' || target,
            format('SELECT lifecycle._succeed(%s, %s)', target::oid, successor::oid),
            format('SELECT lifecycle._succeed(%s, %s)', successor::oid, target::oid),
            note => 'recorded deletions are of the new table'),
        lifecycle._step('follow', 'journal of ' || target,
            format('SELECT lifecycle._carry_migrations(''soft_delete'', %s, %L, %L, %L)', target::oid, target, keys,
                coalesce(a.steps, '{}')),
            format('SELECT lifecycle._carry_back(''soft_delete'', %s)', successor::oid),
            note => 'changes journaled before are about the new table')]
    FROM added AS a
$fn$;
COMMENT ON FUNCTION lifecycle._carry_soft_delete(regclass, regclass, name[]) IS
'The steps by which the journal and the records of deletions of a table are those of the one that has its name then.';

-- What a partitioned table cannot have, and what changes.
CREATE FUNCTION lifecycle._check_carry_soft_delete(target regclass, missing name[], key_mode text)
RETURNS SETOF lifecycle.finding LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, 'table ' || target, f.finding, f.detail, f.remedy
    FROM (SELECT lifecycle._has_soft_delete(target) AS is_on) AS d
    CROSS JOIN LATERAL (
        SELECT 'ok', 'stays soft-deleted', 'Triggers, view, functions, deleted rows and their records come along.', NULL
        UNION ALL
        SELECT 'error', 'intercepts DELETE', 'A partitioned table cannot: an UPDATE that moves a row to another '
            'partition is a DELETE and an INSERT inside, and would be lost.',
            format('SELECT * FROM lifecycle.rollback_soft_delete(%L, deleted_rows => ''keep'', dry_run => false); then '
                'enable_soft_delete without intercept', target)
        WHERE lifecycle._is_intercepted(target)
        UNION ALL
        SELECT 'error', 'is soft-deleted and would have no primary key', 'A soft delete names the row by it.',
            'key_mode => ''extend'''
        WHERE missing <> '{}' AND key_mode = 'leaf'
        UNION ALL
        SELECT 'warning', 'rows are named by a longer key', format('lifecycle.soft_delete and restore take %s as well. '
            'The functions made for the table go on taking the key of today.', lifecycle._column_list(missing)), NULL
        WHERE missing <> '{}' AND key_mode <> 'leaf'
    ) AS f (severity, finding, detail, remedy)
    WHERE d.is_on
    UNION ALL
    SELECT 'error', format('migration %s', m.migration_id), f.finding, f.detail, f.remedy
    FROM lifecycle.migration AS m
    CROSS JOIN LATERAL (
        SELECT 'soft delete was enabled by another role', format('By %I; its journal could not be written anew.',
            m.applied_by), format('Convert as %I, or as a superuser.', m.applied_by)
        WHERE NOT lifecycle._may_carry(m)
        UNION ALL
        SELECT 'soft delete has pending steps', NULL, format('CALL lifecycle.run_pending(%s)', m.migration_id)
        WHERE m.state = 'pending'
    ) AS f (finding, detail, remedy)
    WHERE m.migration_id = ANY (lifecycle._open_migrations('soft_delete', _check_carry_soft_delete.target))
$fn$;
COMMENT ON FUNCTION lifecycle._check_carry_soft_delete(regclass, name[], text) IS
'The findings of pre_migration_check about soft delete; missing: the partition keys that the primary key lacks.';
