"""Measures one library in its own environment and prints JSON: `python -m benchmarks.measure stories`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast

from benchmarks.contest import BESIDE_US, OURS, PEERS, PREDECESSOR, Contest, measured
from benchmarks.durable_crowd import CROWDS
from benchmarks.durable_workers import WORKERS
from benchmarks.harness import Ratio
from benchmarks.processes import IMPORTS, PLUGIN, measured_import, measured_plugin

__all__ = ["GROUPS", "contests"]

GROUPS: Final = ("stories", "broker", "blocks", "units", "relays", "durable")


def contests() -> list[tuple[str, list[Contest]]]:
    """Return the groups of rows, each with its title."""
    found: list[tuple[str, list[Contest]]] = []
    for group in GROUPS:
        module = import_module(f"benchmarks.{group}")
        found.append((str(module.TITLE), cast("list[Contest]", module.CONTESTS)))
    return found


def _results(who: str, only: list[str]) -> Iterator[tuple[str, dict[str, Ratio]]]:
    for _, rows in contests():
        for contest in rows:
            if not only or any(contest.key.startswith(start) for start in only):
                yield contest.key, measured(contest, who)
    for row in IMPORTS:
        if not only or any(row.key.startswith(start) for start in only):
            names = [name for name in row.statements if name == who or (who == OURS and name not in PEERS)]
            yield row.key, {name: measured_import(row, name) for name in names}
    for corpus in PLUGIN if who == OURS else ():
        if not only or any(corpus.key.startswith(start) for start in only):
            yield corpus.key, {who: measured_plugin(corpus)}
    for crowd in (*CROWDS, *WORKERS) if who == OURS else ():
        if not only or any(crowd.key.startswith(start) for start in only):
            yield crowd.key, crowd.measured()
    if (not only or "durations" in only) and who in (OURS, PREDECESSOR):
        from benchmarks.durations import share_of_wrong_durations

        share = share_of_wrong_durations()
        yield "durations", {who: Ratio(share, share, share)}


def _main(who: str, only: list[str]) -> None:
    if who in BESIDE_US:
        sys.path.append(str(Path(__file__).parent.parent / "src"))
    for requirement in PEERS.get(who, ()):
        name = requirement.partition("==")[0]
        print(json.dumps({"version": [name, version(name)]}), flush=True)
    for key, found in _results(who, only):
        rows = {name: [ratio.median, ratio.low, ratio.high] for name, ratio in found.items()}
        if rows:
            print(json.dumps({"key": key, "rows": rows}), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
