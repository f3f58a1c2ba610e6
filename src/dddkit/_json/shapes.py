"""What values of a field are like: whether one fits, and whether what was read is the same.

pydantic writes what it is given, and warns of some mistakes: None in an int, and a subclass in a field, pass. So every
value is looked at before it is written. The quick answer comes first, the precise one with its path only if it is no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, Final

from dddkit._json.forms import ANY, Form
from dddkit._json.mismatch import Path, Problem, found

__all__ = ["CHANGED", "DICT", "Custom", "Scalar", "Shape"]

# Any: a value may be of any class, which is what is found out here.

DICT: Final[Any] = dict  # Any: else checkers believe to know what is in it
CHANGED: Final = "would read back as another value"


class Shape:
    """What the values of one type are like."""

    declared: str
    """The type, for messages."""
    form: Form = ANY
    classes: frozenset[type] = frozenset()
    """A value of exactly such a class fits, whatever it is."""

    def fits(self, value: Any) -> bool:
        """Return whether the value can be written."""
        raise NotImplementedError

    def is_meant(self, value: Any) -> bool:
        """Return whether, of the members of a union, the value is of this one, though it may not fit."""
        return self.fits(value)

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield why the value cannot be written."""
        raise NotImplementedError

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        """Yield where what was read is not what was written, which fits."""
        raise NotImplementedError

    def drop_events(self, value: Any) -> None:
        """Clear what the aggregates in a value have recorded."""


class Scalar(Shape):
    """A value without parts."""

    def __init__(
        self,
        declared: str,
        form: Form,
        *classes: type,
        like: Callable[[Any], bool] | None = None,
        refusal: Callable[[Any], str | None] | None = None,
        late: bool = False,
        same: Callable[[Any, Any], bool] | None = None,
    ) -> None:
        """Describe it.

        Args:
            declared: the type, for messages.
            form: what its JSON is.
            classes: of which its values are, exactly.
            like: whether a value of another class counts as one of them.
            refusal: why one of its values cannot be written.
            late: nothing is lost if the refusal is asked only when writing has failed.
            same: whether a value has come back, where that is not what `==` says.
        """
        self.declared = declared
        self.form = form
        self._exact = frozenset(classes)
        self._like = like
        self._refusal = refusal
        self._same = same
        if refusal is None or late:
            self.classes = self._exact

    def as_key(self) -> Scalar:
        """Return the same for keys, whose refusals are asked at once: pydantic replaces what it cannot write."""
        key = copy(self)
        if self._refusal is not None:
            key.classes = frozenset()
        return key

    def fits(self, value: Any) -> bool:
        if type(value) in self._exact or (self._like is not None and self._like(value)):
            return self._refusal is None or self._refusal(value) is None
        return False

    def is_meant(self, value: Any) -> bool:
        return type(value) in self._exact or (self._like is not None and self._like(value))

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        if not self.is_meant(value):
            yield path, found(value, self.declared)
        elif self._refusal is not None and (reason := self._refusal(value)):
            yield path, reason

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if self._same is not None and self.is_meant(written):
            is_same = self.is_meant(read) and self._same(written, read)
        else:
            is_same = written == read or (written != written and read != read)
            if is_same and type(written) in self._exact:
                is_same = type(read) is type(written)
        if not is_same:
            yield path, CHANGED


class Custom(Shape):
    """A value of a type that says itself how it is written and read; only reading tells whether it comes back."""

    def __init__(self, declared: str) -> None:
        self.declared = declared

    def fits(self, value: Any) -> bool:
        return True

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        return iter(())

    def differences(self, written: Any, read: Any, path: Path) -> Iterator[Problem]:
        if type(read) is not type(written) or read != written or _state(read) != _state(written):
            yield path, CHANGED


def _state(value: Any) -> dict[str, Any]:
    state: dict[str, Any] = getattr(value, "__dict__", {})
    return state
