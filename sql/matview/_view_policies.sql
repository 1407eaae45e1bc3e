-- A renamed view is found by oid, a restored or replaced one by name. A row binds only where its writer has the
-- rights of the owner.
CREATE FUNCTION lifecycle._view_policies() RETURNS TABLE (view oid, policy lifecycle.materialized_view_policy)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT c.oid, p
    FROM (SELECT lifecycle._origin() AS origin OFFSET 0) AS o
    CROSS JOIN lifecycle.materialized_view_policy AS p
    JOIN pg_class AS c
        ON c.oid = CASE WHEN p.origin = o.origin AND EXISTS (SELECT FROM pg_class AS own WHERE own.oid = p.view_oid)
            THEN p.view_oid ELSE lifecycle._named_relation(p.view_name) END
        AND c.relkind IN ('m', 'r')
    JOIN pg_roles AS r ON r.rolname = p.managed_by AND pg_has_role(r.oid, c.relowner, 'USAGE')
$fn$;
COMMENT ON FUNCTION lifecycle._view_policies() IS 'The refresh policies whose view stands, with its oid.';
