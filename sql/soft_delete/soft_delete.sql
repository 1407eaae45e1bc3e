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
    v_rows bigint;
    v_marked boolean;
BEGIN
    PERFORM set_config('lifecycle.reason', coalesce(reason, v_reason, ''), true);
    v_rows := lifecycle._soft_delete_by(target, v_column, v_condition, soft_delete.search_path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lifecycle.reason', coalesce(v_reason, ''), true);
    IF v_rows = 0 THEN
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
        'deletion_id', CASE WHEN v_rows > 0 THEN lifecycle._last_deletion('lifecycle.last_deletion', target) END,
        'count', CASE v_status WHEN 'deleted' THEN 1 ELSE 0 END, 'cascaded', lifecycle._last_cascade());
END
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete(regclass, jsonb, text, boolean, text) IS
'Marks one row of a soft-deleted table as deleted, with the rights of the caller: PostgreSQL must let it DELETE the
row, or UPDATE it. The deletion is recorded in lifecycle.deletion.

Arguments: target - the table; key_json - its primary key as {"column": value, ...}, or a scalar for a key of one
column; reason - kept in the record; strict - raise when no row was deleted; search_path - what triggers see, by
default the caller''s.
Returns: jsonb: status (deleted, already_deleted, not_found), key, deletion_id (null unless deleted), count (rows),
cascaded (rows touched by foreign keys, {"table": rows}, cleared ones as {"table(columns)": rows}).
Errors: 55000 soft delete is not enabled; 22023 not a key of the table; P0002 no row was deleted (strict); 23503
live rows refer to it; 42501 by privileges or row-level security of the table.
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
Returns: jsonb: status (deleted, already_deleted, not_found), key, deletion_id, count, cascaded.
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
Returns: jsonb: status (deleted, already_deleted, not_found), key, deletion_id, count, cascaded.
Errors: as there.
Example: SELECT lifecycle.soft_delete(''public.packages'', 42);';
