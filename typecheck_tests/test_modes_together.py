"""The projects of the other tests of modes side by side, and a sample of their edits: the quickest look at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from typecheck_tests import (
    test_modes,
    test_modes_of_attributes,
    test_modes_of_blocks,
    test_modes_of_compensations,
    test_modes_of_events,
    test_modes_of_fields,
    test_modes_of_flow,
    test_modes_of_listing,
    test_modes_of_states,
)
from typecheck_tests.modes import Files, Project, SeededCaches, compare
from typecheck_tests.running import CONFIG


class _Part(NamedTuple):
    """A project of another test, and the edits that are made here."""

    files: Mapping[str, str]
    edits: Mapping[str, Files]
    first: str
    second: str
    shows: Mapping[str, str]


PARTS: Final = {
    "steps": _Part(
        test_modes.FILES,
        test_modes.EDITS,
        "a step of the base is renamed",
        "a nested story becomes async",
        test_modes.SHOWS,
    ),
    "results": _Part(
        test_modes.STATE_FILES,
        test_modes.STATE_EDITS,
        "the State is not what it is called with",
        "a default of a base becomes mutable",
        test_modes.STATES_SHOW,
    ),
    "attributes": _Part(
        test_modes_of_attributes.FILES,
        test_modes_of_attributes.EDITS,
        "a step of the base assigns what others read",
        "a step accepts something else",
        test_modes_of_attributes.SHOWS,
    ),
    "compensations": _Part(
        test_modes_of_compensations.FILES,
        test_modes_of_compensations.EDITS,
        "a compensation of the mixin becomes async",
        "a step of the base has another name",
        test_modes_of_compensations.SHOWS,
    ),
    "blocks": _Part(
        test_modes_of_blocks.BLOCK_FILES,
        test_modes_of_blocks.BLOCK_EDITS,
        "other kinds of classes, another identity, a field more",
        "as they were, but no steps, no handler, nothing that sets the field",
        test_modes_of_blocks.BLOCKS_SHOW,
    ),
    "events": _Part(
        test_modes_of_events.FILES,
        test_modes_of_events.EDITS,
        "making an event has no effect, and the identity is read as another type",
        "the base of an event and the class of a broker change, a configuration thaws",
        test_modes_of_events.SHOW,
    ),
    "fields": _Part(
        test_modes_of_fields.BLOCKS,
        test_modes_of_fields.EDITS_OF_BLOCKS,
        "an alias stands for an entity",
        "a line belongs to no basket",
        test_modes_of_fields.BLOCKS_SHOW,
    ),
    "bases": _Part(
        test_modes_of_fields.BASES,
        test_modes_of_fields.EDITS_OF_BASES,
        "an alias is none any more",
        "the base names a class",
        test_modes_of_fields.BASES_SHOW,
    ),
    "flow": _Part(
        test_modes_of_flow.FILES,
        test_modes_of_flow.EDITS,
        "nobody raises the flag",
        "a namespace loses what others give",
        test_modes_of_flow.SHOWS,
    ),
    "listing": _Part(
        test_modes_of_listing.FILES,
        test_modes_of_listing.EDITS,
        "a static method takes more",
        "a wrapped step takes another state",
        test_modes_of_listing.SHOWS,
    ),
    "states": _Part(
        test_modes_of_states.STATE_FILES,
        test_modes_of_states.STATE_EDITS,
        "and sets it too late",
        "namespaces lose an attribute",
        test_modes_of_states.SHOWS,
    ),
}


def _apart(part: str, files: Files) -> dict[str, str | None]:
    """Give the modules of a project names that no other project has."""
    modules = "|".join(Path(name).stem for name in PARTS[part].files)

    def renamed(source: str) -> str:
        source = re.sub(rf"^( *)import ({modules})$", rf"\1import {part}_\2 as \2", source, flags=re.MULTILINE)
        return re.sub(rf"^( *)from ({modules}) import", rf"\1from {part}_\2 import", source, flags=re.MULTILINE)

    return {f"{part}_{name}": source and renamed(source) for name, source in files.items()}


@pytest.mark.slow
def test_every_mode_gives_the_result_of_a_cold_run(tmp_path: Path, seeded_caches: SeededCaches) -> None:
    config = f"{CONFIG}disable_error_code = no-untyped-def\n".replace("dddkit_mypy", "dddkit_mypy, pydantic.mypy", 1)
    config += "[mypy-blocks_blocks,blocks_between]\nenable_error_code = dddkit-unlisted-step\n"
    original = {name: source for part in PARTS for name, source in _apart(part, PARTS[part].files).items()}
    project = Project(tmp_path, original, config, seeded_caches(config))
    try:
        assert set(project.prepared().values()) == {""}
        for chosen in (
            {name: part.first for name, part in PARTS.items()},
            {name: part.second for name, part in PARTS.items()},
        ):
            edits: dict[str, str | None] = {}
            for name, part in PARTS.items():
                edits |= _apart(name, part.edits[chosen[name]])
            project.edit({**original, **edits})
            seen = compare(project.said())
            missing = {
                (name, code)
                for name, part in PARTS.items()
                for code, edit in part.shows.items()
                if edit == chosen[name] and code not in seen
            }
            assert not missing
    finally:
        project.close()
