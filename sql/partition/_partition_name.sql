-- A set that has a style of names keeps it: all siblings must end with their lower bound in the same format behind the
-- same beginning. The format names a partition, it never decides anything: bounds are read from the catalog.
CREATE FUNCTION lifecycle._sibling_style(
    parent regclass, time_zone text, formats text[], OUT prefix text, OUT format text
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH sibling AS (
        SELECT c.relname::text AS name, to_timestamp(p.lower_place::float8) AT TIME ZONE time_zone AS local_time
        FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
        JOIN pg_class AS c ON c.oid = p.partition
        WHERE p.lower_place > '-Infinity' AND p.lower_place < 'Infinity'
    )
    SELECT left(s.name, -length(e.ending)), f.format
    FROM sibling AS s
    CROSS JOIN unnest(formats) WITH ORDINALITY AS f (format, place)
    CROSS JOIN LATERAL (SELECT to_char(s.local_time, f.format) AS ending) AS e
    WHERE right(s.name, length(e.ending)) = e.ending
    GROUP BY left(s.name, -length(e.ending)), f.format, f.place
    HAVING count(*) = (SELECT count(*) FROM sibling)
    ORDER BY f.place
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._sibling_style(regclass, text, text[]) IS
'The beginning and the to_char format that the names of all partitions of a table share; NULLs when they share none.';

CREATE FUNCTION lifecycle._number_prefix(parent regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT min(left(c.relname, -length(p.lower_place::text)))
    FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
    JOIN pg_class AS c ON c.oid = p.partition
    WHERE p.lower_place > '-Infinity' AND p.lower_place < 'Infinity'
    HAVING bool_and(right(c.relname, length(p.lower_place::text)) = p.lower_place::text)
        AND count(DISTINCT left(c.relname, -length(p.lower_place::text))) = 1
$fn$;
COMMENT ON FUNCTION lifecycle._number_prefix(regclass) IS
'What the names of all partitions of numbers share before their lower bound; NULL when they do not end with it.';

CREATE FUNCTION lifecycle._name_formats(lower_end lifecycle.range_bound, upper_end lifecycle.range_bound) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN f.begins = date_trunc('year', f.begins) AND f.begins + interval '1 year' = upper_end.local_time
            THEN '{YYYY,"\"y\"YYYY",YYYYMMDD,YYYY_MM_DD,YYYY-MM-DD}'
        WHEN f.begins = date_trunc('month', f.begins) AND f.begins + interval '1 month' = upper_end.local_time
            THEN '{YYYY_MM,"\"y\"YYYY\"m\"MM",YYYYMM,YYYY-MM,YYYYMMDD,YYYY_MM_DD,YYYY-MM-DD}'
        WHEN f.begins = date_trunc('day', f.begins) THEN '{YYYY_MM_DD,YYYYMMDD,YYYY-MM-DD}'
        WHEN f.begins = date_trunc('hour', f.begins) AND upper_end.local_time = f.begins + interval '1 hour'
            THEN '{YYYY_MM_DD_HH24,YYYY_MM_DD_HH24MISS,YYYYMMDD_HH24MISS}'
        ELSE '{YYYY_MM_DD_HH24MISS,YYYYMMDD_HH24MISS}'
    END::text[]
    FROM (SELECT lower_end.local_time AS begins) AS f
$fn$;
COMMENT ON FUNCTION lifecycle._name_formats(lifecycle.range_bound, lifecycle.range_bound) IS
'The to_char formats in which the name of a partition may say what it holds, the one of new sets first.';

CREATE FUNCTION lifecycle._first_name(
    parent_name text, lower_end lifecycle.range_bound, upper_end lifecycle.range_bound, name_format text DEFAULT NULL
) RETURNS name LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN lower_end.local_time IS NULL AND lower_end.place > '-Infinity'
            -- A minus would have to be quoted.
            THEN lifecycle._name(ARRAY[parent_name], translate(lower_end.place::text, '-.', 'm_'))
        WHEN lower_end.local_time IS NULL OR NOT isfinite(lower_end.local_time)
            THEN lifecycle._name(ARRAY[parent_name], 'first')
        WHEN name_format IS NOT NULL
            THEN lifecycle._name(ARRAY[parent_name || to_char(lower_end.local_time, name_format)])
        ELSE lifecycle._name(ARRAY[parent_name],
            to_char(lower_end.local_time, (lifecycle._name_formats(lower_end, upper_end))[1]))
    END
$fn$;
COMMENT ON FUNCTION lifecycle._first_name(text, lifecycle.range_bound, lifecycle.range_bound, text) IS
'The name of a partition where no siblings have a style: <parent>_YYYY_MM for a month, <parent>_<bound> for numbers.';

CREATE FUNCTION lifecycle._partition_name(
    parent regclass, lower_end lifecycle.range_bound, upper_end lifecycle.range_bound, time_zone text,
    name_format text DEFAULT NULL
) RETURNS name LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_style record;
BEGIN
    IF name_format IS NULL AND lower_end.place > '-Infinity' AND lower_end.place < 'Infinity' THEN
        IF lower_end.local_time IS NULL THEN
            SELECT lifecycle._number_prefix(parent) AS prefix, lower_end.place::text AS ending INTO v_style;
        ELSE
            SELECT s.prefix, to_char(lower_end.local_time, s.format) AS ending INTO v_style
            FROM lifecycle._sibling_style(parent, time_zone, lifecycle._name_formats(lower_end, upper_end)) AS s;
        END IF;
        IF v_style.prefix IS NOT NULL THEN
            RETURN lifecycle._name(ARRAY[v_style.prefix || v_style.ending]);
        END IF;
    END IF;
    RETURN lifecycle._first_name((SELECT c.relname::text FROM pg_class AS c WHERE c.oid = parent), lower_end, upper_end,
        name_format);
END
$fn$;
COMMENT ON FUNCTION lifecycle._partition_name(
    regclass, lifecycle.range_bound, lifecycle.range_bound, text, text
) IS 'The name of a new partition: as the format says, else in the style of its siblings, else as the first one.';

-- Where a new partition goes, and under which name: a name that is taken gets a hash of what the partition is for.
CREATE FUNCTION lifecycle._free_identity(parent text, wanted name, asked_for boolean, salt text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    -- The schema of the siblings when they share one, else the parent's.
    v_schema constant text := coalesce((
        SELECT (CASE WHEN min(s.relnamespace) = max(s.relnamespace) THEN min(s.relnamespace) ELSE p.relnamespace END)
            ::regnamespace::text
        FROM pg_class AS p
        LEFT JOIN pg_inherits AS i ON i.inhparent = p.oid
        LEFT JOIN pg_class AS s ON s.oid = i.inhrelid
        WHERE p.oid = to_regclass(parent)
        GROUP BY p.relnamespace
    ), quote_ident((parse_ident(parent))[1]));
BEGIN
    IF asked_for THEN
        PERFORM lifecycle._require_local_name('partition_name', wanted);
    END IF;
    -- A table needs a free type name, too.
    IF NOT EXISTS (SELECT FROM pg_type AS t WHERE t.typnamespace = v_schema::regnamespace AND t.typname = wanted)
        AND to_regclass(format('%s.%I', v_schema, wanted)) IS NULL
    THEN
        RETURN format('%s.%I', v_schema, wanted);
    END IF;
    IF asked_for THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_table',
            MESSAGE = format('%s.%I exists already and is no partition with these bounds', v_schema, wanted),
            HINT = 'Choose another partition_name, or leave it out.';
    END IF;
    RETURN format('%s.%I', v_schema, lifecycle._name(ARRAY[wanted::text], left(md5(concat_ws(' ', parent, salt)), 8)));
END
$fn$;
COMMENT ON FUNCTION lifecycle._free_identity(text, name, boolean, text) IS
'The qualified name of a new partition; raises 42P07 when a name that was asked for is taken.';
