-- Jitter, so that two sessions that met once do not meet again at each retry.
CREATE FUNCTION lifecycle._pause() RETURNS void LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT pg_sleep((0.5 + random()) * lifecycle.setting('lock_retry_delay')::integer / 1000.0)
$fn$;
COMMENT ON FUNCTION lifecycle._pause() IS 'Sleeps lifecycle.lock_retry_delay, give or take a half.';
