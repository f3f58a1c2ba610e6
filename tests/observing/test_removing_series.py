"""Series that the user removes from a histogram, and histograms that the user unregisters."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import prometheus_client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dddkit.stories import inject_hooks
from tests.observing.backends import STEP, STORY, AioPrometheus, Backend, PrometheusClient, backend
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, needs_threads, perform

__all__ = ["backend"]

COMPLETED = {"service": "shop", "status": "completed", "story_name": "Checkout"}


def counts(backend: Backend) -> tuple[int, int]:
    return sum(backend.stories().values()), sum(backend.steps().values())


@both_modes
def test_fm2_after_clear_counts_go_where_the_registry_shows_them(backend: Backend, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [backend.new_hook()])
    perform(story, Notes())
    for _ in range(2):
        backend.clear(STORY)
        backend.clear(STEP)
        assert counts(backend) == (0, 0)
        perform(story, Notes())
        perform(story, Notes())
        assert counts(backend) == (2, 6)


@both_modes
def test_fm2_after_remove_counts_go_where_the_registry_shows_them(backend: Backend, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [backend.new_hook(app_name="shop")])
    perform(story, Notes())
    backend.remove(STORY, **COMPLETED)
    backend.remove(STEP, **COMPLETED, step_name="charge")
    assert counts(backend) == (0, 2)
    perform(story, Notes())
    assert counts(backend) == (1, 2 + 3)
    with pytest.raises(Declined):
        perform(story, Notes(charge=Declined()))
    assert backend.stories() == {("Checkout", "completed"): 1, ("Checkout", "failed"): 1}
    assert backend.steps()["charge", "failed"] == 1


def test_fm2_what_comes_after_a_clear_begins_at_zero(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook()])
    perform(story, Notes())
    backend.clear(STORY)
    perform(story, Notes())
    shown = {
        dict(sample.labels)["status"]: value
        for sample, value in backend.everything().items()
        if sample.name == f"{STORY}_count"
    }
    assert shown == {"completed": 1, "failed": 0, "cancelled": 0}


def test_fm2_every_hook_that_shares_the_histogram_notices(backend: Backend) -> None:
    stories = [checkout("sync") for _ in range(3)]
    for number, story in enumerate(stories):
        inject_hooks(story, [backend.new_hook(app_name=f"shop {number}")])
        perform(story, Notes())
    backend.clear(STORY)
    backend.clear(STEP)
    for story in stories:
        perform(story, Notes())
    assert counts(backend) == (3, 9)


def test_fm2_series_that_are_removed_by_some_of_their_labels() -> None:
    backend, story = PrometheusClient(), checkout("sync")
    inject_hooks(story, [backend.new_hook(app_name="shop")])
    perform(story, Notes())
    if not hasattr(prometheus_client.Histogram, "remove_by_labels"):
        pytest.skip("needs a newer prometheus_client")
    backend.metric(STORY).remove_by_labels({"service": "shop"})
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 1}


def test_fm2_a_series_that_is_replaced_counts_in_its_place() -> None:
    pytest.importorskip("aioprometheus", reason="needs the library")
    from aioprometheus.histogram import Histogram as Buckets

    backend = AioPrometheus()
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(app_name="shop")])
    perform(story, Notes())
    backend.metric(STORY).set_value(COMPLETED, Buckets(10, 20))
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 1}


@pytest.mark.parametrize("cleared_before", [False, True])
def test_fm2_unregistering_is_final_and_raises_nothing(
    backend: Backend, cleared_before: bool, caplog: pytest.LogCaptureFixture
) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook()])
    perform(story, Notes())
    metric = backend.metric(STORY)
    backend.unregister(STORY)
    if cleared_before:
        backend.empty(metric)
    perform(story, Notes())
    assert STORY not in backend.render()
    assert sum(backend.steps().values()) == 6
    assert caplog.records == []


def test_fm2_a_hook_made_after_unregistering_does_not_revive_the_metric_of_the_old_one(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook()])
    backend.unregister(STORY)
    backend.new_hook(app_name="new")
    perform(story, Notes())
    assert backend.stories() == {}


def test_fm2_a_metric_of_somebody_else_under_a_name_that_was_ours_is_refused(backend: Backend) -> None:
    backend.new_hook()
    backend.unregister(STORY)
    backend.occupy(STORY)
    with pytest.raises(ValueError, match="was not made by a hook of dddkit"):
        backend.new_hook()


@needs_threads
def test_fm2_a_thread_that_asks_for_a_series_during_a_clear_does_not_go_on_with_a_removed_one(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook()])
    metric = backend.metric(STORY)
    made: Any = metric.__class__
    child: Callable[..., Any] = made.child
    cleared: list[bool] = []

    def cleared_after_it_was_found(self: Any, values: tuple[str, ...]) -> Any:
        found: Any = child(self, values)
        if not cleared and self is metric and "completed" in values:
            cleared.append(True)
            thread = threading.Thread(target=backend.clear, args=[STORY])
            thread.start()
            thread.join()
        return found

    monkeypatch.setattr(made, "child", cleared_after_it_was_found)
    perform(story, Notes())
    perform(story, Notes())
    assert cleared
    assert backend.stories() == {("Checkout", "completed"): 1}  # the first went with the clear


@pytest.mark.parametrize("library", ["prometheus_client", "aioprometheus"])
@settings(deadline=None, max_examples=40)
@given(acts=st.lists(st.sampled_from(["run", "fail", "clear", "remove"]), max_size=12))
def test_fm2_the_registry_shows_what_happened_since_the_last_clear_or_removal(library: str, acts: list[str]) -> None:
    pytest.importorskip(library, reason="needs the library")
    backend: Backend = AioPrometheus() if library == "aioprometheus" else PrometheusClient()
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(app_name="shop")])
    completed = failed = 0
    for act in acts:
        if act == "run":
            perform(story, Notes())
            completed += 1
        elif act == "fail":
            with pytest.raises(Declined):
                perform(story, Notes(charge=Declined()))
            failed += 1
        elif act == "clear":
            backend.clear(STORY)
            completed = failed = 0
        elif backend.has(STORY, **COMPLETED):
            backend.remove(STORY, **COMPLETED)
            completed = 0
        assert backend.value(f"{STORY}_count", status="completed") == completed
        assert backend.value(f"{STORY}_count", status="failed") == failed
