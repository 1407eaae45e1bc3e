-- Soft delete for six tables.
-- Each call adds what is missing (columns, an index, triggers), makes the view active_<table>, and the two functions
-- that the application calls by rpc. professional_packages and coach_clients have a column deleted_at already, with
-- values: it is adopted as it is.
-- Subscriptions, invoices and workouts stay when the package, subscription or plan that they refer to is deleted: they
-- are history. follow_foreign_keys => false says so; the default refuses as a DELETE does (23503).
-- Run it with `dry_run => true` first to read the statements; nothing else changes.
SELECT r.step, r.action, r.object, r.status
FROM lifecycle.enable_soft_delete(
    'public.professional_packages',
    rpc_name => 'soft_delete_professional_package', restore_rpc_name => 'restore_professional_package',
    rpc_argument => 'package_id',
    follow_foreign_keys => false
) AS r;

SELECT r.step, r.action, r.object, r.status
FROM lifecycle.enable_soft_delete(
    'public.coach_clients',
    rpc_name => 'soft_delete_coach_client', restore_rpc_name => 'restore_coach_client',
    rpc_argument => 'coach_client_id'
) AS r;

SELECT r.step, r.action, r.object, r.status
FROM lifecycle.enable_soft_delete(
    'public.professional_package_subscriptions',
    rpc_name => 'soft_delete_professional_package_subscription',
    restore_rpc_name => 'restore_professional_package_subscription',
    rpc_argument => 'subscription_id',
    follow_foreign_keys => false
) AS r;

SELECT r.step, r.action, r.object, r.status
FROM lifecycle.enable_soft_delete(
    'public.user_targets',
    rpc_name => 'soft_delete_user_target', restore_rpc_name => 'restore_user_target',
    rpc_argument => 'target_id'
) AS r;

SELECT r.step, r.action, r.object, r.status
FROM lifecycle.enable_soft_delete(
    'public.coach_plans',
    rpc_name => 'soft_delete_coach_plan', restore_rpc_name => 'restore_coach_plan',
    rpc_argument => 'plan_id',
    follow_foreign_keys => false
) AS r;

SELECT r.step, r.action, r.object, r.status
FROM lifecycle.enable_soft_delete(
    'public.user_workouts',
    rpc_name => 'soft_delete_user_workout', restore_rpc_name => 'restore_user_workout',
    rpc_argument => 'workout_id'
) AS r;
