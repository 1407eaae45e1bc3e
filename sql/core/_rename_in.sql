-- Whole identifiers only, all at once: names are first put behind marks, so that two that have been swapped do not
-- meet.
CREATE FUNCTION lifecycle._rename_in(statement text, renames jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rename record;
    v_result text := statement;
BEGIN
    FOR v_rename IN
        SELECT r.key AS old_name, row_number() OVER (ORDER BY length(r.key) DESC, r.key) AS place
        FROM jsonb_each_text(renames) AS r
    LOOP
        v_result := regexp_replace(
            v_result,
            '(?<![\w$"])' || regexp_replace(v_rename.old_name, '([][\\.^$*+?(){}|])', '\\\1', 'g') || '(?![\w$"])',
            E'\x01' || v_rename.place || E'\x02',
            'g'
        );
    END LOOP;
    FOR v_rename IN
        SELECT r.value AS new_name, row_number() OVER (ORDER BY length(r.key) DESC, r.key) AS place
        FROM jsonb_each_text(renames) AS r
    LOOP
        v_result := replace(v_result, E'\x01' || v_rename.place || E'\x02', v_rename.new_name);
    END LOOP;
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rename_in(text, jsonb) IS
'A statement with identifiers replaced: renames maps old name to new name.';
