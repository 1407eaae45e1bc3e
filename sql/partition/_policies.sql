-- A renamed table is found by oid, a restored one by name. A row binds only where its writer owns the table: nobody's
-- tables are managed by others.
CREATE FUNCTION lifecycle._policies() RETURNS TABLE (relation oid, policy lifecycle.partition_policy)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT c.oid, p
    -- Asked once, not once a row.
    FROM (SELECT lifecycle._origin() AS origin OFFSET 0) AS o
    CROSS JOIN lifecycle.partition_policy AS p
    JOIN pg_class AS c
        ON c.oid = CASE WHEN p.origin = o.origin THEN p.parent_oid ELSE lifecycle._named_relation(p.parent) END
        AND c.relkind = 'p'
    JOIN pg_roles AS r ON r.rolname = p.managed_by AND pg_has_role(r.oid, c.relowner, 'USAGE')
$fn$;
COMMENT ON FUNCTION lifecycle._policies() IS 'The policies whose table stands, with its oid.';

CREATE FUNCTION lifecycle._policy_of(
    relation regclass, OUT root oid, OUT policy lifecycle.partition_policy, OUT levels jsonb[]
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT p.relation, p.policy, (ARRAY(SELECT jsonb_array_elements((p.policy).levels)))[a.depth:]
    FROM (
        SELECT h.relid, h.place AS depth FROM pg_partition_ancestors(relation) WITH ORDINALITY AS h (relid, place)
        UNION
        SELECT relation, 1
    ) AS a
    JOIN lifecycle._policies() AS p ON p.relation = a.relid
    ORDER BY a.depth
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._policy_of(regclass) IS
'The policy that a table follows, its own or the nearest above it, and the levels from this table downwards.';
