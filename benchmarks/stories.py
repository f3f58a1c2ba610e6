"""Stories without and with hooks, compared with the same calls written by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final

from benchmarks.contest import OURS, PREDECESSOR, Contest, Entry
from benchmarks.harness import Contender

__all__ = ["CONTESTS", "TITLE", "by_hand", "story_class"]

TITLE: Final = "Stories: steps that do nothing, so that only the overhead is seen"


def _methods(steps: int, is_async: Callable[[int], bool]) -> str:
    return "\n".join(
        f"    {'async ' if is_async(number) else ''}def step_{number}(self, state): pass" for number in range(steps)
    )


def _never(number: int) -> bool:
    return False


def _always(number: int) -> bool:
    return True


def _every_other(number: int) -> bool:
    return number % 2 == 0


def _defined(source: str, **names: Any) -> Any:
    """Execute the source as a module and return its class."""
    namespace: dict[str, Any] = {**names, "__name__": "shop"}
    exec(source, namespace)
    return namespace["Checkout"]


def by_hand(steps: int, is_async: Callable[[int], bool] = _never) -> Any:
    """Return a class without any library that calls its methods one after the other."""
    any_async = any(map(is_async, range(steps)))
    calls = "\n".join(
        f"        {'await ' if is_async(number) else ''}self.step_{number}(state)" for number in range(steps)
    )
    source = f"""\
class Checkout:
{_methods(steps, is_async)}
    {"async " if any_async else ""}def __call__(self, state):
{calls}
"""
    return _defined(source)


def story_class(steps: int, is_async: Callable[[int], bool] = _never, library: str = "dddkit.stories") -> Any:
    """Return a story with this number of steps; one source works for dddkit and its predecessor."""
    stories = import_module(library)
    listed = "\n".join(f"    I.step_{number}" for number in range(steps))
    decorated = "@dataclass(frozen=True, slots=True)\n" if library == "dddkit.stories" else "@dataclass\n"
    source = f"{decorated}class Checkout(Story):\n{listed}\n{_methods(steps, is_async)}\n"
    return _defined(source, I=stories.I, Story=stories.Story, dataclass=dataclass)


def _call(story: Any, *, awaited: bool) -> Contender:
    return Contender(f"{'await ' if awaited else ''}story(state)", {"story": story, "state": SimpleNamespace()})


def _hand(steps: int, is_async: Callable[[int], bool] = _never) -> Entry:
    return lambda: _call(by_hand(steps, is_async)(), awaited=any(map(is_async, range(steps))))


def _story(
    steps: int,
    is_async: Callable[[int], bool] = _never,
    library: str = "dddkit.stories",
    awaited: bool | None = None,
    hooks: Callable[[], Iterable[Any] | None] | None = None,
) -> Entry:
    def made() -> Contender:
        logging.getLogger().setLevel(logging.WARNING)
        cls = story_class(steps, is_async, library)
        if hooks is not None:
            import_module(library).inject_hooks(cls, hooks())
        return _call(cls(), awaited=any(map(is_async, range(steps))) if awaited is None else awaited)

    return made


def _undoing_by_hand(steps: int, is_async: Callable[[int], bool]) -> Entry:
    """Keep a list of what has been done, as people write it without a library."""

    def made() -> Contender:
        await_ = "await " if is_async(0) else ""
        calls = "\n".join(
            f"            {await_}self.step_{number}(state)\n            done.append(self.undo_{number})"
            for number in range(steps)
        )
        source = f"""\
class Checkout:
{_methods(steps, is_async)}
{_methods(steps, is_async).replace("step_", "undo_")}
    {"async " if is_async(0) else ""}def __call__(self, state):
        done = []
        try:
{calls}
        except BaseException:
            for undo in reversed(done):
                {await_}undo(state)
            raise
"""
        return _call(_defined(source)(), awaited=is_async(0))

    return made


def _compensated(steps: int, is_async: Callable[[int], bool]) -> Entry:
    """Run a story whose steps all have a compensation; none of them fails."""

    def made() -> Contender:
        stories = import_module("dddkit.stories")
        listed = "\n".join(f"    I.step_{number}" for number in range(steps))
        undoing = "\n".join(
            f"    @compensates(step_{number})\n{line}"
            for number, line in enumerate(_methods(steps, is_async).replace("step_", "undo_").splitlines())
        )
        source = (
            f"@dataclass(frozen=True, slots=True)\nclass Checkout(Story):\n{listed}\n"
            f"{_methods(steps, is_async)}\n{undoing}\n"
        )
        names = {"I": stories.I, "Story": stories.Story, "compensates": stories.compensates, "dataclass": dataclass}
        return _call(_defined(source, **names)(), awaited=is_async(0))

    return made


def _pipe(steps: int) -> Entry:
    """Run the steps with `toolz.pipe`, which passes on what a function returns: each step returns the state."""

    def step(state: Any) -> Any:
        return state

    def made() -> Contender:
        listed = ", ".join(["step"] * steps)
        return Contender(
            f"pipe(state, {listed})", {"pipe": import_module("toolz").pipe, "step": step, "state": SimpleNamespace()}
        )

    return made


def _both(entry: Callable[..., Entry], *arguments: Any, **options: Any) -> dict[str, Entry]:
    """Return the entry for dddkit and for its predecessor, which take the same source."""
    return {OURS: entry(*arguments, **options), PREDECESSOR: entry(*arguments, **options)}


class _Noop:
    def before(self, context: Any, step: Any) -> None: ...

    def after(self, context: Any, step: Any) -> None: ...


def _noop() -> list[Any]:
    return [_Noop()]


class _Formatted(logging.Handler):
    """Formats the record, as a handler that writes it does, and discards the result."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def _at_debug(entry: Entry) -> Entry:
    """Log everything at DEBUG to a handler that formats."""

    def made() -> Contender:
        contender = entry()
        handler = _Formatted()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(logging.DEBUG)
        return contender

    return made


def _prometheus(library: str) -> Callable[[], list[Any]]:
    return lambda: [import_module(library).PrometheusMetricsHook()]


def _title(steps: int) -> str:
    return f"{steps} step{'s' if steps > 1 else ''}"


CONTESTS: Final[list[Contest]] = [
    *(
        Contest(
            key=f"sync-{steps}",
            what=f"sync story, no hooks, {_title(steps)}",
            must=must,
            stretch=stretch,
            limit=_hand(steps),
            entries={**_both(_story, steps), "stories": _story(steps, library="stories"), "toolz": _pipe(steps)},
        )
        for steps, must, stretch in ((1, 1.5, 1.20), (5, 1.3, 1.10), (20, 1.15, 1.04))
    ),
    Contest(
        key="async-5",
        what="async story, every step async",
        must=1.15,
        stretch=1.00,
        limit=_hand(5, _always),
        entries={**_both(_story, 5, _always), "stories": _story(5, _always, library="stories")},
    ),
    Contest(
        key="mixed-5",
        what="async story, every other step async",
        must=1.15,
        stretch=1.00,
        limit=_hand(5, _every_other),
        entries=_both(_story, 5, _every_other),
    ),
    Contest(
        key="awaited-sync-5",
        what="awaiting an all-sync story",
        must=1.3,
        stretch=1.15,
        limit=_hand(5),
        entries=_both(_story, 5, awaited=True),
    ),
    *(
        Contest(
            key=f"compensated-{mode}",
            what=f"steps with a compensation, none of which fails, {mode}",
            must=1.0,
            limit=_undoing_by_hand(5, is_async),
            entries={OURS: _compensated(5, is_async)},
        )
        for mode, is_async in (("sync", _never), ("async", _always))
    ),
    Contest(
        key="noop-hook-sync",
        what="one no-op hook with before and after, sync",
        must=11,
        stretch=9.5,
        limit=_hand(5),
        entries=_both(_story, 5, hooks=_noop),
    ),
    Contest(
        key="noop-hook-async",
        what="one no-op hook with before and after, async",
        must=11,
        stretch=4.2,
        limit=_hand(5, _always),
        entries=_both(_story, 5, _always, hooks=_noop),
    ),
    Contest(
        key="default-hooks-sync",
        what="the three default hooks, logger at WARNING, sync",
        must=8,
        stretch=5.2,
        limit=_hand(5),
        entries=_both(_story, 5, hooks=lambda: None),
    ),
    Contest(
        key="default-hooks-async",
        what="the three default hooks, logger at WARNING, async",
        must=4,
        stretch=2.6,
        limit=_hand(5, _always),
        entries=_both(_story, 5, _always, hooks=lambda: None),
    ),
    *(
        Contest(
            key=f"debug-{steps}",
            what=f"the three default hooks at DEBUG, formatted, {_title(steps)}",
            must=must,
            stretch=stretch,
            limit=_hand(steps),
            entries={name: _at_debug(entry) for name, entry in _both(_story, steps, hooks=lambda: None).items()},
            slow=True,
        )
        for steps, must, stretch in ((5, 350, 284), (20, 650, 533))
    ),
    Contest(
        key="prometheus",
        what="PrometheusMetricsHook (prometheus_client)",
        must=60,
        stretch=37,
        limit=_hand(5),
        entries=_both(_story, 5, hooks=_prometheus("dddkit.stories.prometheus")),
    ),
    Contest(
        key="aioprometheus",
        what="PrometheusMetricsHook (aioprometheus)",
        must=100,
        limit=_hand(5),
        entries=_both(_story, 5, hooks=_prometheus("dddkit.stories.aioprometheus")),
    ),
]
