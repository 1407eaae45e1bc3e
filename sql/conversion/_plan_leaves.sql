-- Which partitions the rows need: one path of values a leaf, found by one pass over the table, or by an index.
CREATE FUNCTION lifecycle._leaf_place(
    model regclass, level jsonb, time_zone text, alias text, OUT of_row text, OUT place text, OUT part text
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
            WHEN level ->> 'method' = 'hash' THEN 'NULL'
            WHEN level ->> 'method' = 'list' THEN format('t.%I', level ->> 'column')
                || CASE WHEN lifecycle._equality(k.type) IS NULL THEN '::text' ELSE '' END
            WHEN p.width IS NOT NULL
                THEN format('floor(t.%I / %s::numeric) * %s', level ->> 'column', p.width, p.width)
            WHEN p.seconds > 0 THEN format('floor(extract(epoch FROM %s) / %s) * %2$s', v.moment, p.seconds)
            ELSE format('date_trunc(%L, %s)', CASE WHEN p.months > 0 THEN 'month' ELSE 'day' END,
                v.moment || CASE WHEN k.type IN ('timestamptz'::regtype, 'uuid'::regtype)
                    THEN format(', %L', _leaf_place.time_zone) ELSE '' END)
        END,
        CASE WHEN level ->> 'method' = 'range' AND p.width IS NULL AND p.seconds = 0
            THEN format('extract(epoch FROM %s)::text', alias) ELSE alias || '::text' END,
        CASE WHEN level ->> 'method' <> 'range' OR p.width IS NOT NULL OR p.seconds > 0 OR p.months + p.days = 1
            THEN alias
            WHEN p.months > 1 THEN format(
                'floor((12 * extract(year FROM %1$s) + extract(month FROM %1$s) - 1) / %2$s)', alias, p.months)
            ELSE format('floor(extract(epoch FROM %s) / %s)', alias, 86400 * p.days) END
    FROM (SELECT lifecycle._level_type(model, level) AS type) AS k
    CROSS JOIN LATERAL (SELECT CASE k.type
        WHEN 'uuid'::regtype THEN format('to_timestamp((''x'' || left(replace(t.%I::text, ''-'', ''''), 12))'
            '::bit(48)::bigint / 1000.0)', level ->> 'column')
        WHEN 'date'::regtype THEN format('t.%I::timestamp', level ->> 'column')
        ELSE format('t.%I', level ->> 'column') END AS moment) AS v
    -- Called for every level: newer planners ask before a condition could keep them from it.
    CROSS JOIN LATERAL lifecycle._period(
        CASE level ->> 'method' WHEN 'range' THEN k.type ELSE 'int4'::regtype END,
        CASE level ->> 'method' WHEN 'range' THEN level ->> 'every' ELSE '1' END) AS p
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_place(regclass, jsonb, text, text) IS
'Expressions for one level of partitions. of_row: what tells them apart, of a row, alias t, as cheap as can be; of its
value under an alias, place: the value of a list, or the place (see lifecycle.range_bound) where a part of the range
begins, as text; part: one value a partition.';

-- Where an index leads with the column of the only level, the first row of each month or day is enough. Other ranges
-- have no next value that the type of every column can hold.
CREATE FUNCTION lifecycle._leaf_steps_by_index(model regclass, level jsonb, time_zone text, rows_of text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('WITH RECURSIVE s (p1) AS (SELECT %1$s FROM (SELECT min(t.%2$I) AS %2$I FROM %3$s) AS t UNION ALL '
            'SELECT (SELECT %1$s FROM (SELECT min(t.%2$I) AS %2$I FROM %3$s AND t.%2$I >= %4$s) AS t) '
            'FROM s WHERE isfinite(s.p1)) '
            'SELECT s.p1 FROM s WHERE s.p1 IS NOT NULL '
            'UNION ALL SELECT NULL WHERE EXISTS (SELECT FROM %3$s AND t.%2$I IS NULL)',
        (lifecycle._leaf_place(model, level, _leaf_steps_by_index.time_zone, '')).of_row, a.attname, rows_of,
        CASE WHEN a.atttypid = 'timestamptz'::regtype
            THEN format('((s.p1 AT TIME ZONE %1$L + interval %2$L) AT TIME ZONE %1$L)', _leaf_steps_by_index.time_zone,
                w.width)
            ELSE format('(s.p1 + interval %L)', w.width) END)
    FROM pg_attribute AS a
    CROSS JOIN LATERAL lifecycle._period(a.atttypid::regtype, level ->> 'every') AS p
    CROSS JOIN LATERAL (SELECT CASE WHEN p.months > 0 THEN '1 month' ELSE '1 day' END AS width) AS w
    WHERE a.attrelid = model AND a.attname = level ->> 'column'
        AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) AND p.seconds = 0
        AND EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            JOIN pg_am AS m ON m.oid = c.relam
            WHERE i.indrelid = model AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indisvalid
                AND m.amname = 'btree')
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_steps_by_index(regclass, jsonb, text, text) IS
'A query for the months or days that rows fall into (rows_of: text behind FROM up to a condition, alias t), which jumps
from one to the next by an index; NULL where there is none, or where the level is another.';

-- The rows are many, the paths few: what costs is done with the paths.
CREATE FUNCTION lifecycle._leaf_query(
    model regclass, levels jsonb[], time_zone text, rows_of text, OUT places text, OUT parts text
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('SELECT DISTINCT ARRAY[%s]::text[] AS path FROM (%s) AS s',
            string_agg(e.place, ', ' ORDER BY l.n), q.query),
        format('SELECT DISTINCT %s FROM (%s) AS s', string_agg(e.part, ', ' ORDER BY l.n), q.query)
    FROM unnest(levels) WITH ORDINALITY AS l (level, n)
    CROSS JOIN LATERAL lifecycle._leaf_place(model, l.level, _leaf_query.time_zone, 's.p' || l.n) AS e
    CROSS JOIN (
        SELECT coalesce(
            CASE WHEN cardinality(levels) = 1 AND levels[1] ->> 'method' = 'range' AND rows_of = n.name || ' WHERE true'
                THEN lifecycle._leaf_steps_by_index(model, levels[1], _leaf_query.time_zone, rows_of) END,
            format('SELECT DISTINCT %s FROM %s', string_agg(format('%s AS p%s', e.of_row, l.n), ', ' ORDER BY l.n),
                rows_of)) AS query
        FROM unnest(levels) WITH ORDINALITY AS l (level, n)
        CROSS JOIN LATERAL lifecycle._leaf_place(model, l.level, _leaf_query.time_zone, '') AS e
        CROSS JOIN (SELECT lifecycle._from_source(model) || ' AS t' AS name) AS n
        GROUP BY n.name
    ) AS q
    GROUP BY q.query
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_query(regclass, jsonb[], text, text) IS
'Queries for the partitions that some rows need (rows_of: text behind FROM, alias t). places: their paths; parts: one
row each.';

CREATE FUNCTION lifecycle._conversion_census(source regclass, levels jsonb[], time_zone text, condition text)
RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET row_security = off SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_census jsonb;
    v_bad text;
BEGIN
    EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(x.path)), ''[]'') FROM (%s) AS x',
        (lifecycle._leaf_query(source, levels, _conversion_census.time_zone, format('%s AS t WHERE %s',
            lifecycle._from_source(source), condition))).places) INTO v_census;
    SELECT l.level ->> 'column' INTO v_bad
    FROM jsonb_array_elements(v_census) AS e (path)
    CROSS JOIN unnest(levels) WITH ORDINALITY AS l (level, place)
    WHERE l.level ->> 'method' = 'range'
        AND coalesce(e.path ->> (l.place::integer - 1), 'NULL') IN ('NULL', 'NaN', 'Infinity', '-Infinity')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('column %I of %s holds NULL or infinity', v_bad, source),
            HINT = 'No range holds such rows: correct them first.';
    END IF;
    RETURN v_census;
END
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_census(regclass, jsonb[], text, text) IS
'The paths of partitions that the rows of a table need, a jsonb array of arrays; raises 23514 for rows that no range
holds.';

CREATE FUNCTION lifecycle._leaf_steps(
    source regclass, parent text, identity text, bounds text, partition_by text
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- No inverse: partitions go with their root.
    SELECT ARRAY[
        lifecycle._step('create partition', 'table ' || identity,
            format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS)%s%s', identity,
                parent, ' PARTITION BY ' || partition_by,
                lifecycle._storage_clauses(source, CASE WHEN partition_by IS NULL THEN source::oid END))
            || CASE WHEN pg_get_userbyid(c.relowner) <> current_user
                THEN format('; ALTER TABLE %s OWNER TO %I', identity, pg_get_userbyid(c.relowner)) ELSE '' END
            || lifecycle._ddl_acl('TABLE', identity, NULL, c.relowner), stage => 2),
        lifecycle._step('attach partition', 'table ' || identity,
            format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, identity, bounds), stage => 2)]
    FROM pg_class AS c WHERE c.oid = source
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_steps(regclass, text, text, text, text) IS
'The steps that make a partition of the new table. Until it is dressed nobody but the owner can read it.';

-- One entry a partition of the first level: what it is called after, its bounds, what is below.
CREATE FUNCTION lifecycle._level_parts(
    source regclass, levels jsonb[], census jsonb, options jsonb, OUT label text, OUT bounds text, OUT place numeric,
    OUT value text, OUT below jsonb
) RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_type constant regtype := lifecycle._level_type(source, levels[1]);
    v_zone constant text := options ->> 'time_zone';
    v_every constant text := levels[1] ->> 'every';
BEGIN
    IF levels[1] ->> 'method' = 'list' THEN
        RETURN QUERY SELECT lifecycle._value_label(ARRAY[e ->> 0]), format('FOR VALUES IN (%s)',
                quote_nullable(e ->> 0)), NULL::numeric, e ->> 0, jsonb_agg(e - 0)
            FROM jsonb_array_elements(census) AS e GROUP BY e ->> 0;
    ELSIF levels[1] ->> 'method' = 'hash' THEN
        RETURN QUERY SELECT 'h' || lpad(r::text, length(levels[1] ->> 'modulus'), '0'),
                format('FOR VALUES WITH (MODULUS %s, REMAINDER %s)', levels[1] ->> 'modulus', r), r::numeric,
                NULL::text, (SELECT jsonb_agg(DISTINCT e - 0) FROM jsonb_array_elements(census) AS e)
            FROM generate_series(0, (levels[1] ->> 'modulus')::integer - 1) AS r;
    ELSE
        RETURN QUERY
        WITH present AS (
            SELECT coalesce(CASE WHEN v_type IN ('int2', 'int4', 'int8', 'numeric')
                THEN (SELECT max((e ->> 0)::numeric) FROM jsonb_array_elements(census) AS e)
                ELSE extract(epoch FROM now()) END, 0) AS place
        ), part AS (
            SELECT (e ->> 0)::numeric AS place, e - 0 AS below FROM jsonb_array_elements(census) AS e
            UNION ALL
            SELECT (p.lower_end).place, NULL
            FROM present AS n CROSS JOIN LATERAL lifecycle._periods(v_type, v_every, v_zone, NULL, n.place,
                (options ->> 'premake')::integer) AS p
            WHERE options ? 'premake'
        )
        SELECT lifecycle._first_name('', (array_agg(p.lower_end))[1], (array_agg(p.upper_end))[1])::text,
            format('FOR VALUES FROM (%s) TO (%s)', min((p.lower_end).literal), min((p.upper_end).literal)),
            (p.lower_end).place, NULL::text, jsonb_agg(DISTINCT d.below) FILTER (WHERE d.below IS NOT NULL)
        FROM part AS d CROSS JOIN LATERAL lifecycle._periods(v_type, v_every, v_zone, NULL, d.place, 0) AS p
        GROUP BY (p.lower_end).place;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._level_parts(regclass, jsonb[], jsonb, jsonb) IS
'The partitions of one level: those that a census asks for, and with options premake those of now and ahead.';

CREATE FUNCTION lifecycle._standing_part(parent oid, type regtype, method text, value text, place numeric) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE method
        WHEN 'list' THEN lifecycle._list_partition(parent, type::text, value)::oid
        WHEN 'range' THEN (SELECT p.partition FROM lifecycle._range_partitions(ARRAY[parent]) AS p
            WHERE p.lower_place <= place AND p.upper_place > place LIMIT 1)
        ELSE (SELECT i.inhrelid FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = parent AND pg_get_expr(c.relpartbound, 0) LIKE format('%%remainder %s)', place))
    END
    WHERE parent IS NOT NULL
$fn$;
COMMENT ON FUNCTION lifecycle._standing_part(oid, regtype, text, text, numeric) IS
'The partition that stands already for a value or a place.';

CREATE FUNCTION lifecycle._plan_leaves(
    source regclass, parent text, parent_oid oid, prefix text, levels jsonb[], census jsonb, options jsonb,
    plan lifecycle.plan_step[]
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_part record;
    v_plan lifecycle.plan_step[] := plan;
    v_schema constant text := (SELECT c.relnamespace::regnamespace::text FROM pg_class AS c WHERE c.oid = source);
    v_name text;
    v_standing oid;
BEGIN
    FOR v_part IN SELECT p.* FROM lifecycle._level_parts(source, levels, census, options) AS p
        ORDER BY p.place, p.value
    LOOP
        v_name := lifecycle._name(ARRAY[prefix], ltrim(v_part.label, '_'));
        v_standing := lifecycle._standing_part(parent_oid, lifecycle._level_type(source, levels[1]),
            levels[1] ->> 'method', v_part.value, v_part.place);
        IF v_standing IS NOT NULL THEN
            v_name := (SELECT c.relname FROM pg_class AS c WHERE c.oid = v_standing);
        ELSE
            -- Taken in the catalog, as a table or a type, or by an earlier step of this plan.
            IF to_regclass(format('%s.%I', v_schema, v_name)) IS NOT NULL
                OR to_regtype(format('%s.%I', v_schema, v_name)) IS NOT NULL
                OR EXISTS (SELECT FROM unnest(v_plan) AS p WHERE p.object = format('table %s.%I', v_schema, v_name))
            THEN
                v_name := lifecycle._name(ARRAY[v_name], left(md5(concat_ws(' ', parent, v_part.bounds)), 8));
            END IF;
            v_plan := v_plan || lifecycle._leaf_steps(source, parent, format('%s.%I', v_schema, v_name), v_part.bounds,
                lifecycle._partition_by(levels[2:]));
        END IF;
        IF cardinality(levels) > 1 THEN
            v_plan := lifecycle._plan_leaves(source, format('%s.%I', v_schema, v_name), v_standing, v_name,
                levels[2:], coalesce(v_part.below, '[]'), options, v_plan);
        END IF;
    END LOOP;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_leaves(
    regclass, text, oid, text, jsonb[], jsonb, jsonb, lifecycle.plan_step[]
) IS
'A plan, and behind it the steps that make the partitions of a census below a table, as far as they do not stand.';
