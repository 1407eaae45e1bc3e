-- What is generated at run time lives in lifecycle_data: a plain schema, so that DROP EXTENSION leaves it alone. It is
-- made at first use for the owner of the extension, whom every administrator depends on anyway.
CREATE FUNCTION lifecycle._data_schema_steps() RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_owner constant oid := (SELECT n.nspowner FROM pg_namespace AS n WHERE n.nspname = 'lifecycle');
    v_present name := (SELECT pg_get_userbyid(n.nspowner) FROM pg_namespace AS n
        WHERE n.nspname = 'lifecycle_data' AND n.nspowner <> v_owner);
BEGIN
    -- Its owner could drop what we generate there, and with it what keeps a DELETE from being a real one.
    IF v_present IS NOT NULL AND NOT lifecycle._is_superuser(v_present) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('schema lifecycle_data belongs to %I, not to the owner of the extension', v_present),
            HINT = format('Look at what it holds, then ALTER SCHEMA lifecycle_data OWNER TO %I.',
                pg_get_userbyid(v_owner));
    ELSIF to_regnamespace('lifecycle_data') IS NOT NULL THEN
        RETURN ARRAY[]::lifecycle.plan_step[];
    END IF;
    -- No inverse: it goes with the rollback that empties it, see _data_schema_undo.
    RETURN ARRAY[lifecycle._step(
        'create data schema', 'schema lifecycle_data',
        format('CREATE SCHEMA lifecycle_data AUTHORIZATION %I', pg_get_userbyid(v_owner)), NULL,
        note => 'generated functions and queues live here; it goes again with the rollback that empties it'
    )];
END
$fn$;
COMMENT ON FUNCTION lifecycle._data_schema_steps() IS
'The step that makes schema lifecycle_data, when it is not there yet.';

CREATE FUNCTION lifecycle._data_schema_undo(migration_ids bigint[]) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH undone AS (
        -- What does not last has no address in the journal.
        SELECT CASE WHEN s.object LIKE 'passing %' THEN lifecycle._address(substr(s.object, 9))
                ELSE lifecycle._locate(s.object, s.address, m.origin) END AS address
        FROM lifecycle.migration_step AS s
        JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id
        WHERE s.migration_id = ANY (_data_schema_undo.migration_ids) AND s.status = 'done'
    )
    SELECT CASE WHEN
        EXISTS (
            SELECT FROM lifecycle.migration_step AS s
            WHERE s.action = 'create data schema' AND s.status IN ('done', 'rolled_back')
        )
        -- The migration that made it, or one that granted on it, still stands.
        AND NOT EXISTS (
            SELECT FROM lifecycle.migration_step AS s
            WHERE s.status = 'done' AND s.migration_id <> ALL (_data_schema_undo.migration_ids)
                AND (s.action = 'create data schema' OR s.statement LIKE '%lifecycle_data%')
        )
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace('lifecycle_data')
                AND NOT EXISTS (
                    SELECT FROM undone AS u
                    WHERE (u.address).class_id = d.classid AND (u.address).object_id = d.objid
                )
        )
        AND to_regnamespace('lifecycle_data') IS NOT NULL
    THEN ARRAY[lifecycle._step('drop data schema', 'schema lifecycle_data', 'DROP SCHEMA lifecycle_data RESTRICT',
            note => 'nothing is left in it')]
    ELSE '{}' END
$fn$;
COMMENT ON FUNCTION lifecycle._data_schema_undo(bigint[]) IS
'The step that drops schema lifecycle_data, when the rollback of these migrations empties it.';
