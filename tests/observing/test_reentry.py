"""Finalizers and signal handlers that run stories while others are counted, and forks while threads count."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import new_class
from typing import Any, cast

import pytest

from dddkit.stories import Story, inject_hooks
from tests.observing.backends import AioPrometheus, Backend, backend
from tests.stories.shop import Notes, checkout, needs_threads, perform

__all__ = ["backend"]


def ends(call: Callable[[], object]) -> None:
    """Call it in a thread of its own; fail if it waits for ever."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits for ever"
    assert errors == []


def interrupted(backend: Backend, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> list[bool]:
    """Let the library make this call, once, in the middle of making a series, as a finalizer may."""
    place = (
        "aioprometheus.histogram.Histogram.__init__"
        if isinstance(backend, AioPrometheus)
        else "prometheus_client.Histogram._metric_init"
    )
    module, cls, method = place.rsplit(".", 2)
    make = getattr(getattr(sys.modules[module], cls), method)
    called: list[bool] = []

    def make_late(*args: Any, **named: Any) -> None:
        if not called:
            called.append(True)
            call()
        make(*args, **named)

    monkeypatch.setattr(place, make_late)
    return called


@needs_threads
@pytest.mark.parametrize("same", [True, False])
def test_fr2_a_finalizer_that_runs_a_story_while_a_series_is_made_is_counted(
    backend: Backend, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = checkout("sync")
    inner = outer if same else cast("type[Story]", new_class("Inner", (outer,)))
    inject_hooks(outer, [backend.new_hook()])
    called = interrupted(backend, monkeypatch, lambda: perform(inner, Notes()))
    ends(lambda: perform(outer, Notes()))
    assert called
    assert sum(backend.stories().values()) == 2
    assert sum(backend.steps().values()) == 6
    perform(inner, Notes())
    assert sum(backend.stories().values()) == 3
    assert sum(backend.steps().values()) == 9


@needs_threads
def test_fr2_a_finalizer_may_make_a_hook_and_clear_a_metric_while_a_series_is_made(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook()])

    def finalize() -> None:
        backend.new_hook(app_name="another")
        backend.new_hook(prefix="another")
        backend.render()

    called = interrupted(backend, monkeypatch, finalize)
    ends(lambda: perform(story, Notes()))
    assert called
    assert sum(backend.stories().values()) == 1


NEEDS_PROCESSES = pytest.mark.skipif(
    sys.platform == "emscripten" or not hasattr(os, "fork"), reason="there are no processes to fork"
)
LIBRARIES = ["prometheus", "aioprometheus", "multiprocess"]

# The facts are made by hand: what is tested here is what a hook locks, and not what the first run of a story does.
START = """
import os, signal, sys, threading, time
from dddkit.stories import StepExecutionInfo, StepStatus, StoryExecutionContext

aio = sys.argv[1] == "aioprometheus"
if aio:
    from aioprometheus import Registry, render
    from dddkit.stories.aioprometheus import PrometheusMetricsHook
else:
    from prometheus_client import CollectorRegistry as Registry, generate_latest
    from dddkit.stories.prometheus import PrometheusMetricsHook

class Counting:
    def __init__(self):
        self.registry = Registry()
        self.hook = PrometheusMetricsHook(buckets=[1000], registry=self.registry)

    def count(self, name):
        context = StoryExecutionContext(type(name, (), {})(), steps=[])
        run = self.hook.around_story(context)
        next(run)
        self.hook.after(context, StepExecutionInfo("pay", status=StepStatus.COMPLETED, duration=0.1))
        next(run, None)

    def page(self):
        return (render(self.registry, [])[0] if aio else generate_latest(self.registry)).decode()

    def counted(self, what):
        name = f"dddkit_stories_{what}executions_latency_ms_count"
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.page().splitlines() if line.startswith(name))
"""

SIGNALS = (
    START
    + """
handled = 0
counting = Counting()

def handle(number, frame):
    global handled
    counting.count("Handled")
    counting.count(f"Handled{handled % 50}")
    counting.count("Story7")
    PrometheusMetricsHook(app_name=f"made {handled}", buckets=[1000], registry=counting.registry)
    handled += 3
    if time.monotonic() < end:
        signal.setitimer(signal.ITIMER_REAL, 0.0003 + handled % 100 * 1e-6)

runs = 0
end = time.monotonic() + 2
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001)
while time.monotonic() < end:
    for _ in range(20):
        counting.count(f"Story{runs % 4000}")
        runs += 1
time.sleep(0.1)
counting.count("Last")
assert handled > 300, handled
found = counting.counted(""), counting.counted("step_")
assert found == (runs + handled + 1,) * 2, (found, runs, handled)
"""
)

FORKS = (
    START
    + """
done = False
inherited = Counting()

def work():
    made = 0
    while not done:
        if sys.argv[1] != "multiprocess" or made < 5:  # its values are kept for ever, and each child opens all of them
            made, counting = made + 1, Counting()
        for number in range(20):
            for _ in range(5):
                inherited.count(f"Story{number}")
                counting.count(f"Story{number}")
        counting.page()  # of a registry of its own: that of the other has a lock of prometheus_client's

threads = [threading.Thread(target=work) for _ in range(3)]
sys.setswitchinterval(1e-5)
for thread in threads:
    thread.start()
ends = []
for number in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        signal.alarm(10)
        own = Counting()
        for counting in (inherited, own):
            counting.count("Child")
            counting.count("Story7")
        os._exit(0 if own.page() and 'story_name="Child"' in inherited.page() else 3)
    ends.append(os.waitpid(child, 0)[1])
    if sum(map(bool, ends)) > 2:
        break
done = True
for thread in threads:
    thread.join()
assert not any(ends), ends
"""
)


def run(program: str, library: str, folder: Path, *arguments: str) -> None:
    if library == "aioprometheus":
        pytest.importorskip("aioprometheus", reason="needs the library")
    more = {"PROMETHEUS_MULTIPROC_DIR": str(folder)} if library == "multiprocess" else {}
    ended = subprocess.run(
        [sys.executable, "-c", program, library, *arguments],
        env={**os.environ, "PYTHONWARNINGS": "ignore", **more},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@NEEDS_PROCESSES
@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_fr2_a_signal_handler_that_runs_stories_hangs_nothing_and_loses_no_count(library: str, tmp_path: Path) -> None:
    run(SIGNALS, library, tmp_path)


@NEEDS_PROCESSES
@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_fs8_a_child_forked_while_threads_count_and_scrape_goes_on_counting(library: str, tmp_path: Path) -> None:
    run(FORKS, library, tmp_path, "60" if library == "multiprocess" else "200")
