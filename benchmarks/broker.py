"""The event broker, compared with a loop over a dictionary of lists."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from functools import singledispatch
from importlib import import_module
from typing import Any, Final

from benchmarks.contest import OURS, PREDECESSOR, Contest, Entry
from benchmarks.harness import Contender

__all__ = ["CONTESTS", "TITLE", "by_class", "by_hand"]

TITLE: Final = "Broker: handlers that do nothing"

Handler = Callable[[Any], Any]


class Happened:
    """An event."""


def _others(number: int) -> list[type]:
    return [type(f"Other{index}", (), {}) for index in range(number)]


def _handlers(number: int, *, is_async: bool = False) -> list[Handler]:
    """Return this number of functions, each with its own code object, as real handlers have."""
    source = f"{'async ' if is_async else ''}def handle(event): pass"
    made: list[Handler] = []
    for _ in range(number):
        namespace: dict[str, Any] = {}
        exec(source, namespace)
        made.append(namespace["handle"])
    return made


def _dictionary(handlers: int, *, is_async: bool = False) -> Entry:
    """Publish by hand: look up the list of handlers by class."""

    def made() -> Contender:
        subscribed: defaultdict[type, list[Handler]] = defaultdict(list)
        subscribed[Happened] += _handlers(handlers, is_async=is_async)
        if is_async:

            async def apublish(event: object) -> None:
                for handler in subscribed[type(event)]:
                    await handler(event)

            return Contender("await publish(event)", {"publish": apublish, "event": Happened()})

        def publish(event: object) -> None:
            for handler in subscribed[type(event)]:
                handler(event)

        return Contender("publish(event)", {"publish": publish, "event": Happened()})

    return made


def by_hand(*, is_async: bool = False) -> Contender:
    """Return the dictionary with one handler."""
    return _dictionary(1, is_async=is_async)()


def by_class(subscriptions: int, *, is_async: bool = False) -> Entry:
    """Subscribe to this number of classes, one handler each, and publish an event of one class.

    The broker is that of dddkit or of its predecessor, whichever is installed.
    """

    def made() -> Contender:
        broker = import_module("dddkit.dataclasses").EventBroker()
        for event_class in (*_others(subscriptions - 1), Happened):
            broker.instance(event_class)(_handlers(1, is_async=is_async)[0])
        return Contender(f"{'await ' if is_async else ''}broker(event)", {"broker": broker, "event": Happened()})

    return made


def _fan_out(handlers: int) -> Entry:
    def made() -> Contender:
        broker = import_module("dddkit.dataclasses").EventBroker()
        for handler in _handlers(handlers):
            broker.instance(Happened)(handler)
        return Contender("broker(event)", {"broker": broker, "event": Happened()})

    return made


def _predicates(number: int) -> list[Callable[[Any], bool]]:
    def predicate(index: int) -> Callable[[Any], bool]:
        return lambda event: event.number == index

    return [predicate(index) for index in range(number)]


class _Numbered:
    def __init__(self, number: int) -> None:
        self.number = number


def _bare_predicates(number: int) -> Entry:
    def made() -> Contender:
        pairs = list(zip(_predicates(number), _handlers(number), strict=True))

        def publish(event: object) -> None:
            for matches, handler in pairs:
                if matches(event):
                    handler(event)

        return Contender("publish(event)", {"publish": publish, "event": _Numbered(number - 1)})

    return made


def _by_predicate(number: int) -> Entry:
    def made() -> Contender:
        broker = import_module("dddkit.dataclasses").EventBroker()
        for predicate, handler in zip(_predicates(number), _handlers(number), strict=True):
            broker.subscribe(predicate, handler)
        return Contender("broker(event)", {"broker": broker, "event": _Numbered(number - 1)})

    return made


def _registered_predicate(number: int) -> Entry:
    """Subscribe by decorator: the predecessor has no `subscribe`."""

    def made() -> Contender:
        broker = import_module("dddkit.dataclasses").EventBroker()
        for predicate, handler in zip(_predicates(number), _handlers(number), strict=True):
            broker.register(predicate)(handler)
        return Contender("broker(event)", {"broker": broker, "event": _Numbered(number - 1)})

    return made


async def _waiting(event: object) -> None:
    await asyncio.sleep(0)


def _gather(handlers: int) -> Entry:
    def made() -> Contender:
        async def publish(event: object) -> None:
            await asyncio.gather(*[_waiting(event) for _ in range(handlers)])

        return Contender("await publish(event)", {"publish": publish, "event": Happened()})

    return made


def _in_parallel(handlers: int) -> Entry:
    def made() -> Contender:
        broker = import_module("dddkit.dataclasses").EventBroker(parallel=True)
        for _ in range(handlers):

            async def handle(event: object) -> None:
                await asyncio.sleep(0)

            broker.instance(Happened)(handle)
        return Contender("await broker(event)", {"broker": broker, "event": Happened()})

    return made


# The peers


def _singledispatch() -> Contender:
    @singledispatch
    def publish(event: object) -> None: ...

    publish.register(Happened)(_handlers(1)[0])
    return Contender("publish(event)", {"publish": publish, "event": Happened()})


def _pyee(handlers: int, *, is_async: bool = False) -> Entry:
    def made() -> Contender:
        emitter = import_module("pyee").EventEmitter()
        for handler in _handlers(handlers, is_async=is_async):
            emitter.on("happened", handler)
        return Contender("emitter.emit('happened', event)", {"emitter": emitter, "event": Happened()})

    return made


def _blinker(handlers: int, *, is_async: bool = False) -> Entry:
    def made() -> Contender:
        signal = import_module("blinker").Signal()
        functions = _handlers(handlers, is_async=is_async)
        for handler in functions:
            signal.connect(handler)
        send = "await signal.send_async(event)" if is_async else "signal.send(event)"
        return Contender(send, {"signal": signal, "event": Happened(), "kept": functions})

    return made


def _both(entry: Callable[..., Entry], *arguments: Any, **options: Any) -> dict[str, Entry]:
    return {OURS: entry(*arguments, **options), PREDECESSOR: entry(*arguments, **options)}


CONTESTS: Final[list[Contest]] = [
    *(
        Contest(
            key=f"publish-{number}",
            what=f"publish by event class, sync, {number:,} subscription{'s' * (number > 1)}",
            must=2.5,
            stretch=1.35,
            limit=_dictionary(1),
            entries=_both(by_class, number)
            | ({"singledispatch": _singledispatch, "pyee": _pyee(1), "blinker": _blinker(1)} if number == 1 else {}),
        )
        for number in (1, 100, 10_000)
    ),
    *(
        Contest(
            key=f"publish-async-{number}",
            what=f"publish by event class, async, {number:,} subscription{'s' * (number > 1)}",
            must=2.0,
            stretch=1.8,
            limit=_dictionary(1, is_async=True),
            entries=_both(by_class, number, is_async=True)
            | ({"blinker": _blinker(1, is_async=True)} if number == 1 else {}),
        )
        for number in (1, 100, 10_000)
    ),
    Contest(
        key="predicates-100",
        what="publish by predicate, 100 of them",
        must=1.2,
        stretch=1.1,
        limit=_bare_predicates(100),
        entries={OURS: _by_predicate(100), PREDECESSOR: _registered_predicate(100)},
    ),
    *(
        Contest(
            key=f"fan-out-{number}",
            what=f"fan-out to {number} handlers, sync",
            must=must,
            stretch=stretch,
            limit=_dictionary(number),
            entries={**_both(_fan_out, number), "pyee": _pyee(number), "blinker": _blinker(number)},
        )
        for number, must, stretch in ((10, 1.5, 1.35), (100, 1.15, 1.06))
    ),
    Contest(
        key="parallel-100",
        what="parallel=True, 100 handlers, vs bare gather",
        must=1.1,
        stretch=1.0,
        limit=_gather(100),
        entries=_both(_in_parallel, 100),
        slow=True,
    ),
]
