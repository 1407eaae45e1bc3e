-- A new partition's name must be free in the catalog and among those of the same plan.
CREATE FUNCTION lifecycle._new_partition(
    parent regclass, wanted name, asked_for boolean, bounds text, ends lifecycle.range_ends,
    others lifecycle.new_partition[]
) RETURNS lifecycle.new_partition LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_identity text := lifecycle._free_identity(parent::text, wanted, asked_for, bounds);
BEGIN
    IF v_identity IN (SELECT o.identity FROM unnest(others) AS o) THEN
        IF asked_for THEN
            RAISE EXCEPTION USING ERRCODE = 'duplicate_table',
                MESSAGE = format('two partitions cannot both be %s', v_identity);
        END IF;
        v_identity := format('%I.%I', (parse_ident(v_identity))[1], lifecycle._name(ARRAY[(parse_ident(v_identity))[2]],
            left(md5(bounds), 8)));
    END IF;
    RETURN ROW(v_identity, bounds, ends)::lifecycle.new_partition;
END
$fn$;
COMMENT ON FUNCTION lifecycle._new_partition(
    regclass, name, boolean, text, lifecycle.range_ends, lifecycle.new_partition[]
) IS 'A partition to be made, with a free name; raises 42P07 for a name that is taken.';

CREATE FUNCTION lifecycle._range_targets(
    parent regclass, ranges lifecycle.range_ends[], names name[], time_zone text
) RETURNS lifecycle.new_partition[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_targets lifecycle.new_partition[] := ARRAY[]::lifecycle.new_partition[];
    v_range lifecycle.range_ends;
    v_name name;
BEGIN
    FOREACH v_range IN ARRAY ranges LOOP
        v_name := names[cardinality(v_targets) + 1];
        v_targets := v_targets || lifecycle._new_partition(parent, coalesce(v_name, lifecycle._partition_name(parent,
                v_range.lower_end, v_range.upper_end, time_zone)), v_name IS NOT NULL,
            format('FOR VALUES FROM (%s) TO (%s)', (v_range.lower_end).literal, (v_range.upper_end).literal), v_range,
            v_targets);
    END LOOP;
    RETURN v_targets;
END
$fn$;
COMMENT ON FUNCTION lifecycle._range_targets(regclass, lifecycle.range_ends[], name[], text) IS
'The partitions for some ranges, with the names asked for or those in the style of their siblings.';

-- Bounds inside the partition, or the periods of a calendar that lie in it.
CREATE FUNCTION lifecycle._split_ranges(
    parent regclass, partition regclass, key lifecycle.range_key, boundaries text[], every text, time_zone text
) RETURNS lifecycle.range_ends[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_old lifecycle.range_partition;
    v_ends lifecycle.range_bound[];
    v_period lifecycle.range_ends;
    v_place numeric;
BEGIN
    SELECT p.* INTO v_old FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
        WHERE p.partition = _split_ranges.partition::oid;
    v_ends := ARRAY[lifecycle._range_bound(key.type, v_old.lower_bound, 'UTC')];
    IF boundaries IS NOT NULL THEN
        v_ends := v_ends || ARRAY(SELECT b FROM unnest(boundaries) WITH ORDINALITY AS t (bound, place)
            CROSS JOIN LATERAL lifecycle._range_bound(key.type, t.bound, _split_ranges.time_zone) AS b
            ORDER BY t.place);
    ELSIF v_old.lower_place = '-Infinity' OR v_old.upper_place = 'Infinity' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s has no end', partition), HINT = 'Give boundaries instead of every.';
    ELSE
        v_place := v_old.lower_place;
        LOOP
            SELECT p.* INTO v_period FROM lifecycle._periods(key.type, every, _split_ranges.time_zone, NULL, v_place, 0)
                AS p;
            EXIT WHEN (v_period.upper_end).place >= v_old.upper_place OR cardinality(v_ends) > 1000;
            v_ends := v_ends || v_period.upper_end;
            v_place := (v_period.upper_end).place;
        END LOOP;
    END IF;
    v_ends := v_ends || lifecycle._range_bound(key.type, v_old.upper_bound, 'UTC');
    IF cardinality(v_ends) NOT BETWEEN 3 AND 1000 OR EXISTS (SELECT FROM generate_series(2, cardinality(v_ends)) AS n
        WHERE v_ends[n].place <= v_ends[n - 1].place)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_object_definition',
            MESSAGE = format('%s cannot be split there', partition),
            DETAIL = format('It holds FROM (%s) TO (%s).', v_ends[1].literal, v_ends[cardinality(v_ends)].literal),
            HINT = 'The boundaries lie inside it, in order: at least one, fewer than 1000.';
    END IF;
    RETURN ARRAY(SELECT ROW(v_ends[n - 1], v_ends[n])::lifecycle.range_ends
        FROM generate_series(2, cardinality(v_ends)) AS n ORDER BY n);
END
$fn$;
COMMENT ON FUNCTION lifecycle._split_ranges(regclass, regclass, lifecycle.range_key, text[], text, text) IS
'The ranges into which a partition is split; raises 42P17 or 22023.';

CREATE FUNCTION lifecycle._list_targets(parent regclass, groups jsonb, names name[])
RETURNS lifecycle.new_partition[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_targets lifecycle.new_partition[] := ARRAY[]::lifecycle.new_partition[];
    v_group jsonb;
    v_values text[];
    v_name name;
BEGIN
    FOR v_group IN SELECT e.value FROM jsonb_array_elements(groups) WITH ORDINALITY AS e (value, place) ORDER BY e.place
    LOOP
        v_values := ARRAY(SELECT e.value FROM jsonb_array_elements_text(v_group) WITH ORDINALITY AS e (value, place)
            ORDER BY e.place);
        v_name := names[cardinality(v_targets) + 1];
        v_targets := v_targets || lifecycle._new_partition(parent, coalesce(v_name, lifecycle._name(
                ARRAY[(SELECT c.relname::text FROM pg_class AS c WHERE c.oid = parent),
                    lifecycle._value_label(v_values)])), v_name IS NOT NULL,
            format('FOR VALUES IN (%s)', (SELECT string_agg(quote_nullable(v.value), ', ' ORDER BY v.place)
                FROM unnest(v_values) WITH ORDINALITY AS v (value, place))), NULL, v_targets);
    END LOOP;
    RETURN v_targets;
END
$fn$;
COMMENT ON FUNCTION lifecycle._list_targets(regclass, jsonb, name[]) IS
'The LIST partitions for some groups of values.';

-- The values of each new partition; what was not named makes the last one.
CREATE FUNCTION lifecycle._split_groups(parent regclass, partition regclass, boundaries jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_level constant jsonb := (SELECT jsonb_build_object('column', a.attname) FROM pg_partitioned_table AS p
        JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] WHERE p.partrelid = parent);
    v_type constant regtype := lifecycle._level_type(parent, v_level);
    v_groups jsonb;
    v_rest jsonb;
    v_strange text;
BEGIN
    IF boundaries IS NULL OR EXISTS (SELECT FROM jsonb_array_elements(boundaries) AS g
        WHERE jsonb_typeof(g.value) <> 'array' OR g.value = '[]')
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'boundaries must be lists of values',
            HINT = 'For example [["north"], ["south", "east"]].';
    END IF;
    -- As the type prints them.
    EXECUTE format('SELECT jsonb_agg(g.list ORDER BY g.place) FROM (SELECT b.place, '
        'jsonb_agg((v.value #>> ''{}'')::%s::text) AS list FROM jsonb_array_elements($1) WITH ORDINALITY '
        'AS b (value, place) CROSS JOIN LATERAL jsonb_array_elements(b.value) AS v GROUP BY b.place) AS g', v_type)
        INTO v_groups USING boundaries;
    EXECUTE format('SELECT string_agg(coalesce(o.value, ''NULL''), '', '') FROM (SELECT v.value #>> ''{}'' AS value '
        'FROM jsonb_array_elements($1) AS b CROSS JOIN LATERAL jsonb_array_elements(b.value) AS v) AS o '
        'WHERE NOT EXISTS (SELECT FROM unnest($2) AS s (value) WHERE s.value::%1$s = o.value::%1$s '
        'OR s.value IS NULL AND o.value IS NULL)', v_type)
        INTO v_strange USING v_groups, lifecycle._list_values(partition);
    EXECUTE format('SELECT jsonb_agg(s.value::%1$s::text ORDER BY s.place) FROM unnest($2) WITH ORDINALITY '
        'AS s (value, place) WHERE NOT EXISTS (SELECT FROM jsonb_array_elements($1) AS b '
        'CROSS JOIN LATERAL jsonb_array_elements(b.value) AS v WHERE (v.value #>> ''{}'')::%1$s = s.value::%1$s '
        'OR v.value = ''null'' AND s.value IS NULL)', v_type)
        INTO v_rest USING v_groups, lifecycle._list_values(partition);
    IF v_rest IS NOT NULL THEN
        v_groups := v_groups || jsonb_build_array(v_rest);
    END IF;
    IF v_strange IS NOT NULL OR jsonb_array_length(v_groups) < 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_object_definition',
            MESSAGE = format('%s cannot be split there', partition),
            DETAIL = coalesce('It does not hold ' || v_strange || '.', 'Nothing is left for another partition.'),
            HINT = format('It holds %s.', array_to_string(lifecycle._list_values(partition), ', ', 'NULL'));
    END IF;
    RETURN v_groups;
END
$fn$;
COMMENT ON FUNCTION lifecycle._split_groups(regclass, regclass, jsonb) IS
'The values of the partitions into which a LIST partition is split; raises 22023 or 42P17.';

-- Journals a rewrite and begins it; a small one is finished in the same transaction.
CREATE FUNCTION lifecycle._apply_rewrite(
    kind text, parent regclass, sources regclass[], targets lifecycle.new_partition[], is_staged boolean,
    default_check text, dry_run boolean, expected_plan text, search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT * FROM lifecycle._apply('partition_rewrite', parent,
        lifecycle._plan_rewrite(kind, parent, sources, targets, is_staged, default_check), dry_run, expected_plan,
        jsonb_build_object('kind', kind, 'made', cardinality(targets), 'conditions',
            (SELECT jsonb_agg(pg_get_partition_constraintdef(s.source) ORDER BY s.place)
             FROM unnest(sources) WITH ORDINALITY AS s (source, place))),
        _apply_rewrite.search_path, at_once => NOT is_staged)
$fn$;
COMMENT ON FUNCTION lifecycle._apply_rewrite(
    text, regclass, regclass[], lifecycle.new_partition[], boolean, text, boolean, text, text
) IS 'Shows or begins the replacement of partitions by others.';

CREATE FUNCTION lifecycle.split_partition(
    target regclass,
    boundaries jsonb DEFAULT NULL,
    every text DEFAULT NULL,
    partition_names name[] DEFAULT NULL,
    time_zone text DEFAULT current_setting('TimeZone'),
    at_once boolean DEFAULT false,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parent constant regclass := lifecycle._parent_of(target);
    v_is_staged constant boolean := lifecycle._is_staged(ARRAY[target], at_once);
    v_zone constant text := split_partition.time_zone;
    v_key lifecycle.range_key;
    v_targets lifecycle.new_partition[];
BEGIN
    PERFORM lifecycle._require_time_zone(v_zone);
    PERFORM lifecycle._require_rewritable(v_parent, ARRAY[target], v_is_staged);
    IF (boundaries IS NULL) = (every IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'give either boundaries or every',
            HINT = 'For example boundaries => ''["2026-01-16"]'', or every => ''1 day''.';
    ELSIF jsonb_typeof(boundaries) <> 'array' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('boundaries cannot be %s', boundaries), DETAIL = 'They are a JSON array.',
            HINT = 'For example ''["2026-01-16"]'', or ''[["north"], ["south", "east"]]'' for lists of values.';
    ELSIF EXISTS (SELECT FROM pg_partitioned_table AS p WHERE p.partrelid = v_parent AND p.partdefid = target) THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s is the default partition', target),
            HINT = format('CALL lifecycle.drain_default_partition(%L)', v_parent);
    END IF;
    PERFORM lifecycle._lock_rewrite(v_parent, ARRAY[target], NOT v_is_staged, false, dry_run);
    IF (SELECT p.partstrat = 'l' AND p.partnatts = 1 AND p.partattrs[0] > 0 FROM pg_partitioned_table AS p
        WHERE p.partrelid = v_parent)
    THEN
        v_targets := lifecycle._list_targets(v_parent, lifecycle._split_groups(v_parent, target, boundaries),
            partition_names);
    ELSE
        v_key := lifecycle._range_key(v_parent);
        v_targets := lifecycle._range_targets(v_parent, lifecycle._split_ranges(v_parent, target, v_key,
            CASE WHEN boundaries IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(boundaries)) END, every,
            v_zone), partition_names, v_zone);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply_rewrite('split', v_parent, ARRAY[target], v_targets, v_is_staged, NULL,
        dry_run, expected_plan, split_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.split_partition(
    regclass, jsonb, text, name[], text, boolean, boolean, text, text
) IS
'Replaces a partition by several with the same rows. A small one (setting partition_rewrite_at_once) in one transaction,
under the lock. A large one beside its readers and writers: the new partitions are made now, CALL
lifecycle.rewrite_partitions captures, copies, and then exchanges old and new in one short transaction. The old one
stays, detached, until lifecycle.drop_archived_partitions. The rollback puts all rows back, later ones included.

Arguments: target - a leaf of RANGE on one column, or of LIST; boundaries - where it is cut, ["2026-01-16"], or, of
LIST, the values of each new partition, [["north"], ["south"]], what is left over makes another one; every - or the
span of the new partitions, as 1 day, by the calendar; partition_names - of the new ones, in order, default in the style
of the others; time_zone - in which times without an offset are read; at_once - in one transaction whatever the size;
dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run; search_path - for functions in
constraints and indexes.
Returns: one row a step (lifecycle.step_result); pending steps are run by lifecycle.rewrite_partitions.
Errors: 42809 no partition; 0A000 HASH, the default partition, or one that is partitioned itself; 42P17 the boundaries
lie elsewhere; 22023 neither boundaries nor every, or both; 23503 rows of other tables refer to its rows; 55000 large
and without a primary key; 55006 a rewrite is under way; 42501 not the owner, or row security hides rows; 42P07 a name
is taken; 55P03 lock.
Example: SELECT * FROM lifecycle.split_partition(''public.metric_2026'', every => ''1 month'', dry_run => true);';
