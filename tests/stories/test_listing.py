"""What `I` and the names that it lists answer, when somebody takes them for more than names."""

# A class that is rejected is not used:
# pyright: reportUnusedClass=false

from __future__ import annotations

import copy
import doctest
import inspect
import pickle
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from keyword import iskeyword
from types import ModuleType
from typing import Any
from unicodedata import normalize
from unittest import mock

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dddkit.exceptions import StoryDefinitionError
from dddkit.stories import I, Story
from dddkit.stories import I as Vocabulary
from tests.stories.shop import Mode, both_modes, listed, perform

IMPORTED: Any = Vocabulary  # what the plugin knows of `I` is not what is tested here


class Checkout(Story):
    I.reserve
    I.charge

    def reserve(self, state: list[str]) -> None:
        state.append("reserve")

    def charge(self, state: list[str]) -> None:
        state.append("charge")


LISTED: Any = Checkout.I
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}


# The imported I


def test_fs9_the_imported_i_has_no_attribute() -> None:
    assert not hasattr(IMPORTED, "ship")
    assert getattr(IMPORTED, "ship", None) is None
    with pytest.raises(AttributeError, match=r"I\.ship lists no step here: `I` is a story's own only in the body"):
        IMPORTED.ship


def test_fs9_the_refusal_is_a_definition_error_too_and_survives_pickling() -> None:
    with pytest.raises(StoryDefinitionError) as caught:
        IMPORTED.ship

    again = pickle.loads(pickle.dumps(caught.value))

    assert type(again) is type(caught.value)
    assert isinstance(again, AttributeError)
    assert str(again) == str(caught.value)
    assert (again.story, again.step) == (None, "ship")


def module_with_i() -> ModuleType:
    module = ModuleType("shop_with_i")
    module.__dict__["I"] = I
    return module


TOOLS: dict[str, Callable[[ModuleType], object]] = {
    "getmembers": inspect.getmembers,
    "getmembers of I": lambda module: inspect.getmembers(module.I),
    "doctest": lambda module: doctest.DocTestFinder().find(module, "shop"),
    "unwrap": lambda module: inspect.unwrap(module.I),
    "signature": lambda module: [inspect.isroutine(module.I), inspect.isabstract(module.I)],
    "dataclasses": lambda module: is_dataclass(module.I),
    "autospec": lambda module: mock.create_autospec(module.I),
    "autospec of the module": mock.create_autospec,
    "protocols": lambda module: [hasattr(module.I, name) for name in ("fileno", "read", "keys", "to_dict", "shape")],
}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_fs9_tools_that_look_through_modules_go_on(tool: Callable[[ModuleType], object]) -> None:
    tool(module_with_i())


def test_fs9_patching_a_module_with_autospec_works(monkeypatch: pytest.MonkeyPatch) -> None:
    module = module_with_i()
    monkeypatch.setitem(sys.modules, "shop_with_i", module)
    with mock.patch("shop_with_i.I", autospec=True) as patched:
        assert module.I is patched
    assert module.I is I


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
def test_fs9_a_copy_of_the_imported_i_is_the_imported_i(copied: Callable[[object], object]) -> None:
    assert copied(IMPORTED) is I


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
def test_fs9_a_copy_of_the_list_of_a_story_lists_the_same(copied: Callable[[object], Any]) -> None:
    made = copied(LISTED)
    assert made.__steps__ == ["reserve", "charge"]
    assert not hasattr(made, "ship")


# A listed name


def in_a_body(use: Callable[[Any], object]) -> None:
    """Do something with `I` in the body of a story."""

    class Body(Story):
        use(I)

        def reserve(self, state: object) -> None: ...


def assign(steps: Any) -> None:
    steps.reserve = print


def delete(steps: Any) -> None:
    del steps.reserve


def set_item(steps: Any) -> None:
    steps["reserve"] = print


MISUSES: dict[str, tuple[Callable[[Any], object], str]] = {
    "call": (lambda steps: steps.reserve(), r"I\.reserve is the name of a step, and cannot be called; a line"),
    "call with the state": (lambda steps: steps.reserve([]), r"cannot be called; .* define reserve\(self, state\)"),
    "decorator": (lambda steps: steps.reserve(len), r"I\.reserve is the name of a step"),
    "attribute": (
        lambda steps: steps.reserve.inner,
        r"no attribute 'inner'; write one line `I\.reserve`, .* I\.inner in",
    ),
    "method": (lambda steps: steps.reserve.then("charge"), r"I\.reserve is the name of a step, and has no attribute"),
    "assignment": (
        assign,
        r"I\.reserve cannot be assigned; a line `I\.reserve` lists a step, and reserve\(self, state\)",
    ),
    "deletion": (delete, r"I\.reserve cannot be deleted; leave its line out"),
    "item": (lambda steps: steps["reserve"], r"I has no items; list a step as I\.name, or as getattr\(I, name\)"),
    "shift": (lambda steps: steps.reserve >> steps.reserve, r"a line of its own: I\.reserve, then I\.reserve"),
    "or": (lambda steps: steps.reserve | steps.reserve, r"a line of its own: I\.reserve, then I\.reserve"),
    "and": (lambda steps: steps.reserve & len, r"list each step in a line of its own: I\.reserve, then the next step"),
    "plus": (lambda steps: steps.reserve + steps.reserve, r"a line of its own: I\.reserve, then I\.reserve"),
}
PLACES: dict[str, Callable[[Callable[[Any], object]], object]] = {
    "in the body": in_a_body,
    "after it": lambda use: use(LISTED),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
@pytest.mark.parametrize(("use", "message"), MISUSES.values(), ids=list(MISUSES))
def test_fs10_a_listed_name_says_what_it_is_and_what_to_write(
    place: Callable[[Callable[[Any], object]], object], use: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(StoryDefinitionError, match=message) as caught:
        place(use)
    assert caught.value.step == "reserve"


@pytest.mark.parametrize("name", ["assignment", "deletion", "item"])
def test_fs10_the_imported_i_says_so_too(name: str) -> None:
    use, _ = MISUSES[name]
    with pytest.raises(StoryDefinitionError):
        use(IMPORTED)


@pytest.mark.parametrize("steps", [IMPORTED, LISTED], ids=["imported", "listed"])
def test_fs10_i_is_no_collection(steps: Any) -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(steps)
    with pytest.raises(TypeError):
        "reserve" in steps  # noqa: B015  # pyright: ignore[reportUnusedExpression]
    with pytest.raises(TypeError):
        set_item(steps)


def test_fs10_a_listed_name_goes_on_being_the_string() -> None:
    name = LISTED.reserve

    assert isinstance(name, str)
    assert name == "reserve"
    assert {name: 1}["reserve"] == 1
    assert hash(name) == hash("reserve")
    assert (repr(name), str(name), f"{name:>9}") == ("'reserve'", "reserve", "  reserve")
    assert name + "d" == "re" + "served" == "reserved"
    assert name.upper() == "RESERVE"
    assert type(str(name)) is str
    assert getattr(Checkout(), name)([]) is None
    assert not hasattr(name, "_private")
    assert not hasattr(name, "inner")


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
def test_fs10_a_copy_of_a_listed_name_is_a_plain_string(copied: Callable[[object], object]) -> None:
    made = copied(LISTED.reserve)
    assert (made, type(made)) == ("reserve", str)


def test_fs10_the_names_that_a_story_gives_are_plain_strings() -> None:
    assert {type(name) for name in LISTED.__steps__} == {str}


def test_fs10_a_listed_name_is_no_step_itself() -> None:
    with pytest.raises(StoryDefinitionError, match=r"I\.reserve is no callable, but the name of a step"):

        class Renamed(Story):
            locals()["reserve"] = getattr(I, "reserve")  # noqa: B009  # the plugin would report it

    with pytest.raises(StoryDefinitionError, match=r"I\.first is no callable, but the name of a step"):

        class Renaming(Story):
            first = LISTED.reserve
            listed(I, "first")


# Names that are listed dynamically


@both_modes
@pytest.mark.parametrize("spelt", ["\ufb01nish", "\u00b5g", "\uff53hip", "stra\u00dfe", "e\u0301tat"])
def test_fr12_a_dynamic_name_is_normalized_as_identifiers_are(mode: Mode, spelt: str) -> None:
    name = normalize("NFKC", spelt)
    seen: list[str] = []

    def sync_step(self: object, state: list[str]) -> None:
        state.append("ran")

    async def async_step(self: object, state: list[str]) -> None:
        state.append("ran")

    class Dynamic(Story):
        locals()[name] = sync_step if mode == "sync" else async_step
        listed(I, spelt)

    class Child(Dynamic):
        listed(I, spelt, name)

    Dynamic.register_hook("before", lambda context, step: seen.append(step.step_name))
    assert Dynamic.I.__steps__ == [name]
    assert getattr(Dynamic.I, spelt) == getattr(Dynamic.I, name) == name
    for story, times in ((Dynamic, 1), (Child, 2)):
        state: list[str] = []
        seen.clear()
        perform(story, state)
        assert state == ["ran"] * times
        assert seen == [name] * times


@given(st.text(st.characters(categories=("L", "Nl")), min_size=1, max_size=4))
def test_fr12_what_is_listed_is_what_python_would_read(spelt: str) -> None:
    assume(spelt not in ("I", "State") and not iskeyword(spelt) and not spelt.startswith("_") and spelt.isidentifier())

    class Dynamic(Story):
        locals()[normalize("NFKC", spelt)] = Checkout.reserve
        listed(I, spelt)

    state: list[str] = []
    Dynamic()(state)
    assert state == ["reserve"]
    [read] = compile(f"I.{spelt}", "", "eval").co_names[1:]
    assert Dynamic.I.__steps__ == [read]


def test_fr12_a_step_under_a_name_that_is_not_normalized_is_refused_with_the_reason() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Dynamic(Story):
            locals()["\u00b5g"] = Checkout.reserve
            listed(I, "\u00b5g")

    assert str(caught.value).endswith(
        "I.\u03bcg names no step; the class spells it '\\xb5g', which is not normalized; "
        'give it the name unicodedata.normalize("NFKC", name), as Python does in source'
    )


def test_fr12_a_keyword_and_what_is_no_identifier_are_steps_too() -> None:
    class Dynamic(Story):
        locals().update(dict.fromkeys(("class", "not an identifier", "\ud800"), Checkout.reserve))
        listed(I, "\uff43lass", "not an identifier", "\ud800")

    state: list[str] = []
    Dynamic()(state)
    assert Dynamic.I.__steps__ == ["class", "not an identifier", "\ud800"]
    assert state == ["reserve"] * 3


def test_fr12_a_member_of_an_enum_lists_its_value() -> None:
    class Steps(str, Enum):
        RESERVE = "reserve"

    class Dynamic(Checkout):
        for name in Steps:
            getattr(I, name)

    state: list[str] = []
    Dynamic()(state)
    assert state == ["reserve"]
    assert Dynamic.I.__steps__ == ["reserve"]
    assert type(Dynamic.I.__steps__[0]) is str
