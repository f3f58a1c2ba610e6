"""Kill processes and servers with -9 at random, and check that nothing is lost, done twice or out of order."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.kill.faults import FAULTS
from tests.kill.opening import missing, opened
from tests.kill.options import positive
from tests.kill.program import kept, run_program
from tests.kill.repositories import REPOSITORIES
from tests.kill.running import Run
from tests.kill.setups import SETUPS, SetupName

KILLS: Final = 150
BETWEEN_CHECKS: Final = 50
BETWEEN_CHECKS_OF_FAULTS: Final = 6


def main(arguments: Sequence[str]) -> int:
    """Return 0 where all is well, 1 where a problem was found, 2 where nothing could run."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else Random().randrange(1_000_000)
    codes = [_run(name, options, seed) for name in options.setup or _defaults()]
    return 1 if 1 in codes else min(codes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kill",
        description=__doc__,
        epilog="It ends with 0 where all is well, 1 where a problem was found, 2 where nothing could run.",
    )
    parser.add_argument(
        "--setup",
        action="append",
        choices=list(SETUPS),
        help="where messages go; can be repeated; default: SQLite, and PostgreSQL with a broker that is installed",
    )
    kills = f"end each set-up after so many kills; default: {KILLS}, or no limit where --seconds is given"
    parser.add_argument("--kills", type=positive(int), metavar="NUMBER", help=kills)
    parser.add_argument("--seconds", type=positive(float), help="end each set-up after so long")
    seed = "choose whom to kill as an earlier run with this seed did; the timing of processes differs each time"
    parser.add_argument("--seed", type=int, help=seed)
    parser.add_argument(
        "--repository",
        choices=list(REPOSITORIES),
        default="documents",
        help="what keeps the accounts; default: %(default)s",
    )
    parser.add_argument(
        "--fault", choices=FAULTS, help="plant a fault, which should be found: the run should end with 1"
    )
    return parser


def _defaults() -> tuple[SetupName, SetupName]:
    only_rabbitmq = missing("postgresql+nats") and not missing("postgresql+rabbitmq")
    return "sqlite", "postgresql+rabbitmq" if only_rabbitmq else "postgresql+nats"


def _run(name: SetupName, options: argparse.Namespace, seed: int) -> int:
    title = ", ".join([name, options.repository, f"seed {seed}", *([options.fault] if options.fault else [])])
    print(f"== {title} ==", flush=True)
    if reasons := missing(name):
        print(f"not run: {'; '.join(reasons)}")
        return 2
    kills = KILLS if options.kills is None and options.seconds is None else options.kills
    between = BETWEEN_CHECKS_OF_FAULTS if options.fault else BETWEEN_CHECKS
    with opened(name, options.repository, options.fault) as (setup, servers):
        run = Run(setup, servers, Random(seed), lambda line: print(line, flush=True))
        result = run.run(kills=kills, seconds=options.seconds, between_checks=between)
        if result.problems and not options.fault:
            print(f"kept: databases, journals and logs in {kept(setup.folder)}")
    print("\n".join(result.lines()), flush=True)
    return 1 if result.problems else 0


if __name__ == "__main__":
    run_program(main)
