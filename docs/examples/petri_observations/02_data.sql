-- Made-up data, the same at every run. What looks random is a hash of the row's number.
--     SET petri.observations = 50000;      rows
--     SET petri.days = 360;                over which they are spread, before the anchor
--     SET petri.programs = 3;              of three sites each; the last program has ended
--     SET petri.anchor = '2026-11-01';     default: this month
CREATE OR REPLACE FUNCTION pg_temp.size_of(setting text, preset bigint) RETURNS bigint
LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('petri.' || setting, true), '')::bigint, preset);

CREATE OR REPLACE FUNCTION pg_temp.anchor() RETURNS date
LANGUAGE sql STABLE
RETURN date_trunc('month', coalesce(nullif(current_setting('petri.anchor', true), '')::date, current_date))::date;

CREATE OR REPLACE FUNCTION pg_temp.key_of(kind text, number bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE
RETURN md5('petri ' || kind || ' ' || number)::uuid;

-- 0 to places - 1
CREATE OR REPLACE FUNCTION pg_temp.draw(salt text, places bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN ('x' || left(md5(salt), 8))::bit(32)::bigint % places;

INSERT INTO public.companies (company_id, name)
SELECT pg_temp.key_of('company', n), format('Company %s', n) FROM generate_series(1, 2) AS n;

INSERT INTO public.users (id, company_id)
SELECT pg_temp.key_of('user', n), pg_temp.key_of('company', 1 + n % 2) FROM generate_series(1, 4) AS n;

INSERT INTO public.pilot_programs (program_id, company_id, name, start_date, end_date)
SELECT
    pg_temp.key_of('program', n),
    pg_temp.key_of('company', 1 + n % 2),
    format('Program %s', n),
    (pg_temp.anchor() - interval '12 months')::date,
    (pg_temp.anchor() + CASE WHEN n = pg_temp.size_of('programs', 3) THEN interval '-1 month' ELSE interval '1 year' END)
    ::date
FROM generate_series(1, pg_temp.size_of('programs', 3)) AS n;

INSERT INTO public.sites (site_id, program_id, name)
SELECT pg_temp.key_of('site', 3 * p + s), pg_temp.key_of('program', p), format('Site %s of program %s', s, p)
FROM generate_series(1, pg_temp.size_of('programs', 3)) AS p CROSS JOIN generate_series(1, 3) AS s;

INSERT INTO public.submissions (submission_id, site_id, submitted_at)
SELECT
    pg_temp.key_of('submission', n),
    pg_temp.key_of('site', 4 + pg_temp.draw('site ' || n, 3 * pg_temp.size_of('programs', 3))),
    pg_temp.anchor() - pg_temp.draw('when ' || n, pg_temp.size_of('days', 360)) * interval '1 day'
FROM generate_series(1, pg_temp.size_of('observations', 50000) / 20) AS n;

INSERT INTO public.petri_observations (
    observation_id, company_id, program_id, site_id, submission_id, growth_index, notes, created_at, updated_at
)
SELECT
    pg_temp.key_of('observation', n),
    p.company_id,
    p.program_id,
    s.site_id,
    m.submission_id,
    pg_temp.draw('growth ' || n, 10000) / 100.0,
    CASE WHEN n % 7 = 0 THEN format('dish %s', n) END,
    m.submitted_at + n % 60 * interval '1 minute',
    m.submitted_at + n % 60 * interval '1 minute'
FROM generate_series(1, pg_temp.size_of('observations', 50000)) AS n
JOIN public.submissions AS m
    ON m.submission_id = pg_temp.key_of('submission', 1 + n % (pg_temp.size_of('observations', 50000) / 20))
JOIN public.sites AS s ON s.site_id = m.site_id
JOIN public.pilot_programs AS p ON p.program_id = s.program_id;

ANALYZE public.petri_observations;
