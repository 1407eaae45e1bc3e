"""validate_partitions: one row a finding, with the statement that mends it."""

from __future__ import annotations

import pytest

MADE = """
CREATE TABLE public.m (at date NOT NULL, id int) PARTITION BY RANGE (at);
CREATE INDEX ON public.m (id);
SELECT lifecycle.manage_partitions('public.m', '1 month', premake => 1);
SELECT lifecycle.ensure_future_partitions();
"""


def findings(database):
    return database.execute("SELECT finding, severity, remedy FROM lifecycle.validate_partitions('public.m')")


@pytest.fixture
def metrics(database):
    database.execute("SET timezone = 'UTC';" + MADE)
    return database


def newest(database):
    return database.value("SELECT max(relid::regclass::text) FROM pg_partition_tree('public.m') WHERE isleaf")


@pytest.mark.parametrize(
    ("damage", "finding", "severity"),
    [
        ("ALTER TABLE {leaf} OWNER TO {role}", "another owner than its parent", "warning"),
        ("ALTER TABLE public.m ENABLE ROW LEVEL SECURITY", "no row security, unlike its parent", "error"),
        ("CREATE POLICY x ON public.m USING (id > 0)", "lacks a policy of its parent", "warning"),
        ("GRANT SELECT ON {leaf} TO {role}", "grants more than its parent", "error"),
        ("ALTER TABLE public.m REPLICA IDENTITY FULL", "another replica identity than its parent", "warning"),
        ("DROP TABLE {leaf}", "lacks partitions ahead", "error"),
        (
            "CREATE TABLE public.old PARTITION OF public.m FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
            "has a gap between its partitions",
            "warning",
        ),
    ],
)
def test_found_and_mended(metrics, roles, damage, finding, severity):
    assert findings(metrics) == []
    metrics.execute(damage.format(leaf=newest(metrics), role=roles("other")))
    found = findings(metrics)
    assert {row[:2] for row in found} == {(finding, severity)}
    for _, _, remedy in found:
        metrics.execute(remedy)
    assert findings(metrics) == []


def test_what_takes_a_decision(metrics):
    metrics.execute(
        "CREATE TABLE public.rest PARTITION OF public.m DEFAULT; INSERT INTO public.m VALUES ('1999-01-01')"
    )
    assert findings(metrics) == [("the default partition is not empty", "warning", None)]
    metrics.execute("DROP TABLE public.rest; CREATE INDEX late ON ONLY public.m (at)")
    assert findings(metrics) == [("is not valid", "error", None)]
