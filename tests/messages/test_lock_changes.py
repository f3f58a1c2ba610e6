"""What `check_events` says of a change, held against really writing with one version and reading with the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union

import pydantic
import pytest
from typing_extensions import NotRequired, TypedDict

from dddkit.messages import EventCatalog, Message, MessageRejectedError, check_events, lock_events
from tests.blocks.flavours import Dataclasses, Flavour, Model, in_both_flavours
from tests.house.pages import text_of
from tests.messages.lock_changes import CHANGES, LOCK, UPCAST, Change, Data

every_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)


def catalog_of(event_class: Model) -> EventCatalog:
    catalog = EventCatalog("/shop")
    catalog.add(event_class, "order.placed")
    return catalog


def lines(catalog: EventCatalog, path: Path) -> list[str]:
    try:
        check_events(catalog, path)
    except AssertionError as error:
        return str(error).splitlines()
    return []


def handed_over(writer: EventCatalog, reader: EventCatalog, data: Data) -> tuple[Any, Any] | None:
    """Return what one version has written, and what another has read of it; None if it rejects the message."""
    made = writer.decode(Message(id="1", type="order.placed.v1", source="/shop", data=dict(data)))
    message = Message.from_json(writer.encode(made).to_json())
    try:
        return message.data, reader.encode(reader.decode(message)).data
    except MessageRejectedError:
        return None


def agree(written: Any, read: Any) -> bool:
    """Whether two versions mean the same by all that both of them know."""
    kinds: set[type] = {type(written), type(read)}
    if kinds == {dict}:
        return all(agree(written[name], read[name]) for name in written.keys() & read.keys())
    if kinds == {list}:
        return len(written) == len(read) and all(map(agree, written, read))
    return len(kinds) == 1 and bool(written == read)


@in_both_flavours
@every_change
def test_check_events_says_of_a_change_what_it_breaks(change: Change, flavour: type[Flavour], tmp_path: Path) -> None:
    old, new = map(catalog_of, change.classes(flavour))
    path = tmp_path / "events.lock.json"
    lock_events(old, path)
    found = lines(new, path)
    assert found == [f"order.placed.v1: {line}" for line in change.says]
    both = handed_over(old, new, change.written_by_old), handed_over(new, old, change.written_by_new)
    assert tuple(each is not None for each in both) == (change.new_reads_old, change.old_reads_new)
    if all(line.endswith(LOCK) for line in found):
        assert all(each is not None and agree(*each) for each in both)
        lock_events(new, path)
        check_events(new, path)
    else:
        with pytest.raises(ValueError, match=r"order\.placed\.v1") as refused:
            lock_events(new, path)
        assert set(str(refused.value).splitlines()) == set(found)
        check_events(old, path)


@in_both_flavours
def test_a_list_of_nothing_may_become_a_list_of_several_classes(flavour: type[Flavour], tmp_path: Path) -> None:
    classes = (flavour.declare("ValueObject", "Card", number=str), flavour.declare("ValueObject", "Cash", cents=int))
    items: Any = list[Union[classes]]  # type: ignore[valid-type]  # noqa: UP007  # of a tuple, made at run time
    empty, full = (
        catalog_of(flavour.declare("AggregateEvent", "Placed", paid=declared)) for declared in (tuple[()], items)
    )
    lock_events(empty, tmp_path / "empty.json")
    assert lines(full, tmp_path / "empty.json") == [
        f"order.placed.v1: data.paid allows more than before: max items was 0, and is nothing now; {UPCAST}",
        f"order.placed.v1: data.paid[] was anything, and is object with cents or object with number now; {UPCAST}",
    ]
    lock_events(full, tmp_path / "full.json")
    assert len(lines(empty, tmp_path / "full.json")) == 2


def table() -> str:
    """The changes as a table, for `docs/messages_lock.md`."""
    rows = [
        "| change | `check_events` says, of `order.placed.v1` | new reads old | old reads new |",
        "|---|---|---|---|",
    ]
    for change in CHANGES:
        says = "<br>".join(f"`{line}`" for line in change.says) or "nothing"
        reads = ("yes" if each else "no" for each in (change.new_reads_old, change.old_reads_new))
        rows.append(f"| {change.title} | {says} | {' | '.join(reads)} |")
    return "\n".join(rows) + "\n"


def test_the_page_shows_the_changes() -> None:
    assert table() in text_of("docs/messages_lock.md")


@pydantic.with_config({"extra": "forbid"})
class Address(TypedDict):
    street: str


@pydantic.with_config({"extra": "forbid"})
class LongerAddress(TypedDict):
    street: str
    floor: NotRequired[int]


class TolerantAddress(TypedDict):
    street: str


@pytest.mark.parametrize(
    ("new", "line"),
    [
        (LongerAddress, "data.to.floor was added to a class that does not ignore unknown fields"),
        (TolerantAddress, "data.to treats unknown fields in another way"),
    ],
)
def test_a_class_that_rejects_unknown_fields_cannot_gain_one(new: Model, line: str, tmp_path: Path) -> None:
    path = tmp_path / "events.lock.json"
    lock_events(catalog_of(Dataclasses.declare("AggregateEvent", "Moved", to=Address)), path)
    found = lines(catalog_of(Dataclasses.declare("AggregateEvent", "Moved", to=new)), path)
    assert found == [f"order.placed.v1: {line}; raise the version and add an upcast"]


def test_one_new_name_for_two_old_ones_is_no_renaming(tmp_path: Path) -> None:
    path = tmp_path / "events.lock.json"
    lock_events(catalog_of(Dataclasses.declare("AggregateEvent", "Placed", net=int, tax=int)), path)
    found = lines(catalog_of(Dataclasses.declare("AggregateEvent", "Placed", total=(int, 0))), path)
    assert found == [
        "order.placed.v1: data.net was removed; raise the version and add an upcast",
        "order.placed.v1: data.tax was removed; raise the version and add an upcast",
    ]
