-- Who judges: where row-level security gives the role a policy for DELETE, or does not apply, that is the last word of
-- a role that may DELETE in the table. Else it is the right to UPDATE the row.
CREATE FUNCTION lifecycle._may_mark_by_update(target regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT has_any_column_privilege(target, 'UPDATE') AND NOT (
        has_table_privilege(target, 'DELETE') AND (NOT row_security_active(target) OR EXISTS (
            SELECT FROM pg_policy AS p CROSS JOIN LATERAL unnest(p.polroles) AS r (role)
            WHERE p.polrelid = target AND p.polpermissive AND p.polcmd IN ('d', '*')
                AND (r.role = 0 OR pg_has_role(r.role, 'USAGE'))
        )))
$fn$;
COMMENT ON FUNCTION lifecycle._may_mark_by_update(regclass) IS
'Whether the right to UPDATE a row decides who may mark it, since no right to DELETE is defined for the caller.';

-- As the view and the RPC do it, for any table.
CREATE FUNCTION lifecycle._soft_delete_by(target regclass, deleted_at name, condition text, path text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_really bigint := 0;
    v_marked boolean;
BEGIN
    PERFORM set_config('lifecycle.last_deletion', '', true), set_config('lifecycle.marked', '', true);
    IF has_table_privilege(target, 'DELETE') OR NOT has_any_column_privilege(target, 'UPDATE') THEN
        PERFORM set_config('lifecycle.soft_delete', target::text, true);
        v_really := lifecycle._execute(format('DELETE FROM %s AS t WHERE %s', target, condition), path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        PERFORM set_config('lifecycle.soft_delete', '', true);
    END IF;
    IF v_really > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('a row of %s would really have been deleted', target),
            DETAIL = 'The trigger aa_soft_delete of the table did not fire.',
            HINT = format('ALTER TABLE %s ENABLE ALWAYS TRIGGER aa_soft_delete', target);
    END IF;
    v_marked := current_setting('lifecycle.marked') = 'on';
    IF NOT v_marked AND lifecycle._may_mark_by_update(target) THEN
        v_marked := lifecycle._execute(format('UPDATE %s AS t SET %I = pg_catalog.now() WHERE (%s) AND t.%2$I IS NULL',
            target, deleted_at, condition), path) > 0;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    RETURN v_marked;
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_by(regclass, name, text, text) IS
'Marks the rows that meet a condition on alias t; returns whether there were any.';

CREATE FUNCTION lifecycle._last_deletion(setting_name text, target regclass) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN substr(s.last, strpos(s.last, ' ') + 1) = target::text THEN substring(s.last FROM '^[0-9]+')::bigint END
    FROM (SELECT current_setting(setting_name, true) AS last) AS s
$fn$;
COMMENT ON FUNCTION lifecycle._last_deletion(text, regclass) IS
'The number of the deletion that the triggers of a table have left in a setting.';

CREATE FUNCTION lifecycle.soft_delete(
    target regclass,
    key_json jsonb,
    reason text DEFAULT NULL,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_column constant name := (lifecycle._soft_delete_columns(target)).deleted_at;
    v_keys constant lifecycle.key_column[] := lifecycle._key_columns(target);
    v_key constant jsonb := lifecycle._key_json(target, v_keys, key_json);
    v_condition constant text := lifecycle._key_text(v_keys, v_key, 't');
    v_reason constant text := current_setting('lifecycle.reason', true);
    v_status text := 'deleted';
    v_done boolean;
    v_marked boolean;
BEGIN
    PERFORM set_config('lifecycle.reason', coalesce(reason, v_reason, ''), true);
    v_done := lifecycle._soft_delete_by(target, v_column, v_condition, soft_delete.search_path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lifecycle.reason', coalesce(v_reason, ''), true);
    IF NOT v_done THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE %s AND t.%I IS NOT NULL)',
            target, v_condition, v_column) INTO v_marked;
        v_status := CASE WHEN v_marked THEN 'already_deleted' ELSE 'not_found' END;
        IF strict THEN
            RAISE EXCEPTION USING
                ERRCODE = 'no_data_found',
                MESSAGE = format('no row of %s was deleted', target),
                DETAIL = format('Key %s: %s.', v_key, replace(v_status, '_', ' '));
        END IF;
    END IF;
    RETURN jsonb_build_object('status', v_status, 'key', v_key,
        'deletion_id', CASE WHEN v_done THEN lifecycle._last_deletion('lifecycle.last_deletion', target) END,
        'count', CASE v_status WHEN 'deleted' THEN 1 ELSE 0 END);
END
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete(regclass, jsonb, text, boolean, text) IS
'Marks one row of a soft-deleted table as deleted, with the rights of the caller: PostgreSQL must let it DELETE the
row, or UPDATE it. The deletion is recorded in lifecycle.deletion.

Arguments: target - the table; key_json - its primary key as {"column": value, ...}, or a scalar for a key of one
column; reason - kept in the record; strict - raise when no row was deleted; search_path - what triggers see, by
default the caller''s.
Returns: jsonb: status (deleted, already_deleted, not_found), key, deletion_id (null unless deleted), count (rows).
Errors: 55000 soft delete is not enabled; 22023 not a key of the table; P0002 no row was deleted (strict); 42501 by
privileges or row-level security of the table.
Example: SELECT lifecycle.soft_delete(''public.membership'', ''{"team": 1, "person": 2}''::jsonb);';

CREATE FUNCTION lifecycle.soft_delete(
    target regclass,
    key text,
    reason text DEFAULT NULL,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle.soft_delete(target, key_json => to_jsonb(soft_delete.key), reason => soft_delete.reason,
        strict => soft_delete.strict, search_path => soft_delete.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete(regclass, text, text, boolean, text) IS
'Marks one row as deleted, see the form with key_json.

Arguments: target - the table; key - the value of its key of one column, as text; reason, strict, search_path - as
there.
Returns: jsonb: status (deleted, already_deleted, not_found), key, deletion_id, count.
Errors: as there; 22P02 and its like when the text is not a value of the key''s type.
Example: SELECT lifecycle.soft_delete(''public.packages'', ''42'', reason => ''asked for by its owner'');';

CREATE FUNCTION lifecycle.soft_delete(
    target regclass,
    key_value anyelement,
    reason text DEFAULT NULL,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle.soft_delete(target, key_json => to_jsonb(key_value), reason => soft_delete.reason,
        strict => soft_delete.strict, search_path => soft_delete.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete(regclass, anyelement, text, boolean, text) IS
'Marks one row as deleted, see the form with key_json.

Arguments: target - the table; key_value - the value of its key of one column, of any type; reason, strict,
search_path - as there.
Returns: jsonb: status (deleted, already_deleted, not_found), key, deletion_id, count.
Errors: as there.
Example: SELECT lifecycle.soft_delete(''public.packages'', 42);';
