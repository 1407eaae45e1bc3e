-- A step may name whatever its writer likes: only who owns an object keeps others from taking it back. Part of a table
-- is what depends on it as such: a constraint, a trigger, a policy.
CREATE FUNCTION lifecycle._owns_object(role_name name, address lifecycle.object_address) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT NOT EXISTS (
        SELECT FROM pg_shdepend AS o
        WHERE o.deptype = 'o' AND o.dbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND (o.classid, o.objid) IN (
                SELECT (address).class_id, (address).object_id
                UNION ALL
                SELECT d.refclassid, d.refobjid FROM pg_depend AS d
                WHERE d.classid = (address).class_id AND d.objid = (address).object_id AND d.deptype IN ('a', 'i')
            )
            AND pg_has_role(to_regrole(quote_ident(role_name))::oid, o.refobjid, 'USAGE') IS NOT TRUE
    )
$fn$;
COMMENT ON FUNCTION lifecycle._owns_object(name, lifecycle.object_address) IS
'Whether the role of that name has the rights of the owner of an object, or of what it is a part of.';

-- Which later changes stand on what these have made: on a relation they made, or through the catalog's own
-- dependencies.
CREATE FUNCTION lifecycle._rests_on(migration_ids bigint[]) RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE journaled AS MATERIALIZED (
        SELECT s.migration_id, s.applied_by, s.made AND s.inverse IS NOT NULL AS undone,
            lifecycle._locate(s.object, s.address, m.origin) AS address
        FROM lifecycle.migration_step AS s
        JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id AND m.state <> 'rolled_back'
        WHERE s.status = 'done' AND s.address IS NOT NULL
    ), dependent (class_id, object_id, sub_id) AS (
        SELECT (j.address).class_id, (j.address).object_id, (j.address).sub_id
        FROM journaled AS j
        WHERE j.migration_id = ANY (migration_ids) AND j.undone AND j.address IS NOT NULL
        UNION
        SELECT x.class_id, x.object_id, x.sub_id
        FROM dependent AS p
        CROSS JOIN LATERAL (
            SELECT d.classid, d.objid, d.objsubid FROM pg_depend AS d
            WHERE d.refclassid = p.class_id AND d.refobjid = p.object_id AND (p.sub_id = 0 OR d.refobjsubid = p.sub_id)
            UNION ALL
            SELECT 'pg_class'::regclass::oid, r.ev_class, 0 FROM pg_rewrite AS r
            WHERE p.class_id = 'pg_rewrite'::regclass AND r.oid = p.object_id
        ) AS x (class_id, object_id, sub_id)
    )
    SELECT ARRAY(
        SELECT DISTINCT j.migration_id
        FROM journaled AS j
        JOIN dependent AS d ON d.class_id = (j.address).class_id AND d.object_id = (j.address).object_id
            AND (d.sub_id = 0 OR d.sub_id = (j.address).sub_id)
        WHERE j.migration_id > (SELECT max(i) FROM unnest(migration_ids) AS i)
            AND j.migration_id <> ALL (migration_ids)
            AND lifecycle._owns_object(j.applied_by, j.address)
        ORDER BY j.migration_id DESC
    )
$fn$;
COMMENT ON FUNCTION lifecycle._rests_on(bigint[]) IS
'The later migrations that rest on what these migrations have made, newest first.';
