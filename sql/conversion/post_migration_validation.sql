-- One statement, so one snapshot, for both sides. What is queued may differ; all else may not, since a change and its
-- entry are of one transaction, and so are a replay and the end of the entry.
CREATE FUNCTION lifecycle._compare_range(
    conversion lifecycle.located_conversion, after text[], until text[], exact boolean,
    OUT source_rows bigint, OUT source_hash numeric, OUT new_rows bigint, OUT new_hash numeric
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off AS $fn$
DECLARE
    v_row constant lifecycle.conversion := conversion.conversion;
    -- Written out while the path is pinned.
    v_source constant text := conversion.source;
    v_copy constant text := conversion.partitioned;
    v_predicate constant text := format('(%s)', coalesce(v_row.options ->> 'predicate', 'true'));
    v_side text := (SELECT format('SELECT pg_catalog.count(*), pg_catalog.sum(%s::pg_catalog.numeric) FROM %%s AS t '
            'WHERE %s AND %s AND %%s AND NOT EXISTS (SELECT FROM %s AS q WHERE %s)',
            replace(CASE WHEN exact THEN format('pg_catalog.hash_record_extended(ROW(%s), 0)', c.list)
                ELSE format('pg_catalog.hashtextextended(ROW(%s)::pg_catalog.text, 0)', c.list) END, '%', '%%'),
            replace(lifecycle._key_condition(conversion.source, v_row.key_columns, '>', after), '%', '%%'),
            replace(lifecycle._key_condition(conversion.source, v_row.key_columns, '<=', until), '%', '%%'),
            v_row.queue, replace(lifecycle._same_key(conversion.source, v_row.key_columns, 'q', 't'), '%', '%%'))
        FROM (SELECT lifecycle._column_list(lifecycle._copy_columns(conversion.source, conversion.partitioned), 't.')
            AS list) AS c);
BEGIN
    -- The predicate, and constraints that the planner looks at, are the user's.
    PERFORM set_config('search_path', v_row.options ->> 'search_path', true);
    EXECUTE pg_catalog.format('SELECT s.*, d.* FROM (%s) AS s, (%s) AS d',
        pg_catalog.format(v_side, v_source, v_predicate),
        pg_catalog.format(v_side, v_copy, 'true'))
    INTO source_rows, source_hash, new_rows, new_hash;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
END
$fn$;
COMMENT ON FUNCTION lifecycle._compare_range(lifecycle.located_conversion, text[], text[], boolean) IS
'Counts and content hashes of a range of keys in both tables, in one snapshot, without the rows that are queued.';

CREATE FUNCTION lifecycle._can_hash(conversion lifecycle.located_conversion) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    EXECUTE format('SELECT hash_record_extended(ROW(%s), 0) FROM (SELECT (x).* FROM (SELECT NULL::%s AS x) AS n) AS t',
        lifecycle._column_list(lifecycle._copy_columns(conversion.source, conversion.partitioned), 't.'),
        conversion.source);
    RETURN true;
EXCEPTION WHEN undefined_function THEN
    -- json and its like have no hash; their text does.
    RETURN false;
END
$fn$;
COMMENT ON FUNCTION lifecycle._can_hash(lifecycle.located_conversion) IS
'Whether all columns of a table have a hash function.';

CREATE FUNCTION lifecycle.post_migration_validation(target regclass, range_rows integer DEFAULT 100000)
RETURNS SETOF lifecycle.finding LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion constant lifecycle.located_conversion := lifecycle._conversion(target);
    v_row constant lifecycle.conversion := v_conversion.conversion;
    v_exact constant boolean := lifecycle._can_hash(v_conversion);
    v_after text[];
    v_until text[];
    v_found record;
    v_same boolean;
BEGIN
    PERFORM lifecycle._require_number('range_rows', range_rows, 1);
    PERFORM lifecycle._require_phase(v_conversion, '{index,dress,ready,swapped}');
    LOOP
        v_until := CASE WHEN lifecycle._is_range_key(v_conversion.source, v_row.key_columns)
            THEN lifecycle._range_end(v_conversion.source, v_row.key_columns, v_after, range_rows) END;
        SELECT c.* INTO v_found FROM lifecycle._compare_range(v_conversion, v_after, v_until, v_exact) AS c;
        v_same := (v_found.source_rows, v_found.source_hash) IS NOT DISTINCT FROM
            (v_found.new_rows, v_found.new_hash);
        RETURN NEXT ROW(CASE WHEN v_same THEN 'ok' ELSE 'error' END, format('table %s', v_conversion.partitioned),
            CASE WHEN v_same THEN 'same rows' ELSE 'rows differ' END,
            format('keys behind %s up to %s: %s rows, hash %s; %s has %s, hash %s',
                coalesce(v_after::text, 'the beginning'), coalesce(v_until::text, 'the end'), v_found.source_rows,
                coalesce(v_found.source_hash, 0), v_conversion.partitioned, v_found.new_rows,
                coalesce(v_found.new_hash, 0)),
            CASE WHEN NOT v_same THEN format('SELECT * FROM lifecycle.rollback_conversion(%L, dry_run => false)',
                target) END)::lifecycle.finding;
        EXIT WHEN v_until IS NULL;
        v_after := v_until;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle.post_migration_validation(regclass, integer) IS
'Compares the two tables of a conversion, range by range of the key, by number of rows and a hash of their contents,
while they are in use. Each range is read in one snapshot; rows that are queued to be replayed are left out of it.
Before the swap as well as after it.

Arguments: target - the table; range_rows - rows a range, default 100000.
Returns: one row a range (lifecycle.finding): severity ok or error.
Errors: 55000 it is not being converted, or not copied yet; 42809 not a table; 42501 row security would hide
rows; 22023 range_rows.
Example: SELECT * FROM lifecycle.post_migration_validation(''public.observation'') WHERE severity <> ''ok'';';
