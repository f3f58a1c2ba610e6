"""A child that is forked while other threads use stories can use them too."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.stories import I, Story, inject_hooks
from tests.stories.shop import Notes

pytestmark = [
    pytest.mark.skipif(sys.platform == "emscripten" or not hasattr(os, "fork"), reason="needs fork"),
    # Python 3.12 and later warn of what is tested here.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


class Sale(Story):
    I.pay

    def pay(self, state: Notes) -> None:
        state.take("pay")


@dataclass(frozen=True)
class Paid(DomainEvent):
    pass


class Note:
    def before(self, context: Any, step: Any) -> None:
        context.state.log.append("hook")


def new_sale() -> Any:
    base: Any = Sale
    return type(base)("Child", (base,), {})


def use_everything(broker: EventBroker, shared: Any) -> None:
    """Run a story for the first time, inject hooks, patch, and publish."""
    story, state = new_sale(), Notes()
    story()(state)
    with inject_hooks(story), inject_hooks(story, [Note()]), inject_hooks(shared, [Note()]):
        story()(state)
        shared()(Notes())
    story.pay = Sale.pay
    story()(state)
    assert state.log == ["pay", "hook", "pay", "pay"]
    heard: list[Paid] = []
    event = Paid()
    subscription = broker.subscribe(Paid, heard.append)
    broker.publish(event)
    subscription.cancel()
    assert event in heard


def in_child(work: Callable[[], None], seconds: float = 20.0) -> str:
    """Do some work in a forked child; return how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "returned" if status == 0 else f"failed with {status}"
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"


def fork_among_threads(children: int) -> None:
    broker, shared, stop = EventBroker(unhandled="ignore"), new_sale(), threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                use_everything(broker, shared)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        ends = [in_child(lambda: use_everything(EventBroker(), new_sale())) for _ in range(children // 2)]
        ends += [in_child(lambda: first_use_of(shared)) for _ in range(children - len(ends))]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert ends == ["returned"] * children
    assert errors == []


def first_use_of(shared: Any) -> None:
    """Use what the threads of the parent were changing when the child was forked."""
    with inject_hooks(shared, [Note()]):
        shared()(Notes())
    shared.pay = Sale.pay
    shared()(Notes())


def test_fs8_children_forked_while_threads_use_stories_return() -> None:
    fork_among_threads(20)


@pytest.mark.slow
def test_fs8_200_children_forked_while_threads_use_stories_return() -> None:
    fork_among_threads(200)


def test_fs8_a_child_forked_by_a_hook_or_a_step_returns() -> None:
    """The thread that forks goes on in the child with the locks that it holds."""
    story, ends = new_sale(), list[str]()

    class Forking:
        def before(self, context: Any, step: Any) -> None:
            ends.append(in_child(lambda: use_everything(EventBroker(), new_sale())))

    with inject_hooks(story, [Forking()]):
        story()(Notes())

    class Forked(Sale):
        def pay(self, state: Notes) -> None:
            ends.append(in_child(lambda: use_everything(EventBroker(), story)))

    Forked()(Notes())
    assert ends == ["returned"] * 2
