-- What stood before must come back exactly: definition, options, owner, grants, comments. These functions read it from
-- the catalog before a step replaces it; the text becomes the inverse.
CREATE FUNCTION lifecycle._grantee(role oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END
$fn$;
COMMENT ON FUNCTION lifecycle._grantee(oid) IS 'A role of an ACL or a policy as GRANT wants it.';

CREATE FUNCTION lifecycle._ddl_acl(kind text, identity text, acl aclitem[], owner oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- No ACL means the built-in defaults, which a new object has by itself, unless ALTER DEFAULT PRIVILEGES says
    -- otherwise: whoever gets something from that has it taken away again.
    WITH built_in AS (
        SELECT acldefault(o.type, owner) AS acl, o.type
        FROM (SELECT CASE kind WHEN 'TABLE' THEN 'r' ELSE 'f' END::"char" AS type) AS o
    ), granted AS (
        SELECT d.defaclacl AS acl FROM pg_default_acl AS d JOIN built_in AS b ON b.type = d.defaclobjtype
    ), wanted AS (
        SELECT coalesce(_ddl_acl.acl, b.acl) AS acl
        FROM built_in AS b
        WHERE _ddl_acl.acl IS NOT NULL OR EXISTS (SELECT FROM granted)
    ), stranger AS (
        SELECT string_agg(DISTINCT lifecycle._grantee(a.grantee), ', ') AS names
        FROM (SELECT 0 AS grantee UNION SELECT owner UNION
            SELECT x.grantee FROM granted AS g CROSS JOIN LATERAL aclexplode(g.acl) AS x) AS a
    )
    SELECT coalesce((
        SELECT format('; REVOKE ALL ON %s %s FROM %s', kind, identity, s.names) || coalesce((
            SELECT string_agg(format('; GRANT %s ON %s %s TO %s%s', g.privileges, kind, identity, g.grantee,
                CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '' ORDER BY g.grantee, g.is_grantable)
            FROM (
                SELECT lifecycle._grantee(a.grantee) AS grantee, a.is_grantable,
                    string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
                FROM aclexplode(w.acl) AS a
                GROUP BY a.grantee, a.is_grantable
            ) AS g
        ), '')
        FROM wanted AS w CROSS JOIN stranger AS s
    ), '')
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_acl(text, text, aclitem[], oid) IS
'Statements that give an object these privileges and no others.';

CREATE FUNCTION lifecycle._ddl_column_acl(relation regclass, columns name[] DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(string_agg(format('; GRANT %s (%I) ON %s TO %s%s', x.privilege_type, a.attname, relation,
        lifecycle._grantee(x.grantee),
        CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION'
            ELSE '' END), '' ORDER BY a.attnum, x.grantee, x.privilege_type), '')
    FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS x
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
        AND (columns IS NULL OR a.attname = ANY (columns))
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_column_acl(regclass, name[]) IS
'Statements that grant the column privileges a relation has, or of some columns only.';

CREATE FUNCTION lifecycle._ddl_comments(object text, columns name[] DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(string_agg(
        CASE WHEN d.objsubid = 0
            THEN format('; COMMENT ON %s IS %L', regexp_replace(object, '^table constraint', 'constraint'),
                d.description)
            ELSE format('; COMMENT ON COLUMN %s.%I IS %L', d.objoid::regclass, c.attname, d.description)
        END, '' ORDER BY d.objsubid), '')
    FROM (SELECT lifecycle._address(object) AS address) AS a
    JOIN pg_description AS d ON d.classoid = (a.address).class_id AND d.objoid = (a.address).object_id
    LEFT JOIN pg_attribute AS c ON d.objsubid > 0 AND c.attrelid = d.objoid AND c.attnum = d.objsubid
    WHERE columns IS NULL OR d.objsubid = 0 OR c.attname = ANY (columns)
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_comments(text, name[]) IS
'Statements that give an object, and its columns or some of them, the comments it has.';

CREATE FUNCTION lifecycle._ddl_firing(relation text, kind text, object_name name, state text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('ALTER TABLE %s %s %s %I', relation, CASE state WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS'
        WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END, kind, object_name)
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_firing(text, text, name, text) IS
'The statement that makes a TRIGGER or RULE of a table fire as pg_trigger.tgenabled or pg_rewrite.ev_enabled says.';

CREATE FUNCTION lifecycle._ddl_trigger(trigger oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT pg_get_triggerdef(t.oid)
        || CASE WHEN t.tgenabled = 'O' THEN '' ELSE '; '
            || lifecycle._ddl_firing(t.tgrelid::regclass::text, 'TRIGGER', t.tgname, t.tgenabled) END
        || lifecycle._ddl_comments(format('trigger %I on %s', t.tgname, t.tgrelid::regclass))
    FROM pg_trigger AS t
    WHERE t.oid = _ddl_trigger.trigger
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_trigger(oid) IS 'Statements that make a trigger as it stands.';

CREATE FUNCTION lifecycle._ddl_rule(rule oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT rtrim(pg_get_ruledef(r.oid), ';')
        || CASE WHEN r.ev_enabled = 'O' THEN '' ELSE '; '
            || lifecycle._ddl_firing(r.ev_class::regclass::text, 'RULE', r.rulename, r.ev_enabled) END
        || coalesce(format('; COMMENT ON RULE %I ON %s IS ', r.rulename, r.ev_class::regclass)
            || quote_literal(obj_description(r.oid, 'pg_rewrite')), '')
    FROM pg_rewrite AS r
    WHERE r.oid = rule
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_rule(oid) IS 'Statements that make a rule as it stands.';

CREATE FUNCTION lifecycle._ddl_view(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('CREATE VIEW %s%s AS %s', relation,
            ' WITH (' || nullif(array_to_string(c.reloptions, ', '), '') || ')', rtrim(pg_get_viewdef(relation), '; '))
        || coalesce((SELECT string_agg(format('; ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', relation, a.attname,
                pg_get_expr(d.adbin, d.adrelid)), '' ORDER BY a.attnum)
            FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            WHERE d.adrelid = relation), '')
        || coalesce((SELECT string_agg('; ' || lifecycle._ddl_trigger(t.oid), '' ORDER BY t.tgname)
            FROM pg_trigger AS t WHERE t.tgrelid = relation AND NOT t.tgisinternal), '')
        || coalesce((SELECT string_agg('; ' || lifecycle._ddl_rule(r.oid), '' ORDER BY r.rulename)
            FROM pg_rewrite AS r WHERE r.ev_class = relation AND r.rulename <> '_RETURN'), '')
        || format('; ALTER VIEW %s OWNER TO %I', relation, pg_get_userbyid(c.relowner))
        || lifecycle._ddl_acl('TABLE', relation::text, c.relacl, c.relowner)
        || lifecycle._ddl_column_acl(relation)
        || lifecycle._ddl_comments('view ' || relation)
    FROM pg_class AS c
    WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_view(regclass) IS
'Statements that make a view as it stands, with options, column defaults, triggers, rules, owner, grants and
comments.';

CREATE FUNCTION lifecycle._ddl_routine(routine regprocedure) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT rtrim(pg_get_functiondef(p.oid), E'\n; ')
        || format('; ALTER ROUTINE %s OWNER TO %I', routine, pg_get_userbyid(p.proowner))
        || lifecycle._ddl_acl('ROUTINE', routine::text, p.proacl, p.proowner)
        || lifecycle._ddl_comments(CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || routine)
    FROM pg_proc AS p
    WHERE p.oid = routine
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_routine(regprocedure) IS
'Statements that make a routine as it stands, with owner, grants and comment.';

-- What neither pg_get_indexdef nor pg_get_constraintdef prints.
CREATE FUNCTION lifecycle._ddl_index_properties(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce('; ALTER INDEX ' || relation || ' SET TABLESPACE ' || quote_ident(s.spcname), '')
        || coalesce((SELECT string_agg(format('; ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', relation, a.attnum,
                a.attstattarget), '' ORDER BY a.attnum)
            FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attstattarget >= 0), '')
        || CASE WHEN i.indisclustered THEN format('; ALTER TABLE %s CLUSTER ON %I', i.indrelid::regclass, c.relname)
            ELSE '' END
        || CASE WHEN i.indisreplident
            THEN format('; ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', i.indrelid::regclass, c.relname) ELSE '' END
        || lifecycle._ddl_comments('index ' || relation)
    FROM pg_class AS c
    JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_index_properties(regclass) IS
'Statements that give an index its tablespace, statistics targets, CLUSTER mark, replica identity and comment.';

CREATE FUNCTION lifecycle._ddl_index(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT pg_get_indexdef(relation) || lifecycle._ddl_index_properties(relation)
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_index(regclass) IS 'Statements that make an index as it stands.';

CREATE FUNCTION lifecycle._ddl_constraint(constraint_oid oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
        || coalesce((
            SELECT '; ALTER INDEX ' || c.oid::regclass || ' SET (' || array_to_string(c.reloptions, ', ') || ')'
            FROM pg_class AS c WHERE c.oid = own.index), '')
        || coalesce(lifecycle._ddl_index_properties(own.index), '')
        || lifecycle._ddl_comments(format('table constraint %I on %s', k.conname, k.conrelid::regclass))
    FROM pg_constraint AS k
    -- A foreign key names an index too, but it is not its own.
    CROSS JOIN LATERAL (SELECT CASE WHEN k.contype IN ('p', 'u', 'x') THEN k.conindid END AS index) AS own
    WHERE k.oid = constraint_oid
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_constraint(oid) IS 'Statements that add a table constraint as it stands.';

CREATE FUNCTION lifecycle._ddl_policy(policy oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, p.polrelid::regclass,
            CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                ELSE 'ALL' END,
            (SELECT string_agg(lifecycle._grantee(r.role), ', ')
             FROM unnest(p.polroles) AS r (role)))
        || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
        || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
        || lifecycle._ddl_comments(format('policy %I on %s', p.polname, p.polrelid::regclass))
    FROM pg_policy AS p
    WHERE p.oid = policy
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_policy(oid) IS 'Statements that make a row-level security policy as it stands.';

CREATE FUNCTION lifecycle._ddl(object text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_address constant lifecycle.object_address := lifecycle._address(object);
    v_kind constant "char" := (SELECT c.relkind FROM pg_class AS c WHERE c.oid = v_address.object_id);
BEGIN
    CASE
        WHEN v_address IS NULL THEN
            RETURN NULL;
        WHEN v_address.class_id = 'pg_proc'::regclass THEN
            RETURN lifecycle._ddl_routine(v_address.object_id);
        WHEN v_address.class_id = 'pg_trigger'::regclass THEN
            RETURN lifecycle._ddl_trigger(v_address.object_id);
        WHEN v_address.class_id = 'pg_constraint'::regclass THEN
            RETURN lifecycle._ddl_constraint(v_address.object_id);
        WHEN v_address.class_id = 'pg_policy'::regclass THEN
            RETURN lifecycle._ddl_policy(v_address.object_id);
        WHEN v_address.class_id = 'pg_class'::regclass AND v_kind = 'v' THEN
            RETURN lifecycle._ddl_view(v_address.object_id);
        WHEN v_address.class_id = 'pg_class'::regclass AND v_kind = 'm' THEN
            RETURN lifecycle._ddl_materialized_view(v_address.object_id);
        WHEN v_address.class_id = 'pg_class'::regclass AND v_kind IN ('i', 'I') THEN
            RETURN lifecycle._ddl_index(v_address.object_id);
        ELSE
            RAISE EXCEPTION USING
                ERRCODE = 'feature_not_supported',
                MESSAGE = format('cannot write down the definition of %s', object),
                HINT = 'Views, materialized views, indexes, routines, triggers, table constraints and policies can be '
                    'replaced.';
    END CASE;
END
$fn$;
COMMENT ON FUNCTION lifecycle._ddl(text) IS
'The whole script that makes an object again as it stands now; NULL when there is no such object.';
