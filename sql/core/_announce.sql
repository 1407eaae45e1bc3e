-- PostgREST caches the schema; Supabase and others reach us through it. Its login role tells that it is set up here.
CREATE FUNCTION lifecycle._announce() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF to_regrole('authenticator') IS NOT NULL THEN
        PERFORM pg_notify('pgrst', 'reload schema');
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._announce() IS 'Asks PostgREST, where it is set up, to read the schema again.';
