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
