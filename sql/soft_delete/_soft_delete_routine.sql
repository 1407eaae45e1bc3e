-- The hash keeps apart what an underscore would run together: schema a_b, table c and schema a, table b_c.
CREATE FUNCTION lifecycle._soft_delete_routine(target regclass, suffix text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        SELECT format('lifecycle_data.%I', lifecycle._name(
            ARRAY[n.nspname::text, c.relname::text],
            left(md5(target::text), 6) || '_soft_delete' || suffix
        ))
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = target);
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_routine(
    regclass,
    text
) IS 'The name of a generated function of a soft-deleted table.';
