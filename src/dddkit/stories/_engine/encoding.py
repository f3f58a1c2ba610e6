"""Text that whoever receives it can encode: a scrape, an exporter, a log stream."""

from __future__ import annotations

from typing import Final

__all__ = ["to_ascii", "to_encodable"]

_GLYPHS: Final = str.maketrans({"⟳": ">", "✓": "+", "✗": "x", "⊘": "!", "…": "...", "↩": "<"})


def to_encodable(text: str) -> str:
    r"""Return the text with its lone surrogates escaped, as `\ud800`: UTF-8 cannot encode them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def to_ascii(text: str) -> str:
    r"""Return an execution tree, or a traceback, in ASCII: glyphs as signs, other characters escaped, as `\xfc`."""
    return text if text.isascii() else text.translate(_GLYPHS).encode("ascii", "backslashreplace").decode("ascii")
