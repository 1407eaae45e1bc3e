-- Only what the role does not hold yet is granted, so that the inverse takes back no more than that.
CREATE FUNCTION lifecycle._lacking(role_name name, privilege text, object_kind text) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT o.identity
        FROM (
            SELECT 'SCHEMA' AS kind, quote_ident(n.nspname) AS identity, n.nspacl AS acl
            FROM pg_namespace AS n WHERE n.nspname = 'lifecycle'
            UNION ALL
            SELECT 'TABLE', c.oid::regclass::text, c.relacl
            FROM pg_class AS c WHERE c.relnamespace = 'lifecycle'::regnamespace AND c.relkind IN ('r', 'v')
            UNION ALL
            SELECT 'ROUTINE', p.oid::regprocedure::text, p.proacl
            FROM pg_proc AS p WHERE p.pronamespace = 'lifecycle'::regnamespace
        ) AS o
        WHERE o.kind = object_kind AND NOT EXISTS (
            SELECT FROM aclexplode(o.acl) AS a
            WHERE a.grantee = to_regrole(quote_ident(role_name)) AND a.privilege_type = privilege
        )
        ORDER BY o.identity
    )
$fn$;
COMMENT ON FUNCTION lifecycle._lacking(name, text, text) IS
'Objects of schema lifecycle of a kind (SCHEMA, TABLE, ROUTINE) on which a role was not granted a privilege itself.';

CREATE FUNCTION lifecycle._grant_step(role_name name, privileges text, object_kind text, objects text[])
RETURNS lifecycle.plan_step LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step(
        'grant',
        format('privileges of %I', role_name),
        CASE WHEN list.words <> ''
            THEN format('GRANT %s ON %s %s TO %I', privileges, object_kind, list.words, role_name) END,
        format('REVOKE %s ON %s %s FROM %I', privileges, object_kind, list.words, role_name),
        note => CASE WHEN list.words = '' THEN format('holds %s already', privileges) END
    )
    FROM (SELECT array_to_string(objects, ', ') AS words) AS list
$fn$;
COMMENT ON FUNCTION lifecycle._grant_step(name, text, text, text[]) IS
'The step that grants privileges on some objects to a role; skipped when there are none.';

CREATE FUNCTION lifecycle._require_role(role_name name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = role_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('role %I does not exist', coalesce(role_name, 'NULL')),
            HINT = 'The extension creates no roles: CREATE ROLE first.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_role(name) IS 'Raises 42704 unless there is such a role.';

-- PostgreSQL itself would only warn that nothing was granted.
CREATE FUNCTION lifecycle._require_extension_owner() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_owner constant oid := (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = 'lifecycle');
BEGIN
    IF NOT pg_has_role(current_user, v_owner, 'USAGE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'must be owner of the extension pg_lifecycle to grant its use',
            HINT = format('Connect as %I or as a member of it.', pg_get_userbyid(v_owner));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_extension_owner() IS
'Raises 42501 unless the caller has the rights of the owner of the extension.';

CREATE FUNCTION lifecycle._rollback_plan_grant(migration_id bigint, plan lifecycle.plan_step[], options jsonb)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN to_regrole(quote_ident(m.parameters ->> 'role_name')) IS NOT NULL THEN plan ELSE ARRAY(
        SELECT lifecycle._step(p.action, p.object, NULL, note => 'the role is gone') FROM unnest(plan) AS p
    ) END
    FROM lifecycle.migration AS m
    WHERE m.migration_id = _rollback_plan_grant.migration_id
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_grant(bigint, lifecycle.plan_step[], jsonb) IS
'The rollback of grants: a role that has been dropped has lost them already.';
