"""The lock file: what is wrong with one, and how it is written."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dddkit.messages import EventCatalog, check_events, lock_events
from tests.blocks.flavours import Dataclasses, Flavour, Model, in_both_flavours, needs_a_deep_stack, needs_threads

LOCK = "events.lock.json"


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def event_class(flavour: type[Flavour] = Dataclasses, /, name: str = "Placed", **fields: Any) -> Model:
    return flavour.declare("AggregateEvent", name, **(fields or {"total": int}))


def same(data: dict[str, Any]) -> dict[str, Any]:
    return data


def catalog_with(source: str = "/shop", /, **versions: int) -> EventCatalog:
    """A catalog of events called `order.<name>`, in these versions."""
    catalog = EventCatalog(source)
    for name, version in versions.items():
        catalog.add(event_class(name=name), f"order.{name}", version=version)
        for to in range(2, version + 1):
            catalog.upcast(f"order.{name}", to=to)(same)
    return catalog


def problems(catalog: EventCatalog, path: str = LOCK) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        check_events(catalog, path)
    return str(caught.value).splitlines()


def refusal(catalog: EventCatalog, path: str = LOCK) -> list[str]:
    before = Path(path).read_bytes()
    with pytest.raises(ValueError, match=r".") as caught:
        lock_events(catalog, path)
    assert type(caught.value) is ValueError
    assert Path(path).read_bytes() == before
    return str(caught.value).splitlines()


def content() -> Any:  # Any: JSON
    return json.loads(Path(LOCK).read_text(encoding="utf-8"))


def write(new: object) -> None:
    Path(LOCK).write_text(new if isinstance(new, str) else json.dumps(new), encoding="utf-8")


@in_both_flavours
def test_what_is_locked_is_no_problem(flavour: type[Flavour]) -> None:
    catalog = EventCatalog("/shop")
    catalog.add(event_class(flavour), "order.placed")
    lock_events(catalog, LOCK)
    check_events(catalog, LOCK)
    check_events(catalog, Path(LOCK))


def test_an_empty_catalog_can_be_locked() -> None:
    lock_events(catalog_with(), LOCK)
    check_events(catalog_with(), LOCK)


@in_both_flavours
def test_domain_events_are_locked_with_their_own_version(flavour: type[Flavour]) -> None:
    catalog = EventCatalog("/shop")
    catalog.add(flavour.Placed, "order.placed")
    lock_events(catalog, LOCK)
    check_events(catalog, LOCK)
    assert content()["messages"]["order.placed"]["version"] == 1


# What is wrong with a catalog


def test_a_message_that_is_not_locked_is_a_problem() -> None:
    lock_events(catalog_with(placed=1), LOCK)
    assert problems(catalog_with(placed=1, paid=1)) == ["order.paid.v1 is not locked yet; run lock_events"]
    lock_events(catalog_with(placed=1, paid=1), LOCK)
    check_events(catalog_with(placed=1, paid=1), LOCK)


def test_a_removed_message_stays_until_it_is_deleted_by_hand() -> None:
    lock_events(catalog_with(placed=1, paid=3), LOCK)
    fewer = catalog_with(placed=1)
    to_do = "add it to the catalog again, or delete it from events.lock.json once nobody sends it"
    line = f"order.paid.v3 was removed; {to_do}"
    assert problems(fewer) == [line]
    lock_events(fewer, LOCK)
    assert problems(fewer) == [line]
    by_hand = content()
    del by_hand["messages"]["order.paid"]
    write(by_hand)
    check_events(fewer, LOCK)


def test_a_raised_version_is_locked_whatever_has_changed() -> None:
    lock_events(catalog_with(placed=1), LOCK)
    raised = EventCatalog("/shop")
    raised.add(event_class(note=str), "order.placed", version=2)
    raised.upcast("order.placed", to=2)(same)
    assert problems(raised) == ["order.placed.v2 is not locked yet; run lock_events"]
    lock_events(raised, LOCK)
    check_events(raised, LOCK)
    assert list(content()["messages"]) == ["order.placed"]


def test_a_version_that_nothing_leads_to_is_a_problem() -> None:
    raised = EventCatalog("/shop")
    raised.add(event_class(), "order.placed", version=2)
    lock_events(raised, LOCK)
    with pytest.raises(ValueError, match="nothing leads to version 2") as caught:
        raised.check()
    assert problems(raised) == str(caught.value).splitlines()


def test_a_lowered_version_is_refused() -> None:
    lock_events(catalog_with(placed=3), LOCK)
    lowered = catalog_with(placed=2)
    line = "order.placed.v2: version 3 is locked; go back to it, or on to 4"
    assert problems(lowered) == refusal(lowered) == [line]


def test_another_source_is_refused() -> None:
    lock_events(catalog_with(placed=1), LOCK)
    other = catalog_with("/billing", placed=1)
    line = (
        'events.lock.json locks the events of "/shop", and this catalog is "/billing"; give each catalog a file of its '
        'own, or change "source" there if it has been renamed'
    )
    assert problems(other) == refusal(other) == [line]


def test_each_problem_has_a_line() -> None:
    lock_events(catalog_with(placed=1, paid=1, cancelled=1), LOCK)
    changed = EventCatalog("/shop")
    changed.add(event_class(total=str, note=str), "order.placed")
    changed.add(event_class(total=int, note=(str, "")), "order.paid")
    changed.add(event_class(), "order.shipped")
    assert problems(changed) == [
        (
            "order.cancelled.v1 was removed; add it to the catalog again, or delete it from events.lock.json "
            "once nobody sends it"
        ),
        "order.paid.v1: data.note is not locked yet; run lock_events",
        "order.placed.v1: data.total was integer, and is string now; raise the version and add an upcast",
        "order.placed.v1: data.note was added without a default; give it one, or raise the version and add an upcast",
        "order.shipped.v1 is not locked yet; run lock_events",
    ]
    assert refusal(changed) == problems(changed)[2:4]


# What is wrong with a file


def test_a_missing_file_is_a_problem() -> None:
    assert problems(catalog_with(placed=1)) == ["events.lock.json does not exist; run lock_events, and commit the file"]
    assert not Path(LOCK).exists()


ANEW = "restore it from version control"
TAKE_ONE = "take one side of the merge conflict, and run lock_events"
A_SCHEMA: dict[str, object] = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}


def lock_of(**changes: object) -> dict[str, object]:
    message = {"version": 1, "written": A_SCHEMA, "read": A_SCHEMA, **changes}
    return {"format": 1, "source": "/shop", "messages": {"order.placed": message}}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ("", f"events.lock.json is no JSON (line 1); {ANEW}"),
        ("{\n<<<<<<< ours\n", f"events.lock.json is no JSON (line 2); {TAKE_ONE}"),
        pytest.param("[" * 100_000, f"events.lock.json is no JSON; {ANEW}", marks=needs_a_deep_stack),
        (
            '{"format": 1, "source": "/shop", "messages": {"order.placed": {}, "order.placed": {}}}',
            'events.lock.json says "order.placed" twice; keep one of them, and run lock_events',
        ),
        ([], f"events.lock.json is no lock file of events; {ANEW}"),
        ({}, f"events.lock.json is no lock file of events; {ANEW}"),
        ({"format": "1", "source": "/shop", "messages": {}}, f"events.lock.json is no lock file of events; {ANEW}"),
        ({"format": 1, "messages": {}}, f"events.lock.json is no lock file of events; {ANEW}"),
        ({"format": 1, "source": "/shop", "messages": []}, f"events.lock.json is no lock file of events; {ANEW}"),
        ({"format": 2}, "events.lock.json has format 2, and this dddkit reads format 1; upgrade dddkit"),
        (lock_of(version="1"), f"events.lock.json does not say what order.placed is; {ANEW}"),
        (lock_of(version=0), f"events.lock.json does not say what order.placed is; {ANEW}"),
        (lock_of(read=None), f"events.lock.json does not say what order.placed is; {ANEW}"),
        (lock_of(read={"properties": []}), f"events.lock.json does not say what order.placed is; {ANEW}"),
        (lock_of(read={"items": 1}), f"events.lock.json does not say what order.placed is; {ANEW}"),
        (lock_of(read={"anyOf": [1]}), f"events.lock.json does not say what order.placed is; {ANEW}"),
        (lock_of(read={"required": "total"}), f"events.lock.json does not say what order.placed is; {ANEW}"),
        (
            lock_of(written={"$ref": "#/$defs/7", "$defs": {"1": {}}}),
            f"events.lock.json does not say what order.placed is; {ANEW}",
        ),
        (
            lock_of(written={"$ref": "#/$defs/1", "$defs": {"1": {"$ref": "#/$defs/1"}}}),
            f"events.lock.json does not say what order.placed is; {ANEW}",
        ),
        (lock_of(written={"$ref": "#/$defs/7"}), f"events.lock.json does not say what order.placed is; {ANEW}"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_fn3_a_file_that_is_no_lock_file_is_refused(found: object, line: str) -> None:
    write(found)
    catalog = catalog_with(placed=1)
    assert problems(catalog) == refusal(catalog) == [line]


def test_a_file_that_is_no_text_is_refused() -> None:
    Path(LOCK).write_bytes(b"\xff\xfe{}")
    assert problems(catalog_with()) == refusal(catalog_with()) == [f"events.lock.json is no JSON; {ANEW}"]


def test_a_file_that_cannot_be_read_is_a_problem() -> None:
    Path(LOCK).mkdir()
    assert problems(catalog_with()) == ["events.lock.json cannot be read: Is a directory"]


def test_a_schema_changed_by_hand_is_compared_as_it_is() -> None:
    lock_events(catalog_with(placed=1), LOCK)
    by_hand = content()
    for side in ("written", "read"):
        by_hand["messages"]["order.placed"][side]["properties"]["total"] = {}
    write(by_hand)
    assert problems(catalog_with(placed=1)) == [
        "order.placed.v1: data.total was anything, and is integer now; raise the version and add an upcast"
    ]


def test_a_failure_shows_the_test_and_not_the_kit(request: pytest.FixtureRequest) -> None:
    with pytest.raises(AssertionError) as caught:
        check_events(catalog_with(placed=1), LOCK)
    shown = [entry for entry in caught.traceback if not entry.ishidden(caught)]
    assert [entry.path for entry in shown] == [request.path]


# Writing


def test_the_file_is_sorted_and_ends_with_a_newline() -> None:
    lock_events(catalog_with(placed=1, paid=1), LOCK)
    found = Path(LOCK).read_bytes()
    assert found.endswith(b"}\n")
    assert b"\r" not in found
    assert list(content()) == ["format", "source", "messages"]
    assert list(content()["messages"]) == ["order.paid", "order.placed"]
    assert list(content()["messages"]["order.paid"]) == ["version", "written", "read"]


def test_locking_again_leaves_the_file_alone() -> None:
    lock_events(catalog_with(placed=1, paid=1), LOCK)
    os.utime(LOCK, (1, 1))
    lock_events(catalog_with(paid=1, placed=1), LOCK)
    assert Path(LOCK).stat().st_mtime == 1


def test_a_link_stays_one() -> None:
    Path("elsewhere").mkdir()
    Path(LOCK).symlink_to("elsewhere/real.json")
    lock_events(catalog_with(placed=1), LOCK)
    assert Path(LOCK).is_symlink()
    check_events(catalog_with(placed=1), "elsewhere/real.json")


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such permissions")
def test_the_file_keeps_its_permissions_and_nothing_is_left_beside_it() -> None:
    lock_events(catalog_with(placed=1), LOCK)
    os.chmod(LOCK, 0o640)
    lock_events(catalog_with(placed=1, paid=1), LOCK)
    assert Path(LOCK).stat().st_mode & 0o777 == 0o640
    assert os.listdir() == [LOCK]


def test_a_write_that_fails_leaves_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    lock_events(catalog_with(placed=1), LOCK)
    before = Path(LOCK).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        lock_events(catalog_with(placed=1, paid=1), LOCK)
    assert Path(LOCK).read_bytes() == before
    assert os.listdir() == [LOCK]


@needs_threads
def test_concurrent_use_leaves_a_whole_file() -> None:
    catalogs = [catalog_with(placed=1), catalog_with(placed=1, paid=1), catalog_with(paid=1, shipped=1)]
    lock_events(catalogs[0], LOCK)
    broken: list[BaseException] = []

    def repeatedly(act: Callable[[], None]) -> None:
        try:
            for _ in range(15):
                act()
        except BaseException as error:
            broken.append(error)

    acts: list[Callable[[], None]] = [lambda: lock_events(catalogs[1], LOCK), lambda: lock_events(catalogs[2], LOCK)]
    acts += [lambda: write_over(catalogs[0]), lambda: None if content()["format"] == 1 else write("")]
    threads = [threading.Thread(target=repeatedly, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    assert content()["source"] == "/shop"


def write_over(catalog: EventCatalog) -> None:
    """Lock from the beginning, so that there is something to write each time."""
    lock_events(catalog, f"{LOCK}.{threading.get_ident()}")
    os.replace(f"{LOCK}.{threading.get_ident()}", LOCK)
