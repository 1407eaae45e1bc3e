-- One condition for many keys: an array the index can use, or a join where the key has several columns.
CREATE FUNCTION lifecycle._keys_condition(target regclass, keys_json jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_keys constant lifecycle.key_column[] := lifecycle._key_columns(target);
    v_given jsonb[];
BEGIN
    IF jsonb_typeof(keys_json) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the keys must be an array',
            HINT = 'For example [1, 2], or [{"team": 1, "person": 2}] for a key of several columns.';
    END IF;
    v_given := ARRAY(SELECT lifecycle._key_json(target, v_keys, k) FROM jsonb_array_elements(keys_json) AS k);
    IF cardinality(v_keys) = 1 THEN
        RETURN format('t.%I %s ANY (%L::%s[])', v_keys[1].name, v_keys[1].equals,
            ARRAY(SELECT k ->> v_keys[1].name::text FROM unnest(v_given) AS k), v_keys[1].type);
    END IF;
    RETURN format('EXISTS (SELECT FROM pg_catalog.jsonb_to_recordset(%L) AS k (%s) WHERE %s)', to_jsonb(v_given),
        (SELECT string_agg(format('%I %s', k.name, k.type), ', ') FROM unnest(v_keys) AS k),
        lifecycle._key_where(v_keys, 't', 'k'));
END
$fn$;
COMMENT ON FUNCTION lifecycle._keys_condition(regclass, jsonb) IS
'The condition that a row, alias t, has one of the keys of a JSON array.';

CREATE FUNCTION lifecycle.soft_delete_many(
    target regclass,
    keys_json jsonb,
    reason text DEFAULT NULL,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_answer jsonb;
    v_missing bigint;
BEGIN
    v_answer := lifecycle._soft_delete_set(target, lifecycle._keys_condition(target, keys_json),
        soft_delete_many.reason, soft_delete_many.search_path);
    v_missing := (SELECT count(DISTINCT k) FROM jsonb_array_elements(keys_json) AS k) - (v_answer ->> 'count')::bigint;
    IF strict AND v_missing > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = format('%s of the rows of %s were not deleted', v_missing, target),
            DETAIL = 'They are absent, deleted already, or hidden from the caller.';
    END IF;
    RETURN v_answer || jsonb_build_object('not_deleted', v_missing);
END
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete_many(regclass, jsonb, text, boolean, text) IS
'Marks several rows as one deletion: one number, one record, taken back by one restore(deletion_id).

Arguments: target - the table; keys_json - a JSON array of keys, each as soft_delete takes it; reason - kept in the
record; strict - raise when one of them was not deleted; search_path - what triggers see, by default the caller''s.
Returns: jsonb: status (deleted, not_found), deletion_id, count (rows), not_deleted (keys without a live row).
Errors: 22023 not an array of keys; P0002 some were not deleted (strict); the others as soft_delete.
Example: SELECT lifecycle.soft_delete_many(''public.packages'', ''[1, 2, 3]''::jsonb, reason => ''duplicates'');';

CREATE FUNCTION lifecycle.soft_delete_many(
    target regclass,
    keys anyarray,
    reason text DEFAULT NULL,
    strict boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle.soft_delete_many(target, keys_json => to_jsonb(keys), reason => soft_delete_many.reason,
        strict => soft_delete_many.strict, search_path => soft_delete_many.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete_many(regclass, anyarray, text, boolean, text) IS
'Marks several rows as one deletion, see the form with keys_json.

Arguments: target - the table; keys - the values of its key of one column, an array of any type; reason, strict,
search_path - as there.
Returns: jsonb: status (deleted, not_found), deletion_id, count, not_deleted.
Errors: as there.
Example: SELECT lifecycle.soft_delete_many(''public.packages'', ARRAY[1, 2, 3]);';
