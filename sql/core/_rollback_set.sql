-- A group means its parts; a migration on which later ones rest waits for them, or takes them along with cascade.
CREATE FUNCTION lifecycle._rollback_set(migration_ids bigint[], cascade boolean) RETURNS bigint[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_ids bigint[];
    v_resting bigint[];
BEGIN
    v_ids := ARRAY(
        SELECT m.migration_id FROM lifecycle.migration AS m
        WHERE (m.migration_id = ANY (migration_ids) OR m.part_of = ANY (migration_ids)) AND m.state <> 'rolled_back'
        ORDER BY m.migration_id DESC
    );
    IF cardinality(v_ids) = 0 THEN
        RETURN v_ids;
    END IF;
    v_resting := lifecycle._rests_on(v_ids);
    IF cardinality(v_resting) = 0 THEN
        RETURN v_ids;
    END IF;
    IF NOT cascade THEN
        RAISE EXCEPTION USING
            ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('migration %s cannot be rolled back before those that rest on it',
                v_ids[cardinality(v_ids)]),
            DETAIL = (SELECT string_agg(format('migration %s: %s of %s', m.migration_id, m.feature,
                        coalesce(m.target, m.parameters ->> 'view_name', m.name, 'no table')), '; '
                    ORDER BY m.migration_id DESC)
                FROM lifecycle.migration AS m WHERE m.migration_id = ANY (v_resting)),
            HINT = 'Roll those back first, or pass cascade => true; the dry run shows what that means.';
    END IF;
    RETURN lifecycle._rollback_set(v_ids || v_resting, cascade);
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_set(bigint[], boolean) IS
'All migrations that a rollback takes back, newest first; raises 2BP01 when others rest on them and cascade is false.';
