"""A story whose fields nothing sets, since its decorator was forgotten, is rejected when it is made."""

from __future__ import annotations

import copy
import functools
import inspect
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar

import attrs
import pydantic.dataclasses
import pytest
import typing_extensions

from dddkit.stories import I, Story, steps
from tests.stories.constructors import CONSTRUCTORS, Constructor, every_constructor
from tests.stories.shop import Mode, both_modes, perform

T = TypeVar("T")


class Gateway:
    pass


GATEWAY = Gateway()


class Base(Story):
    """Lists a step that uses nothing, so that only the fields matter."""

    I.pay

    def pay(self, state: list[str]) -> None:
        state.append("pay")


def loosely(value: Any) -> Any:
    """Return the value as Any, so that checkers do not report what a test does on purpose."""
    return value


def undecorated(*bases: type[Any], **annotations: Any) -> Any:
    body = {"__annotations__": annotations, "__module__": __name__}
    return loosely(type(Base))("Checkout", bases or (Base,), body)


@both_modes
def test_fs11_a_story_without_its_decorator_is_refused_when_it_is_made(mode: Mode) -> None:
    class Checkout(Story):  # type: ignore[dddkit-undecorated-class]
        I.pay
        gateway: Gateway
        limit: int
        if mode == "sync":

            def pay(self, state: list[str]) -> None:  # pyright: ignore[reportRedeclaration]  # either of them
                state.append(repr(self.gateway))

        else:

            async def pay(self, state: list[str]) -> None:  # type: ignore[misc]  # either of them
                state.append(repr(self.gateway))

    for arguments in ((), (Gateway(),), (Gateway(), 1)):
        with pytest.raises(TypeError) as caught:
            loosely(Checkout)(*arguments)
        assert str(caught.value).endswith(
            "Checkout declares gateway, limit, but nothing sets them; decorate the class with @dataclass, "
            "or write its __init__"
        )
    perform(loosely(dataclass(Checkout))(Gateway(), 1), [])


@pytest.mark.parametrize(
    "annotation",
    [Gateway, "Gateway", "only_for_checkers.Gateway", Final[Gateway], "Final", "Callable[[list[str]], None]"],
)
def test_fs11_any_annotation_without_a_value_is_a_field(annotation: Any) -> None:
    with pytest.raises(TypeError, match="Checkout declares gateway, but nothing sets it"):
        undecorated(gateway=annotation)()


def test_fs11_the_class_that_declares_the_field_is_named() -> None:
    class House(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Gateway

    @dataclass
    class Checkout(House):
        limit: int = 1

    class Child(Checkout):  # type: ignore[dddkit-undecorated-class]
        more: int

    for made in (Checkout, loosely(Child)):
        with pytest.raises(TypeError, match="House declares gateway, but nothing sets it"):
            made()
    with pytest.raises(TypeError, match="Child declares more, but nothing sets it"):
        undecorated_child(dataclass(undecorated(gateway=Any)))(Gateway())


def undecorated_child(parent: Any) -> Any:
    return loosely(type(Base))("Child", (parent,), {"__annotations__": {"more": Any}, "__module__": __name__})


@every_constructor
def test_fs11_a_child_of_a_made_story_that_adds_a_field_is_refused(made: Constructor) -> None:
    class Parent(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Any

    child = undecorated_child(made(Parent))
    if made is CONSTRUCTORS["by hand"]:  # its handwritten constructor may set anything
        assert child(Gateway()).gateway
        return
    with pytest.raises(TypeError, match="Child declares more, but nothing sets it"):
        child(Gateway())
    assert made(child)(*([Gateway(), 1])).more == 1


@every_constructor
def test_fs11_a_made_story_has_no_constructor_of_ours(made: Constructor) -> None:
    class Checkout(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Any
        limit: int

    story_class = made(Checkout)
    if made is not CONSTRUCTORS["by hand"]:
        assert "__new__" not in vars(story_class)
        assert list(inspect.signature(story_class).parameters) == ["gateway", "limit"]
    story = story_class(Gateway(), 1)
    assert story.limit == 1
    assert copy.copy(story).limit == 1
    perform(story, [])
    with pytest.raises((TypeError, ValueError)):
        story_class()


# Never a false alarm


def by_class_attribute() -> Any:
    class House(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Gateway

    class Checkout(House):
        gateway = Gateway()

    return Checkout


def by_property() -> Any:
    class House(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Gateway

    class Checkout(House):
        @property
        def gateway(self) -> Gateway:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
            return Gateway()

    return Checkout


def by_value() -> Any:
    class Checkout(Base):
        gateway: Gateway = Gateway()
        limit: ClassVar[int]

    return Checkout


def by_assignment_to_the_class() -> Any:
    made = undecorated(gateway=Gateway)
    made.gateway = Gateway()
    return made


def by_decorator() -> Any:
    def injects(cls: Any) -> Any:
        cls.gateway = Gateway()
        return cls

    return injects(undecorated(gateway=Gateway))


def by_decorator_that_adds_a_constructor() -> Any:
    def injects(cls: Any) -> Any:
        def __init__(self: Any) -> None:
            self.gateway = Gateway()

        cls.__init__ = __init__
        return cls

    return injects(undecorated(gateway=Gateway))


def by_init() -> Any:
    class Checkout(Base):
        gateway: Gateway

        def __init__(self) -> None:
            self.gateway = Gateway()

    return Checkout


def by_init_of_a_child() -> Any:
    class House(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Gateway

    class Checkout(House):
        def __init__(self) -> None:
            super().__init__()
            self.gateway = Gateway()

    return Checkout


def by_init_of_a_mixin() -> Any:
    class Connected:
        def __init__(self) -> None:
            self.gateway = Gateway()

    return undecorated(Base, Connected, gateway=Gateway)


def by_new() -> Any:
    class Checkout(Base):
        gateway: Gateway

        def __new__(cls) -> Any:
            made = super().__new__(cls)
            made.gateway = Gateway()
            return made

    return Checkout


def by_new_of_a_mixin() -> Any:
    class Connected:
        def __new__(cls) -> Any:
            made: Any = super().__new__(cls)
            made.gateway = Gateway()
            return made

    return undecorated(Base, Connected, gateway=Gateway)


def by_getattr() -> Any:
    class Checkout(Base):
        gateway: Gateway

        def __getattr__(self, name: str) -> Any:
            if name == "gateway":
                return Gateway()
            raise AttributeError(name)

    return Checkout


def by_cached_property() -> Any:
    class House(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Gateway

    class Checkout(House):
        @functools.cached_property
        def gateway(self) -> Gateway:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
            return Gateway()

    return Checkout


def by_init_subclass() -> Any:
    class House(Base):
        gateway: Gateway

        def __init_subclass__(cls, **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.gateway = Gateway()

    class Checkout(House):
        pass

    return Checkout


def by_a_parent_that_is_a_dataclass() -> Any:
    @dataclass
    class Parent(Base):
        gateway: Any = None

        def __post_init__(self) -> None:
            self.gateway = Gateway()

    return undecorated(Parent, gateway=Gateway)  # with a narrower type


def by_a_mixin_that_is_a_dataclass() -> Any:
    @dataclass
    class Connected:
        gateway: Gateway = GATEWAY

    return undecorated(Base, Connected, gateway=Gateway)


def by_a_redeclared_field() -> Any:
    class House(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Gateway

    @dataclass
    class Checkout(House):
        gateway: Gateway = GATEWAY

    return Checkout


@pytest.mark.parametrize("decorate", [dataclass, dataclass(slots=True), pydantic.dataclasses.dataclass])
def test_fs11_the_mark_of_keyword_only_fields_is_no_field(decorate: Callable[[Any], Any]) -> None:
    @decorate
    class Checkout(Base):
        _: KW_ONLY
        limit: int

    story = loosely(Checkout)(limit=7)
    perform(story, [])
    assert story.limit == 7


@pytest.mark.parametrize(
    "define",
    [
        by_class_attribute,
        by_property,
        by_value,
        by_assignment_to_the_class,
        by_decorator,
        by_decorator_that_adds_a_constructor,
        by_init,
        by_init_of_a_child,
        by_init_of_a_mixin,
        by_new,
        by_new_of_a_mixin,
        by_getattr,
        by_cached_property,
        by_init_subclass,
        by_a_parent_that_is_a_dataclass,
        by_a_mixin_that_is_a_dataclass,
        by_a_redeclared_field,
    ],
    ids=lambda define: define.__name__,
)
def test_fs11_a_field_that_something_sets_is_no_mistake(define: Callable[[], Any]) -> None:
    story = define()()
    assert isinstance(story.gateway, Gateway)
    perform(story, [])
    assert type(copy.copy(story)) is type(story)
    with pytest.raises(TypeError):
        define()("an argument that it does not take", "another")


@pytest.mark.parametrize(
    "setting",
    [
        "self.gateway = None",
        "self.gateway, other = None, None",
        "setattr(self, 'gateway', None)",
        "object.__setattr__(self, 'gateway', None)",
        "self.__dict__['gateway'] = None",
        "vars(self).update(gateway=None)",
        "[setattr(self, name, None) for name in ('gateway',)]",
        "(lambda: self.__dict__.update(gateway=None))()",
    ],
)
def test_fs11_an_attribute_that_a_method_sets_is_declared_only(setting: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def pay(self, state):\n    {setting}", namespace)
    body = {"__annotations__": {"gateway": Any}, "pay": namespace["pay"]}
    story = loosely(type(Base))("Checkout", (Base,), body)()
    perform(story, [])
    assert loosely(story).gateway is None


def logged(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as most libraries do."""

    @functools.wraps(method)
    def call(*arguments: Any) -> Any:
        return method(*arguments)

    return call


WRAPPERS: list[Callable[[Any], Any]] = [
    property,
    staticmethod,
    classmethod,
    functools.cached_property,
    logged,
    lambda method: logged(logged(logged(method))),
    lambda method: property(logged(method)),
    lambda method: property(None, logged(method)),
    lambda method: staticmethod(logged(method)),
    lambda method: classmethod(logged(method)),
]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_fs11_whatever_kind_of_method_it_is(wrap: Callable[[Any], Any]) -> None:
    def connect(self: Any) -> None:
        self.gateway = None

    body = {"__annotations__": {"gateway": Any}, "connect": wrap(connect)}
    assert loosely(type(Base))("Checkout", (Base,), body)()


def test_fs11_a_method_that_reads_the_attribute_does_not_set_it() -> None:
    class Checkout(Base):  # type: ignore[dddkit-undecorated-class]
        gateway: Gateway

        def pay(self, state: list[str]) -> None:
            state.append(repr(self.gateway))

    with pytest.raises(TypeError, match="declares gateway"):
        loosely(Checkout)()


def test_fs11_annotations_that_are_no_fields_are_silent() -> None:
    class Checkout(Base):
        I: ClassVar[Checkout] = steps()
        limit: ClassVar[int]
        State: type[list[str]]

    assert loosely(Checkout)()


def test_fs11_a_step_that_is_a_field_is_checked_at_the_call_as_ever() -> None:
    class Checkout(Story):
        I.charge
        charge: Callable[[list[str]], None]

    story = loosely(Checkout)()
    with pytest.raises(TypeError, match="is declared, but this"):
        story([])


def test_fs11_an_abstract_story_says_what_is_abstract() -> None:
    class Payment(Base, ABC):
        gateway: Gateway

        @abstractmethod
        def charge(self) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        loosely(Payment)()

    class Cash(Payment):
        gateway = Gateway()

        def charge(self) -> None: ...

    assert loosely(Cash)()


@pytest.mark.parametrize("protocol", [typing.Protocol, typing_extensions.Protocol])
def test_fs11_what_a_mixin_declares_is_for_others_to_set(protocol: Any) -> None:
    class HasGateway(protocol):  # type: ignore[misc]  # a base chosen at run time
        gateway: Gateway

    class Plain:
        gateway: Gateway

    for mixin in (HasGateway, Plain):
        for bases in ((Base, mixin), (mixin, Base)):
            assert undecorated(*bases)()
            with pytest.raises(TypeError):
                undecorated(*bases)(1)


def test_fs11_slots_do_not_set_anything() -> None:
    class Checkout(Base):  # type: ignore[dddkit-undecorated-class]
        __slots__ = ("gateway",)
        gateway: Gateway

    with pytest.raises(TypeError, match="declares gateway"):
        loosely(Checkout)()


def test_fs11_generic_stories_are_checked_too() -> None:
    class Adding(Base, Generic[T]):  # type: ignore[dddkit-undecorated-class]
        item: T

    with pytest.raises(TypeError, match="declares item"):
        loosely(Adding)()
    assert loosely(dataclass(Adding))("apple").item == "apple"


def test_fs11_a_story_without_fields_takes_no_arguments() -> None:
    with pytest.raises(TypeError, match="no arguments"):
        loosely(Base)(1)
    with pytest.raises(TypeError, match="no arguments"):
        by_class_attribute()(1)
    assert "__new__" not in vars(Base)


def test_fs11_attrs_and_pydantic_decorators_are_recognised_after_the_class_was_refused() -> None:
    for decorate in (attrs.define, attrs.define(slots=False), dataclass(slots=True), pydantic.dataclasses.dataclass):
        made: Any = undecorated(limit=int)
        with pytest.raises(TypeError, match="declares limit"):
            made()
        assert loosely(decorate)(made)(1).limit == 1
