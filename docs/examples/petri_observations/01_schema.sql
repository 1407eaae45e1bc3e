-- The tables of the system as they are before anything is partitioned.
-- Roles: petri.owner_role runs these files; petri.app_role is what signed-in people come as (Supabase: authenticated),
-- and request.jwt.claims says who it is.
CREATE TABLE public.companies (
    company_id uuid PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE public.users (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES public.companies (company_id)
);

CREATE TABLE public.pilot_programs (
    program_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES public.companies (company_id),
    name text NOT NULL,
    start_date date NOT NULL,
    end_date date NOT NULL
);

CREATE TABLE public.sites (
    site_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    program_id uuid NOT NULL REFERENCES public.pilot_programs (program_id),
    name text NOT NULL
);

CREATE TABLE public.submissions (
    submission_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    site_id uuid NOT NULL REFERENCES public.sites (site_id),
    submitted_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.petri_observations (
    observation_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES public.companies (company_id),
    program_id uuid NOT NULL REFERENCES public.pilot_programs (program_id),
    site_id uuid NOT NULL REFERENCES public.sites (site_id),
    submission_id uuid NOT NULL REFERENCES public.submissions (submission_id),
    growth_index numeric(6, 2) CHECK (growth_index >= 0),
    notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.petri_observations IS 'One row a dish and visit.';
CREATE INDEX petri_observations_submission_idx ON public.petri_observations (submission_id);
CREATE INDEX petri_observations_created_idx ON public.petri_observations (created_at);

CREATE FUNCTION public.touch_updated_at() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$fn$;
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON public.petri_observations
FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();

ALTER TABLE public.petri_observations ENABLE ROW LEVEL SECURITY;
CREATE POLICY company_isolation_petri ON public.petri_observations
USING (company_id IN (
    SELECT u.company_id FROM public.users AS u
    WHERE u.id = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
));

DO $do$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON public.petri_observations TO %1$I; GRANT SELECT ON public.users TO %1$I',
        coalesce(nullif(current_setting('petri.app_role', true), ''), 'petri_app')
    );
END
$do$;
