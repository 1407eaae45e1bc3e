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

CREATE FUNCTION lifecycle._partition_name(
    parent regclass, lower_end lifecycle.range_bound, upper_end lifecycle.range_bound, time_zone text
) RETURNS name LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_from constant timestamp := lower_end.local_time;
    v_formats text[];
    v_style record;
    v_prefix text;
BEGIN
    IF v_from IS NULL OR NOT isfinite(v_from) THEN
        RETURN lifecycle._name(ARRAY[(SELECT c.relname::text FROM pg_class AS c WHERE c.oid = parent)], 'first');
    END IF;
    v_formats := CASE
        WHEN v_from = date_trunc('month', v_from) AND v_from + interval '1 month' = upper_end.local_time
            THEN '{YYYY_MM,"\"y\"YYYY\"m\"MM",YYYYMM,YYYY-MM,YYYYMMDD,YYYY_MM_DD,YYYY-MM-DD}'
        WHEN v_from = date_trunc('day', v_from) THEN '{YYYY_MM_DD,YYYYMMDD,YYYY-MM-DD}'
        ELSE '{YYYY_MM_DD_HH24MISS,YYYYMMDD_HH24MISS}'
    END::text[];
    SELECT s.* INTO v_style FROM lifecycle._sibling_style(parent, time_zone, v_formats) AS s;
    IF v_style.format IS NOT NULL THEN
        RETURN lifecycle._name(ARRAY[v_style.prefix || to_char(v_from, v_style.format)]);
    END IF;
    SELECT c.relname::text INTO v_prefix FROM pg_class AS c WHERE c.oid = parent;
    RETURN lifecycle._name(ARRAY[v_prefix], to_char(v_from, v_formats[1]));
END
$fn$;
COMMENT ON FUNCTION lifecycle._partition_name(
    regclass, lifecycle.range_bound, lifecycle.range_bound, text
) IS 'The name of a new partition: in the style of its siblings, else <parent>_YYYY_MM for a month.';

-- Where a new partition goes, and under which name: a name that is taken gets the hash of the bounds.
CREATE FUNCTION lifecycle._partition_identity(
    parent regclass, lower_end lifecycle.range_bound, upper_end lifecycle.range_bound, time_zone text,
    partition_name name
) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_name name := coalesce(partition_name, lifecycle._partition_name(parent, lower_end, upper_end, time_zone));
    -- The schema of the siblings when they share one, else the parent's.
    v_schema constant regnamespace := (
        SELECT (CASE WHEN min(s.relnamespace) = max(s.relnamespace) THEN min(s.relnamespace) ELSE p.relnamespace END)
            ::regnamespace
        FROM pg_class AS p
        LEFT JOIN pg_inherits AS i ON i.inhparent = p.oid
        LEFT JOIN pg_class AS s ON s.oid = i.inhrelid
        WHERE p.oid = parent
        GROUP BY p.relnamespace
    );
BEGIN
    -- A table needs a free type name, too.
    IF NOT EXISTS (SELECT FROM pg_type AS t WHERE t.typnamespace = v_schema AND t.typname = v_name)
        AND to_regclass(format('%s.%I', v_schema, v_name)) IS NULL
    THEN
        RETURN format('%s.%I', v_schema, v_name);
    END IF;
    IF partition_name IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_table',
            MESSAGE = format('%s.%I exists already and is no partition with these bounds', v_schema, v_name),
            HINT = 'Choose another partition_name, or leave it out.';
    END IF;
    RETURN format('%s.%I', v_schema, lifecycle._name(ARRAY[v_name::text],
        left(md5(concat_ws(' ', parent, lower_end.literal, upper_end.literal)), 8)));
END
$fn$;
COMMENT ON FUNCTION lifecycle._partition_identity(
    regclass, lifecycle.range_bound, lifecycle.range_bound, text, name
) IS 'The qualified name of a new partition; raises 42P07 when a name that was asked for is taken.';
