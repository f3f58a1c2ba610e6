"""The plugin and the runtime refuse the same stories with fields that nothing sets."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

from dddkit.stories import Story
from typecheck_tests.running import CONFIG, run_mypy

MODULE: Final = """\
from __future__ import annotations
import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar, Final, Generic, Protocol, TypeVar, final
import attrs
import pydantic.dataclasses
from dddkit.stories import I, Story, steps

T = TypeVar("T")

class Gateway: ...

class Base(Story):
    I.pay
    def pay(self, state: object) -> None: ...

class House(Story):
    gateway: Gateway

# refused

class Two(Base):
    gateway: Gateway
    limit: int

class Simple(Story):
    I.pay
    gateway: Gateway
    def pay(self, state: list[str]) -> None:
        state.append(repr(self.gateway))

class Whole(Story):
    I.pay
    gateway: Gateway
    class State: ...
    def pay(self, state: State) -> None: ...

class OfHouse(House):
    I.pay
    def pay(self, state: object) -> None: ...

@dataclass
class HouseIsNone(House):
    I.pay
    limit: int = 1
    def pay(self, state: object) -> None: ...

class StepAndField(Story):
    I.go
    go: Callable[[object], None]
    gateway: Gateway

@final
class Sealed(Base):
    gateway: Gateway

@dataclass(frozen=True)
class Frozen(Base):
    gateway: Gateway = Gateway()

class OfFrozen(Frozen):
    limit: int

class HasGateway(Protocol):
    gateway: Gateway

class OfProtocol(Base, HasGateway):
    gateway: Gateway

class Generally(Base, Generic[T]):
    gateway: T

class Constant(Base):
    gateway: Final[Gateway]  # type: ignore[misc]

class Reads(Base):
    gateway: Gateway
    def pay(self, state: object) -> None:
        print(self.gateway)

# accepted

class Listed(Base):
    I: ClassVar[Listed] = steps()
    I.pay
    limit: ClassVar[int]
    gateway: Gateway = Gateway()

class OnlyStep(Story):
    I.go
    go: Callable[[object], None]

class ByClass(Base):
    gateway: Gateway

ByClass.gateway = Gateway()

class ByProperty(House):
    I.pay
    def pay(self, state: object) -> None: ...
    @property
    def gateway(self) -> Gateway: ...  # type: ignore[override, empty-body]

class ByCachedProperty(House):
    I.pay
    def pay(self, state: object) -> None: ...
    @functools.cached_property
    def gateway(self) -> Gateway: ...  # type: ignore[override, empty-body]

class ByInit(Base):
    gateway: Gateway
    def __init__(self) -> None:
        self.gateway = Gateway()

class ByInitOfChild(House):
    I.pay
    def pay(self, state: object) -> None: ...
    def __init__(self) -> None:
        self.gateway = Gateway()

class OfByInit(ByInit):
    limit: int

class ByNew(Base):
    gateway: Gateway
    def __new__(cls) -> Any:
        return super().__new__(cls)

class ByGetattr(Base):
    gateway: Gateway
    def __getattr__(self, name: str) -> Any: ...

class BySubclass(House):
    I.pay
    def pay(self, state: object) -> None: ...
    def __init_subclass__(cls) -> None:
        cls.gateway = Gateway()

class OfBySubclass(BySubclass): ...

class Connected:
    def __init__(self) -> None:
        self.gateway = Gateway()

class ByMixin(Base, Connected):
    gateway: Gateway

class HasValue:
    gateway = Gateway()

class ByValueOfMixin(Base, HasValue):
    gateway: Gateway

@dataclass
class MadeMixin:
    gateway: Gateway = Gateway()

class ByMadeMixin(Base, MadeMixin):
    gateway: Gateway

@dataclass
class Redeclared(House):
    I.pay
    gateway: Gateway = field(default_factory=Gateway)
    def pay(self, state: object) -> None: ...

class ByStep(Base):
    gateway: Gateway
    def pay(self, state: object) -> None:
        self.gateway = Gateway()

class ByTuple(Base):
    gateway: Gateway
    def pay(self, state: object) -> None:
        (self.gateway, other) = Gateway(), 1

class BySetattr(Base):
    gateway: Gateway
    def bind(self) -> None:
        setattr(self, "gateway", Gateway())

class ByDict(Base):
    gateway: Gateway
    def bind(self, **values: Gateway) -> None:
        self.__dict__.update(values)

class ByDecorated(Base):
    gateway: Gateway
    @functools.lru_cache
    def bind(self) -> None:
        vars(self)["gateway"] = Gateway()

@attrs.define
class Attrs(Base):
    gateway: Gateway = Gateway()

@pydantic.dataclasses.dataclass
class Pydantic(Base):
    limit: int = 1

class Abstract(Base, ABC):
    gateway: Gateway
    @abstractmethod
    def more(self) -> None: ...
"""


def test_fs11_the_plugin_and_the_runtime_refuse_the_same_stories(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text(CONFIG)
    (tmp_path / "shop.py").write_text(MODULE)
    said = run_mypy(tmp_path, "shop.py")
    assert {line.rpartition("[")[2] for line in said.splitlines()} == {"dddkit-undecorated-class]"}, said
    reported = re.findall(r"error: (\w+)(?::| declares)", said)

    shop = ModuleType("shop")
    sys.modules["shop"] = shop
    try:
        exec(MODULE, shop.__dict__)
        refused = [name for name, kind in shop.__dict__.items() if is_refused(kind)]
    finally:
        del sys.modules["shop"]
    refused.remove("House")  # nobody can call it, since it lists no steps
    assert sorted(reported) == sorted(refused)
    assert len(refused) == 12


def is_refused(kind: object) -> bool:
    if not isinstance(kind, type) or not issubclass(kind, Story) or kind is Story:
        return False
    try:
        kind()
    except TypeError as error:
        return "nothing sets" in str(error)
    return False
