CREATE FUNCTION lifecycle._require_schema(argument text, schema_name name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = schema_name) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
            MESSAGE = format('schema %s does not exist', coalesce(quote_ident(schema_name), 'NULL')),
            HINT = format('%s is the name of a schema as it is, without quotes.', argument);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_schema(text, name) IS 'Raises 3F000 unless there is such a schema.';
