-- As the triggers do it at the end of a statement.
CREATE FUNCTION lifecycle._follow_foreign_keys(target regclass, number bigint) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_ref constant text := lifecycle._soft_delete_sibling(target, '_ref');
    v_counts jsonb;
BEGIN
    IF to_regprocedure(v_ref || '(text,bigint,oid[])') IS NULL THEN
        RETURN '{}';
    END IF;
    EXECUTE format('SELECT %s(''follow'', $1, ''{}'')', v_ref) INTO v_counts USING number;
    IF v_counts IS NOT NULL THEN
        EXECUTE format('SELECT %s($1, ''{}'')', lifecycle._soft_delete_sibling(target, '_own')) USING number;
    END IF;
    RETURN coalesce(v_counts, '{}');
END
$fn$;
COMMENT ON FUNCTION lifecycle._follow_foreign_keys(regclass, bigint) IS
'Follows the foreign keys that refer to the rows of a table with a number; returns the rows touched, by table.';

-- The owner's way: one plain UPDATE that numbers its rows itself, as fast as one by hand. The record follows when the
-- number of rows is known.
CREATE FUNCTION lifecycle._soft_delete_numbered(
    target regclass, deleted_at name, deletion_id name, condition text, path text
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id constant bigint := nextval('lifecycle.deletion_deletion_id_seq');
    v_before constant text := current_setting('lifecycle.number', true);
    v_rows bigint;
    v_numbered boolean;
    v_cascaded jsonb;
BEGIN
    PERFORM set_config('lifecycle.last_deletion', '', true), set_config('lifecycle.number', v_id::text, true),
        set_config('lifecycle.last_cascade', '', true);
    v_rows := lifecycle._execute(format(
        'UPDATE %s AS t SET %I = pg_catalog.now(), %I = %s WHERE (%s) AND t.%2$I IS NULL',
        target, deleted_at, deletion_id, v_id, condition), path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lifecycle.number', coalesce(v_before, ''), true);
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
    v_cascaded := lifecycle._follow_foreign_keys(target, v_id);
    UPDATE lifecycle.deletion AS d SET cascaded = v_cascaded WHERE d.deletion_id = v_id AND v_cascaded <> '{}';
    PERFORM set_config('lifecycle.last_deletion', v_id || ' ' || target::text, true),
        set_config('lifecycle.last_cascade', v_cascaded::text, true);
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
        'count', v_rows, 'cascaded', lifecycle._last_cascade());
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_set(regclass, text, text, text) IS
'Marks the rows that meet a condition on alias t, as one deletion; returns status, deletion_id and count.';
