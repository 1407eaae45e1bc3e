-- The tables that stand along a path: each gets its lock before the plan is made.
CREATE FUNCTION lifecycle._lock_path(root regclass, levels jsonb[], path text[], dry_run boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_next regclass;
BEGIN
    PERFORM lifecycle._lock_attach(root, dry_run);
    IF levels[1] ->> 'method' = 'list' AND cardinality(levels) > 1 AND cardinality(path) > 0 AND NOT dry_run THEN
        v_next := lifecycle._list_partition(root, lifecycle._level_type(root, levels[1])::text, path[1]);
        IF v_next IS NOT NULL THEN
            PERFORM lifecycle._lock_path(v_next, levels[2:], path[2:], dry_run);
        END IF;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_path(regclass, jsonb[], text[], boolean) IS
'Takes the locks of ATTACH on a table and on those below it along a path of LIST values.';

CREATE FUNCTION lifecycle._newest_leaf(root regclass) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT max(c.oid) FROM unnest(lifecycle._partitions(root)) AS p (relation) JOIN pg_class AS c ON c.oid = p.relation
    WHERE c.relkind = 'r'
$fn$;
COMMENT ON FUNCTION lifecycle._newest_leaf(regclass) IS 'The leaf of a tree that was made last: the model of storage.';

CREATE FUNCTION lifecycle._plan_subtree(root regclass, levels jsonb[], path text[], options jsonb)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan lifecycle.plan_step[] := lifecycle._plan_level(root, root::text, root, levels, path, options);
BEGIN
    IF options ? 'own_span' THEN
        v_plan := v_plan || lifecycle._subtree_policy(v_plan, levels, cardinality(path), options);
    END IF;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_subtree(regclass, jsonb[], text[], jsonb) IS
'The plan of what is missing below a table along a path, with a policy where the path has a span of its own.';

CREATE FUNCTION lifecycle._create_subtree(
    root regclass, levels jsonb[], path text[], options jsonb, dry_run boolean, expected_plan text, search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_options constant jsonb := options || jsonb_build_object('leaf', lifecycle._newest_leaf(root));
    v_plan lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._require_owner(root);
    -- A first look needs no lock: what stands is reported without disturbing anybody.
    v_plan := lifecycle._plan_subtree(root, levels, path, v_options);
    IF NOT dry_run AND EXISTS (SELECT FROM unnest(v_plan) AS p WHERE p.statement IS NOT NULL) THEN
        PERFORM lifecycle._lock_path(root, levels, path, dry_run);
        v_plan := lifecycle._plan_subtree(root, levels, path, v_options);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('partition', root, v_plan, dry_run, expected_plan,
        jsonb_build_object('path', path, 'time_zone', options ->> 'time_zone'), _create_subtree.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle._create_subtree(regclass, jsonb[], text[], jsonb, boolean, text, text) IS
'Plans and makes what is missing below a table along a path.';

-- By its policy, or alone when it follows none.
CREATE FUNCTION lifecycle._levels_below(parent regclass, method text) RETURNS jsonb[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels constant jsonb[] := (SELECT p.levels FROM lifecycle._policy_of(parent) AS p);
    v_key record;
BEGIN
    PERFORM lifecycle._require_table(parent, '{p}');
    SELECT p.partstrat, p.partnatts, a.attname, EXISTS (
        SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = parent AND c.relkind = 'p') AS has_subtrees
    INTO v_key
    FROM pg_partitioned_table AS p
    LEFT JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attnum > 0
    WHERE p.partrelid = parent;
    IF v_key.partstrat <> left(method, 1) OR v_key.partnatts > 1 OR v_key.attname IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s is not partitioned by %s on one column', parent, upper(method)),
            DETAIL = format('It is partitioned by %s.', pg_get_partkeydef(parent));
    ELSIF v_levels IS NULL AND v_key.has_subtrees THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('the partitions of %s are partitioned themselves', parent),
            HINT = 'Describe all levels with lifecycle.manage_partitions(..., levels => ...).';
    END IF;
    RETURN coalesce(v_levels, ARRAY[jsonb_build_object('method', method, 'column', v_key.attname)]);
END
$fn$;
COMMENT ON FUNCTION lifecycle._levels_below(regclass, text) IS
'The levels from a table downwards, of which the first must be of this method; raises 42809 or 0A000.';

CREATE FUNCTION lifecycle._policy_options(parent regclass) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'premake', coalesce((p.policy).premake, 6),
        'time_zone', coalesce((p.policy).time_zone, current_setting('TimeZone')),
        'name_format', (p.policy).name_format
    ))
    FROM lifecycle._policy_of(parent) AS p
$fn$;
COMMENT ON FUNCTION lifecycle._policy_options(regclass) IS
'What the policy of a table says about new partitions, or the defaults.';
