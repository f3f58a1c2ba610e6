"""Kill processes that carry out durable stories with -9, and check that no run is lost and no record is ignored."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.kill.options import positive
from tests.kill.program import kept, run_program
from tests.kill.stories.cases import cases, in_random_order, problems_of_cases
from tests.kill.stories.faults import FAULTS
from tests.kill.stories.laws import Figures, figures, problems
from tests.kill.stories.matrix import matrix
from tests.kill.stories.setups import DATABASES, DatabaseName, Setup, missing, opened
from tests.kill.stories.storm import storm

KILLS: Final = 150
PARTS: Final = ("matrix", "storm")


def main(arguments: Sequence[str]) -> int:
    """Return 0 where all is well, 1 where a problem was found, 2 where nothing could run."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else Random().randrange(1_000_000)
    databases: Sequence[DatabaseName] = options.database or DATABASES
    parts: Sequence[str] = options.part or PARTS
    codes = [_run(name, part, options, seed) for name in databases for part in parts]
    return 1 if 1 in codes else min(codes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kill.stories",
        description=__doc__,
        epilog="It ends with 0 where all is well, 1 where a problem was found, 2 where nothing could run.",
    )
    parser.add_argument(
        "--database", action="append", choices=DATABASES, help="where runs are recorded; can be repeated; default: both"
    )
    part = (
        "matrix: a process dies at each place of each step; storm: processes that carry out 25 runs at once are killed "
        "at random; can be repeated; default: both"
    )
    parser.add_argument("--part", action="append", choices=PARTS, help=part)
    kills = f"end each storm after so many kills; default: {KILLS}, or no limit where --seconds is given"
    parser.add_argument("--kills", type=positive(int), metavar="NUMBER", help=kills)
    seconds = "end each part after so long; of the matrix, places are chosen at random"
    parser.add_argument("--seconds", type=positive(float), help=seconds)
    seed = "choose whom to kill as an earlier run with this seed did; the timing of processes differs each time"
    parser.add_argument("--seed", type=int, help=seed)
    fault = "plant a fault, which should be found: the run should end with 1"
    parser.add_argument("--fault", choices=FAULTS, help=fault)
    return parser


def _run(name: DatabaseName, part: str, options: argparse.Namespace, seed: int) -> int:
    fault = [options.fault] if options.fault else []
    title = ", ".join([f"durable stories on {name}", part, f"seed {seed}", *fault])
    print(f"== {title} ==", flush=True)
    if reason := missing(name):
        print(f"not run: {reason}")
        return 2
    began, random = time.monotonic(), Random(seed)
    with opened(name, options.fault) as setup:
        found = _matrix(setup, options, random) if part == "matrix" else _storm(setup, options, random)
        lines = setup.lines()
        found += problems(lines, setup.recorded())
        if found and not options.fault:
            print(f"kept: ledger, logs and what else there was in {kept(setup.folder)}")
    print("\n".join(_report(figures(lines), time.monotonic() - began)))
    print("\n".join(f"PROBLEM: {problem}" for problem in found) or "0 problems", flush=True)
    return 1 if found else 0


def _matrix(setup: Setup, options: argparse.Namespace, random: Random) -> list[str]:
    chosen = cases()
    if options.seconds is not None:
        chosen = in_random_order(chosen, random)
    carried_out, ended = matrix(setup, chosen, options.seconds)
    print(f"{len(carried_out)} of {len(chosen)} places")
    return [*ended, *problems_of_cases(carried_out, setup.lines())]


def _storm(setup: Setup, options: argparse.Namespace, random: Random) -> list[str]:
    kills = KILLS if options.kills is None and options.seconds is None else options.kills
    return storm(setup, random, kills, options.seconds)


def _report(found: Figures, seconds: float) -> list[str]:
    outcomes = ", ".join(f"{number} {what}" for what, number in found.outcomes.most_common())
    kills = ", ".join(f"{number} {place}" for place, number in found.kills.most_common())
    taken = found.take_overs
    said = [
        f"{found.kills.total()} kills in {seconds:.0f} s: {kills}",
        f"{found.runs} runs ended: {outcomes}",
        f"{found.steps} steps and compensations were recorded; {found.again} ran again, since they were not",
    ]
    if taken:
        median = taken[len(taken) // 2]
        said.append(f"{len(taken)} runs were taken over: {median:.1f} s after the death, the last {taken[-1]:.1f} s")
    return said


if __name__ == "__main__":
    run_program(main)
