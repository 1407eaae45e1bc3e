-- Everything that takes time is done under another name, with nobody waiting: the new view, its rows, its indexes. Then
-- one step, tried again as a whole when a lock is not free, puts it in the place of the old one and makes anew what
-- reads it. Readers lock a view before what it reads, so it is dropped from above.
CREATE FUNCTION lifecycle._build_steps(target regclass, shape lifecycle.query_shape) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY[lifecycle._step('build beside', 'replacement of ' || target,
        lifecycle._ddl_beside(target, w.beside, shape.definition, shape.columns),
        note => (SELECT 'not in the new query, so their grants, comments and settings go: '
                || string_agg(a.attname, ', ' ORDER BY a.attnum)
            FROM pg_attribute AS a
            WHERE a.attrelid = target AND a.attnum > 0 AND a.attname <> ALL (shape.columns)))]
        || CASE WHEN c.relispopulated THEN ARRAY[lifecycle._step('fill', 'replacement of ' || target,
            format('SELECT FROM lifecycle.refresh_materialized_view(%L); ANALYZE %s', w.beside, w.beside))]
            ELSE '{}' END
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, lifecycle._beside(c.oid)) AS beside) AS w
    WHERE c.oid = target
$fn$;
COMMENT ON FUNCTION lifecycle._build_steps(regclass, lifecycle.query_shape) IS
'The steps that make a materialized view of another query beside this one, with its indexes, and fill it.';

CREATE FUNCTION lifecycle._swap_statement(target regclass, columns name[], more text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH dependent AS (
        SELECT d.relation::regclass AS name, d.level, CASE d.kind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END AS kind
        FROM lifecycle._view_dependents(target) AS d
    ), own_index AS (
        SELECT x.relname, lifecycle._beside(x.oid) AS beside, i.indexrelid
        FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid WHERE i.indrelid = target
    )
    SELECT coalesce((SELECT string_agg(format('DROP %sVIEW %s; ', d.kind, d.name), '' ORDER BY d.level DESC, d.name)
            FROM dependent AS d), '')
        || format('DROP MATERIALIZED VIEW %s; ALTER MATERIALIZED VIEW %I.%I RENAME TO %I', target, n.nspname,
            lifecycle._beside(target), c.relname)
        || coalesce((SELECT string_agg(format('; ALTER INDEX %I.%I RENAME TO %I', n.nspname, o.beside, o.relname), ''
            ORDER BY o.indexrelid) FROM own_index AS o), '')
        || coalesce((SELECT string_agg(format('; ALTER STATISTICS %s.%I RENAME TO %I',
                x.stxnamespace::regnamespace, lifecycle._name(ARRAY[x.stxname::text], 'new'), x.stxname), ''
                ORDER BY x.oid)
            FROM pg_statistic_ext AS x WHERE x.stxrelid = target), '')
        || lifecycle._ddl_view_properties(target, columns) || more
        || coalesce((SELECT string_agg('; ' || CASE d.kind WHEN '' THEN lifecycle._ddl_view(d.name)
                ELSE lifecycle._ddl_materialized_view(d.name) END, '' ORDER BY d.level, d.name)
            FROM dependent AS d), '')
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = target
$fn$;
COMMENT ON FUNCTION lifecycle._swap_statement(regclass, name[], text) IS
'The statements that put what was built beside in the place of a materialized view, with what reads it.';

-- The build takes its time, and GRANT or CREATE OR REPLACE VIEW wait for nobody: what was planned at its beginning is
-- put in place only when it still is what stands.
CREATE FUNCTION lifecycle._require_as_planned(target regclass, columns name[], digest text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF md5(lifecycle._swap_statement(target, columns, '')) <> digest THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s, or a view that reads it, has changed while its replacement was built', target),
            DETAIL = 'To go on would take that change back: a grant, a comment, an index, another definition.',
            HINT = 'Nothing was changed. Try again.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_as_planned(regclass, name[], text) IS
'Raises 55000 when a materialized view, or what reads it, is not as it was when its replacement was planned.';

-- Journaled steps about what was made anew follow to the new oids.
CREATE FUNCTION lifecycle._follow_step(target regclass) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('follow', 'journal of ' || target, format(
        'SELECT lifecycle._follow_remade(o.object, o.was) FROM ROWS FROM (pg_catalog.unnest(%L::pg_catalog.text[]), '
        'pg_catalog.unnest(%L::pg_catalog.oid[])) AS o (object, was)', array_agg(o.object ORDER BY o.object),
        array_agg(o.object_id ORDER BY o.object)), note => 'changes journaled before are about the new objects now')
    FROM (
        SELECT i.type || ' ' || i.identity AS object, o.object_id
        FROM (
            SELECT target::oid AS relation
            UNION
            SELECT d.relation FROM lifecycle._view_dependents(target) AS d
        ) AS r
        CROSS JOIN LATERAL (
            SELECT 'pg_class'::regclass::oid AS class_id, r.relation AS object_id
            UNION ALL
            SELECT 'pg_class'::regclass, x.indexrelid FROM pg_index AS x WHERE x.indrelid = r.relation
            UNION ALL
            SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger AS t
            WHERE t.tgrelid = r.relation AND NOT t.tgisinternal
        ) AS o
        CROSS JOIN LATERAL pg_identify_object(o.class_id, o.object_id, 0) AS i
    ) AS o
$fn$;
COMMENT ON FUNCTION lifecycle._follow_step(regclass) IS
'The step that points journaled steps to a replaced view and what was made anew with it.';

-- restored: what a rollback gives back to columns that come back. forced: also when the query is the same.
CREATE FUNCTION lifecycle._plan_replacement(
    target regclass, query text, search_path text, restored text DEFAULT '', forced boolean DEFAULT false,
    OUT plan lifecycle.plan_step[], OUT parameters jsonb
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_definition constant text := rtrim(pg_get_viewdef(target), '; ');
    v_shape lifecycle.query_shape;
    v_lost name[];
BEGIN
    PERFORM lifecycle._require_replaceable(target);
    v_shape := lifecycle._query_shape(query, NULL, (SELECT n.nspname FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target), _plan_replacement.search_path,
        keyed => false);
    IF target::oid = ANY (v_shape.relations) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_object_definition',
            MESSAGE = format('the new query of %s reads %s itself', target, target);
    ELSIF v_shape.definition = v_definition AND NOT forced THEN
        plan := ARRAY[lifecycle._step('swap', 'materialized view ' || target, NULL, note => 'is this query already')];
        RETURN;
    END IF;
    PERFORM lifecycle._require_compatible(target, v_shape);
    v_lost := ARRAY(SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = target AND a.attnum > 0 AND a.attname <> ALL (v_shape.columns));
    parameters := jsonb_build_object('old_query', v_definition, 'old_columns',
        lifecycle._ddl_column_settings(target, target::text, v_lost) || lifecycle._ddl_column_acl(target, v_lost)
        || lifecycle._ddl_comments('materialized view ' || target, v_lost));
    plan := lifecycle._build_steps(target, v_shape) || ARRAY[
        lifecycle._step('swap', 'materialized view ' || target,
            format('SELECT lifecycle._require_as_planned(%L, %L, %L); ', target, v_shape.columns,
                md5(lifecycle._swap_statement(target, v_shape.columns, '')))
                || lifecycle._swap_statement(target, v_shape.columns, restored),
            lifecycle._ddl('materialized view ' || target),
            note => (SELECT 'made anew: ' || string_agg(d.relation::regclass::text, ', ' ORDER BY d.level)
                    || CASE WHEN bool_or(d.kind = 'm') THEN '; readers wait while the materialized ones are filled'
                        ELSE '' END
                FROM lifecycle._view_dependents(target) AS d)),
        lifecycle._follow_step(target)
    ];
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_replacement(regclass, text, text, text, boolean) IS
'The plan that gives a materialized view another query, and what the journal keeps of the present one.';
