-- The first look, for the choice of a batch: old enough, and nothing younger refers to it. What hangs on it by more
-- than one foreign key is looked at when the batch is locked.
CREATE FUNCTION lifecycle._purge_condition(target regclass, deleted_at name, cutoff timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_condition text := format('t.%I OPERATOR(pg_catalog.<) %L', deleted_at, cutoff);
    v_key record;
BEGIN
    FOR v_key IN
        SELECT k.oid, k.conrelid::regclass AS child, k.confdeltype, lifecycle._has_soft_delete(k.conrelid) AS managed
        FROM pg_constraint AS k
        WHERE k.confrelid = target AND k.contype = 'f' AND k.conparentid = 0
        ORDER BY k.oid
    LOOP
        IF v_key.confdeltype IN ('a', 'r') OR v_key.managed THEN
            v_condition := v_condition || format(' AND NOT EXISTS (SELECT FROM %s AS c WHERE %s%s)', v_key.child,
                lifecycle._foreign_key_where(v_key.oid, 'c', 't'),
                CASE WHEN v_key.managed THEN format(' AND (c.%I OPERATOR(pg_catalog.<) %L) '
                    'IS NOT TRUE', (lifecycle._soft_delete_columns(v_key.child)).deleted_at, cutoff) ELSE '' END);
        END IF;
    END LOOP;
    RETURN v_condition;
END
$fn$;
COMMENT ON FUNCTION lifecycle._purge_condition(regclass, name, timestamptz) IS
'The condition that a row, alias t, may be purged as far as the rows that refer to it go.';

CREATE PROCEDURE lifecycle.purge_deleted(
    target regclass,
    older_than interval DEFAULT interval '30 days',
    batch_size integer DEFAULT 5000,
    dry_run boolean DEFAULT true,
    search_path text DEFAULT pg_catalog.current_setting('search_path')
) LANGUAGE plpgsql AS $fn$
DECLARE
    v_step jsonb;
    v_purged bigint := 0;
    v_numbered_only boolean := true;
BEGIN
    PERFORM lifecycle._require_dry_run(dry_run);
    IF dry_run THEN
        v_step := lifecycle.preview_purge_deleted(target, older_than);
        RAISE NOTICE 'dry run: % rows of % would be deleted for good, % are held by rows that refer to them; rows of '
            'other tables that go first: %', v_step OPERATOR(pg_catalog.->>) 'purgeable', target,
            v_step OPERATOR(pg_catalog.->>) 'held', v_step OPERATOR(pg_catalog.->>) 'others';
        RETURN;
    END IF;
    -- One look at the whole table tells what is left: only when there is something, rows without a deletion_id are
    -- looked for, batch by batch, and those that were locked once more.
    LOOP
        v_step := lifecycle._purge_step(target, older_than, batch_size, search_path, v_numbered_only);
        v_purged := v_purged OPERATOR(pg_catalog.+) (v_step OPERATOR(pg_catalog.->>) 'purged')::pg_catalog.int8;
        COMMIT;
        CONTINUE WHEN (v_step OPERATOR(pg_catalog.->>) 'purged')::pg_catalog.int8 OPERATOR(pg_catalog.>) 0
            OR (v_step OPERATOR(pg_catalog.->>) 'records')::pg_catalog.int8 OPERATOR(pg_catalog.>=) batch_size;
        v_step := lifecycle.preview_purge_deleted(target, older_than);
        EXIT WHEN NOT v_numbered_only
            OR (v_step OPERATOR(pg_catalog.->>) 'purgeable')::pg_catalog.int8 OPERATOR(pg_catalog.=) 0;
        v_numbered_only := false;
    END LOOP;
    RAISE NOTICE '% rows of % and what hung on them were deleted for good, % are left to another call (locked by '
        'others), % are held by rows that refer to them', v_purged, target, v_step OPERATOR(pg_catalog.->>) 'purgeable',
        v_step OPERATOR(pg_catalog.->>) 'held';
END
$fn$;
COMMENT ON PROCEDURE lifecycle.purge_deleted(regclass, interval, integer, boolean, text) IS
'Really deletes rows that have been marked as deleted for long enough, in batches, one transaction each; stop it and
call it again at any time. Deleted rows of other tables that refer to them, in one step or in several, go with them when
they are old enough, and cycles of foreign keys are no obstacle. Rows that somebody has locked (a restore under way) are
left to the next call; rows that live or younger rows refer to stay, with all that they hang on. At the end the records
in lifecycle.deletion go of which no row is left, as far as they are as old, and the caller may write them. Needs the
right to DELETE and UPDATE (for the lock).

Arguments: target - the table; older_than - how long ago, interval, zero or at least a minute, default 30 days;
batch_size - rows of the table a transaction, default 5000; dry_run - only say how many (the default); search_path -
what triggers see, by default the caller''s.
Returns: nothing; the counts come as a NOTICE.
Errors: 55000 soft delete is not enabled; 22023 older_than or batch_size; 42501 by privileges, also on a table
that refers to it; 2D000 inside a transaction block.
Example: CALL lifecycle.purge_deleted(''public.packages'', ''90 days'', dry_run => false);';
