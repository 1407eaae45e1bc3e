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
class Outcome:
    """What one tox environment did: its counts, its seconds, and the skipped tests by reason."""

    env: str
    code: int
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)

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
    """A table of what ran, and under it every reason for a skip with its tests."""
    lines = [f"{'':10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    for outcome in outcomes:
        numbers = [str(outcome.counts[key]) if outcome.counts else "-" for key in ("passed", "failed", "skipped")]
        verdict = "ok" if outcome.code == 0 else "FAILED" if outcome.is_required else "failed, allowed to"
        lines.append(f"{outcome.env:10}{numbers[0]:>8}{numbers[1]:>8}{numbers[2]:>9}{outcome.seconds:>9.0f}  {verdict}")
    for outcome in outcomes:
        for reason, tests in sorted(outcome.skipped.items()):
            lines.append(f"{outcome.env} skipped {len(tests)}: {reason}")
            lines += [f"    {test}" for test in sorted(tests)]
    return "\n".join(lines)


def read_report(path: Path) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Counts (passed, failed, skipped) and skipped tests by reason, from a JUnit report of pytest."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    skipped: dict[str, list[str]] = defaultdict(list)
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314  (our own report)
        name = f"{case.get('classname')}::{case.get('name')}"
        skip = case.find("skipped")
        if skip is not None:
            counts["skipped"] += 1
            skipped[skip.get("message") or "no reason"].append(name)
        elif case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        else:
            counts["passed"] += 1
    return counts, dict(skipped)


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
        outcome.counts, outcome.skipped = read_report(report)
    return outcome
