-- The two columns of a queue that are not keys come first; they make way for a key of the same name.
CREATE FUNCTION lifecycle._own_columns(key_columns name[]) RETURNS name[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_own name[] := '{entered_at,all_rows}'::name[];
BEGIN
    WHILE v_own && key_columns LOOP
        v_own := ARRAY[v_own[1] || '_', v_own[2] || '_']::name[];
    END LOOP;
    RETURN v_own;
END
$fn$;
COMMENT ON FUNCTION lifecycle._own_columns(name[]) IS
'The names of the two columns of a queue that hold no key: when it was entered, and whether it means all rows.';
