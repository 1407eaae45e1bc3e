"""Runs the tests on every PostgreSQL that can be had on this machine, through tox, and sums up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from pg_lifecycle.bundle import ROOT
from pg_lifecycle.server import Host, available_hosts

MAJORS = (15, 16, 17, 18, 19)
# Not released yet: run where it can be had, reported, never in the way.
OPTIONAL = frozenset({19})
CHECKS = ("lint", "security")


@dataclass
class Report:
    """What pytest reported: counts (passed, failed, skipped), skipped tests by reason, what each failed one said."""

    counts: dict[str, int] = field(default_factory=lambda: {"passed": 0, "failed": 0, "skipped": 0})
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What one tox environment did: its exit code, its seconds, and the report of its tests where it wrote one."""

    env: str
    code: int
    seconds: float
    report: Report | None = None

    @property
    def is_required(self) -> bool:
        """Whether a failure here fails the run."""
        return self.env not in {f"pg{major}" for major in OPTIONAL}


def host_for(major: int, hosts: Sequence[Host] | None = None) -> Host | None:
    """The first usable host with that major: a container, else this machine's binaries, else the embedded wheel."""
    known = available_hosts() if hosts is None else hosts
    return next((host for host in known if host.usable and host.major == major), None)


def run(envs: Sequence[str] = (), root: Path = ROOT) -> int:
    """Runs tox environments (default: the checks and every major that can be had); returns the exit code."""
    hosts = available_hosts()
    print("What will run:")
    for major in MAJORS:
        print(f"  pg{major}: {_plan(major, hosts)}")
    chosen = list(envs) or [*CHECKS, *(f"pg{major}" for major in MAJORS if host_for(major, hosts))]
    outcomes = [_tox(env, root) for env in chosen]
    print("\n" + summary(outcomes))
    if not envs and not any(host_for(major, hosts) for major in MAJORS):
        print("No PostgreSQL could be had, so nothing was tested.")
        return 1
    return int(any(outcome.code for outcome in outcomes if outcome.is_required))


def main(arguments: Sequence[str]) -> int:
    """Runs pytest on the server for PG_LIFECYCLE_MAJOR; PG_LIFECYCLE_SERVER, where it is set, goes before."""
    major = os.environ.get("PG_LIFECYCLE_MAJOR")
    environment = dict(os.environ)
    if major and not environment.get("PG_LIFECYCLE_SERVER"):
        host = host_for(int(major))
        if host is None:
            print(f"PostgreSQL {major}: {_plan(int(major), available_hosts())}")
            return 1
        environment["PG_LIFECYCLE_SERVER"] = host.spec
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environment, check=False).returncode


def summary(outcomes: Sequence[Outcome]) -> str:
    """Every reason for a skip with its tests, every failed test, and the table, which decides, at the end."""
    lines = []
    for outcome in outcomes:
        for reason, tests in sorted(outcome.report.skipped.items() if outcome.report else ()):
            lines.append(f"{outcome.env} skipped {len(tests)}: {reason}")
            lines += [f"    {test}" for test in sorted(tests)]
    for outcome in outcomes:
        lines += failures(outcome.env, outcome.report)
    lines.append(f"{'':10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for outcome in outcomes:
        counts = outcome.report.counts if outcome.report else {}
        passed, failed, skipped = (counts.get(key, "-") for key in ("passed", "failed", "skipped"))
        verdict = "ok" if outcome.code == 0 else "FAILED" if outcome.is_required else "failed, allowed to"
        lines.append(f"{outcome.env:10}{passed:>8}{failed:>8}{skipped:>9}{outcome.seconds:>9.0f}  {verdict}")
    return "\n".join(lines)


def failures(env: str, report: Report | None) -> list[str]:
    """A line for each failed test of an environment: its name, and the first line of what it said."""
    return [f"{env} failed: {test}: {said}" for test, said in sorted(report.failed.items())] if report else []


def read_report(path: Path) -> Report:
    """Reads a JUnit report of pytest."""
    report = Report()
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314  (our own report)
        name = f"{case.get('classname')}::{case.get('name')}"
        verdict, said = _verdict(case)
        report.counts[verdict] += 1
        if verdict == "skipped":
            report.skipped[said].append(name)
        elif verdict == "failed":
            report.failed[name] = said
    return report


def _verdict(case: ElementTree.Element) -> tuple[str, str]:
    for tag, verdict in (("skipped", "skipped"), ("failure", "failed"), ("error", "failed")):
        element = case.find(tag)
        if element is not None:
            return verdict, ((element.get("message") or "").splitlines() or ["no reason"])[0]
    return "passed", ""


def _plan(major: int, hosts: Sequence[Host]) -> str:
    host = host_for(major, hosts)
    if host is not None:
        return f"{host.spec} ({host.note})" + (", may fail" if major in OPTIONAL else "")
    reasons = [f"{host.spec}: {host.note}" for host in hosts if host.major == major]
    return "not run. " + ("; ".join(reasons) or "no host offers it")


def _tox(env: str, root: Path) -> Outcome:
    report = root / ".tox/reports" / f"{env}.xml"
    report.unlink(missing_ok=True)
    print(f"\n=== {env}", flush=True)
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "tox", "run", "-e", env], cwd=root, check=False).returncode
    outcome = Outcome(env, code, time.monotonic() - began)
    if report.is_file():
        outcome.report = read_report(report)
    return outcome
