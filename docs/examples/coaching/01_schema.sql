-- Tables, keys, indexes and row security of the coaching system, before pg_lifecycle does anything.

-- Who is asking. PostgREST and Supabase put the verified token into this setting, one transaction at a time.
CREATE FUNCTION public.current_person() RETURNS uuid
LANGUAGE sql STABLE
RETURN (nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid;

CREATE TABLE public.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    full_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.coaches (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES public.users (id),
    specialty text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.professional_packages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    coach_id uuid NOT NULL REFERENCES public.coaches (id),
    name text NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price >= 0),
    likes_count integer NOT NULL DEFAULT 0 CHECK (likes_count >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX professional_packages_coach_id_idx ON public.professional_packages (coach_id);

-- The team had begun by hand: two tables have the column already, without a time zone, and one has its index.
ALTER TABLE public.professional_packages ADD COLUMN deleted_at timestamp;
CREATE INDEX idx_professional_packages_deleted_at ON public.professional_packages (deleted_at);

CREATE TABLE public.coach_clients (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    coach_id uuid NOT NULL REFERENCES public.coaches (id),
    client_id uuid NOT NULL REFERENCES public.users (id),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'ended')),
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamp
);
-- One live relation between two people; a deleted one does not stand in the way of a new start.
CREATE UNIQUE INDEX coach_clients_live_key ON public.coach_clients (coach_id, client_id) WHERE deleted_at IS NULL;
CREATE INDEX coach_clients_client_id_idx ON public.coach_clients (client_id);

CREATE TABLE public.professional_package_subscriptions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    package_id uuid NOT NULL REFERENCES public.professional_packages (id),
    user_id uuid NOT NULL REFERENCES public.users (id),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'active', 'cancelled', 'completed')),
    started_on date NOT NULL DEFAULT current_date
);
CREATE INDEX professional_package_subscriptions_package_id_idx
ON public.professional_package_subscriptions (package_id);
CREATE INDEX professional_package_subscriptions_user_id_idx
ON public.professional_package_subscriptions (user_id);

CREATE TABLE public.payments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subscription_id uuid NOT NULL REFERENCES public.professional_package_subscriptions (id),
    amount numeric(10, 2) NOT NULL CHECK (amount > 0),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'completed', 'failed', 'refunded')),
    paid_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payments_subscription_id_idx ON public.payments (subscription_id);

CREATE TABLE public.user_targets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES public.users (id),
    metric_type text NOT NULL CHECK (metric_type IN ('calories_burned', 'workout_minutes', 'sleep_hours', 'steps')),
    target_value numeric NOT NULL CHECK (target_value > 0), -- a day
    start_date date NOT NULL DEFAULT current_date,
    end_date date CHECK (end_date >= start_date) -- NULL: until further notice
);
CREATE INDEX user_targets_user_id_idx ON public.user_targets (user_id);

CREATE TABLE public.coach_plans (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    coach_id uuid NOT NULL REFERENCES public.coaches (id),
    client_id uuid REFERENCES public.users (id), -- NULL: a template
    title text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX coach_plans_coach_id_idx ON public.coach_plans (coach_id);
CREATE INDEX coach_plans_client_id_idx ON public.coach_plans (client_id);

CREATE TABLE public.user_workouts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES public.users (id),
    plan_id uuid REFERENCES public.coach_plans (id),
    performed_on date NOT NULL,
    duration_minutes integer NOT NULL CHECK (duration_minutes > 0),
    calories_burned integer NOT NULL CHECK (calories_burned >= 0)
);
CREATE INDEX user_workouts_user_id_idx ON public.user_workouts (user_id, performed_on);
CREATE INDEX user_workouts_plan_id_idx ON public.user_workouts (plan_id);

-- The large one. A partitioned table's keys hold the partition column; one entry for a person and day.
CREATE TABLE public.daily_metrics (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES public.users (id),
    recorded_date date NOT NULL,
    calories_burned integer CHECK (calories_burned >= 0),
    workout_minutes integer CHECK (workout_minutes >= 0),
    sleep_hours numeric(3, 1) CHECK (sleep_hours BETWEEN 0 AND 24), -- NULL: not measured
    steps integer CHECK (steps >= 0),
    PRIMARY KEY (id, recorded_date),
    UNIQUE (user_id, recorded_date)
) PARTITION BY RANGE (recorded_date);

-- Row security. A policy must not hide deleted rows from those who may delete: PostgreSQL would refuse the very
-- UPDATE that marks the row ("new row violates row-level security policy"). The active_ views do the hiding.
CREATE FUNCTION public.my_coach_id() RETURNS uuid
LANGUAGE sql STABLE
RETURN (SELECT c.id FROM public.coaches AS c WHERE c.user_id = public.current_person());

-- Those whom the asking coach looks after today. Ending or deleting the relation ends the access.
CREATE FUNCTION public.my_client_ids() RETURNS SETOF uuid
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT cc.client_id
    FROM public.coach_clients AS cc
    WHERE cc.coach_id = (SELECT public.my_coach_id()) AND cc.status = 'active' AND cc.deleted_at IS NULL;
END;

CREATE POLICY users_self ON public.users
USING (id = (SELECT public.current_person()));
CREATE POLICY users_of_coach ON public.users FOR SELECT
USING (id IN (SELECT public.my_client_ids()));

CREATE POLICY coaches_read ON public.coaches FOR SELECT
USING (true);
CREATE POLICY coaches_self ON public.coaches FOR UPDATE
USING (user_id = (SELECT public.current_person()));

CREATE POLICY packages_of_coach ON public.professional_packages
USING (coach_id = (SELECT public.my_coach_id()));
-- The catalogue. It may leave deleted packages out, since those who read by this policy alone delete nothing here.
CREATE POLICY packages_read ON public.professional_packages FOR SELECT
USING (deleted_at IS NULL);

CREATE POLICY clients_of_coach ON public.coach_clients
USING (coach_id = (SELECT public.my_coach_id()));
CREATE POLICY clients_self ON public.coach_clients FOR SELECT
USING (client_id = (SELECT public.current_person()));

CREATE POLICY subscriptions_self ON public.professional_package_subscriptions
USING (user_id = (SELECT public.current_person()));
CREATE POLICY subscriptions_of_coach ON public.professional_package_subscriptions FOR SELECT
USING (
    package_id IN (
        SELECT pp.id FROM public.professional_packages AS pp WHERE pp.coach_id = (SELECT public.my_coach_id())
    )
);

-- Whoever may read the subscription may read what was paid for it; only the service writes payments.
CREATE POLICY payments_read ON public.payments FOR SELECT
USING (subscription_id IN (SELECT s.id FROM public.professional_package_subscriptions AS s));

CREATE POLICY targets_self ON public.user_targets
USING (user_id = (SELECT public.current_person()));
CREATE POLICY targets_of_coach ON public.user_targets FOR SELECT
USING (user_id IN (SELECT public.my_client_ids()));

CREATE POLICY plans_of_coach ON public.coach_plans
USING (coach_id = (SELECT public.my_coach_id()));
CREATE POLICY plans_of_client ON public.coach_plans FOR SELECT
USING (client_id = (SELECT public.current_person()));

CREATE POLICY workouts_self ON public.user_workouts
USING (user_id = (SELECT public.current_person()));
CREATE POLICY workouts_of_coach ON public.user_workouts FOR SELECT
USING (user_id IN (SELECT public.my_client_ids()));

CREATE POLICY metrics_self ON public.daily_metrics
USING (user_id = (SELECT public.current_person()));
CREATE POLICY metrics_of_coach ON public.daily_metrics FOR SELECT
USING (user_id IN (SELECT public.my_client_ids()));

-- Rights. The service role passes every policy and owns nothing; people get at rows through the policies above.
DO $do$
DECLARE
    v_app text := coalesce(nullif(current_setting('coaching.app_role', true), ''), 'coaching_app');
    v_service text := coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service');
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY[
        'users', 'coaches', 'professional_packages', 'coach_clients', 'professional_package_subscriptions', 'payments',
        'user_targets', 'coach_plans', 'user_workouts', 'daily_metrics'
    ]
    LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format('CREATE POLICY service ON public.%I TO %I USING (true)', v_table, v_service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO %I, %I', v_table, v_app, v_service);
    END LOOP;
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON public.payments FROM %I', v_app);
    EXECUTE format('REVOKE INSERT, DELETE ON public.users, public.coaches FROM %I', v_app);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I, %I', v_app, v_service);
END
$do$;
