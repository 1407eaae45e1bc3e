-- After ALTER TABLE: what was generated for the table is generated anew in place, so that oids, grants, comments and
-- whatever depends on it stay.
CREATE FUNCTION lifecycle._sync_function_step(routine regprocedure, attributes text, body text, owner name)
RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step(
        'replace function', 'function ' || routine,
        nullif(concat_ws('; ',
            CASE WHEN p.prosrc <> body THEN format('CREATE OR REPLACE FUNCTION %s.%I(%s) RETURNS %s LANGUAGE plpgsql '
                '%sSET search_path = pg_catalog, pg_temp AS %L', p.pronamespace::regnamespace, p.proname,
                pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), attributes, body) END,
            CASE WHEN pg_get_userbyid(p.proowner) <> owner
                THEN format('ALTER FUNCTION %s OWNER TO %I', routine, owner) END), ''),
        lifecycle._ddl('function ' || routine),
        note => CASE WHEN p.prosrc = body AND pg_get_userbyid(p.proowner) = owner THEN 'is up to date' END
    )
    FROM pg_proc AS p
    WHERE p.oid = routine
$fn$;
COMMENT ON FUNCTION lifecycle._sync_function_step(regprocedure, text, text, name) IS
'The step that gives a generated function a new body and owner, when they differ.';

CREATE FUNCTION lifecycle._sync_grant_steps(target regclass) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(lifecycle._step('grant', 'function ' || r.name || ' to ' || r.grantee,
        format('GRANT EXECUTE ON FUNCTION %s TO %I', r.name, r.grantee),
        format('REVOKE EXECUTE ON FUNCTION %s FROM %I', r.name, r.grantee)) ORDER BY r.grantee), '{}')
    FROM (
        SELECT lifecycle._soft_delete_sibling(target, '_key') || '(text, oid, bigint, jsonb, oid[])' AS name,
            g AS grantee
        FROM lifecycle._neighbour_owners(target) AS g
    ) AS r
    WHERE NOT has_function_privilege(r.grantee, r.name, 'EXECUTE')
$fn$;
COMMENT ON FUNCTION lifecycle._sync_grant_steps(regclass) IS
'The steps that let the owners of neighbours follow their foreign keys into a table, where they cannot.';

CREATE FUNCTION lifecycle._sync_live_foreign_keys(target regclass) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._sync_function_step(t.tgfoid, 'SECURITY DEFINER ', lifecycle._live_foreign_key_body(k.oid,
            lifecycle._deleted_at_of(k.conrelid, NULL, NULL), lifecycle._deleted_at_of(k.confrelid, NULL, NULL)),
            pg_get_userbyid(p.relowner))
        FROM pg_constraint AS k
        JOIN pg_class AS p ON p.oid = k.confrelid
        JOIN pg_trigger AS t ON t.tgrelid = k.conrelid
            AND t.tgname = lifecycle._name(ARRAY['zz_live_insert', k.conname::text])
        WHERE k.contype = 'f' AND target IN (k.conrelid, k.confrelid) AND k.conparentid = 0
        ORDER BY k.conname
    )
$fn$;
COMMENT ON FUNCTION lifecycle._sync_live_foreign_keys(regclass) IS
'The steps that make live foreign keys from and to a table fit its name, owner and columns.';

-- keys and is_partitioned: those of the table that will have its name, where it is about to be swapped.
CREATE FUNCTION lifecycle._sync_function_steps(
    target regclass, keys lifecycle.key_column[], path text, is_partitioned boolean DEFAULT NULL
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT array_agg(lifecycle._sync_function_step(x.routine, x.attributes, lifecycle._soft_delete_body(x.template,
        target, d.deleted_at, d.deletion_id, keys, path, is_partitioned), pg_get_userbyid(c.relowner))
        ORDER BY x.routine::text)
    FROM (
        SELECT to_regprocedure(format('%s(%s)', lifecycle._soft_delete_sibling(target, f.suffix), f.types)) AS routine,
            f.attributes, f.template
        FROM lifecycle._soft_delete_functions(true) AS f
        UNION
        SELECT t.tgfoid, '', lifecycle._soft_delete_view_template()
        FROM lifecycle._active_views(target) AS v JOIN pg_trigger AS t ON t.tgrelid = v AND t.tgname = 'soft_delete'
        UNION
        SELECT t.tgfoid, '', lifecycle._intercept_template()
        FROM pg_trigger AS t WHERE t.tgrelid = target AND t.tgname = 'aa_soft_delete_intercept_truncate'
    ) AS x
    CROSS JOIN lifecycle._soft_delete_columns(target) AS d
    JOIN pg_class AS c ON c.oid = target
    WHERE x.routine IS NOT NULL
$fn$;
COMMENT ON FUNCTION lifecycle._sync_function_steps(regclass, lifecycle.key_column[], text, boolean) IS
'The steps that bring the generated functions of a soft-deleted table and of its active views up to date.';

CREATE FUNCTION lifecycle._soft_delete_path(target regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT m.search_path FROM lifecycle.migration AS m
    WHERE m.migration_id = ANY (lifecycle._open_migrations('soft_delete', _soft_delete_path.target))
    ORDER BY m.migration_id LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_path(regclass) IS
'The path that triggers of a soft-deleted table see, or NULL where the journal does not know.';

-- A literal of the table's name or its owner's in a trigger is the one of the day it was made.
CREATE FUNCTION lifecycle._sync_trigger_steps(target regclass, deleted_at name, deletion_id name)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step(
            'replace trigger', format('trigger %I on %s', w.name, target),
            CASE WHEN NOT s.fits THEN
                format('CREATE OR REPLACE TRIGGER %I ', w.name) || format(w.definition, target)
                    || format(' EXECUTE FUNCTION %s; ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tgfoid::regprocedure,
                        target, w.name) END,
            regexp_replace(lifecycle._ddl_trigger(t.oid), '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER'),
            note => CASE WHEN s.fits THEN 'is up to date' END
        )
        FROM (
            SELECT o.name, o.definition FROM lifecycle._soft_delete_triggers(target, deleted_at, deletion_id, true) AS o
            UNION ALL
            SELECT i.name, i.definition FROM lifecycle._intercept_triggers(target) AS i
        ) AS w
        JOIN pg_trigger AS t ON t.tgrelid = target AND t.tgname = w.name
        JOIN pg_class AS c ON c.oid = target
        -- As PostgreSQL writes them: quote_literal would write a backslash in another way.
        CROSS JOIN LATERAL (
            SELECT pg_get_triggerdef(t.oid) AS definition,
                format('''%s''::', replace(target::text, '''', '''''')) AS name,
                format('''%s''::', replace(pg_get_userbyid(c.relowner), '''', '''''')) AS owner
        ) AS l
        CROSS JOIN LATERAL (
            SELECT t.tgenabled = 'A'
                AND (strpos(l.definition, l.name) > 0 OR w.name !~ '_intercept'
                    AND w.name NOT IN ('aa_soft_delete', 'aa_soft_delete_open', 'zz_soft_delete_close'))
                AND (strpos(l.definition, l.owner) > 0 OR w.name !~ '_intercept' AND w.name <> 'zz_soft_delete_row')
                AS fits
        ) AS s
    )
$fn$;
COMMENT ON FUNCTION lifecycle._sync_trigger_steps(regclass, name, name) IS
'The steps that make the triggers of a soft-deleted table fit its name and owner.';

-- CREATE OR REPLACE VIEW without WITH would silently take security_invoker off. An adopted view keeps its columns.
CREATE FUNCTION lifecycle._sync_view_steps(view_oid regclass, target regclass, deleted_at name, is_ours boolean)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_options text[];
    v_columns text;
    v_missing text;
BEGIN
    SELECT CASE WHEN 'security_invoker=true' = ANY (c.reloptions) THEN c.reloptions
        ELSE c.reloptions || 'security_invoker=true'::text END
    INTO v_options FROM pg_class AS c WHERE c.oid = view_oid;
    SELECT string_agg(format('t.%I', coalesce(r.table_column, a.attname)), ', ' ORDER BY a.attnum) INTO v_columns
    FROM pg_attribute AS a LEFT JOIN lifecycle._view_renames(view_oid, target) AS r ON r.view_column = a.attname
    WHERE a.attrelid = view_oid AND a.attnum > 0;
    SELECT string_agg(format('t.%I', a.attname), ', ' ORDER BY a.attnum) INTO v_missing
    FROM pg_attribute AS a
    WHERE is_ours AND a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'deletion_id'
        AND NOT EXISTS (SELECT FROM pg_attribute AS v WHERE v.attrelid = view_oid AND v.attname = a.attname)
        AND NOT EXISTS (SELECT FROM lifecycle._view_renames(view_oid, target) AS r WHERE r.table_column = a.attname);
    RETURN ARRAY(
        SELECT lifecycle._step('rename column', format('view column %s.%I', view_oid, r.view_column),
            format('ALTER VIEW %s RENAME COLUMN %I TO %I', view_oid, r.view_column, r.table_column),
            format('ALTER VIEW %s RENAME COLUMN %I TO %I', view_oid, r.table_column, r.view_column))
        FROM lifecycle._view_renames(view_oid, target) AS r
    ) || lifecycle._step('replace view', 'view ' || view_oid,
        CASE WHEN v_missing IS NOT NULL THEN format('CREATE OR REPLACE VIEW %s WITH (%s) AS SELECT %s, %s FROM %s AS t '
            'WHERE t.%I IS NULL', view_oid, array_to_string(v_options, ', '), v_columns, v_missing, target, deleted_at)
            WHEN v_options IS DISTINCT FROM (SELECT c.reloptions FROM pg_class AS c WHERE c.oid = view_oid)
            THEN format('ALTER VIEW %s SET (security_invoker = true)', view_oid) END,
        note => CASE WHEN v_missing IS NOT NULL THEN 'new columns at its end; a rollback leaves them in place' END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._sync_view_steps(regclass, regclass, name, boolean) IS
'The steps that give an active view the columns of its table, and security_invoker.';

CREATE FUNCTION lifecycle._plan_sync_active_view(target regclass, path text) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns record;
    v_keys constant lifecycle.key_column[] := lifecycle._key_columns(target);
    v_owner constant name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target);
    v_migrations constant bigint[] := lifecycle._open_migrations('soft_delete', target);
    v_path text;
    v_plan lifecycle.plan_step[];
    v_steps lifecycle.plan_step[];
BEGIN
    SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(target) AS c;
    v_path := coalesce(lifecycle._soft_delete_path(target), path);
    v_plan := lifecycle._sync_function_steps(target, v_keys, v_path);
    v_plan := v_plan || lifecycle._sync_grant_steps(target);
    v_plan := v_plan || lifecycle._sync_trigger_steps(target, v_columns.deleted_at, v_columns.deletion_id)
        || lifecycle._sync_live_foreign_keys(target);
    SELECT coalesce(array_agg(lifecycle._sync_function_step(p.oid, '', lifecycle._soft_delete_rpc_body(
            CASE WHEN p.prosrc ~ '''restored''' THEN lifecycle._restore_rpc_template()
                ELSE lifecycle._soft_delete_rpc_template() END,
            _plan_sync_active_view.target, v_columns.deleted_at, p.proargnames, v_keys, v_path), v_owner)
            ORDER BY s.migration_id, s.step), '{}')
    INTO v_steps
    FROM lifecycle.migration_step AS s
    JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id
    JOIN pg_proc AS p ON p.oid = (lifecycle._locate(s.object, s.address, m.origin)).object_id
    WHERE s.migration_id = ANY (v_migrations) AND s.action = 'create function' AND s.status = 'done'
        AND p.prorettype = 'jsonb'::regtype AND p.pronargs = cardinality(v_keys);
    v_plan := v_plan || v_steps;
    SELECT coalesce(array_agg(y.step), '{}') INTO v_steps
    FROM lifecycle._active_views(target) AS v
    CROSS JOIN LATERAL unnest(lifecycle._sync_view_steps(v, target, v_columns.deleted_at, NOT EXISTS (
        SELECT FROM lifecycle.migration_step AS s WHERE s.migration_id = ANY (v_migrations)
            AND s.action = 'adopt view' AND s.object = 'view ' || v))) AS x (number, stage, action, object, statement,
        inverse, top_level, note)
    CROSS JOIN LATERAL (
        SELECT lifecycle._step(x.action, x.object, x.statement, x.inverse, note => x.note) AS step
    ) AS y;
    RETURN v_plan || v_steps;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_sync_active_view(regclass, text) IS 'The plan of sync_active_view.';

CREATE FUNCTION lifecycle.sync_active_view(
    target regclass,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_table(target);
    PERFORM lifecycle._require_owner(target);
    PERFORM lifecycle._lock(ARRAY[target], 'ACCESS EXCLUSIVE', dry_run);
    RETURN QUERY SELECT * FROM lifecycle._apply('soft_delete', target,
        lifecycle._plan_sync_active_view(target, sync_active_view.search_path), dry_run, expected_plan,
        jsonb_build_object('sync', true), sync_active_view.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.sync_active_view(regclass, boolean, text, text) IS
'Brings view, functions and triggers of a soft-deleted table up to date after ALTER TABLE: a new name or owner of the
table, new or renamed columns. Everything is replaced in place: options, grants, comments and dependent views stay.
rollback_soft_delete takes it back together with the rest.

Arguments: target - the table; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run;
search_path - what triggers see, where the journal does not know.
Returns: one row a step (lifecycle.step_result); skipped where nothing has changed.
Errors: 55000 soft delete is not enabled; 42809 not a table; 42501 not the owner, or no administrator; 55P03 lock.
Example: SELECT * FROM lifecycle.sync_active_view(''public.packages'');';
