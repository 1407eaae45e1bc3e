CREATE FUNCTION lifecycle._require_number(
    argument text, number numeric, lowest numeric, highest numeric DEFAULT NULL, hint text DEFAULT NULL
) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF number IS NULL OR number < lowest OR number > highest THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s must be %s, not %s', argument,
                CASE WHEN highest IS NULL THEN format('at least %s', lowest)
                    ELSE format('between %s and %s', lowest, highest) END,
                coalesce(number::text, 'NULL')),
            HINT = coalesce(_require_number.hint, 'Leave it out to have the default.');
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_number(text, numeric, numeric, numeric, text) IS
'Raises 22023 for a number that is missing, or outside of what an argument can be.';
