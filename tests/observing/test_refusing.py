"""What a metrics hook rejects when it is created, and what its messages name."""

from __future__ import annotations

from collections import ChainMap
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dddkit.stories import inject_hooks
from tests.observing.backends import (
    COMPENSATION,
    STEP,
    STORY,
    AioPrometheus,
    Backend,
    PrometheusClient,
    backend,
    with_odd_step,
)
from tests.stories.shop import Mode, Notes, both_modes, checkout, perform

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
        ([-1, 5], "begin with -1; begin with a number of milliseconds, 0 or more"),
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


@pytest.mark.parametrize("name", [STORY, STEP, COMPENSATION])
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


# Labels and buckets of the wrong kind


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["env"], "list"),
        (["me"], "list"),  # `dict` makes {"m": "e"} of it
        ([("env", "production")], "list"),
        ([], "list"),
        ({"env"}, "set"),
        ("env=production", "str"),
        ("", "str"),
        (("env", "production"), "tuple"),
        (7, "int"),
        (False, "bool"),
    ],
)
def test_fm5_labels_that_map_nothing_are_refused_with_an_example(backend: Backend, labels: Any, kind: str) -> None:
    with pytest.raises(TypeError) as refused:
        backend.new_hook(labels=labels)
    assert str(refused.value) == f'labels has to map names to values, as in {{"env": "production"}}, not {kind}'


@pytest.mark.parametrize("labels", [None, {}, MappingProxyType({"env": "test"}), ChainMap({"env": "test"})])
def test_fm5_every_mapping_serves_as_labels(backend: Backend, labels: Any) -> None:
    backend.new_hook(labels=labels)


@pytest.mark.parametrize(
    ("labels", "culprit"),
    [
        ({"env": None}, "the label 'env' has to be a str, not None"),
        ({"env": 7}, "the label 'env' has to be a str, not int"),
        ({"env": ["a"]}, "the label 'env' has to be a str, not list"),
        ({None: "x"}, "the name of a label has to be a str, not None"),
        ({b"env": "x"}, "the name of a label has to be a str, not bytes"),
        ({("env", "zone"): "x"}, "the name of a label has to be a str, not tuple"),
        ({"env": "test", 7: "x"}, "the name of a label has to be a str, not int"),
    ],
)
def test_fm5_names_and_values_of_labels_have_to_be_text(backend: Backend, labels: dict[Any, Any], culprit: str) -> None:
    with pytest.raises(TypeError, match=f"^{culprit}$"):
        backend.new_hook(labels=labels)


@pytest.mark.parametrize(
    ("buckets", "kind"), [("10,20", "str"), ("12", "str"), (b"12", "bytes"), ("", "str"), (10, "int"), (True, "bool")]
)
def test_fm5_buckets_that_are_no_list_are_refused_with_an_example(backend: Backend, buckets: Any, kind: str) -> None:
    with pytest.raises(TypeError) as refused:
        backend.new_hook(buckets=buckets)
    assert str(refused.value) == f"buckets has to be a list of numbers, as in [10, 50, 100], not {kind}"


@pytest.mark.parametrize("option", ["app_name", "prefix"])
@pytest.mark.parametrize(("value", "kind"), [(None, "None"), (b"shop", "bytes"), (["shop"], "list"), (object, "type")])
def test_fm5_names_have_to_be_text_and_messages_show_no_values(
    backend: Backend, option: str, value: Any, kind: str
) -> None:
    with pytest.raises(TypeError, match=f"^{option} has to be a str, not {kind}$"):
        backend.new_hook(**{option: value})


def test_fm5_a_registry_of_the_other_library_is_refused() -> None:
    pytest.importorskip("aioprometheus", reason="needs both libraries")
    one, other = PrometheusClient(), AioPrometheus()
    with pytest.raises(TypeError, match=r"registry has to be a CollectorRegistry of prometheus_client, not aioprom"):
        one.hook(registry=other.registry)
    with pytest.raises(TypeError, match=r"registry has to be a Registry of aioprometheus, not prometheus_client\."):
        other.hook(registry=one.registry)


# Text that no page of metrics can encode


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"app_name": "sh\ud800p"}, "app_name has a lone surrogate at index 2"),
        ({"labels": {"env": "\udcff"}}, "the label 'env' has a lone surrogate at index 0"),
        ({"labels": {"env\udcff": "x"}}, "the name of a label has a lone surrogate at index 3"),
        ({"prefix": "our\udcff"}, "prefix has a lone surrogate at index 3"),
    ],
)
def test_fr17_a_lone_surrogate_is_refused_when_the_hook_is_made(
    backend: Backend, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(ValueError, match=what) as refused:
        backend.new_hook(**options)
    str(refused.value).encode()
    assert backend.everything() == {}


@both_modes
def test_fr17_the_scrape_shows_the_escaped_name_of_a_step(backend: Backend, mode: Mode) -> None:
    story = with_odd_step(mode)
    inject_hooks(story, [backend.new_hook()])
    perform(story, Notes())
    assert backend.stories() == {("Odd", "completed"): 1}
    assert backend.steps() == {("reserve", "completed"): 1, ("pay\\ud800", "completed"): 1}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(max_size=5) | st.text(st.characters(categories=["Cs", "Lu"]), max_size=5))
def test_fr17_whatever_text_is_accepted_can_be_scraped(backend: Backend, value: str) -> None:
    backend = type(backend)()
    try:
        hook = backend.new_hook(app_name=value, labels={"own": value})
    except ValueError:
        with pytest.raises(UnicodeEncodeError):
            value.encode()
        return
    story = checkout("sync")
    inject_hooks(story, [hook])
    perform(story, Notes())
    assert STORY in backend.render()
