-- An exchange of tables gives the queries that read them other definitions and their captures other triggers, and no
-- write is missed by it. What stood before it as it did at the last refresh is therefore taken to stand behind it, too;
-- what did not is left to be found by the next refresh.
CREATE FUNCTION lifecycle._hold_ground(target oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    UPDATE lifecycle.incremental_view AS v SET ground = v.ground || '{"held": true}'
    FROM lifecycle._incremental_views(_hold_ground.target) AS i
    WHERE v.target_oid = _hold_ground.target AND i.is_here
        AND (lifecycle._ground_reason(i, lifecycle._incremental_ground(i.query_view, i.queues))).reason IS NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._hold_ground(oid) IS
'Marks that nothing that an incremental view rests on has changed since its last refresh; lifecycle._keep_ground takes
the mark away within the same transaction.';

CREATE FUNCTION lifecycle._keep_ground(target oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    UPDATE lifecycle.incremental_view AS v SET ground = lifecycle._incremental_ground(i.query_view, i.queues)
    FROM lifecycle._incremental_views(_keep_ground.target) AS i
    WHERE v.target_oid = _keep_ground.target AND v.ground ? 'held';
END
$fn$;
COMMENT ON FUNCTION lifecycle._keep_ground(oid) IS
'Takes down what an incremental view rests on now, where that was marked by lifecycle._hold_ground.';

CREATE FUNCTION lifecycle._carry_ground(
    source regclass, OUT first_steps lifecycle.plan_step[], OUT last_steps lifecycle.plan_step[]
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(lifecycle._step('hold', 'incremental view ' || v.target,
            format('SELECT lifecycle._hold_ground(%s)', v.target::oid)) ORDER BY v.target::text), '{}'),
        coalesce(array_agg(lifecycle._step('keep', 'incremental view ' || v.target,
            format('SELECT lifecycle._keep_ground(%s)', v.target::oid),
            note => 'its captures go on: nothing has to be rebuilt') ORDER BY v.target::text), '{}')
    FROM lifecycle._incremental_views() AS v
    WHERE v.is_here AND v.target IS NOT NULL AND source = ANY (lifecycle._ground_uses(v.ground))
$fn$;
COMMENT ON FUNCTION lifecycle._carry_ground(regclass) IS
'The steps before and behind an exchange of tables, so that incremental views over them need no rebuild.';
