-- Between begin_migration and end_migration every change becomes a part of that migration. The context ends with the
-- transaction; a part may join only a migration of its own role, whatever somebody has put into the setting.
CREATE FUNCTION lifecycle._context() RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id bigint := nullif(current_setting('lifecycle.migration', true), '')::bigint;
BEGIN
    IF v_id IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM FROM lifecycle.migration AS m
    WHERE m.migration_id = v_id AND m.feature = 'group' AND m.state <> 'rolled_back'
        AND m.applied_by = current_user AND m.session_by = lifecycle._session_role();
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('migration %s is not an open group of role %I', v_id, current_user),
            HINT = 'Call lifecycle.begin_migration and lifecycle.end_migration as the role that makes the changes.';
    END IF;
    RETURN v_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle._context() IS
'The migration that begin_migration has opened in this transaction, or NULL.';
