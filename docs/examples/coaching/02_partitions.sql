-- A partition of daily_metrics for each month: twelve before the anchor, and three ahead.
-- Both calls are idempotent: what stands is reported as `skipped`.
SELECT r.action, r.object, r.status
FROM generate_series(
    date_trunc('month', coalesce(nullif(current_setting('coaching.anchor_month', true), '')::date, current_date))
    - interval '12 months',
    date_trunc('month', coalesce(nullif(current_setting('coaching.anchor_month', true), '')::date, current_date)),
    interval '1 month'
) AS m (month)
CROSS JOIN LATERAL lifecycle.create_monthly_partition('public.daily_metrics', m.month::date) AS r
ORDER BY m.month, r.step;

SELECT r.action, r.object, r.status
FROM lifecycle.ensure_future_partitions(3, 'public.daily_metrics') AS r;
