CREATE FUNCTION lifecycle.restore_many(
    target regclass,
    keys_json jsonb,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rows bigint;
BEGIN
    v_rows := lifecycle._restore_rows(target, (lifecycle._soft_delete_columns(target)).deleted_at,
        lifecycle._keys_condition(target, keys_json), restore_many.search_path);
    RETURN jsonb_build_object('status', CASE WHEN v_rows > 0 THEN 'restored' ELSE 'not_deleted' END, 'count', v_rows,
        'cascaded', lifecycle._last_cascade());
END
$fn$;
COMMENT ON FUNCTION lifecycle.restore_many(regclass, jsonb, text) IS
'Brings back several soft-deleted rows, whatever deletions they were part of, with the rights of the caller to UPDATE
them.

Arguments: target - the table; keys_json - a JSON array of keys, each as restore takes it; search_path - what triggers
see, by default the caller''s.
Returns: jsonb: status (restored, not_deleted), count (rows), cascaded (as restore).
Errors: 22023 not an array of keys; the others as restore.
Example: SELECT lifecycle.restore_many(''public.packages'', ''[1, 2]''::jsonb);';

CREATE FUNCTION lifecycle.restore_many(
    target regclass,
    keys anyarray,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle.restore_many(target, keys_json => to_jsonb(keys), search_path => restore_many.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.restore_many(regclass, anyarray, text) IS
'Brings back several soft-deleted rows, see the form with keys_json.

Arguments: target - the table; keys - the values of its key of one column, an array of any type; search_path - as
there.
Returns: jsonb: status (restored, not_deleted), count, cascaded.
Errors: as there.
Example: SELECT lifecycle.restore_many(''public.packages'', ARRAY[1, 2]);';
