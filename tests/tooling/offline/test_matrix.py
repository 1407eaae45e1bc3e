"""What `make test` chooses and how it sums up."""

from pathlib import Path

import pytest

from pg_lifecycle import matrix
from pg_lifecycle.server import Host

ENGINE = [
    Host("docker:15", "docker", 15, True, "bookworm"),
    Host("docker:17", "docker", 17, False, "no engine"),
    Host("local", "local", 15, True, "15.20"),
    Host("embedded:16", "embedded", 16, True, "16.14"),
]

REPORT = """<testsuites><testsuite>
    <testcase classname="tests.core.test_a" name="test_passes"/>
    <testcase classname="tests.core.test_a" name="test_fails"><failure message="no&#10;more"/></testcase>
    <testcase classname="tests.core.test_a" name="test_errs"><error message="no"/></testcase>
    <testcase classname="tests.core.test_a" name="test_b"><skipped message="needs pg_cron"/></testcase>
    <testcase classname="tests.core.test_a" name="test_c"><skipped message="needs pg_cron"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(("major", "spec"), [(15, "docker:15"), (16, "embedded:16"), (17, None), (18, None)])
def test_a_container_goes_before_binaries_before_the_wheel(major: int, spec: str | None) -> None:
    host = matrix.host_for(major, ENGINE)
    assert (host.spec if host else None) == spec


def test_the_summary_names_what_was_skipped_and_what_failed_and_ends_with_the_counts(tmp_path: Path) -> None:
    path = tmp_path / "pg16.xml"
    path.write_text(REPORT)
    report = matrix.read_report(path)
    assert report.counts == {"passed": 1, "failed": 2, "skipped": 2}
    lines = matrix.summary(
        [matrix.Outcome("lint", 0, 3.0), matrix.Outcome("pg16", 1, 20.4, report), matrix.Outcome("pg19", 1, 1.0)]
    ).splitlines()
    assert lines[:5] == [
        "pg16 skipped 2: needs pg_cron",
        "    tests.core.test_a::test_b",
        "    tests.core.test_a::test_c",
        "pg16 failed: tests.core.test_a::test_errs: no",
        "pg16 failed: tests.core.test_a::test_fails: no",
    ]
    assert lines[5].split() == ["passed", "failed", "skipped", "seconds"]
    assert lines[6].split() == ["lint", "-", "-", "-", "3", "ok"]
    assert lines[7].split() == ["pg16", "1", "2", "2", "20", "FAILED"]
    assert lines[8].split() == ["pg19", "-", "-", "-", "1", "failed,", "allowed", "to"]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({}, 0),
        ({"pg15": 1}, 1),
        ({"pg19": 1}, 0),
        ({"lint": 1}, 1),
        ({"security": 1}, 1),
    ],
)
def test_only_the_unreleased_version_may_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], codes: dict[str, int], expected: int
) -> None:
    hosts = [*ENGINE, Host("docker:19", "docker", 19, True, "experimental")]
    monkeypatch.setattr(matrix, "available_hosts", lambda: hosts)
    ran: list[str] = []

    def tox(env: str, _: Path) -> matrix.Outcome:
        ran.append(env)
        return matrix.Outcome(env, codes.get(env, 0), 1.0)

    monkeypatch.setattr(matrix, "_tox", tox)
    assert matrix.run() == expected
    assert ran == ["lint", "security", "pg15", "pg16", "pg19"]
    said = capsys.readouterr().out
    assert "pg17: not run. docker:17: no engine" in said
    assert "pg19: docker:19 (experimental), may fail" in said


def test_without_any_server_the_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "available_hosts", list)
    monkeypatch.setattr(matrix, "_tox", lambda env, _: matrix.Outcome(env, 0, 1.0))
    assert matrix.run() == 1
