"""What a metrics hook rejects when it is created, and what its messages name."""

from __future__ import annotations

from typing import Any

import pytest

from dddkit.stories import inject_hooks
from tests.observing.backends import STEP, STORY, Backend, backend
from tests.stories.shop import Notes, checkout, perform

__all__ = ["backend"]


@pytest.mark.parametrize("prefix", ["", "1st", "my-service", "a b", "größe", "new\nline", "end\n"])
def test_a_prefix_that_begins_no_metric_is_refused(backend: Backend, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix=") as refused:
        backend.new_hook(prefix=prefix)
    assert repr(prefix) in str(refused.value)


@pytest.mark.parametrize("name", ["", "1st", "my-label", "a b", "größe", "__own", "end\n"])
def test_a_name_that_is_none_for_labels_is_refused(backend: Backend, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a label") as refused:
        backend.new_hook(labels={"env": "test", name: "x"})
    assert repr(name) in str(refused.value)


@pytest.mark.parametrize("name", ["service", "story_name", "step_name", "status", "le", "job"])
def test_a_label_that_means_something_already_is_refused(backend: Backend, name: str) -> None:
    with pytest.raises(ValueError, match=f"the label '{name}' has a meaning already"):
        backend.new_hook(labels={name: "x"})


@pytest.mark.parametrize(
    ("buckets", "culprit"),
    [
        ([10, 5], "5 follows 10"),
        ([1, 5, 5], "5 follows 5"),
        (["1", "1.0"], "'1.0' follows '1'"),
        ([1, float("inf"), 2], "inf follows 1"),
        ([1, float("inf"), float("inf")], "inf follows 1"),
        ([1, float("nan")], "nan follows 1"),
        ([float("nan")], "nan"),
        ([-1, 5], "no duration is below -1"),
        ([], "has no upper bound"),
        (["+Inf"], "has no upper bound"),
        (["fast"], "'fast' is no number"),
        ([None], "None is no number"),
        ([10**400], "is no number"),
    ],
)
def test_buckets_that_do_not_grow_are_refused(backend: Backend, buckets: list[Any], culprit: str) -> None:
    with pytest.raises(ValueError, match="buckets=") as refused:
        backend.new_hook(buckets=buckets)
    assert culprit in str(refused.value)


def test_a_bucket_for_nothing_at_all_is_fine(backend: Backend) -> None:
    backend.new_hook(buckets=[0, 5])


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"app_name": None}, "app_name has to be a str, not None"),
        ({"prefix": 7}, "prefix has to be a str, not int"),
        ({"labels": {"env": None}}, "the label 'env' has to be a str, not None"),
        ({"labels": {7: "x"}}, "the name of a label has to be a str, not int"),
    ],
)
def test_what_has_to_be_text_is_refused_when_it_is_none(
    backend: Backend, options: dict[str, Any], culprit: str
) -> None:
    with pytest.raises(TypeError, match=culprit):
        backend.new_hook(**options)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (
            {"labels": {"env": "test"}},
            {},
            ("(service, story_name, status, env)", "(service, story_name, status)"),
        ),
        (
            {"labels": {"env": "test"}},
            {"labels": {"zone": "a"}},
            ("(service, story_name, status, env)", "(service, story_name, status, zone)"),
        ),
        ({"buckets": [1, 2]}, {"buckets": [1, 3]}, ("(1.0, 2.0)", "(1.0, 3.0)")),
        ({"buckets": [1, 2]}, {"buckets": [1, 2, 3]}, ("(1.0, 2.0)", "(1.0, 2.0, 3.0)")),
    ],
)
def test_p3_p7_other_labels_or_buckets_under_one_prefix_are_refused_with_both_in_the_message(
    backend: Backend, first: dict[str, Any], second: dict[str, Any], both: tuple[str, str]
) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(**first)])
    with pytest.raises(ValueError, match=STORY) as refused:
        backend.new_hook(**second)
    assert both[0] in str(refused.value)
    assert both[1] in str(refused.value)
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 1}
    backend.new_hook(prefix="another", **second)


def test_a_prefix_whose_metric_is_the_step_metric_of_another_is_refused(backend: Backend) -> None:
    backend.new_hook(prefix="shop")
    with pytest.raises(ValueError, match="shop_step_executions_latency_ms exists"):
        backend.new_hook(prefix="shop_step")


@pytest.mark.parametrize("name", [STORY, STEP])
def test_a_name_that_somebody_else_has_taken_is_refused_and_nothing_is_registered(backend: Backend, name: str) -> None:
    backend.occupy(name)
    before = backend.render()
    with pytest.raises(ValueError, match=f"{name} is in the registry already"):
        backend.new_hook()
    assert [line for line in backend.render().splitlines() if "_created" not in line] == [
        line for line in before.splitlines() if "_created" not in line
    ]


def test_registries_have_nothing_to_do_with_each_other() -> None:
    pytest.importorskip("aioprometheus", reason="needs both libraries")
    from tests.observing.backends import AioPrometheus, PrometheusClient

    for kind in (PrometheusClient, AioPrometheus):
        one, other = kind(), kind()
        one.new_hook(buckets=[1])
        other.new_hook(buckets=[2])


def test_a_registry_that_was_cleared_gets_new_metrics(backend: Backend) -> None:
    first = backend.new_hook()
    assert first is not None
    if hasattr(backend.registry, "clear"):
        backend.registry.clear()
    else:
        for collector in {*backend.registry._names_to_collectors.values()}:
            backend.registry.unregister(collector)
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(labels={"env": "test"})])
    perform(story, Notes())
    assert backend.value(f"{STORY}_count", env="test") == 1
