CREATE FUNCTION lifecycle._step_digest(action text, object text, statement text, inverse text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT encode(sha256(convert_to(jsonb_build_array(action, object, statement, inverse)::text, 'UTF8')), 'hex')
$fn$;
COMMENT ON FUNCTION lifecycle._step_digest(text, text, text, text) IS 'The digest of one step, in hexadecimal digits.';
