-- The schema of the API and its catalog. No IF NOT EXISTS: a schema that somebody made beforehand, and therefore owns,
-- must stop the installation.
CREATE SCHEMA lifecycle;

COMMENT ON SCHEMA lifecycle IS
'pg_lifecycle: the life of a table, from soft delete to retirement. Every change has a dry run and a rollback.';

-- CREATE EXTENSION gives this path already; a plain-SQL installation gets it here.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $do$
BEGIN
    IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.<) 150000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = 'pg_lifecycle needs PostgreSQL 15 or newer',
            DETAIL = pg_catalog.format('This server is %s.', pg_catalog.current_setting('server_version'));
    END IF;
END
$do$;
