"""The coaching system: its files run in order at a small size, and every point of its test plan is asserted.

The system is built once a module and cloned for each test. Roles have unique names, handed to the files as settings.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from harness.databases import Database, Databases, run
from pg_lifecycle.server import Server

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "coaching"
ANCHOR = date(2026, 5, 1)
SIZES = {"daily_metrics": 5000, "users": 120, "coaches": 12}
RPCS = {
    "professional_packages": ("soft_delete_professional_package", "package_id"),
    "coach_clients": ("soft_delete_coach_client", "coach_client_id"),
    "professional_package_subscriptions": ("soft_delete_professional_package_subscription", "subscription_id"),
    "user_targets": ("soft_delete_user_target", "target_id"),
    "coach_plans": ("soft_delete_coach_plan", "plan_id"),
    "user_workouts": ("soft_delete_user_workout", "workout_id"),
}
VIEWS = {
    "mv_coach_performance_stats",
    "mv_user_health_metrics_summary",
    "mv_package_performance_stats",
    "mv_user_target_achievement",
}


def text(name: str) -> str:
    """A file of the example."""
    return (EXAMPLE / f"{name}.sql").read_text(encoding="utf-8")


@dataclass
class System:
    """A database with the system, or a part of it, and the roles that live in it."""

    database: Database
    roles: dict[str, str]
    settings: dict[str, object] = field(default_factory=dict)

    def connect(self, who: str = "owner", person: str | None = None) -> psycopg.Connection:
        """A session of the owner, of the application in a person's name, or of the service."""
        given = {"coaching.anchor_month": ANCHOR} | {f"coaching.{k}": v for k, v in SIZES.items()} | self.settings
        given |= {f"coaching.{role}_role": name for role, name in self.roles.items()}
        if person:
            given["request.jwt.claims"] = json.dumps({"sub": person}, separators=(",", ":"))
        options = " ".join(f"-c {name}={value}" for name, value in given.items())
        connection = psycopg.connect(
            make_conninfo(self.database.dsn(self.roles[who]), options=options), autocommit=True
        )
        self.database._connections.append(connection)
        return connection

    def run(self, *names: str) -> list[tuple[Any, ...]]:
        """Runs files as the owner, one transaction a file; returns the rows of the last statement."""
        rows: list[tuple[Any, ...]] = []
        for name in names:
            with self.connect() as connection:
                rows = run(connection, text(name))
        return rows

    def value(self, statement: str, params: list[Any] | None = None) -> Any:
        """One value, read by the superuser."""
        return self.database.value(statement, params)

    def some(self, table: str) -> Any:
        """The id of some live row."""
        return self.value(f"SELECT min(id::text) FROM public.{table} WHERE deleted_at IS NULL")


@pytest.fixture(scope="module")
def stages(server: Server, databases: tuple[Databases, str]) -> Iterator[dict[str, System]]:
    """The system at three points: roles alone; tables and data; everything."""
    maker = Databases(server, f"coaching_{secrets.token_hex(3)}")
    roles = {role: f"coaching_{role}_{secrets.token_hex(3)}" for role in ("owner", "app", "service")}
    for name in roles.values():
        server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    try:
        bare = System(maker.make(databases[1]), roles)
        bare.database.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (bare.database.name, roles["owner"])))
        )
        bare.database.execute("SELECT lifecycle.grant_lifecycle_admin(%s)", [roles["owner"]])
        plain = System(owned(bare), roles)
        plain.run("01_schema", "02_partitions", "03_data")
        whole = System(owned(plain), roles)
        whole.run("04_soft_delete", "05_materialized_views", "06_api", "07_maintenance")
        yield {"bare": bare, "plain": plain, "whole": whole}
    finally:
        maker.close()
        for name in roles.values():
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def owned(system: System) -> Database:
    """A clone, owned like the original (CREATE DATABASE makes its caller the owner)."""
    copy = system.database.clone()
    copy.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (copy.name, system.roles["owner"])))
    )
    return copy


@pytest.fixture
def at(stages: dict[str, System]) -> Iterator[Callable[..., System]]:
    """``at("whole")``: a copy of the system at that point, for one test."""
    made: list[Database] = []

    def clone(stage: str, **settings: object) -> System:
        copy = owned(stages[stage])
        made.append(copy)
        return System(copy, stages[stage].roles, {f"coaching.{k}": v for k, v in settings.items()})

    yield clone
    for database in made:
        database.close()


@pytest.fixture
def coaching(at: Callable[..., System]) -> System:
    """The whole system."""
    return at("whole")


def one(connection: psycopg.Connection, statement: str, params: list[Any] | None = None) -> Any:
    ((value,),) = run(connection, statement, params)
    return value


# Soft delete


@pytest.mark.parametrize("table", RPCS)
def test_rpc_marks_the_row_and_the_active_view_leaves_it_out(coaching: System, table: str) -> None:
    rpc, argument = RPCS[table]
    key = coaching.some(table)
    with coaching.connect("service") as service:
        answer = one(service, f"SELECT {rpc}({argument} => %s)", [key])
        assert {"status": "deleted", argument: key}.items() <= answer.items()
        assert one(service, f"SELECT deleted_at IS NOT NULL FROM {table} WHERE id = %s", [key])
        assert one(service, f"SELECT count(*) FROM active_{table} WHERE id = %s", [key]) == 0
        live, deleted = run(service, "SELECT active, deleted FROM soft_delete_stats() WHERE table_name = %s", [table])[
            0
        ]
        assert one(service, f"SELECT count(*) FROM active_{table}") == live
        assert one(service, f"SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL") == deleted > 0


@pytest.mark.parametrize("table", RPCS)
def test_update_restores(coaching: System, table: str) -> None:
    rpc, argument = RPCS[table]
    key = coaching.some(table)
    with coaching.connect("service") as service:
        before = run(service, f"SELECT * FROM {table} ORDER BY id")
        run(service, f"SELECT {rpc}({argument} => %s)", [key])
        run(service, f"UPDATE {table} SET deleted_at = NULL WHERE id = %s", [key])
        assert one(service, f"SELECT count(*) FROM active_{table} WHERE id = %s", [key]) == 1
        assert run(service, f"SELECT * FROM {table} ORDER BY id") == before


def test_a_column_that_stood_is_adopted_with_its_values(at: Callable[..., System]) -> None:
    plain, whole = at("plain"), at("whole")
    for table in ("professional_packages", "coach_clients"):
        query = f"SELECT id, deleted_at FROM public.{table} ORDER BY id"
        assert plain.database.execute(query) == whole.database.execute(query)
        assert (
            whole.value(f"SELECT pg_typeof(deleted_at)::text FROM public.{table} LIMIT 1")
            == "timestamp without time zone"
        )
    assert (
        whole.value("SELECT pg_typeof(deleted_at)::text FROM public.user_targets LIMIT 1") == "timestamp with time zone"
    )


def test_foreign_keys_stay_unbroken(coaching: System) -> None:
    subscribed = "SELECT package_id FROM professional_package_subscriptions"
    with coaching.connect("service") as service:
        for table, (rpc, argument) in RPCS.items():
            run(service, f"SELECT {rpc}({argument} => %s)", [coaching.some(table)])
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            run(service, f"DELETE FROM professional_packages WHERE id IN ({subscribed})")
    keys = coaching.database.execute(
        "SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, c.convalidated"
        " FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND c.conparentid = 0"
    )
    assert len(keys) >= 13
    for child, column, parent, validated in keys:
        assert validated
        orphans = f"SELECT count(*) FROM {child} AS c LEFT JOIN {parent} AS p ON p.id = c.{column}"
        assert coaching.value(f"{orphans} WHERE c.{column} IS NOT NULL AND p.id IS NULL") == 0, (child, column)


# Row security


def coach_with_clients(system: System) -> tuple[str, str, str]:
    """A coach with a package and an active client: ids of the coach, of the coach as a user, of a package of theirs."""
    rows = system.database.execute(
        "SELECT c.id::text, c.user_id::text, p.id::text FROM coaches AS c"
        " JOIN professional_packages AS p ON p.coach_id = c.id AND p.deleted_at IS NULL"
        " JOIN coach_clients AS r ON r.coach_id = c.id AND r.deleted_at IS NULL AND r.status = 'active'"
        " JOIN daily_metrics AS m ON m.user_id = r.client_id"
        " JOIN professional_package_subscriptions AS s ON s.package_id = p.id ORDER BY p.id LIMIT 1"
    )
    return rows[0]


def test_a_coach_deletes_and_restores_own_packages_alone(coaching: System) -> None:
    coach, person, package = coach_with_clients(coaching)
    foreign = coaching.value(
        "SELECT min(id::text) FROM professional_packages WHERE coach_id <> %s AND deleted_at IS NULL", [coach]
    )
    user = coaching.value("SELECT min(id::text) FROM users WHERE id NOT IN (SELECT user_id FROM coaches)")
    with coaching.connect("app", person) as app, coaching.connect("app", user) as reader:
        seen = "SELECT count(*) FROM professional_packages WHERE id = %s"
        assert one(reader, seen, [package]) == 1
        assert one(app, "SELECT soft_delete_professional_package(package_id => %s)", [package])["status"] == "deleted"
        assert one(app, seen, [package]) == 1, "the coach still finds it in the table"
        assert one(app, "SELECT count(*) FROM active_professional_packages WHERE id = %s", [package]) == 0
        assert one(reader, seen, [package]) == 0, "the catalogue does not show it"
        run(app, "UPDATE professional_packages SET deleted_at = NULL WHERE id = %s", [package])
        assert one(reader, seen, [package]) == 1
        for stranger, other in ((app, foreign), (reader, package)):
            answer = one(stranger, "SELECT soft_delete_professional_package(package_id => %s)", [other])
            assert answer["status"] == "not_found"
    assert coaching.value(
        "SELECT bool_and(deleted_at IS NULL) FROM professional_packages WHERE id = ANY (%s)", [[package, foreign]]
    )


def test_active_views_obey_row_security(coaching: System) -> None:
    _, person, _ = coach_with_clients(coaching)
    tables = [t for t in RPCS if t != "professional_packages"]
    with coaching.connect("app", person) as app:
        for table in tables:
            visible = one(app, f"SELECT count(*) FROM {table} WHERE deleted_at IS NULL")
            assert one(app, f"SELECT count(*) FROM active_{table}") == visible
            assert visible < coaching.value(f"SELECT count(*) FROM {table} WHERE deleted_at IS NULL"), table
    with coaching.connect("app") as nobody:
        assert all(one(nobody, f"SELECT count(*) FROM active_{table}") == 0 for table in tables)


def test_deleting_the_relation_ends_the_access_of_the_coach(coaching: System) -> None:
    coach, person, _ = coach_with_clients(coaching)
    client = coaching.value(
        "SELECT min(r.client_id::text) FROM coach_clients AS r JOIN daily_metrics AS m ON m.user_id = r.client_id"
        " WHERE r.coach_id = %s AND r.status = 'active' AND r.deleted_at IS NULL",
        [coach],
    )
    metrics = "SELECT count(*) FROM daily_metrics WHERE user_id = %s"
    with coaching.connect("app", person) as app, coaching.connect("app", client) as own:
        assert one(app, metrics, [client]) == one(own, metrics, [client]) > 0
        relation = one(
            app, "SELECT id::text FROM active_coach_clients WHERE client_id = %s AND status = 'active'", [client]
        )
        run(app, "SELECT soft_delete_coach_client(coach_client_id => %s)", [relation])
        assert one(app, metrics, [client]) == 0
        assert one(own, metrics, [client]) > 0
        # the live key is partial: the two may start again
        run(app, "INSERT INTO coach_clients (coach_id, client_id) VALUES (%s, %s)", [coach, client])
        assert one(app, metrics, [client]) > 0


def test_people_read_their_own_figures_only(coaching: System) -> None:
    coach, person, _ = coach_with_clients(coaching)
    with coaching.connect("app", person) as app:
        assert [str(row[0]) for row in run(app, "SELECT coach_id FROM my_coach_performance_stats")] == [coach]
        assert {str(row[0]) for row in run(app, "SELECT user_id FROM my_health_metrics_summary")} == {person}
        for view in sorted(VIEWS):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                run(app, f"SELECT * FROM {view}")


# Partitions


def scanned(connection: psycopg.Connection, query: str) -> list[str]:
    """The relations that a plan reads."""
    plan = one(connection, f"EXPLAIN (FORMAT JSON) {query}")

    def walk(node: dict[str, Any]) -> Iterator[str]:
        if "Relation Name" in node:
            yield node["Relation Name"]
        for child in node.get("Plans", []):
            yield from walk(child)

    return sorted(set(walk(plan[0]["Plan"])))


def test_a_month_reads_one_partition(coaching: System) -> None:
    february = "SELECT * FROM daily_metrics WHERE recorded_date >= '2026-02-01' AND recorded_date < '2026-03-01'"
    with coaching.connect("service") as service:
        assert scanned(service, february) == ["daily_metrics_2026_02"]
        assert scanned(service, f"{february} AND user_id = '550e8400-e29b-41d4-a716-446655440000'") == [
            "daily_metrics_2026_02"
        ]
        assert (
            len(
                scanned(
                    service, "SELECT * FROM daily_metrics WHERE recorded_date BETWEEN '2026-01-15' AND '2026-03-15'"
                )
            )
            == 3
        )
        rows = one(service, f"SELECT count(*) FROM ({february}) AS f")
        assert (
            rows
            == one(service, "SELECT count(*) FROM daily_metrics WHERE to_char(recorded_date, 'YYYYMM') = '202602'")
            > 0
        )


def test_every_month_has_its_partition(coaching: System) -> None:
    bounds = coaching.database.execute(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)"
        " FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'daily_metrics'::regclass"
    )
    found = dict(bounds)
    months = [date(2025 + n // 12, n % 12 + 1, 1) for n in range(4, 18)]  # May 2025 to May 2026, and where that ends
    for month, following in pairwise(months):
        assert found[f"daily_metrics_{month:%Y_%m}"] == f"FOR VALUES FROM ('{month}') TO ('{following}')"
    assert coaching.value("SELECT count(DISTINCT tableoid) FROM daily_metrics") == 12


# The service role


def test_the_service_owns_nothing_and_calls_by_unqualified_names(coaching: System) -> None:
    owned_things = "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid = %s::regrole"
    assert coaching.value(owned_things, [coaching.roles["service"]]) == 0
    with coaching.connect("service") as service:
        refreshed = run(service, "SELECT view_name, refresh_time_ms, error FROM refresh_all_materialized_views()")
        assert {name for name, _, _ in refreshed} == VIEWS
        assert all(spent >= 0 and error is None for _, spent, error in refreshed)
        made = run(service, "SELECT * FROM create_monthly_daily_metrics_partition()")
        assert made == run(service, "SELECT * FROM create_monthly_daily_metrics_partition()") or len(made) > 0
        sizes = run(service, "SELECT partition_name, size_gb FROM check_partition_sizes()")
        assert len(sizes) >= 13
        assert all(size < 10 for _, size in sizes)


@pytest.mark.parametrize(
    "call", ["refresh_all_materialized_views", "create_monthly_daily_metrics_partition", "check_partition_sizes"]
)
def test_nobody_else_may_call_them(coaching: System, call: str) -> None:
    with coaching.connect("app") as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(app, f"SELECT * FROM {call}()")


def test_next_months_partition_is_made_once(coaching: System) -> None:
    following = coaching.value("SELECT 'daily_metrics_' || to_char(current_date + interval '1 month', 'YYYY_MM')")
    coaching.database.execute(f"DROP TABLE {following}")
    with coaching.connect("service") as service:
        for _ in range(2):
            run(service, "SELECT * FROM create_monthly_daily_metrics_partition()")
    assert coaching.value("SELECT count(*) FROM pg_inherits WHERE inhrelid = to_regclass(%s)", [following]) == 1


def test_weekly_and_monthly_rounds(coaching: System) -> None:
    with coaching.connect("service") as service:
        service.execute("LISTEN coaching_ops")
        assert not any(row[-1] for row in run(service, "SELECT * FROM weekly_partition_maintenance()"))
        large = run(service, "SELECT * FROM weekly_partition_maintenance(alert_above_gb => 0.00001)")
        alerts = [n.payload for n in service.notifies(timeout=0)]
        assert len(alerts) == sum(row[-1] for row in large) >= 12
        assert alerts[0].startswith("large partition: daily_metrics_")
        run(service, "SELECT * FROM refresh_all_materialized_views()")
        findings = run(service, "SELECT section, item, ok FROM monthly_maintenance_check()")
        assert {section for section, _, _ in findings} == {
            "partition size",
            "view freshness",
            "soft delete",
            "key query",
        }
        assert [item for _, item, ok in findings if not ok] == []


# Figures


def rounded(value: Decimal | None, digits: int) -> Decimal | None:
    return None if value is None else value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def mean(values: list[Any]) -> Decimal | None:
    known = [Decimal(v) for v in values if v is not None]
    return sum(known) / len(known) if known else None


class Recount:
    """The four views computed in Python, row by row, from the tables."""

    def __init__(self, system: System) -> None:
        def rows(query: str) -> list[dict[str, Any]]:
            with (
                system.database.connect() as connection,
                connection.cursor(row_factory=psycopg.rows.dict_row) as cursor,
            ):
                return cursor.execute(query).fetchall()

        self.users = rows("SELECT * FROM users")
        self.coaches = rows("SELECT * FROM coaches")
        self.packages = rows("SELECT * FROM professional_packages")
        self.clients = rows("SELECT * FROM coach_clients WHERE deleted_at IS NULL AND status = 'active'")
        self.subscriptions = rows("SELECT * FROM professional_package_subscriptions")
        self.payments = rows("SELECT * FROM payments WHERE status = 'completed'")
        self.targets = rows("SELECT * FROM user_targets WHERE deleted_at IS NULL")
        self.workouts = rows("SELECT * FROM user_workouts WHERE deleted_at IS NULL")
        self.metrics: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for row in rows("SELECT * FROM daily_metrics"):
            self.metrics[row["user_id"]].append(row)

    def mv_coach_performance_stats(self) -> Iterator[tuple[Any, ...]]:
        coach_of = {p["id"]: p["coach_id"] for p in self.packages}
        paid_to = {s["id"]: coach_of[s["package_id"]] for s in self.subscriptions}
        for coach in (c["id"] for c in self.coaches):
            likes = [p["likes_count"] for p in self.packages if p["coach_id"] == coach and p["deleted_at"] is None]
            running = [s for s in self.subscriptions if s["deleted_at"] is None and s["status"] == "active"]
            yield (
                coach,
                sum(c["coach_id"] == coach for c in self.clients),
                len(likes),
                sum(likes),
                rounded(mean(likes), 2),
                sum(coach_of[s["package_id"]] == coach for s in running),
                sum((p["amount"] for p in self.payments if paid_to[p["subscription_id"]] == coach), Decimal(0)),
            )

    def mv_user_health_metrics_summary(self) -> Iterator[tuple[Any, ...]]:
        for user in (u["id"] for u in self.users):
            days = self.metrics[user]
            weeks: dict[Any, int] = defaultdict(int)
            for day in days:
                weeks[day["recorded_date"].isocalendar()[:2]] += day["calories_burned"]
            yield (
                user,
                len(days),
                max((d["recorded_date"] for d in days), default=None),
                rounded(mean(list(weeks.values())), 1),
                rounded(mean([w["duration_minutes"] for w in self.workouts if w["user_id"] == user]), 1),
                rounded(mean([d["sleep_hours"] for d in days]), 2),
                sum(d["workout_minutes"] > 0 for d in days),
            )

    def mv_package_performance_stats(self) -> Iterator[tuple[Any, ...]]:
        paying = {p["subscription_id"] for p in self.payments}
        for package in (p for p in self.packages if p["deleted_at"] is None):
            sold = [s for s in self.subscriptions if s["package_id"] == package["id"] and s["deleted_at"] is None]
            yield (
                package["id"],
                package["coach_id"],
                package["name"],
                len(sold),
                rounded(mean([100 * (s["id"] in paying) for s in sold]), 1),
                package["likes_count"],
                sum(s["status"] == "active" for s in sold),
                sum(s["status"] == "cancelled" for s in sold),
            )

    def mv_user_target_achievement(self) -> Iterator[tuple[Any, ...]]:
        for target in self.targets:
            first, last = target["start_date"], target["end_date"] or date.max
            days = [d for d in self.metrics[target["user_id"]] if first <= d["recorded_date"] <= last]
            tracked = [d for d in days if d[target["metric_type"]] is not None]
            achieved = mean([d[target["metric_type"]] for d in tracked])
            yield (
                target["id"],
                target["user_id"],
                target["metric_type"],
                target["target_value"],
                rounded(mean([d["calories_burned"] for d in days]), 1),
                rounded(achieved, 1),
                rounded(None if achieved is None else 100 * achieved / target["target_value"], 1),
                len(tracked),
                max((d["recorded_date"] for d in tracked), default=None),
            )


def test_materialized_views_equal_a_recount_after_changes(coaching: System) -> None:
    with coaching.connect("service") as service:
        for table, (rpc, argument) in RPCS.items():
            run(service, f"SELECT {rpc}({argument} => %s)", [coaching.some(table)])
        run(service, "DELETE FROM daily_metrics WHERE recorded_date >= '2026-04-20'")
        run(service, "SELECT * FROM refresh_all_materialized_views()")
        recount = Recount(coaching)
        for view in sorted(VIEWS):
            expected = set(getattr(recount, view)())
            assert set(run(service, f"SELECT * FROM {view}")) == expected, view
            assert len(expected) > 1, view


def test_the_data_is_the_same_everywhere(at: Callable[..., System]) -> None:
    digest = (
        "SELECT md5(string_agg(t::text, E'\\n' ORDER BY t.id)) FROM (SELECT id, user_id, recorded_date,"
        " calories_burned, workout_minutes, sleep_hours, steps FROM daily_metrics) AS t"
    )
    assert at("plain").value(digest) == "6ef8993598e6e270cb088d67930141c8"


def test_sizes_that_cannot_be_are_refused(at: Callable[..., System]) -> None:
    for sizes in ({"users": 12}, {"daily_metrics": 120 * 365 + 1}):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"need more|no room"):
            at("bare", **sizes).run("01_schema", "02_partitions", "03_data")


def test_the_verdict(coaching: System) -> None:
    verdict = coaching.run("08_verify")
    assert len(verdict) >= 13
    assert [row for row in verdict if not row[-1]] == []


# The way back


def test_rollback_brings_the_schema_back_and_loses_no_row(at: Callable[..., System]) -> None:
    plain, whole = at("plain"), at("whole")
    with whole.connect("service") as service:
        run(service, "SELECT soft_delete_professional_package(package_id => %s)", [whole.some("professional_packages")])
        run(service, "SELECT soft_delete_user_target(target_id => %s)", [whole.some("user_targets")])
        run(service, "UPDATE user_targets SET deleted_at = NULL")
    gone = whole.value("SELECT count(*) FROM professional_packages WHERE deleted_at IS NOT NULL")
    whole.run("09_rollback")
    assert tables_of(whole) == tables_of(plain)
    assert whole.value("SELECT count(*) FROM professional_packages WHERE deleted_at IS NOT NULL") == gone
    counts = "SELECT " + ", ".join(f"(SELECT count(*) FROM {t})" for t in [*RPCS, "daily_metrics", "payments", "users"])
    assert whole.database.execute(counts) == plain.database.execute(counts)


def tables_of(system: System) -> str:
    """The schema of what is the system's own."""
    return system.database.dump("--exclude-schema=lifecycle", schema_only=True)


def test_rollback_refuses_while_it_would_bring_deleted_rows_back(coaching: System) -> None:
    with coaching.connect("service") as service:
        run(service, "SELECT soft_delete_user_target(target_id => %s)", [coaching.some("user_targets")])
    with coaching.connect() as owner, pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refused:
        run(owner, "SELECT * FROM lifecycle.rollback_soft_delete('user_targets', dry_run => false)")
    assert "deleted_rows" in (refused.value.diag.message_hint or "")


def test_without_the_extension_no_soft_delete_becomes_a_real_one(coaching: System) -> None:
    rows = coaching.value("SELECT count(*) FROM professional_packages")
    live = coaching.value("SELECT count(*) FROM active_professional_packages")
    key = coaching.some("professional_packages")
    coaching.database.execute("DROP EXTENSION pg_lifecycle CASCADE")
    with coaching.connect("service") as service:
        answer = one(service, "SELECT soft_delete_professional_package(package_id => %s)", [key])
        assert answer["status"] == "deleted"
        assert one(service, "SELECT count(*) FROM active_professional_packages") == live - 1
        run(service, "UPDATE professional_packages SET deleted_at = NULL WHERE id = %s", [key])
        assert one(service, "SELECT count(*) FROM active_professional_packages") == live
        run(service, "DELETE FROM active_professional_packages WHERE id = %s", [key])
        assert one(service, "SELECT count(*) FROM professional_packages") == rows


def test_drop_leaves_an_empty_database(at: Callable[..., System]) -> None:
    whole = at("whole")
    whole.run("09_rollback", "10_drop")
    assert tables_of(whole) == tables_of(at("bare"))
