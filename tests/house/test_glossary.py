"""The glossary knows what there is: every name that it gives can be imported, every word is in its table."""

from __future__ import annotations

import re
import sys
from pkgutil import resolve_name

import pytest

from tests.house.pages import text_of

TEXT = text_of("docs/glossary.md")
WORDS = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "emscripten", reason="not every extra can be installed")
@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(dddkit(?:\.\w+)*\.[A-Za-z]\w*)`", TEXT))))
def test_every_name_is_there(name: str) -> None:
    assert resolve_name(name) is not None


def test_every_word_is_in_the_table_in_the_order_of_the_page() -> None:
    table = TEXT.partition("\n## ")[0]
    listed = re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", table)
    assert [word for word, _ in listed] == [word[0].lower() + word[1:] for word in WORDS]
    assert [anchor for _, anchor in listed] == [word.lower().replace(" ", "-") for word in WORDS]


def test_every_word_leads_to_a_page() -> None:
    for entry in re.split(r"^### ", TEXT.partition("\n## Thanks")[0], flags=re.MULTILINE)[1:]:
        assert re.search(r"\]\(\w+\.md", entry), entry.partition("\n")[0]
