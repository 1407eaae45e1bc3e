CREATE FUNCTION lifecycle.soft_delete_where(
    target regclass,
    predicate text,
    params jsonb DEFAULT '{}',
    reason text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF predicate IS NULL OR btrim(predicate) = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the predicate must not be empty',
            HINT = 'Write true to delete every row.';
    END IF;
    -- The parameters are a row beside the table, so that their values never become SQL.
    RETURN lifecycle._soft_delete_set(target, format(
        E'EXISTS (SELECT FROM (SELECT %L::pg_catalog.jsonb AS params) AS given WHERE (%s\n))', params, predicate),
        soft_delete_where.reason, soft_delete_where.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete_where(regclass, text, jsonb, text, text) IS
'Marks all live rows that meet a predicate, as one deletion: one number, one record, taken back by one
restore(deletion_id). For the owner of the table it is one plain UPDATE. Rights as for soft_delete.

Arguments: target - the table, alias t in the predicate; predicate - an SQL condition, run with the caller''s rights;
params - values for it: it may say params ->> ''name''; reason - kept in the record; search_path - what the predicate
and triggers see, by default the caller''s.
Returns: jsonb: status (deleted, not_found), deletion_id (null when there was none), count (rows).
Errors: 22004 an empty predicate; 55000 soft delete is not enabled; 42501 by privileges or row-level security.
Example: SELECT lifecycle.soft_delete_where(''public.packages'', ''coach = params ->> ''''coach'''''',
''{"coach": "ann"}'');';
