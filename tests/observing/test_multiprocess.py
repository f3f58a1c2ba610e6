"""The multi-process mode of prometheus_client, with forked and with independent processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tests.observing.backends import COMPENSATION, STEP, STORY

pytestmark = pytest.mark.skipif(
    sys.platform == "emscripten" or not hasattr(os, "fork"), reason="there are no processes to fork"
)

STRICT = ("-W", "error", "-W", "ignore::ResourceWarning")  # prometheus_client does not close its files
PROGRAM = """
import os
import sys

from dddkit.stories import I, Story, compensates, inject_hooks
from dddkit.stories.prometheus import PrometheusMetricsHook


class Pay(Story):
    I.authorize
    I.capture

    def authorize(self, state: int) -> None: ...

    @compensates(authorize)
    def release(self, state: int) -> None: ...

    def capture(self, state: int) -> None:
        if state % 5 == 0:
            raise ValueError(state)


def serve(runs: int) -> None:
    for number in range(runs):
        try:
            Pay()(number)
        except ValueError:
            pass


inject_hooks(Pay, [PrometheusMetricsHook(app_name="bank", labels={"env": "test"})])
serve(10)
children = []
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if not child:
        serve(100)
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


def count(folder: Path, name: str, **labels: str) -> float:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # the library has no annotations
    return sum(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def start(folder: Path, forks: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *STRICT, "-c", PROGRAM, str(forks)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_runs_of_all_processes_are_summed(tmp_path: Path) -> None:
    started = [start(tmp_path, forks) for forks in (0, 3)]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert said == ["", ""]
    assert len(list(tmp_path.glob("*.db"))) == 5
    # Two parents with 10 runs each, three children with 100 each; every fifth run fails at its second step.
    assert count(tmp_path, f"{STORY}_count", service="bank", env="test", status="completed") == 0.8 * 320
    assert count(tmp_path, f"{STORY}_count", service="bank", env="test", status="failed") == 0.2 * 320
    assert count(tmp_path, f"{STEP}_count", step_name="authorize", status="completed") == 320
    assert count(tmp_path, f"{STEP}_count", step_name="capture", status="failed") == 64
    assert count(tmp_path, f"{STEP}_bucket", le="+Inf") == 640
    assert count(tmp_path, f"{COMPENSATION}_count", step_name="authorize", status="completed") == 64


def test_a_directory_that_is_gone_costs_the_metrics_and_not_the_stories(tmp_path: Path) -> None:
    gone = PROGRAM.replace(
        "serve(10)", "import shutil; shutil.rmtree(os.environ['PROMETHEUS_MULTIPROC_DIR']); serve(10)"
    )
    folder = tmp_path / "metrics"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, *STRICT, "-c", gone, "0"],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0
    assert run.stderr.count("PrometheusMetricsHook could not record what a story did") == 1
    assert "FileNotFoundError" in run.stderr


def run_once(folder: Path, program: str) -> None:
    run = subprocess.run(
        [sys.executable, *STRICT, "-c", program, "0"],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_fm1_start_up_code_that_runs_twice_counts_each_run_once_in_every_process(tmp_path: Path) -> None:
    inject = next(line for line in PROGRAM.splitlines() if line.startswith("inject_hooks"))
    run_once(tmp_path, PROGRAM.replace(inject, f"{inject}\n{inject}\n{inject.replace('(Pay,', '(Story,')}"))
    assert count(tmp_path, f"{STORY}_count") == 10
    assert count(tmp_path, f"{STEP}_count") == 20
    assert count(tmp_path, f"{COMPENSATION}_count") == 2


def test_fm2_after_a_clear_each_process_counts_on(tmp_path: Path) -> None:
    # prometheus_client warns that a clear removes nothing from the files.
    clear = (
        "import warnings\n"
        "from prometheus_client import REGISTRY\n"
        "warnings.simplefilter('ignore', UserWarning)\n"
        "for collector in {*REGISTRY._names_to_collectors.values()}:\n"
        "    if 'dddkit' in str(collector): collector.clear()\n"
    )
    run_once(tmp_path, PROGRAM.replace("serve(10)\n", f"serve(10)\n{clear}serve(10)\n"))
    assert count(tmp_path, f"{STORY}_count") == 20
    assert count(tmp_path, f"{STEP}_count") == 40
    assert count(tmp_path, f"{COMPENSATION}_count") == 4
