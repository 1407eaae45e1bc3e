-- The reverse of _address, for an object that may have been renamed since.
CREATE FUNCTION lifecycle._identity(address lifecycle.object_address) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT regexp_replace(i.type, '^.* column$', 'column') || ' ' || i.identity
    FROM pg_identify_object(
        -- Only what _address can have said; of other addresses PostgreSQL would complain.
        CASE WHEN (address).class_id = 'pg_class'::regclass
            OR (address).sub_id = 0 AND (address).class_id IN ('pg_proc'::regclass, 'pg_namespace'::regclass,
                'pg_type'::regclass, 'pg_trigger'::regclass, 'pg_constraint'::regclass, 'pg_policy'::regclass)
            THEN (address).class_id END,
        (address).object_id,
        (address).sub_id
    ) AS i
    WHERE i.identity IS NOT NULL
        -- A dropped column keeps its number and gets another name.
        AND NOT EXISTS (
            SELECT FROM pg_attribute AS a
            WHERE (address).class_id = 'pg_class'::regclass AND a.attrelid = (address).object_id
                AND a.attnum = (address).sub_id AND a.attisdropped
        )
$fn$;
COMMENT ON FUNCTION lifecycle._identity(lifecycle.object_address) IS
'How a plan names the object at an address today, or NULL when it is gone.';
