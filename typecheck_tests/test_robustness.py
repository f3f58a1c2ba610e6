"""At any input, mypy with the plugin reports diagnostics or nothing, and the same in every mode."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from dddkit_mypy._index import all_rules
from typecheck_tests.correct import correct_blocks, correct_stories
from typecheck_tests.mistakes import MISTAKES, mutants
from typecheck_tests.modes import Files, Histories, Project, SeededCaches
from typecheck_tests.running import CONFIG, run_mypy

RULES: Final = all_rules()

_OPT_IN: Final = ", ".join(rule.code.code for rule in RULES if not rule.code.default_enabled)
_CONFIG: Final = CONFIG + f"[mypy-*]\nenable_error_code = {_OPT_IN}\n"
_ROUNDS: Final = int(os.environ.get("DDDKIT_ROUNDS", "1"))
"""How many seeds each test runs with; dozens find what a single one does not."""

pytestmark = pytest.mark.slow


def _seeds(first: int, each: int = 1) -> pytest.MarkDecorator:
    """Run a test once for each seed; `each` is how many a round has."""
    return pytest.mark.parametrize("number", range(first, first + each * _ROUNDS))


def _examples() -> list[str]:
    of_rules = [source for rule in RULES for source in (rule.bad, rule.good)]
    return of_rules + [make(Random(seed)) for seed in range(3) for make in (correct_blocks, correct_stories)]


def _check(directory: Path, known_packages: Path, programs: list[str]) -> None:
    """Check all in one run, which must neither crash nor report an error of the plugin's own."""
    (directory / "mypy.ini").write_text(_CONFIG)
    (directory / "plain.ini").write_text("[mypy]\nstrict = True\n")
    names = [f"program{number}.py" for number in range(len(programs))]
    for name, program in zip(names, programs, strict=True):
        (directory / name).write_text(program)
    caches = [f"--cache-dir={shutil.copytree(known_packages, directory / name)}" for name in ("known", "plain")]
    if _crashes(directory, names, caches[0]):
        names = _survived_by_mypy(directory, names, caches[1])
    said = run_mypy(directory, caches[0], *names)
    internal = [line for line in said.splitlines() if "dddkit-internal" in line]
    assert not internal, f"{internal[0]}\n\n{(directory / internal[0].partition(':')[0]).read_text()}"


def _survived_by_mypy(directory: Path, names: list[str], cache: str) -> list[str]:
    """The programs that mypy survives where it knows no plugin: some, it does not."""
    if not _crashes(directory, names, "--config-file=plain.ini", cache):
        return names
    half = len(names) // 2
    return [name for part in (names[:half], names[half:]) if half for name in _survived_by_mypy(directory, part, cache)]


def _crashes(directory: Path, names: list[str], *options: str) -> bool:
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *names],
        cwd=directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return "INTERNAL ERROR" in run.stdout + run.stderr


# --- half-typed files -------------------------------------------------------------------------------------------


def _incomplete(source: str, random: Random) -> str:
    """A module somebody is in the middle of writing: parts are missing, but it parses."""
    tree = ast.parse(source)
    for _ in range(random.randint(1, 3)):
        holders = [tree, *(node for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef)))]
        holder = random.choice([node for node in holders if len(node.body) > 1] or [ast.parse("pass")])
        random.choice((_drop_statement, _drop_part, _swap_statements))(holder, random)
    return ast.unparse(ast.fix_missing_locations(tree))


_Holder: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef


def _drop_statement(holder: _Holder, random: Random) -> None:
    holder.body.pop(random.randrange(len(holder.body)))
    if not holder.body and not isinstance(holder, ast.Module):
        holder.body.append(ast.Pass())


def _swap_statements(holder: _Holder, random: Random) -> None:
    random.shuffle(holder.body)


def _drop_part(holder: _Holder, random: Random) -> None:
    """An annotation, a base, a decorator, an argument, or a name that is not finished."""
    nodes = list(ast.walk(holder))
    random.shuffle(nodes)
    for node in nodes:
        if isinstance(node, ast.ClassDef) and node.bases:
            node.bases.pop(random.randrange(len(node.bases)))
        elif isinstance(node, ast.arg) and node.annotation is not None:
            node.annotation = None
        elif isinstance(node, ast.arguments) and node.args:
            node.args.pop()
            node.defaults = []
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            node.returns = None
        elif isinstance(node, ast.Call) and node.args:
            node.args.pop()
        elif isinstance(node, ast.Attribute):
            node.attr = node.attr[:1]
        elif isinstance(node, ast.Name):
            node.id = node.id[: len(node.id) // 2 + 1] + "_"
        elif isinstance(node, ast.Subscript):
            node.slice = ast.Constant(...)
        else:
            continue
        return


@_seeds(1)
def test_half_typed_modules_are_survived(number: int, tmp_path: Path, known_packages: Path) -> None:
    random = Random(number)
    programs = [_incomplete(source, random) for source in _examples() for _ in range(6)]
    _check(tmp_path, known_packages, programs)


# --- programs nobody would write --------------------------------------------------------------------------------

_HEAD: Final = """\
import abc, dataclasses, functools, types, typing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, NamedTuple, NewType, Protocol, TypeVar
import attrs, pydantic
import dddkit.dataclasses as d, dddkit.pydantic as p
from dddkit import stories
from dddkit.stories import I, Story, StoryState, steps, variable
T = TypeVar("T")
anything: Any = ...
"""
_BASES: Final = (
    "Story",
    "stories.Story",
    "StoryState",
    "types.SimpleNamespace",
    "abc.ABC",
    "Generic[T]",
    "Protocol",
    "NamedTuple",
    "anything",
    "missing",
    "object",
    "type",
    "dict[str, int]",
    "d.Aggregate",
    "p.Aggregate",
    "d.Entity",
    "p.Entity",
    "d.ValueObject",
    "p.ValueObject",
    "d.AggregateEvent",
    "p.DomainEvent",
    "pydantic.BaseModel",
    "d.Repository",
    "d.Repository[A, int]",
    "d.Repository[T, int]",
    "d.SyncRepository[int, A]",
    "d.ChangesHandler",
    "d.ChangesHandler[A, B]",
    "d.ChangesHandler[A, T]",
    *"ABC",
)
_DECORATORS: Final = (
    "@dataclass",
    "@dataclass(frozen=True)",
    "@dataclass(frozen=False, slots=True, kw_only=True)",
    "@attrs.define",
    "@attrs.frozen",
    "@anything",
    "@missing",
    "@typing.final",
    "@functools.partial(dataclass, frozen=True)",
)
_LINES: Final[tuple[str, ...]] = (
    "I.run",
    "I._run",
    "I.run.more",
    "I",
    "I.State",
    "I.I",
    "I.__steps__",
    "I[0]",
    "I.run()",
    "I.run = 1",
    "I: ClassVar[A] = steps()",
    "I: int = 1",
    "I = steps()",
    "[I.run for _ in ()]",
    "for I in (): pass",
    "for name in 'abc': getattr(I, name)",
    "if anything: I.run",
    "x = lambda: I.run",
    "del I",
    "State = StoryState",
    "State = A",
    "State: type[A] = A",
    "State: typing.TypeAlias = 'A'",
    "State = None",
    "State: Any",
    "def State(self): ...",
    "class State(StoryState):\n    value: int\n    other: list[int] = []\n    made: int = variable()",
    "class State(types.SimpleNamespace):\n    value: int = 0\n    other: list[int] = []\n    more: dict[str, A] = {}",
    "class State: pass",
    "def run(self, state): state.made = state.value",
    "def run(self, state: State) -> None: state.made += state.nothing",
    "def run(self, state: 'State') -> int: return state.made",
    "def run(self): yield",
    "async def run(self, state: State) -> None: await state.made",
    "async def run(self, *args: State): yield self",
    "@staticmethod\ndef run(state: State) -> None: del state.made",
    "@classmethod\ndef run(cls, state: State = ..., *, key: int) -> None: cls.run(state)",
    "@property\ndef run(self) -> A: return self.missing",
    "@functools.cached_property\ndef run(self): return self",
    "@typing.overload\ndef run(self, state: int) -> int: ...",
    "@anything\ndef run(self, state: State) -> None: ...",
    "@abc.abstractmethod\ndef run(self, state: State) -> None: ...",
    "@functools.singledispatchmethod\ndef handle_changes(self, event, aggregate): ...",
    "@functools.singledispatchmethod\ndef handle_changes(self, event: Any, aggregate: A): raise NotImplementedError",
    "@handle_changes.register\ndef _(self, event: B, aggregate: A) -> None: ...",
    "@handle_changes.register(A)\ndef _(self, event, aggregate): self.value = 1",
    "result_type = A",
    "result_type: type[B]",
    "def _clear_state(self): self.value = 0",
    "run: A",
    "run: 'missing'",
    "run: typing.Callable[..., Any]",
    "run = anything",
    "run: ClassVar[int] = 1",
    "run: ClassVar = []",
    "id: int",
    "a_id: d.Identity[int]",
    "key: d.Identity[missing]",
    "value: list[B] | None = None",
    "value: tuple['C', ...] = ()",
    "value: dict[T, set[A]]",
    "value: 'B'",
    "model_config = pydantic.ConfigDict(frozen=False)",
    "model_config = {'frozen': anything}",
    "model_config = anything",
    "__slots__ = ('run',)",
    "def __init__(self, *args, **kwargs): self.value = 1",
    "def __getattr__(self, name): return anything",
    "def __init_subclass__(cls, **kwargs): ...",
    "def __call__(self, state): return self",
    "async def __call__(self, state: State) -> None: ...",
    "def call(self): self(self.State()); self.run(1); self.add_event(self)",
    "def record(self, event: B) -> None: self.add_event(event); self.add_event(B()); A.add_event(self, C())",
    "class Inner(A): pass",
    "class Made(d.AggregateEvent): value: int",
    "pass",
    "...",
)


@st.composite
def _class(draw: st.DrawFn) -> str:
    decorators = draw(st.lists(st.sampled_from(_DECORATORS), max_size=2))
    bases = draw(st.lists(st.sampled_from(_BASES), max_size=3))
    keyword = draw(st.sampled_from(("", "", "", "metaclass=abc.ABCMeta", "metaclass=missing", "frozen=True", "key=1")))
    lines: list[str] = [*draw(st.lists(st.sampled_from(_LINES), min_size=1, max_size=9, unique=True))]
    states = [statement for statement in lines if "State" in statement.split(":")[0].split("=")[0]]
    for redefined in states[1:]:  # mypy itself crashes at some of these
        lines.remove(redefined)
    body = "\n".join("    " + line for statement in lines for line in statement.splitlines())
    given_to = ", ".join([*bases, *filter(None, [keyword])])
    return "\n".join([*decorators, f"class {draw(st.sampled_from('ABC'))}({given_to}):", body])


@st.composite
def _program(draw: st.DrawFn) -> str:
    classes = draw(st.lists(_class(), min_size=1, max_size=4))
    if draw(st.booleans()):
        inside = "\n".join("    " + line for line in "\n".join(classes).splitlines())
        classes = [f"def function(A: Any = None, B: Any = None) -> None:\n{inside}"]
    uses = draw(
        st.lists(
            st.sampled_from(("A()(1)", "A()(A.State(value=''))", "B().I.run", "I.run", "C.I", "(A)(B)")), max_size=3
        )
    )
    return "\n".join([_HEAD, *classes, *uses, ""])


def _programs(number: int) -> list[str]:
    """Fifty programs or fewer, made by hypothesis; mypy checks them in one run, which is much faster."""
    found: list[str] = []

    @seed(number)
    @settings(max_examples=50, deadline=None, database=None, phases=[Phase.generate])
    @given(program=_program())
    def collect(program: str) -> None:
        found.append(program)

    collect()
    return found


@_seeds(1, each=4)
def test_programs_nobody_would_write_are_survived(number: int, tmp_path: Path, known_packages: Path) -> None:
    _check(tmp_path, known_packages, _programs(number))


# --- edits in the daemon ----------------------------------------------------------------------------------------


def _prefixes(source: str, number: int) -> Iterator[str]:
    """A module while it is being typed, below its imports: mypy's daemon itself fails where these come and go."""
    begin = source.index("class ")
    for end in sorted(Random(number).sample(range(begin, len(source)), 15)):
        yield source[:end]


@_seeds(7)
def test_a_file_that_is_being_typed_never_upsets_the_daemon(
    number: int, tmp_path: Path, seeded_caches: SeededCaches
) -> None:
    project = Project(tmp_path, {"typed.py": ""}, _CONFIG, seeded_caches(_CONFIG))
    source = correct_stories(Random(1))
    try:
        for prefix in _prefixes(source, number):
            project.edit({"typed.py": prefix})
            assert "dddkit-internal" not in project.daemon(syntax_errors=True)
        project.edit({"typed.py": source})
        assert project.daemon() == project.cold() == ""
    finally:
        project.close()


_USER: Final = {
    "stories": """\
from dataclasses import dataclass

import origin
from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Later(origin.Ordered):
    def later(self, state: origin.Ordered.State) -> None: ...


@dataclass(frozen=True)
class Around(Story):
    I.inner
    I.loose

    class State(origin.Inner.State):
        more: int

    inner: origin.Inner

    def loose(self, state: State) -> None:
        print(state.number)


def run(later: Later, around: Around) -> None:
    later(Later.State(number=1))
    around(Around.State(number=1, more=2))
""",
    "blocks": """\
from dataclasses import dataclass

import origin
from dddkit.dataclasses import Repository, ValueObject


@dataclass(frozen=True, kw_only=True)
class Parcel(ValueObject):
    label: origin.Label


class Orders(Repository[origin.Order, origin.Number]): ...


class Rows(origin.OrderRows): ...


def reopen(order: origin.Order, basket: origin.Basket) -> None:
    order.add_event(origin.Order.Closed(reason="again"))
    basket.add_event(origin.Basket.Filled(count=2))
""",
}


_SEED: Final = {"stories": 7, "blocks": 1}
"""Of the modules made from these seeds, the user's module above is a correct use."""


@cache
def _mistakes(kind: str) -> tuple[Mapping[str, str], Mapping[str, Files]]:
    """The files of a project, and mistakes at random as edits: the other module is never edited."""
    random = Random(_SEED[kind])
    source = (correct_stories if kind == "stories" else correct_blocks)(random)
    mutations = [mutant for mistake in MISTAKES for mutant in mutants(source, mistake)]
    chosen = random.sample(mutations, 5 * _ROUNDS)
    files = {"origin.py": source, "user.py": _USER[kind]}
    return files, {str(number): {"origin.py": mutant} for number, mutant in enumerate(chosen)}


@_seeds(0, each=5)
@pytest.mark.parametrize("kind", _USER)
def test_a_random_mistake_in_another_module_gives_the_same_in_every_mode(
    number: int, kind: str, histories: Histories
) -> None:
    files, edits = _mistakes(kind)
    for mode, found in (said := histories(_CONFIG, files, edits).after(str(number))).items():
        assert _errors(found) == _errors(said["cold"]), f"{mode}\n\n{edits[str(number)]['origin.py']}"


def _errors(said: str) -> list[str]:
    """The errors alone: some notes of mypy's own, the daemon gives at other times."""
    return [line for line in said.splitlines() if ": error: " in line]
