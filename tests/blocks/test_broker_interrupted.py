"""A broker in the middle of whose lines something else runs: a finalizer, a signal handler, a fork, an interrupt."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.exceptions import UnhandledEventError
from tests.blocks.flavours import needs_threads

needs_alarms = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarms")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


class Happened(DomainEvent):
    pass


class HappenedAgain(Happened):
    pass


HAPPENED = HappenedAgain()


class Interrupt(BaseException):
    """What a signal handler raises, as KeyboardInterrupt is."""


def is_odd(event: object) -> bool:
    return True


def ignore(event: object) -> None: ...


CALLS: list[object] = []
"""The handlers of the last publishes, of all brokers."""


class Handler:
    """A handler that remembers its own event only: others publish meanwhile."""

    def __init__(self, event: object) -> None:
        self.event = event
        self.seen = 0

    def __call__(self, event: object) -> None:
        CALLS.append(self)
        self.seen += event is self.event


def use(broker: EventBroker) -> list[str]:
    """Do all that can be done with a broker; return what went wrong."""
    lost: list[str] = []
    for selector in (Happened, HappenedAgain, is_odd):
        event = HappenedAgain()
        handler = Handler(event)
        subscription = broker.subscribe(selector, handler)
        broker.publish(event)
        broker(event)
        subscription.cancel()
        broker.publish(event)
        broker.subscribe(selector, handler)
        broker.publish(event)
        broker.unsubscribe(selector, handler)
        broker.publish(event)
        lost += [] if handler.seen == 3 else [f"{selector}: {handler.seen} of 3"]
    return lost


def use_often(broker: EventBroker, stop: Callable[[], bool]) -> list[str]:
    lost: list[str] = []
    while not stop():
        lost += use(broker)
    return lost


class Visitor:
    """Something that uses the broker in the middle of others' lines."""

    def __init__(self, broker: EventBroker) -> None:
        self.broker = broker
        self.visits = 0
        self.lost: list[str] = []
        self.visiting = False

    def __call__(self, *_: object) -> None:
        if not self.visiting:
            self.visiting = True
            self.visits += 1
            self.lost += use(self.broker)
            self.visiting = False


def ends(call: Callable[[], Any]) -> Any:
    """Return the result of the call in a thread; fail where it hangs."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it hangs"
    return results[0]


class Garbage:
    """A cycle: the garbage collector finds it at some later line, and runs its finalizer there."""

    def __init__(self, visit: Callable[..., None]) -> None:
        self.visit = visit
        self.itself = self


class Finalized(Garbage):
    def __del__(self) -> None:
        self.visit()


WATCHES: list[weakref.ref[Garbage]] = []


class Watched(Garbage):
    def __init__(self, visit: Callable[..., None]) -> None:
        super().__init__(visit)
        WATCHES.append(weakref.ref(self, visit))


@pytest.fixture
def gc_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@needs_threads
@pytest.mark.usefixtures("gc_as_before")
@pytest.mark.parametrize("garbage", [Finalized, Watched])
def test_fr2_a_finalizer_uses_the_broker_in_the_middle_of_its_lines(garbage: type[Garbage]) -> None:
    broker = EventBroker()
    broker.subscribe(object, ignore)
    visitor = Visitor(broker)

    def litter() -> list[str]:
        lost: list[str] = []
        for number in range(600):
            kept = [garbage(visitor) for _ in range(3)]
            gc.set_threshold(1 + number % 30, 1, 1_000_000)  # the collector comes at another line each time
            del kept
            lost += use(broker)
        return lost

    assert ends(litter) == []
    assert visitor.visits > 200
    assert visitor.lost == []


class Service:
    """It listens while it lives, and is in a cycle with its subscription."""

    def __init__(self, broker: EventBroker) -> None:
        self.broker = broker
        self.seen: list[object] = []
        self.subscription = broker.subscribe(Happened, self.seen.append)
        self.itself = self

    def __del__(self) -> None:
        self.subscription.cancel()


class LastWords(Service):
    def __del__(self) -> None:
        self.broker.publish(HAPPENED)
        SEEN.extend(self.seen)


SEEN: list[object] = []


def test_fr2_a_finalizer_cancels_its_subscription() -> None:
    broker, service = EventBroker(), Service
    seen = service(broker).seen
    gc.collect()
    with pytest.raises(UnhandledEventError):
        broker.publish(HAPPENED)
    assert seen == []


def test_fr2_a_finalizer_publishes_with_a_broker_that_goes_too() -> None:
    SEEN.clear()
    LastWords(EventBroker())
    gc.collect()
    assert SEEN == [HAPPENED]


@needs_alarms
def test_fr2_a_signal_handler_uses_the_broker_in_the_middle_of_its_lines() -> None:
    broker = EventBroker()
    broker.subscribe(object, ignore)
    visitor = Visitor(broker)
    before = signal.signal(signal.SIGALRM, visitor)
    # A handler that waits for the lock that its own thread holds waits for ever: another thread ends the test.
    watchdog = threading.Timer(60, lambda: os._exit(3))
    watchdog.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
        lost = use_often(broker, lambda: visitor.visits >= 500)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        watchdog.cancel()
    assert lost == visitor.lost == []


@needs_fork
@needs_threads
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fs8_a_child_that_is_forked_while_threads_use_the_broker_uses_it_too() -> None:
    broker = EventBroker()
    broker.subscribe(object, ignore)
    done = threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=use_often, args=(broker, done.is_set)) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        codes = {forked(lambda: use(broker)) for _ in range(100)}
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert codes == {0}


def forked(call: Callable[[], list[str]]) -> int:
    """Run the call in a child; return 0 where nothing went wrong, 2 where it hangs."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)
            code = len(call())
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


@needs_alarms
# Python drops what is raised in a finalizer or the callback of a weak reference.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_fr15_an_interrupt_leaves_the_broker_as_it_was_or_changed_and_nothing_locked() -> None:
    broker = EventBroker()
    broker.subscribe(object, ignore)
    rng, hits, rung = random.Random(0), 0, threading.Event()

    def ring(*_: object) -> None:
        rung.set()
        raise Interrupt

    def interrupted() -> None:
        signal.setitimer(signal.ITIMER_REAL, rng.random() * 0.0004 + 0.00002)
        try:
            use_often(broker, rung.is_set)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, ring)
    deadline = time.monotonic() + 3
    try:
        while time.monotonic() < deadline:
            rung.clear()
            try:
                interrupted()
            except Interrupt:
                hits += 1
            assert called(broker) == called_when_resolved_anew(broker)
            if hits % 50 == 0:
                assert ends(lambda: use(broker)) == []
    finally:
        signal.signal(signal.SIGALRM, before)
    assert hits > 500
    asyncio.run(broker.apublish(HAPPENED))


def called(broker: EventBroker) -> list[object]:
    """Return which handlers an event reaches."""
    CALLS.clear()
    broker.publish(HAPPENED)
    return CALLS.copy()


def called_when_resolved_anew(broker: EventBroker) -> list[object]:
    broker.subscribe(int, ignore).cancel()
    return called(broker)
