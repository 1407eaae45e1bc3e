CREATE FUNCTION lifecycle._purge_step(
    target regclass, older_than interval, batch_size integer, search_path text, numbered_only boolean
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_cutoff timestamptz;
    v_picked lifecycle.purge_part[];
    v_set lifecycle.purge_part[];
    v_passed lifecycle.purge_part[] := ARRAY[]::lifecycle.purge_part[];
    v_purged bigint := 0;
    v_records bigint := 0;
BEGIN
    PERFORM lifecycle._require_span('older_than', older_than, '1 minute');
    v_cutoff := now() - older_than;
    PERFORM lifecycle._require_number('batch_size', batch_size, 1);
    PERFORM lifecycle._require_purgeable(target);
    LOOP
        v_picked := lifecycle._purge_pick(target, v_cutoff, batch_size, true, v_passed, numbered_only);
        v_set := lifecycle._purge_set(target, v_cutoff, v_picked, true);
        EXIT WHEN cardinality(v_set) > 0 OR cardinality(v_picked) = 0;
        v_passed := v_passed || v_picked;
    END LOOP;
    IF cardinality(v_set) > 0 THEN
        v_purged := lifecycle._purge_rows(v_set, _purge_step.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    ELSE
        v_records := lifecycle._forget_deletions(target, v_cutoff, batch_size);
    END IF;
    RETURN jsonb_build_object('purged', v_purged, 'records', v_records);
END
$fn$;
COMMENT ON FUNCTION lifecycle._purge_step(regclass, interval, integer, text, boolean) IS
'One batch of a purge, of rows that have a deletion_id, or of whatever is marked.';

CREATE FUNCTION lifecycle.purge_deleted_step(
    target regclass,
    older_than interval DEFAULT interval '30 days',
    batch_size integer DEFAULT 5000,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._purge_step(target, older_than, batch_size, purge_deleted_step.search_path, false)
$fn$;
COMMENT ON FUNCTION lifecycle.purge_deleted_step(regclass, interval, integer, text) IS
'One batch of purge_deleted in the caller''s transaction, where only a function can be called. Call it until it answers
with zeros.

Arguments: target - the table; older_than - how long ago the rows must have been marked, interval, zero or at least a
minute, default 30 days; batch_size - at most so many rows, default 5000; search_path - what triggers see, by default
the caller''s.
Returns: jsonb: purged (rows, of all tables), records (of lifecycle.deletion that went; they are looked for when no row
is left to purge).
Errors: 55000 soft delete is not enabled; 22023 older_than or batch_size; 42501 by privileges.
Example: SELECT lifecycle.purge_deleted_step(''public.packages'', ''90 days'', 1000);';
