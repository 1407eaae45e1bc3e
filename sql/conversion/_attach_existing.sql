CREATE FUNCTION lifecycle._attach_existing(
    target regclass,
    levels jsonb[],
    key_mode text,
    foreign_key_mode text,
    old_name name,
    at_once boolean,
    dry_run boolean,
    expected_plan text,
    search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_zone constant text := current_setting('TimeZone');
BEGIN
    PERFORM lifecycle._require_attachable(target, levels, key_mode, foreign_key_mode);
    PERFORM lifecycle._lock(ARRAY[target], 'ACCESS EXCLUSIVE', dry_run, ARRAY(
        SELECT CASE k.conrelid WHEN target THEN k.confrelid ELSE k.conrelid END::regclass FROM pg_constraint AS k
        WHERE k.contype = 'f' AND at_once AND target IN (k.conrelid, k.confrelid)));
    RETURN QUERY SELECT * FROM lifecycle._apply('conversion', target,
        lifecycle._plan_attach_existing(target, levels, old_name, v_zone, at_once), dry_run, expected_plan,
        jsonb_build_object('way', 'attach', 'table', target::text), _attach_existing.search_path, at_once => at_once);
END
$fn$;
COMMENT ON FUNCTION lifecycle._attach_existing(
    regclass, jsonb[], text, text, name, boolean, boolean, text, text
) IS 'The second way of start_conversion: the old table becomes the first partition.';
