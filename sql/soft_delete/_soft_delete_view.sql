CREATE FUNCTION lifecycle._regexp_quote(words text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT regexp_replace(words, '([][\\.^$*+?(){}|])', '\\\1', 'g')
$fn$;
COMMENT ON FUNCTION lifecycle._regexp_quote(text) IS 'A text as a regular expression that matches nothing else.';

-- An active view shows the key under its own names (our trigger finds the row by it), is filtered by the one condition,
-- and is updatable: that is what we adopt. The catalog keeps no map from its columns to the table's, but its definition
-- renders a column that is not renamed, and no other, as its plain name.
CREATE FUNCTION lifecycle._is_active_view(candidate regclass, target regclass, deleted_at name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT c.relkind = 'v'
        AND pg_relation_is_updatable(candidate, false) & 4 = 4
        AND ARRAY(
            SELECT DISTINCT d.refobjid FROM pg_rewrite AS r
            JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> candidate
            WHERE r.ev_class = candidate
        ) = ARRAY[target::oid]
        AND pg_get_viewdef(candidate) ~ format('WHERE \((?:[^ ().]+\.)?%s IS NULL\);$',
            lifecycle._regexp_quote(quote_ident(deleted_at)))
        AND NOT EXISTS (
            SELECT FROM unnest(lifecycle._key_columns(target)) AS k
            WHERE pg_get_viewdef(candidate) !~ format('(?:^ SELECT|\n   ) (?:[^ (),]+\.)?%s(?:,\n|\n   FROM )',
                lifecycle._regexp_quote(quote_ident(k.name)))
        )
    FROM pg_class AS c WHERE c.oid = candidate
$fn$;
COMMENT ON FUNCTION lifecycle._is_active_view(regclass, regclass, name) IS
'Whether a view shows exactly the rows of the table that are not deleted, and can be written through.';

-- security_invoker, or row-level security would be the view owner's. The columns are listed, since * is frozen anyway.
CREATE FUNCTION lifecycle._active_view_step(
    target regclass, view_identity text, deleted_at name, added name[]
) RETURNS lifecycle.plan_step
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_view constant regclass := to_regclass(view_identity);
    v_options text[];
    v_owner name;
BEGIN
    IF v_view IS NULL THEN
        SELECT pg_get_userbyid(c.relowner) INTO v_owner FROM pg_class AS c WHERE c.oid = target;
        RETURN lifecycle._step('create view', 'view ' || view_identity,
            format('CREATE VIEW %s WITH (security_invoker = true) AS SELECT %s FROM %s AS t WHERE t.%I IS NULL; '
                || 'ALTER VIEW %1$s OWNER TO %5$I; COMMENT ON VIEW %1$s IS %6$L',
                view_identity,
                (SELECT string_agg(format('t.%I', n.name), ', ' ORDER BY n.place) FROM (
                    SELECT a.attname AS name, a.attnum::integer AS place FROM pg_attribute AS a
                    WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'deletion_id'
                    UNION
                    SELECT deleted_at, 2000 WHERE NOT EXISTS (
                        SELECT FROM pg_attribute AS a WHERE a.attrelid = target AND a.attname = deleted_at)
                    UNION
                    SELECT x.name, 2000 + x.place FROM unnest(added) WITH ORDINALITY AS x (name, place)
                ) AS n),
                target, deleted_at, v_owner,
                format('The rows of %s that are not deleted. DELETE marks a row as deleted.', target))
            || coalesce((
                SELECT string_agg(format('; GRANT %s ON %s TO %s', g.privileges, view_identity, g.grantee),
                    '' ORDER BY g.grantee)
                FROM lifecycle._table_grants(target) AS g), ''),
            format('DROP VIEW %s', view_identity),
            note => 'no rewrite; ACCESS SHARE on the table for a moment');
    ELSIF NOT lifecycle._is_active_view(v_view, target, deleted_at) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_table',
            MESSAGE = format('%s stands already and is not the active view of %s', view_identity, target),
            DETAIL = format('It can be taken over when it is an updatable view of %s alone WHERE %I IS NULL.', target,
                deleted_at),
            HINT = 'Pass another view_name, or rename it.';
    END IF;
    SELECT c.reloptions INTO v_options FROM pg_class AS c WHERE c.oid = v_view;
    RETURN lifecycle._step('adopt view', 'view ' || view_identity,
        CASE WHEN 'security_invoker=true' = ANY (v_options) THEN NULL
            ELSE format('ALTER VIEW %s SET (security_invoker = true)', view_identity) END,
        coalesce(
            (SELECT format('ALTER VIEW %s SET (%s)', view_identity, o) FROM unnest(v_options) AS o
                WHERE o LIKE 'security_invoker=%'),
            format('ALTER VIEW %s RESET (security_invoker)', view_identity)
        ),
        note => 'stands already and stays as it is, but for security_invoker and the triggers');
END
$fn$;
COMMENT ON FUNCTION lifecycle._active_view_step(
    regclass, text, name, name[]
) IS 'The step that makes the active view, or adopts one.';

CREATE FUNCTION lifecycle._table_grants(target regclass, OUT grantee text, OUT privileges text) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
        string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.oid = target AND a.grantee <> c.relowner
        AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    GROUP BY a.grantee
$fn$;
COMMENT ON FUNCTION lifecycle._table_grants(regclass) IS
'Who besides the owner may SELECT, INSERT, UPDATE or DELETE in a table.';

CREATE FUNCTION lifecycle._soft_delete_view_steps(
    target regclass, view_identity text, deleted_at name, keys lifecycle.key_column[], path text, added name[]
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_routine constant text := lifecycle._soft_delete_routine_of(view_identity, 'soft_delete', target, '_view');
    v_statement constant text := lifecycle._soft_delete_sibling(target, '_statement');
    v_owner constant name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target);
BEGIN
    RETURN ARRAY[
        lifecycle._active_view_step(target, view_identity, deleted_at, added),
        lifecycle._soft_delete_function_step(target, v_routine, '', '', 'trigger', '',
            lifecycle._soft_delete_body(lifecycle._soft_delete_view_template(), target, deleted_at, 'deletion_id',
                keys, path),
            v_owner),
        lifecycle._soft_delete_trigger_step(view_identity, 'aa_soft_delete_begin',
            'BEFORE DELETE ON %s FOR EACH STATEMENT', v_statement, '''view'''),
        lifecycle._soft_delete_trigger_step(view_identity, 'soft_delete',
            'INSTEAD OF DELETE ON %s FOR EACH ROW', v_routine),
        lifecycle._soft_delete_trigger_step(view_identity, 'zz_soft_delete_end',
            'AFTER DELETE ON %s FOR EACH STATEMENT', v_statement, '''view''')
    ];
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_view_steps(regclass, text, name, lifecycle.key_column[], text, name[]) IS
'The steps that make the active view and what turns its DELETE into a soft one.';
