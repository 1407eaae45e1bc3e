-- Levels are passed as one jsonb array, whatever it was put together from: ARRAY[by_list('a'), by_range('b', '1 day')],
-- the same with ||, JSON of an RPC; inside they are an array of their own.
CREATE FUNCTION lifecycle._levels(levels jsonb) RETURNS jsonb[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN jsonb_typeof(levels) IS NULL THEN NULL
        WHEN jsonb_typeof(levels) = 'array' THEN ARRAY(
            SELECT l.level
            FROM jsonb_array_elements(levels) WITH ORDINALITY AS e (element, place)
            CROSS JOIN LATERAL unnest(lifecycle._levels(e.element)) WITH ORDINALITY AS l (level, place)
            ORDER BY e.place, l.place)
        ELSE ARRAY[levels]
    END
$fn$;
COMMENT ON FUNCTION lifecycle._levels(jsonb) IS 'Levels, one an element, of a jsonb array or of a single level.';

CREATE FUNCTION lifecycle._levels_json(levels lifecycle.partition_level[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT to_jsonb(levels)
$fn$;
COMMENT ON FUNCTION lifecycle._levels_json(lifecycle.partition_level[]) IS
'Levels given as an array, as one value: lets ARRAY[lifecycle.by_list(...), ...] stand where levels are jsonb.';

CREATE CAST (lifecycle.partition_level[] AS jsonb)
WITH FUNCTION lifecycle._levels_json(lifecycle.partition_level[]) AS IMPLICIT;

-- A level says how a table is partitioned: {"method": "range", "column": "at", "every": "1 month"}.
CREATE FUNCTION lifecycle._partition_by(levels jsonb[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('%s (%I)', upper(levels[1] ->> 'method'), levels[1] ->> 'column') WHERE cardinality(levels) > 0
$fn$;
COMMENT ON FUNCTION lifecycle._partition_by(jsonb[]) IS 'PARTITION BY of the first of some levels; NULL without one.';

CREATE FUNCTION lifecycle._level_type(model regclass, level jsonb) RETURNS regtype
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT a.atttypid::regtype FROM pg_attribute AS a
    WHERE a.attrelid = model AND a.attname = level ->> 'column' AND a.attnum > 0 AND NOT a.attisdropped
$fn$;
COMMENT ON FUNCTION lifecycle._level_type(regclass, jsonb) IS 'The type of the column of a level.';

CREATE FUNCTION lifecycle._require_levels(model regclass, levels jsonb[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_level jsonb;
    v_type regtype;
BEGIN
    IF coalesce(cardinality(levels), 0) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'no level was given',
            HINT = 'For example levels => lifecycle.by_range(''created_at'', ''1 month'').';
    END IF;
    FOREACH v_level IN ARRAY levels LOOP
        v_type := lifecycle._level_type(model, v_level);
        IF v_level ->> 'column' IS NULL OR v_type IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_column',
                MESSAGE = format('%s has no column %s', model, coalesce(v_level ->> 'column', 'NULL')),
                DETAIL = format('The level is %s.', v_level);
        ELSIF v_level ->> 'method' = 'hash' AND coalesce(v_level ->> 'modulus', '') !~ '^[1-9][0-9]{0,4}$'
            OR coalesce(v_level ->> 'method', '') NOT IN ('list', 'range', 'hash')
        THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s is no level', v_level),
                HINT = 'Use lifecycle.by_list, lifecycle.by_range and lifecycle.by_hash.';
        ELSIF v_level ->> 'method' = 'range' THEN
            PERFORM lifecycle._period(v_type, v_level ->> 'every');
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_levels(regclass, jsonb[]) IS
'Raises 22023 or 42703 for levels that a table cannot have.';
