CREATE FUNCTION lifecycle._require_policy(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF target IS NOT NULL AND (SELECT p.root FROM lifecycle._policy_of(target) AS p) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no policy', target), HINT = 'lifecycle.manage_partitions() gives it one.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_policy(regclass) IS 'Raises 55000 for a table that follows no policy.';

CREATE FUNCTION lifecycle._require_positive(argument text, number integer, hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF number < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s must be at least 1, not %s', argument, number),
            HINT = _require_positive.hint;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_positive(text, integer, text) IS 'Raises 22023 for a number below 1.';
