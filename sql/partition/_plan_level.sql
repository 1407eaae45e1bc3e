-- A short word for a value: a UUID by its first digits, so that two of them and a month fit into a name; letters and
-- digits of anything else. What looks alike gets a hash when the name is taken.
CREATE FUNCTION lifecycle._value_label(list_values text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(coalesce(nullif(left(CASE
        WHEN v.value IS NULL THEN 'null'
        WHEN v.value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN left(v.value, 8)
        ELSE trim(BOTH '_' FROM regexp_replace(lower(v.value), '[^[:alnum:]]+', '_', 'g'))
    END, 20), ''), 'other'), '_' ORDER BY v.place)
    FROM unnest(list_values[:3]) WITH ORDINALITY AS v (value, place)
$fn$;
COMMENT ON FUNCTION lifecycle._value_label(text[]) IS 'What the name of a LIST partition says of its values.';

-- Numbers have no clock: their now is the highest one there.
CREATE FUNCTION lifecycle._place_now(parent oid, model regclass, level jsonb) RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_place numeric := extract(epoch FROM now());
BEGIN
    IF lifecycle._level_type(model, level) IN ('int2', 'int4', 'int8', 'numeric') THEN
        IF parent IS NULL THEN
            RETURN 0;
        END IF;
        EXECUTE format('SELECT coalesce(max(t.%I), 0) FROM %s AS t', level ->> 'column', parent::regclass) INTO v_place;
    END IF;
    RETURN v_place;
END
$fn$;
COMMENT ON FUNCTION lifecycle._place_now(oid, regclass, jsonb) IS
'Where the present lies among the bounds of a RANGE level.';

-- What is left of a period beside partitions of another span: nothing that ends before now, since older holes stay.
CREATE FUNCTION lifecycle._free_ranges(
    key_type regtype, period lifecycle.range_ends, partitions lifecycle.range_partition[], place numeric
) RETURNS SETOF lifecycle.range_ends LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH standing AS (
        SELECT p.* FROM unnest(partitions) AS p
        WHERE p.lower_place < ((period).upper_end).place AND p.upper_place > ((period).lower_end).place
    ), hole AS (
        -- From the end of one to the beginning of the next.
        SELECT s.upper_place AS lower_place, s.upper_bound AS lower_bound,
            lead(s.lower_place, 1, ((period).upper_end).place) OVER w AS upper_place,
            lead(s.lower_bound) OVER w AS upper_bound
        FROM standing AS s WINDOW w AS (ORDER BY s.lower_place)
        UNION ALL
        SELECT ((period).lower_end).place, NULL, min(s.lower_place),
            (array_agg(s.lower_bound ORDER BY s.lower_place))[1]
        FROM standing AS s
        HAVING count(*) > 0
    ), free AS (
        SELECT h.lower_place, coalesce(lifecycle._range_bound(key_type, h.lower_bound, 'UTC'), (period).lower_end)
                AS lower_end,
            CASE WHEN h.upper_bound IS NULL THEN (period).upper_end
                ELSE lifecycle._range_bound(key_type, h.upper_bound, 'UTC') END AS upper_end
        FROM hole AS h
        -- The bits behind the time of a UUID make no hole.
        WHERE h.upper_place - h.lower_place >= CASE key_type WHEN 'uuid'::regtype THEN 0.001 ELSE 1e-27 END
            AND h.upper_place > place
    )
    SELECT f.lower_end, f.upper_end FROM free AS f
    UNION ALL
    SELECT (period).lower_end, (period).upper_end WHERE NOT EXISTS (SELECT FROM standing)
    UNION ALL
    -- What stands: one step says so.
    (SELECT lifecycle._range_bound(key_type, s.lower_bound, 'UTC'), lifecycle._range_bound(key_type, s.upper_bound,
        'UTC')
    FROM standing AS s WHERE NOT EXISTS (SELECT FROM free) ORDER BY s.lower_place DESC LIMIT 1)
$fn$;
COMMENT ON FUNCTION lifecycle._free_ranges(
    regtype, lifecycle.range_ends, lifecycle.range_partition[], numeric
) IS 'The parts of a period that no partition holds; where nothing is missing, the range of a partition that stands.';

-- Where rows in the default partition stand in the way of one period, maintenance makes the others.
CREATE FUNCTION lifecycle._plan_period(
    parent regclass, key lifecycle.range_key, ends lifecycle.range_bound[], time_zone text, levels jsonb[],
    path text[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    RETURN lifecycle._plan_partition(parent, key, ends, NULL, _plan_period.time_zone, false, levels, path, options);
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
    IF NOT options ? 'pass_over' THEN
        RAISE;
    END IF;
    RETURN ARRAY[lifecycle._step('blocked', 'table ' || parent, NULL,
        note => concat_ws('. ', v_sqlstate || ': ' || v_message, nullif(v_detail, '')))];
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_period(
    regclass, lifecycle.range_key, lifecycle.range_bound[], text, jsonb[], text[], jsonb
) IS
'The plan of one period of a level; with the option pass_over, a step "blocked" where rows in the default partition
stand in its way.';

CREATE FUNCTION lifecycle._plan_range_level(
    model regclass, parent text, parent_oid oid, levels jsonb[], path text[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_type constant regtype := lifecycle._level_type(model, levels[1]);
    v_zone constant text := coalesce(options ->> 'time_zone', current_setting('TimeZone'));
    v_anchor constant numeric := (SELECT max(p.upper_place) FROM lifecycle._range_partitions(ARRAY[parent_oid]) AS p
        WHERE p.upper_place < 'Infinity');
    v_place constant numeric := lifecycle._place_now(parent_oid, model, levels[1]);
    v_standing constant lifecycle.range_partition[] := ARRAY(
        SELECT p FROM lifecycle._range_partitions(ARRAY[parent_oid]) AS p WHERE NOT p.is_default);
    v_ends lifecycle.range_ends;
    v_identity text;
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
BEGIN
    FOR v_ends IN
        SELECT f.* FROM lifecycle._periods(v_type, levels[1] ->> 'every', v_zone, v_anchor, v_place,
            (options ->> 'premake')::integer) AS p
        CROSS JOIN LATERAL lifecycle._free_ranges(v_type, p, v_standing, v_place) AS f
    LOOP
        IF parent_oid IS NOT NULL THEN
            v_plan := v_plan || lifecycle._plan_period(parent_oid, ROW(levels[1] ->> 'column', v_type),
                ARRAY[v_ends.lower_end, v_ends.upper_end], v_zone, levels[2:], path, options);
            CONTINUE;
        END IF;
        v_identity := lifecycle._free_identity(parent, lifecycle._first_name((parse_ident(parent))[2], v_ends.lower_end,
            v_ends.upper_end, options ->> 'name_format'), false, (v_ends.lower_end).literal);
        v_plan := v_plan || lifecycle._partition_steps(model, (options ->> 'leaf')::oid, v_identity,
                format('FOR VALUES FROM (%s) TO (%s)', (v_ends.lower_end).literal, (v_ends.upper_end).literal), NULL,
                parent, lifecycle._partition_by(levels[2:]), NOT options ? 'uncaptured')
            || lifecycle._plan_level(model, v_identity, NULL, levels[2:], path, options);
    END LOOP;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_range_level(regclass, text, oid, jsonb[], text[], jsonb) IS
'The plan of the present and coming partitions of a RANGE level, with what is below them.';

-- A table below may have a policy of its own; a span that is asked for now goes before it.
CREATE FUNCTION lifecycle._own_policy(
    relation regclass, levels_above jsonb[], options_above jsonb, OUT levels jsonb[], OUT options jsonb
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_policy constant lifecycle.partition_policy := (SELECT p.policy FROM lifecycle._policies() AS p
        WHERE p.relation = _own_policy.relation::oid);
BEGIN
    levels := levels_above;
    options := options_above;
    IF v_policy.policy_id IS NOT NULL AND NOT options_above ? 'own_span' THEN
        levels := ARRAY(SELECT jsonb_array_elements(v_policy.levels));
        options := (options_above - 'name_format') || jsonb_strip_nulls(jsonb_build_object('premake', v_policy.premake,
            'time_zone', v_policy.time_zone, 'name_format', v_policy.name_format));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._own_policy(regclass, jsonb[], jsonb) IS
'The levels below a table and what is said of them: by its own policy, or as above.';

CREATE FUNCTION lifecycle._plan_list_level(
    model regclass, parent text, parent_oid oid, levels jsonb[], path text[], options jsonb,
    list_values text[] DEFAULT NULL
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_values text[];
    v_type constant regtype := lifecycle._level_type(model, levels[1]);
    v_literals text;
    v_standing regclass;
    v_own record;
    v_identity text;
BEGIN
    -- As the type prints them: one spelling for a value, and an error for what is none.
    EXECUTE format('SELECT array_agg(v.value::%s::text ORDER BY v.place) '
        'FROM unnest($1) WITH ORDINALITY AS v (value, place)', v_type)
    INTO v_values USING coalesce(list_values, path[1:1]);
    v_literals := (SELECT string_agg(quote_nullable(v.value), ', ' ORDER BY v.place)
        FROM unnest(v_values) WITH ORDINALITY AS v (value, place));
    IF parent_oid IS NOT NULL THEN
        v_standing := (SELECT min(lifecycle._list_partition(parent_oid, v_type::text, v.value)::oid)
            FROM unnest(v_values) AS v (value));
    END IF;
    IF v_standing IS NOT NULL THEN
        v_own := lifecycle._own_policy(v_standing, levels[2:], options);
        RETURN lifecycle._step('create partition', 'table ' || v_standing, NULL,
            note => format('holds %s already', v_literals))
            || lifecycle._plan_level(v_standing, v_standing::text, v_standing, v_own.levels, path[2:], v_own.options);
    END IF;
    v_identity := lifecycle._free_identity(parent, coalesce((options ->> 'partition_name')::name,
            lifecycle._name(ARRAY[(parse_ident(parent))[2], lifecycle._value_label(v_values)])),
        options ? 'partition_name', v_literals);
    -- Another one of the same call may have the name.
    IF EXISTS (SELECT FROM jsonb_array_elements_text(options -> 'attached') AS a
        WHERE starts_with(a.value, format('ALTER TABLE %s ATTACH PARTITION %s FOR ', parent, v_identity))
            AND a.value <> format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%s)', parent, v_identity,
                v_literals))
    THEN
        v_identity := format('%I.%I', (parse_ident(v_identity))[1], lifecycle._name(ARRAY[(parse_ident(v_identity))[2]],
            left(md5(v_literals), 8)));
    END IF;
    RETURN lifecycle._partition_steps(model, (options ->> 'leaf')::oid, v_identity,
            format('FOR VALUES IN (%s)', v_literals), NULL, parent, lifecycle._partition_by(levels[2:]),
            NOT options ? 'uncaptured')
        || lifecycle._plan_level(model, v_identity, NULL, levels[2:], path[2:], options - 'partition_name');
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_list_level(regclass, text, oid, jsonb[], text[], jsonb, text[]) IS
'The plan of one LIST partition, by default that of the first value of the path, with what is below it.';

-- PostgreSQL takes several moduli when each divides the next one and no remainder is held twice.
CREATE FUNCTION lifecycle._require_free_remainders(parent_oid oid, modulus integer, remainders integer[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_held text;
BEGIN
    SELECT string_agg(format('%s (modulus %s, remainder %s)', s.partition::regclass, s.bound[1], s.bound[2]), ', '
        ORDER BY s.partition::regclass::text) INTO v_held
    FROM (
        SELECT c.oid AS partition, regexp_match(pg_get_expr(c.relpartbound, 0),
            '^FOR VALUES WITH \(modulus (\d+), remainder (\d+)\)$')::integer[] AS bound
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = parent_oid
    ) AS s
    CROSS JOIN LATERAL (SELECT least(s.bound[1], modulus) AS lesser, greatest(s.bound[1], modulus) AS greater) AS m
    WHERE s.bound[1] <> modulus AND (m.greater % m.lesser <> 0
        OR EXISTS (SELECT FROM unnest(remainders) AS r WHERE r % m.lesser = s.bound[2] % m.lesser));
    IF v_held IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_object_definition',
            MESSAGE = format('%s has partitions of another modulus than %s', parent_oid::regclass, modulus),
            DETAIL = format('In the way: %s.', v_held),
            HINT = 'Name the modulus that stands; another one needs another table: lifecycle.create_partitioned_table.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_free_remainders(oid, integer, integer[]) IS
'Raises 42P17 when partitions of another modulus hold what new ones would.';

CREATE FUNCTION lifecycle._plan_hash_level(
    model regclass, parent text, parent_oid oid, levels jsonb[], path text[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_modulus constant integer := (levels[1] ->> 'modulus')::integer;
    v_standing regclass;
    v_identity text;
    v_missing integer[] := ARRAY[]::integer[];
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
BEGIN
    FOR v_remainder IN 0..v_modulus - 1 LOOP
        v_standing := (SELECT i.inhrelid FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = parent_oid AND pg_get_expr(c.relpartbound, 0)
                = format('FOR VALUES WITH (modulus %s, remainder %s)', v_modulus, v_remainder));
        IF v_standing IS NOT NULL THEN
            v_plan := v_plan || lifecycle._step('create partition', 'table ' || v_standing, NULL,
                    note => format('holds remainder %s of %s already', v_remainder, v_modulus))
                || lifecycle._plan_level(v_standing, v_standing::text, v_standing, levels[2:], path, options);
            CONTINUE;
        END IF;
        v_missing := v_missing || v_remainder;
        v_identity := lifecycle._free_identity(parent, lifecycle._name(ARRAY[(parse_ident(parent))[2]],
            'h' || lpad(v_remainder::text, length((v_modulus - 1)::text), '0')), false, v_remainder::text);
        v_plan := v_plan || lifecycle._partition_steps(model, (options ->> 'leaf')::oid, v_identity,
                format('FOR VALUES WITH (MODULUS %s, REMAINDER %s)', v_modulus, v_remainder), NULL, parent,
                lifecycle._partition_by(levels[2:]), NOT options ? 'uncaptured')
            || lifecycle._plan_level(model, v_identity, NULL, levels[2:], path, options);
    END LOOP;
    PERFORM lifecycle._require_free_remainders(parent_oid, v_modulus, v_missing);
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_hash_level(regclass, text, oid, jsonb[], text[], jsonb) IS
'The plan of the partitions of a HASH level that are missing, with what is below them.';

-- A LIST level has as many partitions as the path has values for it: one. Without a value the plan ends there.
CREATE FUNCTION lifecycle._plan_level(
    model regclass, parent text, parent_oid oid, levels jsonb[], path text[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE levels[1] ->> 'method'
        WHEN 'range' THEN lifecycle._plan_range_level(model, parent, parent_oid, levels, path, options)
        WHEN 'hash' THEN lifecycle._plan_hash_level(model, parent, parent_oid, levels, path, options)
        WHEN 'list' THEN CASE WHEN cardinality(path) > 0
            THEN lifecycle._plan_list_level(model, parent, parent_oid, levels, path, options)
            ELSE '{}'::lifecycle.plan_step[] END
        ELSE '{}'::lifecycle.plan_step[]
    END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_level(regclass, text, oid, jsonb[], text[], jsonb) IS
'The plan of what is missing below a table that stands (parent_oid) or is being made, by its levels and a path of LIST
values. Its model, whose rights and columns the new tables get, is the table or its nearest ancestor that stands.';
