-- What the catalog can tell of one table. Each branch is one thing that goes wrong in practice.
CREATE FUNCTION lifecycle._check_soft_delete_catalog(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns record;
    v_sync constant text := format('SELECT * FROM lifecycle.sync_active_view(%L)', target);
BEGIN
    SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(target) AS c;
    RETURN QUERY
    SELECT 'error', 'trigger ' || t.tgname || ' on ' || target, 'trigger does not always fire',
        'Rows are marked without number and record, or not at all, for a replica role or while it is disabled.',
        format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', target, t.tgname)
    FROM pg_trigger AS t
    WHERE t.tgrelid = target AND t.tgname ~ '^(aa|zz)_soft_delete' AND t.tgenabled <> 'A';
    RETURN QUERY
    SELECT f.severity, p.object, f.finding, f.detail, v_sync
    FROM unnest(lifecycle._plan_sync_active_view(target, 'pg_catalog')) AS p
    JOIN (VALUES
        ('replace trigger', 'error', 'generated for another name, column or owner', 'The table was altered since.'),
        ('rename column', 'error', 'generated for another name, column or owner', 'The table was altered since.'),
        ('replace view', 'warning', 'view without columns of the table', 'Or without security_invoker.')
    ) AS f (action, severity, finding, detail) USING (action)
    WHERE p.statement IS NOT NULL;
    RETURN QUERY
    SELECT 'error', 'view ' || v, 'view runs with its owner''s rights',
        'Row-level security of the table is that of the view''s owner.',
        format('ALTER VIEW %s SET (security_invoker = true)', v)
    FROM lifecycle._active_views(target) AS v
    JOIN pg_class AS c ON c.oid = v
    WHERE NOT coalesce('security_invoker=true' = ANY (c.reloptions), false);
    RETURN QUERY
    SELECT 'warning', 'table ' || target, 'no index on ' || v_columns.deletion_id,
        'Restores and counts read the table.', 'CALL lifecycle.run_pending()'
    WHERE NOT EXISTS (
        SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = target AND a.attnum = i.indkey[0]
        WHERE i.indrelid = target AND i.indisvalid AND a.attname = v_columns.deletion_id);
    RETURN QUERY
    SELECT 'warning', format('policy %I on %s', p.polname, target), 'policy for SELECT hides deleted rows',
        'A direct UPDATE that marks a row fails with 42501, a restore finds nothing. View, RPC and function work.',
        'Leave the condition to the active view.'
    FROM pg_policy AS p
    WHERE p.polrelid = target AND p.polcmd IN ('r', '*')
        AND pg_get_expr(p.polqual, target) ~ ('\m' || lifecycle._regexp_quote(v_columns.deleted_at) || '\M');
    RETURN QUERY
    SELECT 'error', 'table ' || target, 'owner is under row-level security and has no policy',
        'View, RPC and function mark rows with the rights of the owner, and would be refused (42501).',
        format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', target)
    FROM pg_class AS c
    JOIN pg_roles AS o ON o.oid = c.relowner AND NOT o.rolsuper AND NOT o.rolbypassrls
    WHERE c.oid = target AND c.relrowsecurity AND c.relforcerowsecurity AND NOT EXISTS (
        SELECT FROM pg_policy AS p CROSS JOIN LATERAL unnest(p.polroles) AS r (role)
        WHERE p.polrelid = target AND p.polpermissive AND p.polcmd IN ('w', '*')
            AND (r.role = 0 OR pg_has_role(c.relowner, r.role, 'USAGE')));
    RETURN QUERY
    SELECT 'info', format('table constraint %I on %s', k.conname, target),
        'rows go for good with ' || k.confrelid::regclass,
        'A real DELETE there cascades, and is not intercepted here.',
        format('SELECT * FROM lifecycle.enable_soft_delete(%L, intercept => true)', k.confrelid::regclass)
    FROM pg_constraint AS k
    WHERE k.conrelid = target AND k.contype = 'f' AND k.confdeltype = 'c' AND k.confrelid <> target
        AND lifecycle._is_intercepted(target) AND NOT lifecycle._is_intercepted(k.confrelid);
END
$fn$;
COMMENT ON FUNCTION lifecycle._check_soft_delete_catalog(regclass) IS
'The findings of check_soft_delete that need no look at the rows of a table.';

-- HOT updates touch no index. All ordinary indexes hold live rows only, or none does: a mixture has the disadvantages
-- of both. A summarizing index does not count from 16 on.
CREATE FUNCTION lifecycle._check_soft_delete_indexes(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns record;
BEGIN
    SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(target) AS c;
    RETURN QUERY
    WITH mark AS (
        SELECT a.attnum, a.attname FROM pg_attribute AS a
        WHERE a.attrelid = target AND a.attname IN (v_columns.deleted_at, v_columns.deletion_id)
    ), entry AS MATERIALIZED (
        SELECT i.indexrelid, k.conname, i.indpred IS NULL AND EXISTS (SELECT FROM mark AS m
                WHERE m.attnum = i.indkey[0] AND m.attname = v_columns.deleted_at) AS is_whole,
            EXISTS (SELECT FROM mark AS m WHERE m.attnum = i.indkey[0] AND m.attname = v_columns.deletion_id) AS is_ours
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_am AS am ON am.oid = c.relam
        LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
        WHERE i.indrelid = target
            AND NOT (am.amname = 'brin' AND current_setting('server_version_num')::integer >= 160000)
            AND EXISTS (
                SELECT FROM mark AS m WHERE m.attnum = ANY (i.indkey::int2[])
                    OR EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                        AND d.objid = i.indexrelid AND d.refobjid = target AND d.refobjsubid = m.attnum)
                    OR lifecycle._counts_live_rows(i.indexrelid, v_columns.deleted_at))
    )
    SELECT CASE WHEN e.is_whole OR NOT n.is_numbered THEN 'warning' ELSE 'info' END,
        'index ' || e.indexrelid::regclass, 'index defeats HOT updates',
        CASE WHEN e.is_whole THEN 'It holds every live row under NULL, and marking a row touches every index.'
            WHEN n.is_numbered THEN 'Marking a row touches every index of the table, as the index on '
                'the number of the deletion alone would have it (index_mode none has neither).'
            ELSE 'Marking a row touches every index of the table; without it none would be.' END,
        CASE WHEN e.is_whole AND e.conname IS NULL THEN 'DROP INDEX ' || e.indexrelid::regclass END
    FROM entry AS e
    CROSS JOIN (SELECT coalesce(bool_or(o.is_ours), false) AS is_numbered FROM entry AS o) AS n
    WHERE NOT e.is_ours OR e.is_whole
    ORDER BY 2;
END
$fn$;
COMMENT ON FUNCTION lifecycle._check_soft_delete_indexes(regclass) IS
'The findings of check_soft_delete about indexes that mention the mark of a table.';

CREATE FUNCTION lifecycle._check_soft_delete_mixture(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'warning', p.object, 'whole index beside indexes of live rows',
        'Marking a row touches every index for the sake of those, and this one grows with what is deleted.',
        format('SELECT * FROM lifecycle.enable_soft_delete(%L, column_name => %L, index_mode => ''live'')', target,
            c.deleted_at)
    FROM lifecycle._soft_delete_columns(target) AS c
    CROSS JOIN LATERAL unnest(lifecycle._index_mode_steps(target, c.deleted_at, 'live')) AS p
    WHERE p.action = 'drop index' AND EXISTS (
        SELECT FROM pg_index AS i
        WHERE i.indrelid = target AND NOT i.indisunique AND lifecycle._counts_live_rows(i.indexrelid, c.deleted_at))
$fn$;
COMMENT ON FUNCTION lifecycle._check_soft_delete_mixture(regclass) IS
'The findings of check_soft_delete about ordinary indexes that are whole where others hold live rows only.';

CREATE FUNCTION lifecycle._check_soft_delete_children(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_deleted_at constant name := (lifecycle._soft_delete_columns(target)).deleted_at;
    v_key record;
    v_found boolean;
BEGIN
    FOR v_key IN
        SELECT k.oid, k.conname, k.conrelid::regclass AS child
        FROM pg_constraint AS k
        WHERE k.confrelid = target AND k.contype = 'f' AND k.conparentid = 0
            AND has_table_privilege(k.conrelid, 'SELECT')
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS c JOIN %s AS p ON %s WHERE p.%I IS NOT NULL AND %s)',
            v_key.child, target, lifecycle._foreign_key_where(v_key.oid, 'c', 'p'), v_deleted_at,
            lifecycle._live_where(v_key.child, 'c')) INTO v_found;
        IF v_found THEN
            RETURN NEXT ROW('warning', format('table constraint %I on %s', v_key.conname, v_key.child),
                'live rows under deleted ones', format('Rows of %s refer to deleted rows of %s.', v_key.child, target),
                format('SELECT c.* FROM %s AS c JOIN %s AS p ON %s WHERE p.%I IS NOT NULL AND %s', v_key.child, target,
                    lifecycle._foreign_key_where(v_key.oid, 'c', 'p'), v_deleted_at,
                    lifecycle._live_where(v_key.child, 'c')))::lifecycle.finding;
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._check_soft_delete_children(regclass) IS
'The findings of check_soft_delete about foreign keys to a table.';

CREATE FUNCTION lifecycle.check_soft_delete(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_table regclass;
BEGIN
    IF target IS NOT NULL THEN
        PERFORM lifecycle._soft_delete_columns(target);
    END IF;
    FOR v_table IN
        SELECT t.tgrelid::regclass FROM pg_trigger AS t
        WHERE t.tgname = 'zz_soft_delete_row' AND t.tgparentid = 0
            AND (check_soft_delete.target IS NULL OR t.tgrelid = check_soft_delete.target)
            AND has_table_privilege(t.tgrelid, 'SELECT')
        ORDER BY 1
    LOOP
        RETURN QUERY SELECT * FROM lifecycle._check_soft_delete_catalog(v_table);
        RETURN QUERY SELECT * FROM lifecycle._check_soft_delete_indexes(v_table);
        RETURN QUERY SELECT * FROM lifecycle._check_soft_delete_mixture(v_table);
        RETURN QUERY SELECT * FROM lifecycle._check_soft_delete_children(v_table);
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle.check_soft_delete(regclass) IS
'Looks for what makes soft delete fail or leak: triggers that are off, views that are stale or run with their owner''s
rights, policies that hide deleted rows, a missing index, indexes that defeat HOT updates, whole indexes beside those
of live rows, live rows under deleted ones. Nothing found, no row.

Arguments: target - only this table; default all that the caller may read.
Returns: one row a finding (lifecycle.finding): severity, object, finding, detail, remedy (a statement).
Errors: 55000 soft delete is not enabled on target.
Example: SELECT severity, object, finding, remedy FROM lifecycle.check_soft_delete();';
