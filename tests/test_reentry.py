"""A finalizer or a signal handler may call every public operation, in the middle of any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = r"""
import asyncio, copy, gc, logging, pickle, random, signal, sys, time
from dataclasses import dataclass
from functools import singledispatchmethod
from itertools import cycle
from typing import NamedTuple

import prometheus_client
from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler, DomainEvent, EventBroker, Identity
from dddkit.dataclasses import InMemoryRepository, evolve
from dddkit.stories import FINISHED, I, Story, StoryState, inject_hooks, variable
from dddkit.stories.prometheus import PrometheusMetricsHook

logging.getLogger("dddkit").addHandler(logging.NullHandler())
logging.getLogger("dddkit").propagate = False


class Sale(Story):
    I.reserve
    I.charge

    class State(StoryState):
        items: list[str] = []
        paid: int = variable()

    def reserve(self, state): state.items.append("tea")
    def charge(self, state): state.paid = 3


class AsyncSale(Sale):
    async def charge(self, state): state.paid = 3


class Failing(Sale):
    def charge(self, state): raise ValueError("declined")


@dataclass(frozen=True, kw_only=True)
class Basket(Aggregate):
    id: Identity[int]
    items: tuple = ()

    @dataclass(frozen=True)
    class Added(AggregateEvent):
        item: str

    def add(self, item):
        basket = evolve(self, items=(*self.items, item))
        basket.add_event(self.Added(item))
        return basket


@dataclass(frozen=True)
class Placed(DomainEvent):
    number: int = 1


class Rows(NamedTuple):
    number: int


class Changes(ChangesHandler[Basket, Rows]):
    result_type = Rows

    def _clear_state(self):
        self.number = 0

    @singledispatchmethod
    def handle_changes(self, event, aggregate):
        self.number += 1


class Hook:
    def before(self, context, step): str(context)


broker = EventBroker(unhandled="ignore")
parallel = EventBroker(unhandled="ignore", on_error="continue")
repository = InMemoryRepository()
changes = Changes()
registry = prometheus_client.CollectorRegistry()
metrics = PrometheusMetricsHook(registry=registry)
inject_hooks(Sale)
inject_hooks(Sale, [metrics])


def finish(coroutine):
    if coroutine is not FINISHED and coroutine is not None:
        try:
            coroutine.send(None)
        except StopIteration:
            pass


def run():
    state = Sale.State()
    Sale()(state)
    assert state.paid == 3


def run_async(): finish(AsyncSale()(Sale.State()))


def fail():
    try:
        Failing()(Sale.State())
    except ValueError:
        return
    raise AssertionError


def define():
    class New(Sale): ...
    New()(Sale.State())


def inject():
    with inject_hooks(Failing, [Hook()]):
        fail()


def register(): Sale.register_hook("after", lambda context, step: None).remove()


def patch(): AsyncSale.extra = 3


def subscribe():
    seen = []
    subscription = broker.subscribe(Placed, seen.append)
    broker(Placed())
    subscription.cancel()
    assert seen


def publish(): parallel.publish(Placed())


def apublish(): finish(broker.apublish(Placed()))


def define_event():
    event_class = type("Event", (), {})
    broker.publish(event_class())


numbers = iter(range(10**9))


def save():
    basket = Basket(id=next(numbers)).add("tea")
    finish(repository.save(basket))
    finish(repository.delete(basket))


def fold():
    handler = Changes()
    with handler as hc:
        assert hc(Basket(id=1).add("tea")).number == 1


def duplicate(): pickle.loads(pickle.dumps(copy.deepcopy(Basket(id=1).add("tea"))))


def scrape(): prometheus_client.generate_latest(registry)


def make_metrics(): PrometheusMetricsHook(registry=registry)


OPERATIONS = [run, run_async, fail, define, inject, register, patch, subscribe, publish, apublish, define_event, save,
              fold, duplicate, make_metrics]
for operation in OPERATIONS:
    operation()
errors = []
handled = 0
choice = random.Random(int(sys.argv[2]))


def disturb():
    global handled
    operation = choice.choice(OPERATIONS)
    handled += 1
    try:
        operation()
    except Exception as error:
        errors.append((operation.__name__, error))


def on_alarm(*arguments):
    disturb()
    signal.setitimer(signal.ITIMER_REAL, 1e-3)  # not before: on a busy machine, handlers would nest without end


class Finalized:
    def __init__(self): self.itself = self
    def __del__(self): disturb()


end = time.monotonic() + float(sys.argv[3])
if sys.argv[1] == "signal":
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 1e-3)
else:
    gc.set_threshold(50)
for operation in cycle([*OPERATIONS, scrape]):  # which holds a lock of prometheus_client's
    if sys.argv[1] == "finalizer":
        Finalized()
    operation()
    if time.monotonic() > end:
        break
signal.signal(signal.SIGALRM, signal.SIG_IGN)
gc.set_threshold(0)
for operation in OPERATIONS:
    operation()
assert not errors, errors[:3]
assert handled > 100, handled
"""


@pytest.mark.skipif(sys.platform in ("win32", "emscripten"), reason="needs processes and a timer")
@pytest.mark.parametrize("by", ["signal", "finalizer"])
def test_fr2_fs8_every_public_operation_may_be_called_in_the_middle_of_any_other(by: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(program), by, "1", "1.5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "")
