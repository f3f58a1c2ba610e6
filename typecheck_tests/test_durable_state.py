"""What the plugin says about the State of a durable story is what the runtime says when the story is made durable."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from typecheck_tests.running import CONFIG, WITHOUT_DBOS, run_mypy

HEAD: Final = """\
import asyncio, collections, contextlib, functools, io, logging, queue, random, re, socket, sqlite3, subprocess
import threading, types
import collections.abc as abc
import typing as t
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import Path, PurePath
from typing import *
from uuid import UUID

import attrs
from pydantic import BaseModel, BeforeValidator, Field, HttpUrl, PlainSerializer, PrivateAttr, RootModel, SecretStr
from typing_extensions import TypedDict
from dddkit import dataclasses as d, pydantic as p
from dddkit.stories import I, Story, StoryState

T = TypeVar("T")

class Client:
    def __init__(self) -> None: ...
class Generic_(Generic[T]):
    def __init__(self) -> None: ...
class Sends(Protocol): ...
class Meta(type): ...
class Made(metaclass=Meta):
    def __init__(self) -> None: ...
class Words(str):
    def __init__(self, *_: object) -> None: ...
class Color(Enum):
    RED = "red"
class Named(NamedTuple):
    a: int
class Typed(TypedDict):
    a: int
@attrs.define
class Attrs:
    a: int = 0
@dataclass
class Plain:
    a: int
@dataclass
class Odd:
    a: int
    b: int = field(init=False)
    c: InitVar[int] = 0
class OddChild(Odd): ...
class Model(BaseModel):
    a: int
class Private(BaseModel):
    _a: int = PrivateAttr(1)
class Root(RootModel[int]): ...
@dataclass
class Aggregate(d.Aggregate):
    id: int
class AggregateModel(p.Aggregate):
    id: int
@dataclass
class Entity(d.Entity):
    id: int
class EntityModel(p.Entity):
    id: int
class OddModel(p.Entity):
    id: int
    note: str = Field(exclude=True)
    _read: bool = False
@dataclass(frozen=True)
class Value(d.ValueObject):
    a: int
class ValueModel(p.ValueObject):
    a: int
class Step(Story):
    I.step
    def step(self, state: object) -> None: ...

Payload = dict[str, Any]
Converted = Annotated[UUID, BeforeValidator(UUID), PlainSerializer(str)]
Name = NewType("Name", str)
Wrapped = NewType("Wrapped", Client)
"""
REJECTED: Final = """\
Any; object; type; type[int]; t.Type[int]; 'Any'; list[Any]; List[Any]; Dict[str, Any]; dict[str, object]
tuple[Any, ...]; Tuple[int, Any]; Optional[Any]; UUID | Any; list[list[Any]]; dict[str, list[object]]
list; dict; set; tuple; frozenset; t.List; t.Dict
Callable[[int], None]; abc.Callable[..., None]; Callable; Optional[abc.Callable[[], int]]; functools.partial[None]
types.FunctionType; Step; list[Step]
threading.Event; threading.Thread; asyncio.Lock; asyncio.Event; asyncio.Queue[int]
asyncio.Task[int]; asyncio.Future[int]; io.StringIO; TextIO; IO[str]; random.Random; sqlite3.Connection
socket.socket; logging.Logger; queue.Queue[int]; subprocess.Popen[str]; contextlib.ExitStack; list[threading.Event]
SecretStr; dict[str, SecretStr]
Sequence[int]; Iterable[int]; Iterator[int]; Collection[int]; abc.Set[int]; collections.deque[int]
collections.OrderedDict[str, int]; collections.Counter[str]; collections.defaultdict[str, int]
dict[float, int]; dict[bool, int]; dict[bytes, int]; dict[Any, int]; dict[object, int]
Fraction; complex; bytearray; range; BaseException; ValueError; types.SimpleNamespace; Hashable; Sized
Client; Wrapped; Sends; Attrs; Odd; OddChild; Odd | None; Private; Root; OddModel
Aggregate; AggregateModel; list[Aggregate]; dict[str, AggregateModel]
"""
"""Annotations that both reject, with the same words."""
ACCEPTED: Final = """\
int; bool; float; str; bytes; None; UUID; Decimal; datetime; date; time; timedelta; Path; PurePath
IPv4Address; Color; set[Color]; Literal[1, 'a']; list[int]; dict[str, int]; dict[UUID, int]; dict[Name, Name]
Mapping[str, int]; frozenset[str]; tuple[int, ...]; tuple[int, str]; int | str; Optional[int]
Named; Typed; Plain; Model; Entity; EntityModel; Value; ValueModel; list[Plain | None]; HttpUrl
Converted; list[Converted]; Annotated[Any, PlainSerializer(str), BeforeValidator(str)]; ClassVar[Any]; Final[int] = 1
"""
"""Annotations that neither rejects."""
NOT_JUDGED: Final = "Payload; Annotated[Any, 1]; Made; Words; float | int; dict[Plain, int]"
"""Annotations that the runtime rejects, and the plugin leaves to it."""

MADE: Final = """\
import json, sys, warnings

warnings.simplefilter("ignore")
sys.path.insert(0, "")
from dbos import DBOS
from dddkit.exceptions import StoryNotRecordableError
from dddkit.stories.dbos import Durable, settings
import states

DBOS(config=settings("states", "sqlite:///states.sqlite"))
found = []
for number in range(int(sys.argv[1])):
    problems = []
    try:
        Durable(getattr(states, f"S{number}")(), name=f"s{number}")
    except StoryNotRecordableError as error:
        problems = [f"{path}: {problem}" for path, problem in error.problems]
    found.append(sorted(problems))
print(json.dumps(found))
"""
"""Prints what the runtime rejects of the State of each story."""


def _annotations(lines: str) -> list[str]:
    return [part.strip() for line in lines.splitlines() for part in line.split(";")]


def _source(annotations: list[str]) -> str:
    parts = [HEAD, "from dddkit.stories.dbos import Durable\n"]
    for number, annotation in enumerate(annotations):
        parts.append(
            f"class S{number}(Story):\n    I.step\n    class State(StoryState):\n        field: {annotation}\n"
            f"    def step(self, state: State) -> None: ...\n"
            f"def make_{number}() -> object:\n    return Durable(S{number}(), name='s')\n"
        )
    return "".join(parts)


def _said_by_mypy(directory: Path, number: int) -> list[list[str]]:
    (directory / "mypy.ini").write_text(f"{CONFIG}disallow_any_generics = False\n{WITHOUT_DBOS}")
    found: list[list[str]] = [[] for _ in range(number)]
    for line in run_mypy(directory, "states.py").splitlines():
        match = re.search(r"error: S(\d+)\.State cannot be recorded: (.*)  \[dddkit-durable-state\]$", line)
        assert match is not None, line
        found[int(match[1])].append(match[2])
    return [sorted(problems) for problems in found]


@pytest.mark.slow
def test_the_plugin_rejects_what_the_runtime_rejects_in_the_same_words_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("dbos")
    rejected, accepted, open_ones = map(_annotations, (REJECTED, ACCEPTED, NOT_JUDGED))
    every = [*rejected, *accepted, *open_ones]
    (tmp_path / "states.py").write_text(_source(every))
    said = dict(zip(every, _said_by_mypy(tmp_path, len(every)), strict=True))
    command = [sys.executable, "-c", MADE, str(len(every))]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr
    by_runtime: dict[str, list[str]] = dict(zip(every, json.loads(run.stdout), strict=True))
    assert {one: said[one] for one in rejected} == {one: by_runtime[one] for one in rejected}
    assert not [one for one in rejected if not said[one]]
    assert not {one: said[one] or by_runtime[one] for one in accepted if said[one] or by_runtime[one]}
    assert not {one: said[one] for one in open_ones if said[one] or not by_runtime[one]}
