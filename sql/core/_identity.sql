-- The reverse of _address, for an object that may have been renamed since.
CREATE FUNCTION lifecycle._identity(address lifecycle.object_address) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT regexp_replace(i.type, '^(table|view) column$', 'column') || ' ' || i.identity
    FROM pg_identify_object((address).class_id, (address).object_id, (address).sub_id) AS i
    WHERE address IS NOT NULL AND i.identity IS NOT NULL
$fn$;
COMMENT ON FUNCTION lifecycle._identity(lifecycle.object_address) IS
'How a plan names the object at an address today, or NULL when it is gone.';
