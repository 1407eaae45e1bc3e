-- Whoever writes '30' means days, and gets 30 seconds: a function cannot see the text. Where rows go for good, nobody
-- means seconds; zero is what one writes to have all of them. A thousand years back from now is still a time.
CREATE FUNCTION lifecycle._require_span(argument text, span interval, shortest interval DEFAULT interval '0')
RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF span IS NULL OR span < interval '0' OR span > interval '1000 years' OR span > interval '0' AND span < shortest
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s cannot be %s', argument, coalesce(span::text, 'NULL')),
            DETAIL = CASE WHEN span < shortest AND span > interval '0'
                THEN format('It is zero, or a span of time between %s and 1000 years.', shortest)
                ELSE 'It is a span of time between zero and 1000 years.' END,
            HINT = 'Write the unit, for example ''30 days'': a number alone is seconds.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_span(text, interval, interval) IS
'Raises 22023 for a span of time that is missing, negative, longer than any calendar, or not zero but shorter than what
makes sense.';
