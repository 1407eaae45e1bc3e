CREATE VIEW lifecycle.migration_history WITH (security_invoker = true) AS
SELECT
    m.migration_id,
    coalesce(m.name, concat_ws(' ', m.feature, m.target, '#' || m.migration_id)) AS name,
    m.feature,
    m.part_of,
    m.target,
    m.state,
    s.steps,
    s.steps_pending,
    s.steps_failed,
    m.parameters,
    m.plan_hash,
    m.applied_at,
    m.applied_by,
    m.rolled_back_at,
    m.rolled_back_by
FROM lifecycle.migration AS m
CROSS JOIN LATERAL (
    SELECT
        count(*) AS steps,
        count(*) FILTER (WHERE t.status = 'pending') AS steps_pending,
        count(*) FILTER (WHERE t.status = 'failed') AS steps_failed
    FROM lifecycle.migration_step AS t
    WHERE t.migration_id = m.migration_id
) AS s;

COMMENT ON VIEW lifecycle.migration_history IS
'Every change made here, also those taken back. Columns: migration_id; name (given, or feature, target and number);
feature; part_of (the group); target; state (applied, pending, rolled_back); steps, steps_pending, steps_failed
(counts); parameters; plan_hash; applied_at, applied_by; rolled_back_at, rolled_back_by.
Example: SELECT migration_id, name, state FROM lifecycle.migration_history ORDER BY migration_id;';
