-- Who may do what in a partition, against its parent. More is an error: somebody reads there what the parent keeps from
-- him. Less hinders only those who name the partition.
CREATE FUNCTION lifecycle._partition_grant_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH pair AS (
        SELECT c.oid AS relation, coalesce(c.relacl, acldefault('r', c.relowner)) AS acl, c.relowner,
            p.oid AS parent, coalesce(p.relacl, acldefault('r', p.relowner)) AS parent_acl
        FROM lifecycle._partition_members(target) AS m
        JOIN pg_class AS c ON c.oid = m.relation
        JOIN pg_class AS p ON p.oid = m.parent
        -- Most have the very same: of those nothing is unfolded.
        WHERE c.relacl IS DISTINCT FROM p.relacl
    ), difference AS (
        SELECT p.relation, a.grantee, a.privilege_type, 'more' AS kind FROM pair AS p CROSS JOIN aclexplode(p.acl) AS a
        WHERE a.grantee <> p.relowner AND NOT EXISTS (SELECT FROM aclexplode(p.parent_acl) AS o
            WHERE o.grantee IN (a.grantee, 0) AND o.privilege_type = a.privilege_type)
        UNION ALL
        SELECT p.relation, a.grantee, a.privilege_type, 'less' FROM pair AS p CROSS JOIN aclexplode(p.parent_acl) AS a
        WHERE a.grantee <> p.relowner AND NOT EXISTS (SELECT FROM aclexplode(p.acl) AS o
            WHERE o.grantee IN (a.grantee, 0) AND o.privilege_type = a.privilege_type)
    ), listed AS (
        SELECT d.relation::regclass AS relation, d.kind, lifecycle._grantee(d.grantee) AS grantee,
            string_agg(d.privilege_type, ', ' ORDER BY d.privilege_type) AS privileges
        FROM difference AS d GROUP BY d.relation, d.kind, d.grantee
    )
    SELECT CASE l.kind WHEN 'more' THEN 'error' ELSE 'info' END, 'table ' || l.relation,
        CASE l.kind WHEN 'more' THEN 'grants more than its parent' ELSE 'grants less than its parent' END,
        format('%s to %s', l.privileges, l.grantee),
        CASE l.kind WHEN 'more' THEN format('REVOKE %s ON TABLE %s FROM %s', l.privileges, l.relation, l.grantee)
            ELSE format('GRANT %s ON TABLE %s TO %s', l.privileges, l.relation, l.grantee) END
    FROM listed AS l
$fn$;
COMMENT ON FUNCTION lifecycle._partition_grant_drift(regclass) IS
'Partitions that grant more, or less, than their parents.';

CREATE FUNCTION lifecycle._partition_column_grant_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH pair AS (
        SELECT m.relation, c.relowner, coalesce(c.relacl, acldefault('r', c.relowner)) AS table_acl, a.attname,
            a.attacl AS acl, o.attacl AS parent_acl,
            coalesce(p.relacl, acldefault('r', p.relowner)) AS parent_table_acl
        FROM lifecycle._partition_members(target) AS m
        JOIN pg_class AS c ON c.oid = m.relation
        JOIN pg_class AS p ON p.oid = m.parent
        JOIN pg_attribute AS a ON a.attrelid = m.relation AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_attribute AS o ON o.attrelid = m.parent AND o.attname = a.attname
        WHERE a.attacl IS DISTINCT FROM o.attacl
    ), difference AS (
        SELECT p.relation, p.attname, a.grantee, a.privilege_type, 'more' AS kind
        FROM pair AS p CROSS JOIN aclexplode(p.acl) AS a
        WHERE a.grantee <> p.relowner AND NOT EXISTS (
            SELECT FROM aclexplode(p.parent_acl || p.parent_table_acl) AS o
            WHERE o.grantee IN (a.grantee, 0) AND o.privilege_type = a.privilege_type)
        UNION ALL
        SELECT p.relation, p.attname, a.grantee, a.privilege_type, 'less'
        FROM pair AS p CROSS JOIN aclexplode(p.parent_acl) AS a
        WHERE a.grantee <> p.relowner AND NOT EXISTS (SELECT FROM aclexplode(p.acl || p.table_acl) AS o
            WHERE o.grantee IN (a.grantee, 0) AND o.privilege_type = a.privilege_type)
    )
    SELECT CASE d.kind WHEN 'more' THEN 'error' ELSE 'info' END, 'table ' || d.relation::regclass,
        CASE d.kind WHEN 'more' THEN 'grants more than its parent' ELSE 'grants less than its parent' END,
        format('%s (%I) to %s', d.privilege_type, d.attname, lifecycle._grantee(d.grantee)),
        format(CASE d.kind WHEN 'more' THEN 'REVOKE %s (%I) ON TABLE %s FROM %s' ELSE 'GRANT %s (%I) ON TABLE %s TO %s'
            END, d.privilege_type, d.attname, d.relation::regclass, lifecycle._grantee(d.grantee))
    FROM difference AS d
$fn$;
COMMENT ON FUNCTION lifecycle._partition_column_grant_drift(regclass) IS
'Partitions whose columns grant more, or less, than those of their parents.';

CREATE FUNCTION lifecycle._partition_policy_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH policy AS (
        SELECT m.relation::regclass AS relation, y.oid AS of_parent, o.oid AS of_partition,
            f.polname,
            (y.polcmd, y.polpermissive, y.polroles) IS DISTINCT FROM (o.polcmd, o.polpermissive, o.polroles)
            OR lifecycle._requalify(pg_get_expr(y.polqual, y.polrelid), y.polrelid, n.name)
                IS DISTINCT FROM pg_get_expr(o.polqual, o.polrelid)
            OR lifecycle._requalify(pg_get_expr(y.polwithcheck, y.polrelid), y.polrelid, n.name)
                IS DISTINCT FROM pg_get_expr(o.polwithcheck, o.polrelid) AS differs
        FROM lifecycle._partition_members(target) AS m
        CROSS JOIN LATERAL (SELECT quote_ident(c.relname) AS name FROM pg_class AS c WHERE c.oid = m.relation) AS n
        CROSS JOIN LATERAL (
            SELECT f.polname FROM pg_policy AS f WHERE f.polrelid IN (m.relation, m.parent) GROUP BY f.polname
        ) AS f
        LEFT JOIN pg_policy AS y ON y.polrelid = m.parent AND y.polname = f.polname
        LEFT JOIN pg_policy AS o ON o.polrelid = m.relation AND o.polname = f.polname
        WHERE m.parent IS NOT NULL
    )
    SELECT 'warning', 'table ' || p.relation,
        CASE WHEN p.of_partition IS NULL THEN 'lacks a policy of its parent'
            WHEN p.of_parent IS NULL THEN 'has a policy that its parent has not'
            ELSE 'has another policy than its parent' END,
        format('policy %I', p.polname),
        concat_ws('; ', CASE WHEN p.of_partition IS NOT NULL THEN format('DROP POLICY %I ON %s', p.polname, p.relation)
                END,
            CASE WHEN p.of_parent IS NOT NULL
                THEN (lifecycle._copy_policy(p.of_parent, p.relation::text)).statement END)
    FROM policy AS p WHERE p.differs
$fn$;
COMMENT ON FUNCTION lifecycle._partition_policy_drift(regclass) IS
'Partitions whose row security policies are not those of their parents.';

CREATE FUNCTION lifecycle._partition_rights_drift(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT f.severity, 'table ' || m.relation::regclass, f.finding, f.detail, f.remedy
    FROM lifecycle._partition_members(target) AS m
    JOIN pg_class AS c ON c.oid = m.relation
    JOIN pg_class AS p ON p.oid = m.parent
    CROSS JOIN LATERAL (VALUES
        (c.relowner <> p.relowner, 'warning', 'another owner than its parent',
            format('%s, not %s', pg_get_userbyid(c.relowner), pg_get_userbyid(p.relowner)),
            format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, pg_get_userbyid(p.relowner))),
        (p.relrowsecurity AND NOT c.relrowsecurity, 'error', 'no row security, unlike its parent',
            'Whoever may read the partition itself sees all rows.',
            format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', c.oid::regclass)),
        (p.relforcerowsecurity AND NOT c.relforcerowsecurity, 'warning',
            'no row security for its owner, unlike its parent', 'FORCE ROW LEVEL SECURITY is off.',
            format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', c.oid::regclass)),
        (m.is_pending, 'error', 'its detachment was not finished', NULL,
            format('ALTER TABLE %s DETACH PARTITION %s FINALIZE', p.oid::regclass, c.oid::regclass))
    ) AS f (is_so, severity, finding, detail, remedy)
    WHERE f.is_so
    UNION ALL
    SELECT g.* FROM lifecycle._partition_grant_drift(target) AS g
    UNION ALL
    SELECT g.* FROM lifecycle._partition_column_grant_drift(target) AS g
    UNION ALL
    SELECT y.* FROM lifecycle._partition_policy_drift(target) AS y
$fn$;
COMMENT ON FUNCTION lifecycle._partition_rights_drift(regclass) IS
'Partitions that differ from their parents in owner, grants or row security; detachments that were not finished.';
