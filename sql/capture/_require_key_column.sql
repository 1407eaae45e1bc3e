CREATE FUNCTION lifecycle._require_key_column(target regclass, column_name name, generated text, type_name regtype)
RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF type_name IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('column %I of %s does not exist', column_name, target);
    ELSIF generated = 'v' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('column %I of %s is a virtual generated column', column_name, target),
            HINT = 'A trigger does not see its value: capture the columns it is computed from.';
    END IF;
    -- The same question as ORDER BY asks: arrays, enums, ranges and composites answer it through their parts.
    EXECUTE format('SELECT v.x FROM (VALUES (NULL::%s)) AS v (x) ORDER BY 1', type_name);
EXCEPTION WHEN undefined_function THEN
    RAISE EXCEPTION USING
        ERRCODE = 'undefined_function',
        MESSAGE = format('column %I of %s cannot be a key: type %s has no order', column_name, target, type_name),
        HINT = 'Capture the primary key instead.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_key_column(regclass, name, text, regtype) IS
'Raises 42703, 0A000 or 42883 when a column cannot be captured.';
