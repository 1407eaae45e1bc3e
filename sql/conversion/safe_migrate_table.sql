CREATE FUNCTION lifecycle._raise_findings(target regclass, findings lifecycle.finding[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_errors constant text := (SELECT string_agg(format('%s: %s %s', f.object, f.finding, f.detail), E'\n')
        FROM unnest(findings) AS f WHERE f.severity = 'error');
BEGIN
    IF v_errors IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'data_corrupted',
            MESSAGE = format('the copy of %s is not like it', target),
            DETAIL = v_errors,
            HINT = format('Nothing was swapped. SELECT * FROM lifecycle.rollback_conversion(%L, dry_run => false)',
                target);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._raise_findings(regclass, lifecycle.finding[]) IS
'Raises XX001 when a comparison has found a difference.';

CREATE FUNCTION lifecycle._tell_plan(
    target regclass, levels jsonb, key_mode text, foreign_key_mode text, new_name name, old_name name, search_path text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_line text;
BEGIN
    FOR v_line IN
        SELECT concat_ws(' ', p.phase || ':', p.action || ':', p.object, '(' || p.note || ')', p.locks, p.statement)
        FROM lifecycle.preview_safe_migrate_table(target, levels, key_mode, foreign_key_mode, new_name, old_name,
            _tell_plan.search_path) AS p
        ORDER BY p.step
    LOOP
        RAISE NOTICE '%', v_line;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._tell_plan(regclass, jsonb, text, text, name, name, text) IS
'The rows of preview_safe_migrate_table as notices.';

-- No SET clause and no EXCEPTION block here: a procedure that commits can have neither.
CREATE PROCEDURE lifecycle.safe_migrate_table(
    target regclass,
    levels jsonb,
    key_mode text DEFAULT 'refuse',
    foreign_key_mode text DEFAULT 'refuse',
    batch_size integer DEFAULT 10000,
    pause interval DEFAULT '0',
    new_name name DEFAULT NULL,
    old_name name DEFAULT NULL,
    dry_run boolean DEFAULT false,
    search_path text DEFAULT pg_catalog.current_setting('search_path')
) LANGUAGE plpgsql AS $fn$
DECLARE
    v_phase pg_catalog.text := (SELECT (c.conversion).phase FROM lifecycle._conversions() AS c
        WHERE (c.source OPERATOR(pg_catalog.=) target OR c.partitioned OPERATOR(pg_catalog.=) target)
            AND (c.conversion).ended_at IS NULL);
BEGIN
    PERFORM lifecycle._require_dry_run(dry_run);
    -- Before anything is begun.
    PERFORM lifecycle._require_batches(batch_size, pause, NULL);
    IF dry_run THEN
        PERFORM lifecycle._tell_plan(target, levels, key_mode, foreign_key_mode, new_name, old_name, search_path);
        RETURN;
    END IF;
    IF v_phase IS NULL THEN
        PERFORM FROM lifecycle.start_conversion(target, levels, key_mode, foreign_key_mode,
            new_name => safe_migrate_table.new_name, old_name => safe_migrate_table.old_name,
            search_path => safe_migrate_table.search_path);
        COMMIT;
    END IF;
    IF v_phase IS NULL OR v_phase OPERATOR(pg_catalog.<>) 'swapped' THEN
        CALL lifecycle.convert_data(target, batch_size, pause);
        PERFORM lifecycle._raise_findings(target, ARRAY(
            SELECT f FROM lifecycle.post_migration_validation(target) AS f));
        COMMIT;
        CALL lifecycle.swap_tables(target, search_path => safe_migrate_table.search_path);
    END IF;
    -- The foreign keys and materialized views that the swap has left.
    CALL lifecycle.convert_data(target, batch_size, pause);
    RAISE NOTICE 'converted. lifecycle.rollback_conversion goes back, lifecycle.finish_conversion makes it final';
END
$fn$;
COMMENT ON PROCEDURE lifecycle.safe_migrate_table(
    regclass, jsonb, text, text, integer, interval, name, name, boolean, text
) IS
'Converts a table into a partitioned one with all the checks between: pre_migration_check, start_conversion,
convert_data, post_migration_validation, swap_tables, and what is left after it: foreign keys and materialized views.
Interrupted, it goes on where it was when it is called again. It does not finish: the old table is kept in step until
finish_conversion. Twins: preview_safe_migrate_table; where only a function can be called, start_conversion,
convert_step, post_migration_validation and swap_tables_step.

Arguments: target - the table; levels, key_mode, foreign_key_mode, new_name, old_name - as in
lifecycle.start_conversion; batch_size, pause - as in lifecycle.convert_data; dry_run - only tell
preview_safe_migrate_table as NOTICE; search_path - for event
triggers, by default the caller''s.
Returns: nothing; progress comes as NOTICE and from lifecycle.monitor_migration().
Errors: those of its parts; XX001 the copy differs, nothing was swapped; 2D000 inside a transaction block.
Example: CALL lifecycle.safe_migrate_table(''public.observation'',
    lifecycle.by_range(''created_at'', ''1 month''), ''extend'', dry_run => false);';
