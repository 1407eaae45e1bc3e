-- The names that the system's own documents and jobs call, each a few lines over pg_lifecycle.
CREATE SCHEMA partition_mgmt;

-- Program, site, month. Said once.
CREATE FUNCTION partition_mgmt.levels() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle.by_list('program_id') || lifecycle.by_list('site_id') || lifecycle.by_range('created_at', '1 month')
$fn$;

CREATE FUNCTION partition_mgmt.pre_migration_check() RETURNS SETOF lifecycle.finding
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.pre_migration_check('public.petri_observations', partition_mgmt.levels(), key_mode => 'extend')
$fn$;

-- A function cannot commit, so the real run is a procedure of the same name.
CREATE FUNCTION partition_mgmt.safe_migrate_table(p_table regclass, p_dry_run boolean) RETURNS SETOF lifecycle.step_result
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT p_dry_run THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = 'a function cannot commit its batches',
            HINT = format('CALL lifecycle.safe_migrate_table(%L, partition_mgmt.levels(), ''extend'', dry_run => false)',
                p_table);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle.start_conversion(p_table, partition_mgmt.levels(),
        key_mode => 'extend', dry_run => true);
END
$fn$;

-- A slice of the copy a call, until nothing remains; with a program, a trial of that program alone.
CREATE FUNCTION partition_mgmt.migrate_to_partitioned(
    p_batch_size integer DEFAULT 10000, p_program_id uuid DEFAULT NULL
) RETURNS lifecycle.conversion_state
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle.start_conversion('public.petri_observations', partition_mgmt.levels(), key_mode => 'extend',
        predicate => CASE WHEN p_program_id IS NOT NULL THEN format('program_id = %L', p_program_id) END,
        new_name => 'petri_observations_partitioned', old_name => 'petri_observations_old', premake => 3,
        time_zone => 'UTC');
    RETURN lifecycle.convert_step('public.petri_observations', batch_size => p_batch_size);
END
$fn$;

CREATE FUNCTION partition_mgmt.monitor_migration() RETURNS SETOF lifecycle.conversion_state
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.monitor_migration()
$fn$;

CREATE FUNCTION partition_mgmt.post_migration_validation() RETURNS SETOF lifecycle.finding
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.post_migration_validation('public.petri_observations')
$fn$;

CREATE VIEW partition_mgmt.v_partition_stats AS
SELECT s.* FROM lifecycle.v_partition_stats AS s
WHERE s.parent_schema = 'public' AND s.partition_name LIKE 'petri_observations%';

CREATE FUNCTION partition_mgmt.validate_partitions() RETURNS SETOF lifecycle.finding
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.validate_partitions('public.petri_observations')
$fn$;

-- Every site of a program: this month and three more. What stands is left alone.
CREATE FUNCTION partition_mgmt.precreate_program_partitions(p_program_id uuid) RETURNS TABLE (partition text, status text)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.object, r.status
    FROM public.sites AS s
    CROSS JOIN LATERAL lifecycle.precreate_partitions('public.petri_observations',
        jsonb_build_array(s.program_id, s.site_id)) AS r
    WHERE s.program_id = p_program_id AND r.action = 'create partition'
    ORDER BY r.object
$fn$;

-- The nightly job: months ahead everywhere, and statistics of what changed.
CREATE FUNCTION partition_mgmt.schedule_maintenance() RETURNS TABLE (task text, done bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT 'partitions made', count(*) FILTER (WHERE r.status = 'done' AND r.action = 'create partition')
    FROM lifecycle.ensure_future_partitions(target => 'public.petri_observations') AS r
    UNION ALL
    SELECT 'tables analyzed', count(*) FROM lifecycle.analyze_all_partitions('public.petri_observations')
$fn$;

CREATE FUNCTION partition_mgmt.analyze_all_partitions() RETURNS SETOF lifecycle.partition_analysis
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle.analyze_all_partitions('public.petri_observations', all_of_them => true)
$fn$;

-- What the application asks for, in a form that prunes to one site and its months. Its columns are named: a function
-- that returns SETOF petri_observations would belong to the row type of the old table for ever.
CREATE FUNCTION public.get_observations_optimized(
    p_company_id uuid, p_program_id uuid, p_start_date timestamptz, p_site_id uuid DEFAULT NULL
) RETURNS TABLE (observation_id uuid, site_id uuid, submission_id uuid, growth_index numeric, created_at timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT o.observation_id, o.site_id, o.submission_id, o.growth_index, o.created_at
    FROM public.petri_observations AS o
    WHERE o.company_id = p_company_id AND o.program_id = p_program_id AND o.created_at >= p_start_date
        AND (p_site_id IS NULL OR o.site_id = p_site_id)
$fn$;
