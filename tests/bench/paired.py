"""Paired timing: two ways of doing the same work, in turns, in one run.

A single timing on a shared machine says little; the ratio of two that took turns says much. Nothing here asserts:
figures are for people, a test that depends on time would only be switched off one day.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Ratio:
    """The outcome of a pair: seconds of each round, ours and the other's."""

    title: str
    ours: list[float]
    other: list[float]
    goal: str
    processor: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    @property
    def median(self) -> float:
        """The median of the rounds' ratios, ours / other."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.ours, self.other, strict=True))

    @property
    def best(self) -> float:
        """The ratio of the two fastest rounds, ours / other."""
        return min(self.ours) / min(self.other)

    def __str__(self) -> str:
        line = (
            f"{self.title:<60} {statistics.median(self.ours) * 1000:>10.1f} ms"
            f" {statistics.median(self.other) * 1000:>10.1f} ms   ratio {self.median:6.2f} (best {self.best:6.2f})"
            f"   goal {self.goal}"
        )
        ours, other = self.processor
        if not ours:
            return line
        mine, theirs = statistics.median(ours), statistics.median(other)
        return (
            f"{line}\n{'  processor time of the session alone':<60} {mine * 1000:>10.1f} ms {theirs * 1000:>10.1f} ms"
            f"   ratio {mine / theirs:8.4f} (best {min(ours) / min(other):8.4f})"
        )


def processor_clock(pid: int, database: str) -> Callable[[], float] | None:
    """The processor time of a session's server process, where Linux tells it: a busy machine does not lengthen it.

    Args:
        pid: what pg_backend_pid() says; inside a container another process has this number.
        database: by whose name the process is known again.

    Returns:
        A clock in seconds; None where there is none.
    """
    process = Path("/proc") / str(pid)
    try:
        title = (process / "cmdline").read_bytes().decode(errors="replace")
        (process / "schedstat").read_text()
    except OSError:
        return None
    if not title.startswith("postgres") or f" {database} " not in title:
        return None
    return lambda: int((process / "schedstat").read_text().split()[0]) / 1e9


def paired(
    title: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    *,
    goal: str,
    rounds: int = 7,
    before: Callable[[], object] = lambda: None,
    processor: Callable[[], float] | None = None,
) -> Ratio:
    """Times `ours` and `other` in turns and prints the ratio.

    Args:
        title: what is compared, with sizes.
        ours: the work done our way.
        other: the same work done by the rival or by raw statements.
        goal: the goal in words, printed beside the figure.
        rounds: how many pairs; which of the two comes first alternates.
        before: run before each timed call and not timed (to bring the data back).
        processor: a second clock, from `processor_clock`, for a machine that has other things to do.

    Returns:
        The ratio; also printed.
    """
    times: tuple[list[float], list[float]] = ([], [])
    worked: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            before()
            spent = processor() if processor else 0.0
            begin = time.perf_counter()
            (ours, other)[which]()
            times[which].append(time.perf_counter() - begin)
            if processor:
                worked[which].append(processor() - spent)
    result = Ratio(title, times[0], times[1], goal, worked)
    print(result, flush=True)
    return result
