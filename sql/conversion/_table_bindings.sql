-- Whatever PostgreSQL binds to the number of a table and not to its name stays with the old table when names change
-- hands. Own parts (indexes, constraints, triggers, policies, ...) are left out; what nobody thought of is not.
CREATE FUNCTION lifecycle._table_dependents(target regclass)
RETURNS TABLE (class_id oid, object_id oid, sub_id integer, by_row_type boolean) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT d.classid, d.objid, d.objsubid, bool_and(d.by_row_type)
    FROM (
        SELECT d.classid, d.objid, d.objsubid, false AS by_row_type FROM pg_depend AS d
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = target
        UNION ALL
        SELECT d.classid, d.objid, d.objsubid, true
        FROM pg_type AS t
        LEFT JOIN pg_type AS a ON a.oid = t.typarray
        JOIN pg_depend AS d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, a.oid)
        WHERE t.typrelid = target AND (d.classid, d.objid) <> ('pg_type'::regclass, a.oid)
    ) AS d
    LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND d.objsubid = 0
    LEFT JOIN pg_type AS t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
    LEFT JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    LEFT JOIN pg_trigger AS g ON d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
    LEFT JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    LEFT JOIN pg_attrdef AS f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    WHERE c.relkind IS DISTINCT FROM 'i' AND c.relkind IS DISTINCT FROM 't' AND c.relkind IS DISTINCT FROM 'S'
        AND (d.classid, d.objid) <> ('pg_class'::regclass, target::oid) AND t.typrelid IS DISTINCT FROM target::oid
        AND k.conrelid IS DISTINCT FROM target::oid AND k.contype IS DISTINCT FROM 'f'
        AND g.tgrelid IS DISTINCT FROM target::oid AND g.tgisinternal IS DISTINCT FROM true
        AND p.polrelid IS DISTINCT FROM target::oid AND f.adrelid IS DISTINCT FROM target::oid
        AND d.classid NOT IN ('pg_statistic_ext'::regclass, 'pg_publication_rel'::regclass)
    GROUP BY d.classid, d.objid, d.objsubid
$fn$;
COMMENT ON FUNCTION lifecycle._table_dependents(regclass) IS
'What depends on a table or on its row type and is neither a part of it nor a foreign key.';

CREATE FUNCTION lifecycle._table_bindings(target regclass)
RETURNS TABLE (kind text, class_id oid, object_id oid, identity text, owner oid, by_row_type boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT DISTINCT b.kind, b.class_id, b.object_id, i.type || ' ' || i.identity,
        coalesce(c.relowner, p.proowner, o.relowner, y.typowner), d.by_row_type
    FROM lifecycle._table_dependents(target) AS d
    LEFT JOIN pg_rewrite AS r ON d.class_id = 'pg_rewrite'::regclass AND r.oid = d.object_id
    LEFT JOIN pg_class AS v ON v.oid = r.ev_class
    CROSS JOIN LATERAL (SELECT
        CASE
            WHEN r.oid IS NULL THEN CASE d.class_id WHEN 'pg_proc'::regclass THEN 'routine'
                WHEN 'pg_policy'::regclass THEN 'policy' ELSE 'other' END
            WHEN r.rulename <> '_RETURN' OR v.relkind NOT IN ('v', 'm') THEN 'rule'
            WHEN v.relkind = 'm' THEN 'materialized view'
            ELSE 'view'
        END AS kind,
        CASE WHEN r.rulename = '_RETURN' THEN 'pg_class'::regclass ELSE d.class_id END AS class_id,
        CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE d.object_id END AS object_id,
        CASE WHEN r.rulename = '_RETURN' THEN 0 ELSE d.sub_id END AS sub_id) AS b
    CROSS JOIN LATERAL pg_identify_object(b.class_id, b.object_id, b.sub_id) AS i
    LEFT JOIN pg_class AS c ON b.class_id = 'pg_class'::regclass AND c.oid = b.object_id
    LEFT JOIN pg_proc AS p ON b.class_id = 'pg_proc'::regclass AND p.oid = b.object_id
    LEFT JOIN pg_type AS y ON b.class_id = 'pg_type'::regclass AND y.oid = b.object_id
    LEFT JOIN pg_policy AS l ON b.class_id = 'pg_policy'::regclass AND l.oid = b.object_id
    LEFT JOIN pg_class AS o ON o.oid = coalesce(l.polrelid, r.ev_class)
    -- Of a materialized view that is asked for, not the view itself.
    WHERE i.identity IS NOT NULL AND b.object_id <> target
$fn$;
COMMENT ON FUNCTION lifecycle._table_bindings(regclass) IS
'What is bound to a table by its oid or row type: views, materialized views, rules, routines, policies of other tables,
and other (columns, domains, casts, ...), with the owner.';
