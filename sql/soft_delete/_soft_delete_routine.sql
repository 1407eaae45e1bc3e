-- The hash keeps apart what an underscore would run together: schema a_b, table c and schema a, table b_c. A table that
-- was renamed keeps its functions: the next one of its name gets other ones.
CREATE FUNCTION lifecycle._soft_delete_routine(target regclass, suffix text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        SELECT format('lifecycle_data.%I', lifecycle._name(h.parts, h.hash || '_soft_delete' || suffix))
        FROM (
            SELECT ARRAY[n.nspname::text, c.relname::text] AS parts, s.place, left(md5(s.seed), 6) AS hash
            FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            CROSS JOIN (VALUES (1, target::text), (2, concat_ws(' ', target::text, target::oid))) AS s (place, seed)
            WHERE c.oid = target
        ) AS h
        WHERE h.place = 2 OR NOT EXISTS (
            SELECT FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
            WHERE t.tgname = 'zz_soft_delete_row' AND t.tgparentid = 0 AND t.tgrelid <> target
                AND p.pronamespace = to_regnamespace('lifecycle_data')
                AND p.proname = lifecycle._name(h.parts, h.hash || '_soft_delete_row'))
        ORDER BY h.place LIMIT 1);
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_routine(
    regclass,
    text
) IS 'The name of a generated function of a soft-deleted table.';

-- What stands keeps its name when the table gets another.
CREATE FUNCTION lifecycle._soft_delete_routine_of(relation text, trigger_name name, target regclass, suffix text)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce((
        SELECT format('%s.%I', p.pronamespace::regnamespace, p.proname)
        FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = to_regclass(relation) AND t.tgname = trigger_name
    ), lifecycle._soft_delete_routine(target, suffix))
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_routine_of(text, name, regclass, text) IS
'The function that a trigger of a soft-deleted table or of its view calls, or will call.';
