"""Every fact about an extension as one set of rows: two databases hold the same extension when the sets are equal."""

from __future__ import annotations

from harness.databases import Database

FACTS = """
WITH ext AS (SELECT * FROM pg_extension WHERE extname = 'pg_lifecycle'),
m AS (
    SELECT d.classid, d.objid FROM pg_depend AS d JOIN ext ON d.refobjid = ext.oid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
),
rel AS (SELECT c.* FROM pg_class AS c JOIN m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid),
typ AS (SELECT t.* FROM pg_type AS t JOIN m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid),
proc AS (SELECT p.* FROM pg_proc AS p JOIN m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid),
acl AS (
    SELECT 'f' AS kind, oid::regprocedure::text AS object, proacl AS acl, proowner AS owner FROM proc
    UNION ALL SELECT CASE relkind WHEN 'S' THEN 's' ELSE 'r' END, oid::regclass::text, relacl, relowner FROM rel
    UNION ALL SELECT 'T', oid::regtype::text, typacl, typowner FROM typ
    UNION ALL SELECT 'n', nspname, nspacl, nspowner FROM pg_namespace WHERE nspname = 'lifecycle'
)
SELECT 'version', extname, extversion || ' ' || extnamespace::regnamespace FROM ext
UNION ALL SELECT 'config', t.oid::regclass::text, t.condition
FROM ext, unnest(ext.extconfig, ext.extcondition) AS t (oid, condition)
UNION ALL SELECT 'member', i.type, i.identity FROM m, pg_identify_object(m.classid, m.objid, 0) AS i
UNION ALL SELECT 'comment', i.type || ' ' || i.identity, d.description
FROM pg_description AS d JOIN m ON m.objid = d.objoid AND m.classid = d.classoid,
    pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
UNION ALL SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid) FROM proc
UNION ALL SELECT 'privilege', a.kind || ' ' || a.object, concat_ws(' ', x.grantor::regrole,
    CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, x.privilege_type, x.is_grantable)
FROM acl AS a, aclexplode(coalesce(a.acl, acldefault(a.kind::"char", a.owner))) AS x
UNION ALL SELECT 'initial privilege', i.type || ' ' || i.identity, x.privilege_type || ' ' || x.grantee::regrole
FROM pg_init_privs AS p JOIN m ON m.objid = p.objoid AND m.classid = p.classoid,
    pg_identify_object(p.classoid, p.objoid, p.objsubid) AS i, aclexplode(p.initprivs) AS x
WHERE x.grantee <> x.grantor
UNION ALL SELECT 'relation', oid::regclass::text, concat_ws(' ', relkind, relpersistence, relreplident,
    relrowsecurity, relforcerowsecurity, reloptions::text) FROM rel
UNION ALL SELECT 'view', oid::regclass::text, pg_get_viewdef(oid) FROM rel WHERE relkind IN ('v', 'm')
UNION ALL SELECT 'column', r.oid::regclass || '.' || a.attname, concat_ws(' ',
    row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
FROM rel AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL SELECT 'attribute', t.oid::regtype || '.' || a.attname, concat_ws(' ', a.attnum,
    format_type(a.atttypid, a.atttypmod))
FROM typ AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid
UNION ALL SELECT 'constraint', r.oid::regclass || '.' || c.conname, pg_get_constraintdef(c.oid)
FROM pg_constraint AS c JOIN rel AS r ON r.oid = c.conrelid
UNION ALL SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index AS i JOIN rel AS r ON r.oid = i.indrelid
UNION ALL SELECT 'trigger', r.oid::regclass || '.' || t.tgname, pg_get_triggerdef(t.oid) || t.tgenabled::text
FROM pg_trigger AS t JOIN rel AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL SELECT 'policy', r.oid::regclass || '.' || p.polname, concat_ws(' ', p.polcmd, p.polroles::regrole[],
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy AS p JOIN rel AS r ON r.oid = p.polrelid
UNION ALL SELECT 'label', t.oid::regtype::text, e.enumsortorder || ' ' || e.enumlabel
FROM pg_enum AS e JOIN typ AS t ON t.oid = e.enumtypid
"""


def fingerprint(database: Database) -> set[tuple[str, str, str]]:
    """The facts about pg_lifecycle in a database: (kind, object, definition)."""
    return {(str(kind), str(name), str(definition)) for kind, name, definition in database.execute(FACTS)}


# What the users of tables see of them, by name: of a partitioned table the storage is that of its partitions. Objects
# are named as the findings of the checks name them.
TABLE_FACTS = r"""
WITH RECURSIVE rel AS (
    SELECT c.*, c.relnamespace::regnamespace || '.' || quote_ident(c.relname) AS name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (%(schemas)s) AND NOT c.relispartition AND c.relname !~ %(ignore)s
),
tab AS (SELECT r.* FROM rel AS r WHERE r.relkind IN ('r', 'p')),
leaf AS (
    SELECT t.oid AS root, t.name, c.* FROM tab AS t
    CROSS JOIN LATERAL (SELECT p.relid FROM pg_partition_tree(t.oid) AS p WHERE p.isleaf
        UNION SELECT t.oid WHERE t.relkind = 'r') AS p
    JOIN pg_class AS c ON c.oid = p.relid
),
described AS (
    SELECT 'table ' || t.name AS object, 'pg_class'::regclass AS class, t.oid, 0 AS part FROM tab AS t
    UNION ALL SELECT 'table column ' || t.name || '.' || quote_ident(a.attname), 'pg_class'::regclass, t.oid, a.attnum
    FROM tab AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
    UNION ALL SELECT 'table constraint ' || quote_ident(k.conname) || ' on ' || t.name, 'pg_constraint'::regclass,
        k.oid, 0
    FROM tab AS t JOIN pg_constraint AS k ON k.conrelid = t.oid
    UNION ALL SELECT 'index ' || i.indexrelid::regclass, 'pg_class'::regclass, i.indexrelid, 0
    FROM tab AS t JOIN pg_index AS i ON i.indrelid = t.oid
    UNION ALL SELECT 'trigger ' || quote_ident(g.tgname) || ' on ' || t.name, 'pg_trigger'::regclass, g.oid, 0
    FROM rel AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid
    UNION ALL SELECT 'policy ' || quote_ident(p.polname) || ' on ' || t.name, 'pg_policy'::regclass, p.oid, 0
    FROM tab AS t JOIN pg_policy AS p ON p.polrelid = t.oid
    UNION ALL SELECT 'statistics object ' || s.stxnamespace::regnamespace || '.' || quote_ident(s.stxname),
        'pg_statistic_ext'::regclass, s.oid, 0
    FROM tab AS t JOIN pg_statistic_ext AS s ON s.stxrelid = t.oid
    UNION ALL SELECT 'view ' || r.name, 'pg_class'::regclass, r.oid, n FROM rel AS r, generate_series(0, 20) AS n
    WHERE r.relkind IN ('v', 'm')
    UNION ALL SELECT 'sequence ' || r.name, 'pg_class'::regclass, r.oid, 0 FROM rel AS r WHERE r.relkind = 'S'
    UNION ALL SELECT 'function ' || p.oid::regprocedure, 'pg_proc'::regclass, p.oid, 0
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = ANY (%(schemas)s)
    UNION ALL SELECT 'rule ' || quote_ident(w.rulename) || ' on ' || t.name, 'pg_rewrite'::regclass, w.oid, 0
    FROM rel AS t JOIN pg_rewrite AS w ON w.ev_class = t.oid WHERE w.rulename <> '_RETURN'
    UNION ALL SELECT 'index ' || i.indexrelid::regclass, 'pg_class'::regclass, i.indexrelid, 0
    FROM rel AS t JOIN pg_index AS i ON i.indrelid = t.oid WHERE t.relkind = 'm'
)
SELECT 'relation', 'table ' || t.name, concat_ws(' ', t.relowner::regrole, t.relpersistence, t.relrowsecurity,
    t.relforcerowsecurity)
FROM tab AS t
UNION ALL SELECT 'storage', 'table ' || l.name, string_agg(DISTINCT concat_ws(' ', (SELECT array_agg(o ORDER BY o)
        FROM unnest(l.reloptions) AS o), (SELECT s.spcname FROM pg_tablespace AS s WHERE s.oid = l.reltablespace),
        (SELECT m.amname FROM pg_am AS m WHERE m.oid = l.relam), (SELECT o.reloptions FROM pg_class AS o
        WHERE o.oid = l.reltoastrelid)), ' and ')
FROM leaf AS l GROUP BY l.name
UNION ALL SELECT 'replica identity', 'table ' || l.name, string_agg(DISTINCT concat_ws(' ', l.relreplident,
    (SELECT array_agg(a.attname ORDER BY a.attname) FROM pg_index AS i JOIN pg_attribute AS a
     ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
     WHERE i.indrelid = l.oid AND i.indisreplident)), ' and ')
FROM leaf AS l GROUP BY l.name
UNION ALL SELECT 'clustered', 'table ' || l.name, string_agg(DISTINCT i.indexrelid::regclass::text, ' and ')
FROM leaf AS l JOIN pg_index AS i ON i.indrelid = l.oid AND i.indisclustered GROUP BY l.name
UNION ALL SELECT 'privilege', CASE r.relkind WHEN 'S' THEN 'sequence ' WHEN 'm' THEN 'materialized view '
        WHEN 'v' THEN 'view ' ELSE 'table ' END || r.name,
    concat_ws(' ', x.grantor::regrole, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END,
        x.privilege_type, x.is_grantable)
FROM rel AS r, aclexplode(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
    r.relowner))) AS x
WHERE r.relkind IN ('r', 'p', 'v', 'm', 'S')
UNION ALL SELECT 'column', 'table column ' || t.name || '.' || quote_ident(a.attname), concat_ws(' ',
    row_number() OVER (PARTITION BY t.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attidentity, a.attgenerated, CASE WHEN a.attcollation <> 0 THEN a.attcollation::regcollation::text END,
    pg_get_expr(d.adbin, d.adrelid))
FROM tab AS t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL SELECT 'column storage', 'table column ' || l.name || '.' || quote_ident(a.attname),
    string_agg(DISTINCT concat_ws(' ', a.attstorage, a.attcompression, nullif(a.attstattarget, -1), a.attoptions),
        ' and ')
FROM leaf AS l JOIN pg_attribute AS a ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY l.name, a.attname
UNION ALL SELECT 'column privilege', 'table column ' || t.name || '.' || quote_ident(a.attname), concat_ws(' ',
    x.grantor::regrole, CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, x.privilege_type,
    x.is_grantable)
FROM tab AS t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0, aclexplode(a.attacl) AS x
UNION ALL SELECT 'constraint', 'table constraint ' || quote_ident(k.conname) || ' on ' || t.name,
    concat_ws(' ', regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''), k.convalidated,
        (SELECT array_agg(o ORDER BY o) FROM pg_class AS i, unnest(i.reloptions) AS o
         WHERE i.oid = k.conindid AND k.contype <> 'f'))
FROM pg_constraint AS k JOIN tab AS t ON t.oid = k.conrelid WHERE k.contype <> 't' AND k.conparentid = 0
UNION ALL SELECT 'index', 'index ' || i.indexrelid::regclass, replace(concat_ws(' ', pg_get_indexdef(i.indexrelid),
    i.indisvalid, i.indnullsnotdistinct), ' ON ONLY ', ' ON ')
FROM pg_index AS i JOIN tab AS t ON t.oid = i.indrelid
WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
UNION ALL SELECT 'index space', 'index ' || i.indexrelid::regclass, s.spcname
FROM pg_index AS i JOIN tab AS t ON t.oid = i.indrelid JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_tablespace AS s ON s.oid = c.reltablespace
UNION ALL SELECT 'trigger', 'trigger ' || quote_ident(g.tgname) || ' on ' || r.name,
    concat_ws(' ', pg_get_triggerdef(g.oid), g.tgenabled)
FROM pg_trigger AS g JOIN rel AS r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal
UNION ALL SELECT 'rule', 'rule ' || quote_ident(w.rulename) || ' on ' || r.name,
    concat_ws(' ', pg_get_ruledef(w.oid), w.ev_enabled)
FROM pg_rewrite AS w JOIN rel AS r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL SELECT 'policy', 'policy ' || quote_ident(p.polname) || ' on ' || r.name, concat_ws(' ', p.polcmd,
    p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy AS p JOIN rel AS r ON r.oid = p.polrelid
UNION ALL SELECT 'statistics', 'statistics object ' || s.stxnamespace::regnamespace || '.' || quote_ident(s.stxname),
    concat_ws(' ', pg_get_statisticsobjdef(s.oid), s.stxowner::regrole, nullif(s.stxstattarget, -1))
FROM pg_statistic_ext AS s JOIN rel AS t ON t.oid = s.stxrelid
UNION ALL SELECT 'view storage', 'materialized view ' || r.name, concat_ws(' ', a.attname, a.attstorage,
    nullif(a.attstattarget, -1), a.attoptions)
FROM rel AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 WHERE r.relkind = 'm'
UNION ALL SELECT 'clustered', 'materialized view ' || r.name, i.indexrelid::regclass::text
FROM rel AS r JOIN pg_index AS i ON i.indrelid = r.oid AND i.indisclustered WHERE r.relkind = 'm'
UNION ALL SELECT 'routine privilege', 'function ' || p.oid::regprocedure, concat_ws(' ', p.proowner::regrole,
    x.grantee, x.privilege_type)
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace,
    aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x WHERE n.nspname = ANY (%(schemas)s)
UNION ALL SELECT 'sequence', 'sequence ' || r.name, concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement,
    s.seqmax, s.seqmin, s.seqcache, s.seqcycle, r.relowner::regrole, d.deptype, d.refobjid::regclass, (
    SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid))
FROM rel AS r JOIN pg_sequence AS s ON s.seqrelid = r.oid
LEFT JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')
    AND d.refclassid = 'pg_class'::regclass
UNION ALL SELECT 'publication', 'publication ' || quote_ident(p.pubname), concat_ws(' ', t.name,
    (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
     WHERE a.attrelid = t.oid AND a.attnum = ANY (l.prattrs::int2[])), pg_get_expr(l.prqual, l.prrelid))
FROM pg_publication AS p JOIN pg_publication_rel AS l ON l.prpubid = p.oid JOIN tab AS t ON t.oid = l.prrelid
UNION ALL SELECT 'view', CASE r.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || r.name, concat_ws(' ',
    pg_get_viewdef(r.oid), r.relowner::regrole, (SELECT array_agg(o ORDER BY o) FROM unnest(r.reloptions) AS o),
    r.relispopulated, (SELECT array_agg(pg_get_expr(d.adbin, d.adrelid) ORDER BY d.adnum) FROM pg_attrdef AS d
     WHERE d.adrelid = r.oid))
FROM rel AS r WHERE r.relkind IN ('v', 'm')
UNION ALL SELECT 'index', 'index ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid)
FROM pg_index AS i JOIN rel AS r ON r.oid = i.indrelid AND r.relkind = 'm'
UNION ALL SELECT 'routine', 'function ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = ANY (%(schemas)s)
UNION ALL SELECT 'comment', e.object || CASE WHEN e.object LIKE 'view %%' AND e.part > 0 THEN ' ' || e.part ELSE '' END,
    d.description
FROM described AS e JOIN pg_description AS d ON (d.classoid, d.objoid, d.objsubid) = (e.class, e.oid, e.part)
"""


def table_facts(database: Database, *schemas: str, ignore: str = "_(old|partitioned)$") -> set[tuple[str, str, str]]:
    """The facts about the tables of some schemas: (kind, object, definition)."""
    database.execute("SET search_path = pg_catalog")
    found = database.execute(TABLE_FACTS, {"schemas": list(schemas), "ignore": ignore})  # type: ignore[arg-type]
    database.execute("RESET search_path")
    return {(str(kind), str(name), str(definition)) for kind, name, definition in found}
