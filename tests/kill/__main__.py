"""Kill processes and servers at random, and check that nothing is lost, doubled or mixed up."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.kill.faults import FAULTS
from tests.kill.repositories import REPOSITORIES
from tests.kill.servers import Missing, servers
from tests.kill.running import Run
from tests.kill.setups import SETUPS, Setup


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
