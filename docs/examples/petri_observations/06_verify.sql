-- Are the success criteria met? One row each.
CREATE TEMPORARY TABLE verified AS
SELECT 'no row was lost: the old table, kept in step, holds the same' AS criterion, NOT EXISTS (
    (SELECT o.observation_id, o.growth_index, o.created_at FROM public.petri_observations AS o
    EXCEPT ALL
    SELECT o.observation_id, o.growth_index, o.created_at FROM public.petri_observations_old AS o)
) AS passed
UNION ALL
SELECT 'no observation fell into a default partition or twice into the table', count(*) = count(DISTINCT observation_id)
FROM public.petri_observations
UNION ALL
SELECT 'every site of a running program has its coming months', NOT EXISTS (
    SELECT FROM partition_mgmt.validate_partitions() AS v WHERE v.severity = 'error'
)
UNION ALL
SELECT 'the way back is open', bool_and(m.rollback_possible)
FROM partition_mgmt.monitor_migration() AS m WHERE m.phase = 'swapped';
SELECT criterion, passed FROM verified ORDER BY criterion;
