-- What is bound to a table and not to its name can be written down while the table has the name, and run again when
-- another one has it. Owner, rights and comments stay; only a routine whose signature speaks of the row type is dropped
-- before the names change hands, and made anew behind.
CREATE FUNCTION lifecycle._in_signature(routine oid, relation regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (SELECT FROM pg_type AS t
        WHERE t.typrelid = relation AND ARRAY[t.oid, t.typarray] && (coalesce(p.proallargtypes, p.proargtypes::oid[])
            || p.prorettype))
    FROM pg_proc AS p WHERE p.oid = routine
$fn$;
COMMENT ON FUNCTION lifecycle._in_signature(oid, regclass) IS
'Whether a routine takes or returns rows of a table.';

CREATE FUNCTION lifecycle._rebound_view(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('CREATE OR REPLACE VIEW %s%s AS %s', relation,
        ' WITH (' || nullif(array_to_string(c.reloptions, ', '), '') || ')', rtrim(pg_get_viewdef(relation), '; '))
    FROM pg_class AS c WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._rebound_view(regclass) IS
'The statement that binds a view to whatever has the names that it reads when it runs.';

CREATE FUNCTION lifecycle._rebound_routine(routine regprocedure, anew boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- A body in SQL would be looked up under this path, and not under that of its callers.
    SELECT format('SET LOCAL check_function_bodies = off; %s; SET LOCAL check_function_bodies = %s', CASE WHEN anew
        THEN lifecycle._ddl_routine(routine) ELSE rtrim(pg_get_functiondef(routine), E'\n; ') END,
        current_setting('check_function_bodies'))
$fn$;
COMMENT ON FUNCTION lifecycle._rebound_routine(regprocedure, boolean) IS
'The statement that binds a routine to whatever has the names that it speaks of when it runs.';

CREATE FUNCTION lifecycle._rebindings(target regclass)
RETURNS TABLE (kind text, identity text, take_off text, put_on text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT b.kind, b.identity, s.take_off, s.put_on
    FROM (SELECT DISTINCT t.kind, t.object_id, t.identity FROM lifecycle._table_bindings(target) AS t) AS b
    CROSS JOIN LATERAL (
        SELECT format('DROP ROUTINE %s', b.object_id::regprocedure),
            lifecycle._rebound_routine(b.object_id::regprocedure, true)
        WHERE b.kind = 'routine' AND lifecycle._in_signature(b.object_id, target)
        UNION ALL
        SELECT NULL, lifecycle._rebound_routine(b.object_id::regprocedure, false)
        WHERE b.kind = 'routine' AND NOT lifecycle._in_signature(b.object_id, target)
        UNION ALL
        SELECT NULL, lifecycle._rebound_view(b.object_id) WHERE b.kind = 'view'
        UNION ALL
        SELECT NULL, regexp_replace(rtrim(pg_get_ruledef(r.oid), ';'), '^CREATE RULE', 'CREATE OR REPLACE RULE')
        FROM pg_rewrite AS r WHERE b.kind = 'rule' AND r.oid = b.object_id AND r.ev_class <> target
        UNION ALL
        SELECT NULL, format('ALTER POLICY %I ON %s', p.polname, p.polrelid::regclass)
            || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
            || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
        FROM pg_policy AS p WHERE b.kind = 'policy' AND p.oid = b.object_id
    ) AS s (take_off, put_on)
    ORDER BY array_position('{routine,view,rule,policy}', b.kind), b.identity
$fn$;
COMMENT ON FUNCTION lifecycle._rebindings(regclass) IS
'Views, rules and policies of other relations, and routines, that are bound to a table: what to run before the names
change hands, and what afterwards.';

CREATE FUNCTION lifecycle._take_off(target regclass) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('drop routine', r.identity, r.take_off, note => 'is made anew with the new row type')
        FROM lifecycle._rebindings(target) AS r WHERE r.take_off IS NOT NULL
    )
$fn$;
COMMENT ON FUNCTION lifecycle._take_off(regclass) IS
'The steps before the names change hands: what speaks of the row type of the table.';

CREATE FUNCTION lifecycle._rebind(target regclass) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step(CASE WHEN r.take_off IS NULL THEN 'replace ' ELSE 'create ' END || r.kind, r.identity,
            r.put_on, note => 'bound to the table that has the name then')
        FROM lifecycle._rebindings(target) AS r
    )
$fn$;
COMMENT ON FUNCTION lifecycle._rebind(regclass) IS
'The steps that bind what is bound to a table to whatever has its present name when they run.';

CREATE FUNCTION lifecycle._bound_tables(target regclass) RETURNS regclass[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT DISTINCT coalesce(p.polrelid, r.ev_class)::regclass FROM lifecycle._table_bindings(target) AS b
        LEFT JOIN pg_policy AS p ON b.kind = 'policy' AND p.oid = b.object_id
        LEFT JOIN pg_rewrite AS r ON b.kind = 'rule' AND r.oid = b.object_id AND r.ev_class <> target
        JOIN pg_class AS c ON c.oid = coalesce(p.polrelid, r.ev_class) AND c.relkind IN ('r', 'p')
        ORDER BY 1
    )
$fn$;
COMMENT ON FUNCTION lifecycle._bound_tables(regclass) IS
'The other tables whose rules and policies are bound to a table.';

-- The materialized views that must be filled anew: those that read the table itself, and those that read these.
CREATE FUNCTION lifecycle._bound_materialized(target regclass) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE bound (relation) AS (
        SELECT target::oid
        UNION
        SELECT t.object_id FROM bound AS b CROSS JOIN LATERAL lifecycle._table_bindings(b.relation) AS t
        WHERE t.kind = 'materialized view'
    )
    SELECT b.relation FROM bound AS b WHERE b.relation <> target
$fn$;
COMMENT ON FUNCTION lifecycle._bound_materialized(regclass) IS
'The materialized views that are bound to a table, or to one of those.';

CREATE FUNCTION lifecycle._bound_views(target regclass) RETURNS regclass[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(SELECT DISTINCT b.object_id::regclass FROM lifecycle._table_bindings(target) AS b
        WHERE b.kind = 'view' ORDER BY 1)
$fn$;
COMMENT ON FUNCTION lifecycle._bound_views(regclass) IS 'The views that read a relation themselves.';
