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
