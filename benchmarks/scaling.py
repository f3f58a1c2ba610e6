"""How costs grow with size, as tables in RESULTS.md and as pictures: `python -m benchmarks.scaling`."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from time import process_time
from types import SimpleNamespace
from typing import Any, Final

from benchmarks import blocks, broker
from benchmarks.harness import Contender, compare, readable, seconds_per_call
from benchmarks.processes import cpu_seconds, mypy_seconds
from benchmarks.stories import by_hand, story_class

__all__ = ["CURVES", "Curve"]

HERE: Final = Path(__file__).parent
MARK: Final = "<!-- what `python -m benchmarks.scaling` writes -->"
MICRO: Final = 1e6


@dataclass(frozen=True)
class Curve:
    """One picture: what is measured, at which sizes, and the expected shape."""

    key: str
    title: str
    sizes: Sequence[int]
    of: str
    series: Sequence[str]
    expected: str
    measure: Callable[[int], Sequence[float]]


def _subscriptions(number: int) -> Sequence[float]:
    limit = broker.by_hand()
    ours = {"sync": broker.by_class(number)(), "async": broker.by_class(number, is_async=True)()}
    return [
        compare(limit, {"sync": ours["sync"]}, rounds=31)["sync"].median,
        compare(broker.by_hand(is_async=True), {"async": ours["async"]}, rounds=31)["async"].median,
    ]


def _steps(number: int) -> Sequence[float]:
    hooked = story_class(number)
    import_module("dddkit.stories").inject_hooks(hooked)
    contenders = {"no hooks": story_class(number)(), "hooked": hooked()}
    state = SimpleNamespace()
    found = compare(
        Contender("story(state)", {"story": by_hand(number)(), "state": state}),
        {name: Contender("story(state)", {"story": story, "state": state}) for name, story in contenders.items()},
        rounds=31,
    )
    return [found["no hooks"].median, found["hooked"].median]


class _Waiting(SimpleNamespace):
    gate: asyncio.Event


def _concurrent(number: int) -> Sequence[float]:
    """Return microseconds and KiB per run, for this number of concurrent runs that all wait in their third step."""
    cls = story_class(5, lambda step: step == 2)

    async def wait(self: object, state: _Waiting) -> None:
        await state.gate.wait()

    cls.step_2 = wait
    hooked = import_module("dddkit.stories").inject_hooks(cls)

    async def run(*, traced: bool) -> float:
        gate = asyncio.Event()
        gc.collect()
        begun = process_time()
        if traced:
            tracemalloc.start()
        tasks = [asyncio.ensure_future(cls()(_Waiting(gate=gate))) for _ in range(number)]
        await asyncio.sleep(0)
        held = tracemalloc.get_traced_memory()[0] if traced else 0
        gate.set()
        await asyncio.gather(*tasks)
        if traced:
            tracemalloc.stop()
            return held / 1024 / number
        return MICRO * (process_time() - begun) / number

    rounds = 5 if number >= 1000 else 15
    found = [median(asyncio.run(run(traced=False)) for _ in range(rounds)), asyncio.run(run(traced=True))]
    hooked.remove()
    return [*found, median(asyncio.run(run(traced=False)) for _ in range(rounds)), asyncio.run(run(traced=True))]


def _pending(number: int) -> Sequence[float]:
    """Return nanoseconds per event, for recording and pulling events and for folding them."""
    basket, added, removed = blocks.empty_basket()
    event = added(item=1)
    events = [event] * number
    recorded = "for _ in events: add(event)\n        pull()"
    names = {"add": basket.add_event, "pull": basket.pull_events, "event": event, "events": events}
    handler = blocks.changes_handler(import_module("dddkit.dataclasses"), added, removed)
    pending = import_module("dddkit._core.recording").pending_events(basket)
    folded = {"extend": pending.extend, "events": events, "handler": handler, "basket": basket}
    per_event = 1e9 / number
    return [
        per_event * seconds_per_call(Contender(recorded, names)),
        per_event * seconds_per_call(Contender("extend(events); handler(basket)", folded)),
    ]


def _classes(number: int) -> Sequence[float]:
    """Return microseconds per class: defining a dataclass, defining a story, and the first call of the story."""
    source, without_stories = _module(number, story=True), _module(number, story=False)
    defining: list[float] = []
    calling: list[float] = []
    others: list[float] = []
    for _ in range(3):
        for text, taken in ((source, defining), (without_stories, others)):
            code, namespace = compile(text, "shop.py", "exec"), {"__name__": "shop"}
            begun = process_time()
            exec(code, namespace)
            taken.append(process_time() - begun)
            if text is source:
                stories: list[Any] = [value for name, value in namespace.items() if name.startswith("Checkout")]
                begun = process_time()
                for story in stories:
                    story()(None)
                calling.append(process_time() - begun)
    return [MICRO * median(taken) / number for taken in (others, defining, calling)]


def _module(number: int, *, story: bool) -> str:
    head = "from dataclasses import dataclass\n" + ("from dddkit.stories import I, Story\n" if story else "")
    listed = "".join(f"    I.step_{step}\n" for step in range(5)) if story else ""
    methods = "".join(f"    def step_{step}(self, state): pass\n" for step in range(5))
    bases = "(Story)" if story else ""
    return head + "".join(
        f"@dataclass(frozen=True, slots=True)\nclass Checkout{index}{bases}:\n{listed}{methods}\n"
        for index in range(number)
    )


def _imported(number: int) -> Sequence[float]:
    """Return the milliseconds that a compiled module of this number of stories takes to import in a new process."""
    import tempfile

    taken: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, story in (("stories_of_shop", True), ("classes_of_shop", False)):
            (Path(folder) / f"{name}.py").write_text(_module(number, story=story))
            command = [sys.executable, "-c", f"import {name}"]
            base = [sys.executable, "-c", "import dataclasses" + "; import dddkit.stories" * story]
            cpu_seconds(command, PYTHONPATH=folder)
            net = [cpu_seconds(command, PYTHONPATH=folder) - cpu_seconds(base) for _ in range(7)]
            taken.append(1000 * median(net))
    return taken


def _plugin(number: int) -> Sequence[float]:
    taken = mypy_seconds(number, rounds=1 if number > 1000 else 3, report=lambda said: print(said, file=sys.stderr))
    return [median(taken[key]) for key in ("cold, with", "cold, without", "warm, with", "warm, without")]


CURVES: Final[list[Curve]] = [
    Curve(
        "broker",
        "Publishing to one of so many classes",
        (1, 10, 100, 1_000, 10_000),
        "subscriptions",
        ("sync, times a dictionary", "async, times a dictionary"),
        "flat: the route of an event class is looked up",
        _subscriptions,
    ),
    Curve(
        "steps",
        "A story of so many steps",
        (1, 3, 10, 30, 100, 300, 1_000),
        "steps",
        ("no hooks, times by hand", "default hooks at WARNING, times by hand"),
        "flat without hooks up to 60 steps; with them falling to a flat line, as they cost something per run. From "
        "about 100 steps on, the line without hooks lies between 1.15 and 1.5, differently in every process, and so "
        "does the same text in a class that is no story (1.15 to 1.3): what is called (about 360 bytes a step) and the "
        "text that calls it (66, by hand 26) no longer fit into a first-level cache of 48 KiB together",
        _steps,
    ),
    Curve(
        "concurrent",
        "So many runs under way at once, 5 steps",
        (1, 10, 100, 1_000, 10_000),
        "runs",
        ("default hooks, µs per run", "default hooks, KiB per run", "no hooks, µs per run", "no hooks, KiB per run"),
        "flat: a run does not know of the others; with few runs the loop's own start weighs more",
        _concurrent,
    ),
    Curve(
        "pending",
        "So many pending events on an aggregate",
        (1, 10, 100, 1_000, 10_000),
        "events",
        ("recording and pulling, ns per event", "folding, ns per event"),
        "falling to a flat line: the fixed cost of a call is shared by more events",
        _pending,
    ),
    Curve(
        "classes",
        "Defining so many stories of 5 steps",
        (1, 10, 100, 1_000),
        "classes",
        ("a plain slotted dataclass, µs each", "a story, µs each", "first call of a story, µs each"),
        "flat: each class is validated by itself; the first call generates its code",
        _classes,
    ),
    Curve(
        "import",
        "Importing a module of so many stories",
        (1, 10, 100, 1_000),
        "classes",
        ("stories, ms", "plain slotted dataclasses, ms"),
        "linear",
        _imported,
    ),
    Curve(
        "plugin",
        "mypy over so many stories of 10 steps",
        (100, 1_000, 5_000),
        "stories",
        ("cold with the plugin, s", "cold without, s", "warm with the plugin, s", "warm without, s"),
        "linear, the two lines of a pair on top of each other",
        _plugin,
    ),
]


def _table(curve: Curve, points: dict[int, Sequence[float]]) -> str:
    lines = [
        f"### {curve.title}",
        "",
        f"![{curve.title}](pictures/{curve.key}.svg)",
        "",
        f"Expected: {curve.expected}.",
        "",
        f"| {curve.of} | {' | '.join(curve.series)} |",
        f"|---|{'---|' * len(curve.series)}",
    ]
    lines += [f"| {size:,} | {' | '.join(map(readable, values))} |" for size, values in points.items()]
    return "\n".join(lines)


def _draw(curve: Curve, points: dict[int, Sequence[float]]) -> None:
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "dddkit", "font.size": 9})
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(6.4, 3.2))
    for number, name in enumerate(curve.series):
        axes.plot(list(points), [values[number] for values in points.values()], marker="o", label=name)
    axes.set_xscale("log")
    if curve.expected.startswith("linear"):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(curve.of)
    axes.set_title(curve.title)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    (HERE / "pictures").mkdir(exist_ok=True)
    figure.savefig(HERE / "pictures" / f"{curve.key}.svg", metadata={"Date": None})
    pyplot.close(figure)


def million(times: int = 1_000_000) -> str:
    """Run, publish and inject this number of times; report the memory in use after each tenth."""
    stories: Any = import_module("dddkit.stories")
    story = story_class(5)
    state = SimpleNamespace()
    published = broker.by_class(1)()
    publish, event = published.names["broker"], published.names["event"]

    def work(number: int) -> None:
        for _ in range(number):
            with stories.inject_hooks(story):
                story()(state)
            story()(state)
            publish(event)

    work(1_000)
    held = array("q", [0] * 10)  # stores the numbers without allocating objects
    for tenth in range(10):
        work(times // 10)
        gc.collect()
        held[tenth] = sys.getallocatedblocks()
    shown = ", ".join(f"{blocks_held:,}" for blocks_held in held)
    return (
        f"### No leak\n\nBlocks of memory that the interpreter holds (sys.getallocatedblocks) after each tenth of "
        f"{times:,} rounds of: hooks injected, a run, hooks removed, a run, a publish.\n\n{shown}"
    )


def main(only: Sequence[str]) -> None:
    """Measure the curves, draw them, and write them to RESULTS.md."""
    parts: list[str] = []
    for curve in CURVES:
        if only and curve.key not in only:
            continue
        points = {size: curve.measure(size) for size in curve.sizes}
        _draw(curve, points)
        parts.append(_table(curve, points))
        print(parts[-1], end="\n\n", flush=True)
    if not only or "leak" in only:
        parts.append(million())
        print(parts[-1])
    results = HERE / "RESULTS.md"
    if not only:
        before = results.read_text().partition(MARK)[0] if results.exists() else "# What dddkit costs\n\n"
        results.write_text(f"{before}{MARK}\n\n## How costs grow\n\n" + "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
