-- The one table of the system that grows: a row for each flavor found in a review.
CREATE TABLE public.flavor_descriptors (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    item_name text NOT NULL,
    descriptor_text text NOT NULL,
    descriptor_type text NOT NULL CHECK (descriptor_type IN ('flavor', 'aroma', 'texture')),
    category text,
    intensity smallint CHECK (intensity BETWEEN 1 AND 10),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.flavor_descriptors IS 'One row a flavor that somebody found in something.';
CREATE INDEX flavor_descriptors_user_idx ON public.flavor_descriptors (user_id, created_at DESC);
CREATE INDEX flavor_descriptors_category_idx ON public.flavor_descriptors (category) WHERE category IS NOT NULL;
