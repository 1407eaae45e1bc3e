-- The database in which an oid means what it meant: a restored journal comes with oids of another one.
CREATE FUNCTION lifecycle._origin() RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN pg_catalog.format(
        '%s/%s/%s',
        (SELECT s.system_identifier FROM pg_catalog.pg_control_system() AS s),
        (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()),
        (SELECT c.oid FROM pg_catalog.pg_class AS c
         WHERE c.relname = 'migration' AND c.relnamespace = 'lifecycle'::pg_catalog.regnamespace)
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._origin() IS 'Identifies the database that the oids in a journal row belong to.';
