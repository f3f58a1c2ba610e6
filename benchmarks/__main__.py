"""`python -m benchmarks` measures all rows and writes RESULTS.md; with --check, it fails where a "must" is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.contest import OURS, PEERS, PREDECESSOR
from benchmarks.durable_crowd import CROWDS
from benchmarks.durable_workers import WORKERS
from benchmarks.harness import Ratio, readable
from benchmarks.measure import contests
from benchmarks.processes import IMPORTS, PLUGIN

ROOT: Final = Path(__file__).parent.parent
RESULTS: Final = Path(__file__).parent / "RESULTS.md"
SLACK: Final = 1.15
"""A ratio of up to "must" times this passes: machines differ, and other programs use them too."""

_STATED: Final = (
    "typing_extensions",
    "pydantic",
    "attrs",
    "mypy",
    "sqlalchemy",
    "aiosqlite",
    "asyncpg",
    "psycopg",
    "dbos",
)
"""Packages whose versions the page states, besides those of the peers."""

Found = dict[str, dict[str, Ratio]]


def _python_of(peer: str) -> Path:
    """Return the Python of a peer's environment; create the environment first if it is missing or outdated.

    Each peer has its own, because a peer may have the same import name as this package.
    """
    folder = ROOT / f".venv-bench-{peer.replace(' ', '-')}"
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    wanted = "\n".join(PEERS[peer])
    if not ready.exists() or ready.read_text() != wanted:
        print(f"making an environment for {peer}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *PEERS[peer]], check=True)
        ready.write_text(wanted)
    return python


def _measure(who: str, only: list[str], found: Found, versions: dict[str, str]) -> None:
    python = sys.executable if who == OURS else str(_python_of(who))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-m", "benchmarks.measure", who, *only]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            said: dict[str, Any] = json.loads(line)
            if "version" in said:
                name, number = said["version"]
                versions[f"{name} (peer)" if name == "dddkit" else name] = number
                continue
            for name, (median, low, high) in said["rows"].items():
                found.setdefault(said["key"], {})[name] = ratio = Ratio(median, low, high)
                print(f"{said['key']:24} {name:24} {ratio}", flush=True)
    if process.returncode:
        raise SystemExit(f"measuring {who} failed")


def _rows() -> list[tuple[str, list[tuple[str, str, float | None, float | None, str]]]]:
    """Return the lines of each table: key, title, must, stretch, unit."""
    groups = [(title, [(c.key, c.what, c.must, c.stretch, "") for c in rows]) for title, rows in contests()]
    others = [(row.key, row.what, row.must, row.stretch, " ms") for row in IMPORTS]
    others += [(row.key, row.what, row.must, row.stretch, " %") for row in PLUGIN]
    others += [(row.key, row.what, row.must, None, row.unit) for row in (*CROWDS, *WORKERS)]
    others.append(("durations", "durations wrong by more than 10 %, 1,000 concurrent runs", 0, 0, " %"))
    return [*groups, ("Imports (milliseconds of CPU time), the plugin, many runs at once, and durations", others)]


def _is_missed(must: float | None, ours: Ratio | None) -> bool:
    return must is not None and ours is not None and ours.median > must * SLACK


def _table(title: str, rows: list[tuple[str, str, float | None, float | None, str]], found: Found) -> str:
    lines = [
        f"### {title}",
        "",
        "| what | dddkit | quartiles | must | stretch | dddkit 0.5.0 | peers | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, what, must, stretch, unit in rows:
        measured = found.get(key, {})
        ours, before = measured.get(OURS), measured.get(PREDECESSOR)
        if not measured:
            continue
        peers = ", ".join(
            f"{name} {readable(ratio.median)}{unit}"
            for name, ratio in sorted(measured.items(), key=lambda item: item[1].median)
            if name not in (OURS, PREDECESSOR)
        )
        rating = "" if ours is None or must is None else _rating(ours.median, must, stretch)
        cells = (
            what,
            "" if ours is None else f"**{readable(ours.median)}{unit}**",
            "" if ours is None else f"{readable(ours.low)} to {readable(ours.high)}",
            "" if must is None else f"{must:g}{unit}",
            "" if stretch is None else f"{stretch:g}{unit}",
            "" if before is None else f"{readable(before.median)}{unit}",
            peers,
            rating,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _rating(ours: float, must: float, stretch: float | None) -> str:
    if stretch is not None and ours <= stretch:
        return "stretch"
    if ours <= must:
        return "met"
    return "within slack" if ours <= must * SLACK else "**missed**"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _write(tables: list[str], versions: dict[str, str]) -> None:
    known = {"dddkit": version("dddkit"), **versions}
    for name in _STATED:
        known.setdefault(name, version(name))
    named = ", ".join(f"{name} {number}" for name, number in sorted(known.items()))
    old = RESULTS.read_text() if RESULTS.exists() else ""
    mark = "<!-- what `python -m benchmarks.scaling` writes -->"
    curves = old.partition(mark)[2]
    RESULTS.write_text(
        f"""# What dddkit costs

`make bench` has written this file. Every number is a ratio to the same thing written by hand without any library
(imports: milliseconds on top of what they are compared with), measured interleaved in one process: the median of the
rounds, and the quartiles. `benchmarks/harness.py` says how, and why not with pyperf or pytest-benchmark. Steps and
handlers do nothing, which is the worst case for overhead. "must" and "stretch" are the project's targets;
`make bench-check` fails where a "must" is missed by more than {SLACK - 1:.0%}. The peers are measured in environments
of their own, against the same limit.

{platform.python_implementation()} {platform.python_version()}; {_machine()}.
{named}.

{(chr(10) * 2).join(tables)}

{mark}{curves or chr(10)}"""
    )


def main() -> None:
    """Measure, then print the tables; write RESULTS.md, or check the targets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("keys", nargs="*", help="only the rows whose key begins so")
    parser.add_argument("--check", action="store_true", help="only dddkit, and fail where a must is missed")
    options = parser.parse_args()
    found: Found = {}
    versions: dict[str, str] = {}
    for who in (OURS,) if options.check else (OURS, *PEERS):
        _measure(who, options.keys, found, versions)
    tables = [_table(title, rows, found) for title, rows in _rows() if any(row[0] in found for row in rows)]
    print("\n\n".join(["", *tables]))
    missed = [
        f"{what}: {readable(found[key][OURS].median)}{unit}, must {must:g}{unit}"
        for _, rows in _rows()
        for key, what, must, _, unit in rows
        if _is_missed(must, found.get(key, {}).get(OURS))
    ]
    if options.check:
        raise SystemExit("missed by more than the slack:\n" + "\n".join(missed) if missed else 0)
    if not options.keys:
        _write(tables, versions)


if __name__ == "__main__":
    main()
