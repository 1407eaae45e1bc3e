-- The owner's way: one plain UPDATE that numbers its rows itself, as fast as one by hand. The record follows when the
-- number of rows is known.
CREATE FUNCTION lifecycle._soft_delete_numbered(
    target regclass, deleted_at name, deletion_id name, condition text, path text
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id constant bigint := nextval('lifecycle.deletion_deletion_id_seq');
    v_rows bigint;
    v_numbered boolean;
BEGIN
    PERFORM set_config('lifecycle.last_deletion', '', true), set_config('lifecycle.number', v_id::text, true);
    v_rows := lifecycle._execute(format(
        'UPDATE %s AS t SET %I = pg_catalog.now(), %I = %s WHERE (%s) AND t.%2$I IS NULL',
        target, deleted_at, deletion_id, v_id, condition), path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lifecycle.number', '', true);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE t.%I = %s)', target, deletion_id, v_id) INTO v_numbered;
    IF NOT v_numbered THEN
        RETURN v_rows;  -- None, or the row trigger has numbered them: the table has had another owner.
    END IF;
    INSERT INTO lifecycle.deletion
    (deletion_id, table_schema, table_name, table_oid, row_count, reason, effective_role, jwt_subject)
    OVERRIDING SYSTEM VALUE
    SELECT v_id, n.nspname, c.relname, c.oid, v_rows, nullif(current_setting('lifecycle.reason', true), ''),
        coalesce(nullif(current_setting('role'), 'none'), session_user),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = target;
    PERFORM set_config('lifecycle.last_deletion', v_id || ' ' || target::text, true);
    RETURN v_rows;
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_numbered(regclass, name, name, text, text) IS
'Marks the rows that meet a condition on alias t as the owner of the table; returns their number.';

CREATE FUNCTION lifecycle._soft_delete_set(target regclass, condition text, reason text, path text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns record;
    v_reason constant text := current_setting('lifecycle.reason', true);
    v_rows bigint;
BEGIN
    SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(target) AS c;
    PERFORM set_config('lifecycle.reason', coalesce(reason, v_reason, ''), true);
    IF NOT row_security_active(target)
        AND current_user = (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target)
        AND has_sequence_privilege('lifecycle.deletion_deletion_id_seq', 'USAGE')
        AND current_setting('session_replication_role') <> 'replica'
    THEN
        v_rows := lifecycle._soft_delete_numbered(target, v_columns.deleted_at, v_columns.deletion_id, condition, path);
    ELSE
        v_rows := lifecycle._soft_delete_by(target, v_columns.deleted_at,
            format('(%s) AND t.%I IS NULL', condition, v_columns.deleted_at), path);
    END IF;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lifecycle.reason', coalesce(v_reason, ''), true);
    RETURN jsonb_build_object('status', CASE WHEN v_rows > 0 THEN 'deleted' ELSE 'not_found' END,
        'deletion_id', CASE WHEN v_rows > 0 THEN lifecycle._last_deletion('lifecycle.last_deletion', target) END,
        'count', v_rows);
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_set(regclass, text, text, text) IS
'Marks the rows that meet a condition on alias t, as one deletion; returns status, deletion_id and count.';
