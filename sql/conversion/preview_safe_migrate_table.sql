-- The whole way, as far as it is known before the new table stands. A lock is named with the call that takes it.
CREATE FUNCTION lifecycle._preview_swap(target regclass)
RETURNS TABLE (phase text, action text, object text, statement text, locks text, note text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'swap', 'swap tables', 'table ' || target, format('CALL lifecycle.swap_tables(%L)', target),
        'ACCESS EXCLUSIVE: ' || array_to_string(ARRAY[target] || lifecycle._key_neighbours(target)
            || lifecycle._bound_tables(target) || lifecycle._bound_views(target), ', '),
        'for milliseconds; waited for no longer than lifecycle.lock_timeout, then tried again'
    UNION ALL
    (SELECT 'swap', 'bind ' || r.kind, r.identity, r.put_on, NULL, NULL FROM lifecycle._rebindings(target) AS r
    ORDER BY r.kind, r.identity)
    UNION ALL
    (SELECT 'settle', 'validate foreign key', format('table constraint %I on %s', k.conname, k.conrelid::regclass),
        NULL, 'SHARE UPDATE EXCLUSIVE', 'beside readers and writers'
    FROM pg_constraint AS k
    WHERE k.contype = 'f' AND k.conparentid = 0 AND target IN (k.conrelid, k.confrelid) ORDER BY k.conname)
    UNION ALL
    (SELECT 'settle', 'build materialized view', 'materialized view ' || m.relation::regclass, NULL,
        'ACCESS EXCLUSIVE of the view, for the names', pg_size_pretty(pg_total_relation_size(m.relation)) || ' more'
    FROM lifecycle._bound_materialized(target) AS m (relation) ORDER BY 3)
    UNION ALL
    SELECT 'finish', 'drop old table', 'table ' || target, format('SELECT * FROM lifecycle.finish_conversion(%L, '
        'dry_run => false)', target), 'ACCESS EXCLUSIVE', 'by hand, when nobody wants to go back any more'
$fn$;
COMMENT ON FUNCTION lifecycle._preview_swap(regclass) IS
'The rows of preview_safe_migrate_table from the swap on.';

CREATE FUNCTION lifecycle._preview_copy(target regclass)
RETURNS TABLE (phase text, action text, object text, statement text, locks text, note text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'copy', 'copy rows', 'table ' || target, format('CALL lifecycle.convert_data(%L)', target), 'ACCESS SHARE',
        (SELECT string_agg(concat_ws(': ', f.finding, f.detail), '; ' ORDER BY f.finding)
        FROM lifecycle._check_conversion_storage(target) AS f
        WHERE f.severity = 'info')
    UNION ALL
    (SELECT 'index', 'create index', 'index ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid),
        'none on ' || target, format('on each partition: %s', pg_size_pretty(pg_relation_size(i.indexrelid)))
    FROM pg_index AS i WHERE i.indrelid = target ORDER BY i.indexrelid)
    UNION ALL
    SELECT 'validate', 'compare', 'table ' || target, format('SELECT * FROM lifecycle.post_migration_validation(%L)',
        target), 'ACCESS SHARE', 'counts and sums of hashes, range by range'
$fn$;
COMMENT ON FUNCTION lifecycle._preview_copy(regclass) IS
'The rows of preview_safe_migrate_table between start and swap.';

CREATE FUNCTION lifecycle.preview_safe_migrate_table(
    target regclass,
    levels jsonb,
    key_mode text DEFAULT 'refuse',
    foreign_key_mode text DEFAULT 'refuse',
    new_name name DEFAULT NULL,
    old_name name DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS TABLE (
    step bigint, phase text, action text, object text, statement text, locks text, note text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_findings lifecycle.finding[];
    v_steps lifecycle.step_result[] := ARRAY[]::lifecycle.step_result[];
    v_open boolean;
BEGIN
    IF EXISTS (SELECT FROM lifecycle._conversions() AS c WHERE target IN (c.source, c.partitioned)
        AND (c.conversion).ended_at IS NULL)
    THEN
        RETURN QUERY SELECT row_number() OVER (), w.phase, w.work, 'table ' || target, NULL, NULL, w.amount::text
            FROM lifecycle.preview_convert_data(target) AS w;
        RETURN;
    END IF;
    v_findings := ARRAY(SELECT f FROM lifecycle.pre_migration_check(target, levels, key_mode, foreign_key_mode) AS f);
    v_open := NOT EXISTS (SELECT FROM unnest(v_findings) AS f WHERE f.severity = 'error');
    IF v_open THEN
        v_steps := ARRAY(SELECT s FROM lifecycle.start_conversion(target, levels, key_mode, foreign_key_mode,
            new_name => preview_safe_migrate_table.new_name, old_name => preview_safe_migrate_table.old_name,
            dry_run => true, search_path => preview_safe_migrate_table.search_path) AS s);
    END IF;
    RETURN QUERY
    SELECT row_number() OVER (ORDER BY p.part, p.place), p.phase, p.action, p.object, p.statement, p.locks, p.note
    FROM (
        SELECT 1 AS part, f.place, 'check' AS phase, f.severity AS action, f.object, f.remedy AS statement,
            NULL AS locks, concat_ws(': ', f.finding, f.detail) AS note
        FROM unnest(v_findings) WITH ORDINALITY AS f (severity, object, finding, detail, remedy, place)
        WHERE f.severity <> 'ok'
        UNION ALL
        SELECT 2, s.step, 'start', s.action, s.object, s.statement,
            CASE WHEN s.stage = 1 THEN 'SHARE ROW EXCLUSIVE: ' || target END, s.note
        FROM unnest(v_steps) AS s
        UNION ALL
        SELECT 3, c.place, c.phase, c.action, c.object, c.statement, c.locks, c.note
        FROM lifecycle._preview_copy(target) WITH ORDINALITY
            AS c (phase, action, object, statement, locks, note, place)
        WHERE v_open
        UNION ALL
        SELECT 4, w.place, w.phase, w.action, w.object, w.statement, w.locks, w.note
        FROM lifecycle._preview_swap(target) WITH ORDINALITY
            AS w (phase, action, object, statement, locks, note, place)
        WHERE v_open
    ) AS p;
END
$fn$;
COMMENT ON FUNCTION lifecycle.preview_safe_migrate_table(regclass, jsonb, text, text, name, name, text) IS
'The whole plan of safe_migrate_table, nothing done: what the check has found, the statements of the start, the copy
with rows, time and disk, the indexes, the swap with all that it locks and binds anew, and what is settled after it.
With an error among the findings there is nothing more to show. Of a conversion that is under way: what is left.

Arguments: target - the table; levels, key_mode, foreign_key_mode, new_name, old_name - as in
lifecycle.start_conversion; search_path - for event triggers, by default the caller''s.
Returns: one row a step: step, phase (check, start, copy, index, validate, swap, settle, finish), action (of a finding:
its severity), object, statement (of a finding: the remedy; NULL where it is not known yet), locks, note (rows, time,
disk, or the finding).
Errors: 42P01 no such table; 22023, 42703 levels or modes; 42P07 a name is taken; 42501 not the owner; 23514 rows that
no range holds.
Example: SELECT * FROM lifecycle.preview_safe_migrate_table(''public.observation'',
    lifecycle.by_range(''created_at'', ''1 month''), ''extend'');';
