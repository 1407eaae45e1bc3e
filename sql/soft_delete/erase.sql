CREATE FUNCTION lifecycle.erase(
    target regclass,
    key_json jsonb,
    dry_run boolean DEFAULT true,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.erase_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_keys constant lifecycle.key_column[] := lifecycle._key_columns(target);
    v_found jsonb;
    v_report lifecycle.erase_result[];
    v_other record;
BEGIN
    PERFORM lifecycle._require_dry_run(dry_run);
    PERFORM lifecycle._require_table(target);
    v_found := lifecycle._erase_set(target,
        lifecycle._key_text(v_keys, lifecycle._key_json(target, v_keys, key_json), 't'), NOT dry_run);
    v_report := ARRAY(SELECT r FROM lifecycle._erase_report(v_found) AS r);
    FOR v_other IN SELECT o.* FROM lifecycle._erase_others(v_found) AS o LOOP
        IF v_other.is_block AND NOT dry_run THEN
            RAISE EXCEPTION USING
                ERRCODE = 'foreign_key_violation',
                MESSAGE = format('%s rows of %s refer to what would be erased', v_other.rows, v_other.relation),
                DETAIL = format('%s; nothing was erased.', v_other.note),
                HINT = 'Erase or change those rows first; the dry run lists all that is in the way.';
        END IF;
        v_report := v_report || (
            SELECT ROW(n.nspname, c.relname, NULL, NULL, NULL, 0, v_other.rows, v_other.note)::lifecycle.erase_result
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v_other.relation);
    END LOOP;
    IF dry_run THEN
        RAISE NOTICE 'dry run: nothing was erased';
        RETURN QUERY SELECT (r).* FROM unnest(v_report) AS r;
        RETURN;
    END IF;
    PERFORM lifecycle._erase_rows(v_found, erase.search_path);
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    -- Looked for again, since a trigger may have kept a row.
    SELECT r.* INTO v_other FROM lifecycle._erase_report(v_found) AS r WHERE r.live + r.deleted > 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s rows of %I.%I could not be erased', v_other.live + v_other.deleted,
                v_other.table_schema, v_other.table_name),
            DETAIL = 'A trigger has kept them; nothing was erased.',
            HINT = 'Disable that trigger for the time.';
    END IF;
    RETURN QUERY
    SELECT r.table_schema, r.table_name, r.live, r.deleted, r.archived, coalesce(r.live + r.deleted + r.archived, 0),
        CASE WHEN r.live IS NULL THEN r.remaining ELSE 0 END, r.note
    FROM unnest(v_report) AS r;
END
$fn$;
COMMENT ON FUNCTION lifecycle.erase(regclass, jsonb, boolean, text) IS
'Erases a data subject: really deletes its row, whether live or soft-deleted, its archived copy, and what hangs on them
by foreign keys ON DELETE CASCADE, children first, in one transaction. It tells what it found where. Backups, replicas,
WAL and the pages that VACUUM has not yet cleaned are outside.

Arguments: target - the table; key_json - its primary key as {"column": value, ...}, or a scalar for a key of one
column; dry_run - only tell (the default); search_path - what triggers see, by default the caller''s.
Returns: one row a table (lifecycle.erase_result): table_schema, table_name, live, deleted, archived (rows found in the
table and in <table>_archive), erased, remaining (rows), note.
Errors: 23503 rows of another table refer to it and must not go (their table is named); 42501 by privileges, or because
row-level security could hide rows; 55000 a trigger has kept a row; 42809 not a table; 22023 not a key
of the table.
Example: SELECT * FROM lifecycle.erase(''public.packages'', ''{"id": 42}''::jsonb);';

CREATE FUNCTION lifecycle.erase(
    target regclass,
    key text,
    dry_run boolean DEFAULT true,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.erase_result LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.erase(target, key_json => to_jsonb(erase.key), dry_run => erase.dry_run,
        search_path => erase.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.erase(regclass, text, boolean, text) IS
'Erases a data subject, see the form with key_json.

Arguments: target - the table; key - the value of its key of one column, as text; dry_run, search_path - as there.
Returns: one row a table (lifecycle.erase_result).
Errors: as there.
Example: SELECT table_name, live, deleted, archived FROM lifecycle.erase(''public.packages'', ''42'');';

CREATE FUNCTION lifecycle.erase(
    target regclass,
    key_value anyelement,
    dry_run boolean DEFAULT true,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.erase_result LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.erase(target, key_json => to_jsonb(key_value), dry_run => erase.dry_run,
        search_path => erase.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle.erase(regclass, anyelement, boolean, text) IS
'Erases a data subject, see the form with key_json.

Arguments: target - the table; key_value - the value of its key of one column, of any type; dry_run, search_path - as
there.
Returns: one row a table (lifecycle.erase_result).
Errors: as there.
Example: SELECT table_name, live, deleted, archived FROM lifecycle.erase(''public.packages'', 42, dry_run => false);';
