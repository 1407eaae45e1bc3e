CREATE FUNCTION lifecycle._restore_rows(target regclass, deleted_at name, condition text, path text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rows bigint;
BEGIN
    PERFORM set_config('lifecycle.last_restored', '', true), set_config('lifecycle.last_cascade', '', true);
    v_rows := lifecycle._execute(format('UPDATE %s AS t SET %I = NULL WHERE (%s) AND t.%2$I IS NOT NULL',
        target, deleted_at, condition), path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    RETURN v_rows;
END
$fn$;
COMMENT ON FUNCTION lifecycle._restore_rows(regclass, name, text, text) IS
'Brings back the deleted rows that meet a condition on alias t; returns their number.';

-- Rows that the foreign keys no longer lead to: somebody has changed what they refer to.
CREATE FUNCTION lifecycle._restore_rest(deletion_id bigint, cascaded jsonb, path text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_counts jsonb := lifecycle._last_cascade();
    v_columns record;
    v_table regclass;
    v_rows bigint;
BEGIN
    FOR v_table IN
        SELECT t.tgrelid::regclass FROM pg_trigger AS t
        WHERE t.tgname = 'zz_soft_delete_row' AND t.tgparentid = 0
            AND t.tgrelid::regclass::text IN (SELECT jsonb_object_keys(cascaded))
        ORDER BY t.tgrelid::regclass::text
    LOOP
        SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(v_table) AS c;
        v_rows := lifecycle._restore_rows(v_table, v_columns.deleted_at,
            format('t.%I OPERATOR(pg_catalog.=) %s', v_columns.deletion_id, deletion_id), path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        IF v_rows > 0 THEN
            v_counts := v_counts || jsonb_build_object(v_table,
                v_rows + coalesce((v_counts ->> v_table::text)::bigint, 0));
        END IF;
    END LOOP;
    RETURN v_counts;
END
$fn$;
COMMENT ON FUNCTION lifecycle._restore_rest(bigint, jsonb, text) IS
'Brings back, with the rights of the caller, what a deletion has marked in other tables and is still deleted.';

CREATE FUNCTION lifecycle.restore(
    target regclass,
    key_json jsonb,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_column constant name := (lifecycle._soft_delete_columns(target)).deleted_at;
    v_keys constant lifecycle.key_column[] := lifecycle._key_columns(target);
    v_key constant jsonb := lifecycle._key_json(target, v_keys, key_json);
    v_condition constant text := lifecycle._key_text(v_keys, v_key, 't');
    v_rows bigint;
    v_present boolean;
    v_status text := 'restored';
BEGIN
    v_rows := lifecycle._restore_rows(target, v_column, v_condition, restore.search_path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF v_rows = 0 THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE %s)', target, v_condition) INTO v_present;
        v_status := CASE WHEN v_present THEN 'not_deleted' ELSE 'not_found' END;
        IF strict THEN
            RAISE EXCEPTION USING
                ERRCODE = 'no_data_found',
                MESSAGE = format('no row of %s was restored', target),
                DETAIL = format('Key %s: %s.', v_key, replace(v_status, '_', ' ')),
                HINT = 'A row that row-level security hides from the caller counts as not found.';
        END IF;
    END IF;
    RETURN jsonb_build_object('status', v_status, 'key', v_key,
        'deletion_id', lifecycle._last_deletion('lifecycle.last_restored', target), 'count', v_rows,
        'cascaded', lifecycle._last_cascade());
END
$fn$;
COMMENT ON FUNCTION lifecycle.restore(regclass, jsonb, boolean, text) IS
'Brings back one soft-deleted row, and what the same deletion has done by foreign keys that refer to it, with the rights
of the caller to UPDATE the row. UPDATE ... SET deleted_at = NULL does
the same.

Arguments: target - the table; key_json - its primary key as {"column": value, ...}, or a scalar for a key of one
column; strict - raise when no row came back; search_path - what triggers see, by default the caller''s.
Returns: jsonb: status (restored, not_deleted, not_found), key, deletion_id (of the deletion taken back), count
(rows), cascaded (rows of the same deletion that came back with it by foreign keys, {"table": rows}).
Errors: 55000 soft delete is not enabled; 22023 not a key of the table; P0002 no row was restored (strict); 23505 a
live row holds a unique value by now; 23503 a row that it refers to is deleted; 42501 by privileges or row-level
security.
Example: SELECT lifecycle.restore(''public.membership'', ''{"team": 1, "person": 2}''::jsonb);';

CREATE FUNCTION lifecycle.restore(
    target regclass,
    key text,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle.restore(target, key_json => to_jsonb(restore.key), strict => restore.strict,
        search_path => restore.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.restore(regclass, text, boolean, text) IS
'Brings back one soft-deleted row, see the form with key_json.

Arguments: target - the table; key - the value of its key of one column, as text; strict, search_path - as there.
Returns: jsonb: status (restored, not_deleted, not_found), key, deletion_id, count, cascaded.
Errors: as there.
Example: SELECT lifecycle.restore(''public.packages'', ''42'');';

CREATE FUNCTION lifecycle.restore(
    target regclass,
    key_value anyelement,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle.restore(target, key_json => to_jsonb(key_value), strict => restore.strict,
        search_path => restore.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.restore(regclass, anyelement, boolean, text) IS
'Brings back one soft-deleted row, see the form with key_json.

Arguments: target - the table; key_value - the value of its key of one column, of any type; strict, search_path - as
there.
Returns: jsonb: status (restored, not_deleted, not_found), key, deletion_id, count, cascaded.
Errors: as there.
Example: SELECT lifecycle.restore(''public.packages'', 42);';

CREATE FUNCTION lifecycle.restore(
    deletion_id bigint,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_target regclass := (SELECT lifecycle._deletion_relation(d.table_schema, d.table_name, d.table_oid, d.origin)
        FROM lifecycle.deletion AS d WHERE d.deletion_id = restore.deletion_id);
    v_columns record;
    v_rows bigint;
    v_cascaded jsonb;
BEGIN
    IF v_target IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('there is no deletion %s', coalesce(deletion_id::text, 'NULL')),
            DETAIL = 'Its table may be gone, or not yours to read.',
            HINT = 'SELECT deletion_id, table_name, deleted_at FROM lifecycle.deletion lists them.';
    END IF;
    SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(v_target) AS c;
    v_rows := lifecycle._restore_rows(v_target, v_columns.deleted_at,
        format('t.%I OPERATOR(pg_catalog.=) %s', v_columns.deletion_id, deletion_id), restore.search_path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_cascaded := lifecycle._restore_rest(deletion_id, (SELECT d.cascaded FROM lifecycle.deletion AS d
        WHERE d.deletion_id = restore.deletion_id), restore.search_path);
    IF v_rows = 0 AND v_cascaded = '{}' AND strict THEN
        RAISE EXCEPTION USING ERRCODE = 'no_data_found', MESSAGE = format('no row of deletion %s is deleted',
            deletion_id);
    END IF;
    RETURN jsonb_build_object('status', CASE WHEN v_rows > 0 OR v_cascaded <> '{}' THEN 'restored'
            ELSE 'not_deleted' END,
        'table', v_target::text, 'deletion_id', deletion_id, 'count', v_rows, 'cascaded', v_cascaded);
END
$fn$;
COMMENT ON FUNCTION lifecycle.restore(bigint, boolean, text) IS
'Brings back exactly what one deletion deleted and is deleted still: its rows, those marked together with them by
foreign keys, and the values that ON DELETE SET NULL and SET DEFAULT have cleared.

Arguments: deletion_id - as soft_delete returned it, or from lifecycle.deletion; strict - raise when no row came back;
search_path - what triggers see, by default the caller''s.
Returns: jsonb: status (restored, not_deleted), table, deletion_id, count (rows of the table), cascaded (rows of
others, {"table": rows}).
Errors: P0002 there is no such deletion, or no row came back (strict); 23505 a live row holds a unique value by now;
23503 a row that one of them refers to is deleted.
Example: SELECT lifecycle.restore(d.deletion_id) FROM lifecycle.deletion AS d ORDER BY d.deleted_at DESC LIMIT 1;';
