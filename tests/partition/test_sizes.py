"""check_partition_sizes: every leaf at any depth, its bounds, its share."""

from __future__ import annotations

import pytest

from harness.calls import call

SIZES = (
    "SELECT parent_name, partition_name, lower_bound, upper_bound FROM lifecycle.check_partition_sizes()"
    " ORDER BY parent_name, partition_name"
)


def test_bounds_and_parent_at_any_depth(database):
    database.execute(
        "CREATE TABLE a (d date, k int) PARTITION BY RANGE (d);"
        "CREATE TABLE a_1 PARTITION OF a FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY HASH (k);"
        "CREATE TABLE a_1_0 PARTITION OF a_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "CREATE TABLE a_2 PARTITION OF a FOR VALUES FROM ('2026-02-01') TO (MAXVALUE);"
        "CREATE TABLE a_rest PARTITION OF a DEFAULT;"
        "CREATE TABLE b (k text, n int) PARTITION BY LIST (k); CREATE TABLE b_x PARTITION OF b FOR VALUES IN ('x');"
        "CREATE TABLE c (k text, n int) PARTITION BY RANGE (k, n);"
        "CREATE TABLE c_1 PARTITION OF c FOR VALUES FROM ('it''s) TO (', 1) TO ('zz', MAXVALUE);"
        "CREATE TABLE e (k text) PARTITION BY RANGE (k);"
        "CREATE TABLE e_1 PARTITION OF e FOR VALUES FROM ('it''s') TO ('o) TO (')"
    )
    assert database.execute(SIZES) == [
        ("a", "a_1_0", "2026-01-01", "2026-02-01"),
        ("a", "a_2", "2026-02-01", "MAXVALUE"),
        ("a", "a_rest", None, None),
        ("b", "b_x", None, None),
        ("c", "c_1", "'it''s) TO (', 1", "'zz', MAXVALUE"),
        ("e", "e_1", "it's", "o) TO ("),
    ]
    below = "SELECT parent_schema, parent_name, partition_name FROM lifecycle.check_partition_sizes('a_1')"
    assert database.execute(below) == [("public", "a_1", "a_1_0")]


def test_sizes_share_and_alert(database):
    database.execute(
        "CREATE TABLE m (id int, d date, note text) PARTITION BY RANGE (d); CREATE INDEX ON m (id);"
        "SELECT lifecycle.create_partition('m', '2026-01-01', '2026-02-01');"
        "SELECT lifecycle.create_partition('m', '2026-02-01', '2026-03-01');"
        "INSERT INTO m SELECT n, '2026-01-02', repeat('x', 100) FROM generate_series(1, 3000) AS n; ANALYZE m"
    )
    (large, small) = database.execute(
        "SELECT partition_name, row_estimate, size_bytes, size_gb, share, alert"
        " FROM lifecycle.check_partition_sizes(alert_bytes => 100000)"
    )
    assert large[:2] == ("m_2026_01", 3000)
    assert large[2] == database.value("SELECT pg_total_relation_size('m_2026_01')")
    assert float(large[3]) == pytest.approx(large[2] / 2**30, abs=1e-6)
    assert float(large[4] + small[4]) == pytest.approx(100, abs=0.02)
    assert (large[5], small[5]) == (True, False)
    assert small[1] in (0, None)
    assert database.execute("SELECT * FROM lifecycle.check_partition_sizes() WHERE size_gb > 10 OR alert") == []


def test_estimate_follows_the_size(database):
    database.execute(
        "CREATE TABLE m (d date) PARTITION BY RANGE (d); SELECT lifecycle.create_monthly_partition('m', 2026, 1);"
        "INSERT INTO m SELECT '2026-01-02' FROM generate_series(1, 10000); ANALYZE m;"
        "INSERT INTO m SELECT '2026-01-02' FROM generate_series(1, 10000)"
    )
    estimate = database.value("SELECT row_estimate FROM lifecycle.check_partition_sizes('m')")
    assert 19000 < estimate < 21000


def test_application_roles_may_look(database, roles):
    web = roles("web")
    database.execute(f"CREATE TABLE m (d date) PARTITION BY RANGE (d); SELECT lifecycle.grant_lifecycle_use('{web}')")
    call(database, "create_monthly_partition", parent="m", year=2026, month=1)
    rows = database.connect(web).execute("SELECT * FROM lifecycle.check_partition_sizes()").fetchall()
    assert len(rows) == 1
