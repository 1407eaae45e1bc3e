-- Made-up data, the same at every run: SET flavor.descriptors = 20000, over the twelve months before flavor.anchor
-- (a date; default: now).
INSERT INTO public.flavor_descriptors (
    id, user_id, item_name, descriptor_text, descriptor_type, category, intensity, created_at
)
SELECT
    md5('descriptor ' || n)::uuid,
    md5('user ' || n % 97)::uuid,
    format('item %s', n % 331),
    (ARRAY['honey', 'lemon zest', 'wet stone', 'smoke', 'cream', 'black tea', 'plum'])[1 + n % 7],
    (ARRAY['flavor', 'aroma', 'texture'])[1 + n % 3],
    CASE WHEN n % 5 > 0 THEN (ARRAY['sweet', 'fruity', 'earthy', 'roasted'])[1 + n % 4] END,
    1 + n % 10,
    coalesce(nullif(current_setting('flavor.anchor', true), '')::timestamptz, now()) - n % 365 * interval '1 day'
FROM generate_series(1, coalesce(nullif(current_setting('flavor.descriptors', true), '')::bigint, 20000)) AS n;
ANALYZE public.flavor_descriptors;
