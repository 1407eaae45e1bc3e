-- What is made for a table stands in its schema: a name with a schema before it would be one name with a dot in it.
CREATE FUNCTION lifecycle._require_local_name(argument text, wanted name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_prefix constant text := (
        SELECT p.prefix
        FROM pg_namespace AS n
        CROSS JOIN LATERAL unnest(ARRAY[n.nspname || '.', quote_ident(n.nspname) || '.']) AS p (prefix)
        WHERE starts_with(wanted::text, p.prefix) ORDER BY length(p.prefix) DESC LIMIT 1);
BEGIN
    IF wanted = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s must not be empty', argument),
            HINT = 'Leave it out to have the usual name.';
    ELSIF v_prefix IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name',
            MESSAGE = format('%s cannot be %L', argument, wanted),
            DETAIL = 'It is a name without schema: what is made for a table stands in the schema of the table.',
            HINT = format('Write %L.', substr(wanted::text, length(v_prefix) + 1));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_local_name(text, name) IS
'Raises 22023 for an empty name, 42602 for one that begins with a schema; NULL stands for the usual name.';
