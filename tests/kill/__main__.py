"""Kill processes and servers with -9 at random, and check that nothing is lost, done twice or out of order."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from random import Random
from typing import Final

from tests.kill.faults import FAULTS
from tests.kill.opening import missing, opened
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
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument(
        "--setup",
        action="append",
        choices=list(SETUPS),
        help="can be repeated; default: SQLite, and PostgreSQL with a broker that is installed",
    )
    parser.add_argument("--kills", type=int, help=f"of each setup; default: {KILLS}, or any number with --seconds")
    parser.add_argument("--seconds", type=float, help="of each setup")
    parser.add_argument("--seed", type=int, help="of what is random; when is what happens, is not")
    parser.add_argument("--repository", choices=list(REPOSITORIES), default="documents", help="what keeps the accounts")
    parser.add_argument("--fault", choices=FAULTS, help="plant a fault; it should be found")
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
            kept = shutil.copytree(setup.folder, tempfile.mkdtemp(prefix="dddkit-killed-"), dirs_exist_ok=True)
            print(f"kept: databases, journals and logs in {kept}")
    print("\n".join(result.lines()), flush=True)
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
