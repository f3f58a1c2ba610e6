"""What a rule is: a code, a reason, an example of each kind, and the checks that the plugin calls.

A rule is one module in `rules/`. It defines a `RULE`, and reports with its code, which `_codes.py` has. `checks` says
at which moments of mypy's work the plugin calls it; a rule may have several checks. `_index.py` says the same, so that
the plugin imports no rule before that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

from mypy.errorcodes import ErrorCode
from mypy.nodes import Context, MypyFile, TypeInfo
from mypy.plugin import AttributeContext, FunctionContext, MethodContext, MethodSigContext
from mypy.types import FunctionLike

from dddkit_mypy._codes import module_of
from dddkit_mypy._record import Record
from dddkit_mypy.mypy_api import AnalysisScope, Options, TypeChecker, head_of


class Reporter(Protocol):
    """What a report needs: the semantic analyzer and the checker both have it."""

    @property
    def options(self) -> Options:
        """The options of the module."""
        ...

    def fail(self, msg: str, ctx: Context, /, *, code: ErrorCode | None = None) -> object:
        """Report a message."""


class ClassContext(Record):
    """A class whose declaration is complete, and what a check needs to report on it."""

    info: TypeInfo
    api: Reporter
    checker: TypeChecker | None
    """mypy's checker, right after it has checked the body of the class.

    Never None for stories. None for other classes with a metaclass of their own, such as pydantic models: mypy calls no
    hook while it checks those, so the plugin calls the rule after their analysis, before the checker starts.
    """
    tree: MypyFile
    """The module of the class."""
    shared: dict[str, Any]
    """What one rule has computed about this class and another rule needs."""
    of_run: dict[Any, Any]
    """What rules keep from class to class. In the daemon it is empty for each: what they keep may be edited."""

    def report(self, message: str, context: Context, code: ErrorCode) -> None:
        """Report a message at a node of the class's own module; report what is inherited at `info.defn`."""
        self.api.fail(message, head_of(context), code=code)


class OnClass(Record):
    """Called once for each class that derives from one of `bases`, never for these themselves."""

    bases: tuple[str, ...]
    check: Callable[[ClassContext], None]


class OnAnalysed(Record):
    """Called for each class that derives from one of `bases`, before mypy checks any, to store what its source says.

    It cannot report, but later runs, which do not see the source, can read what it stores. It returns the classes,
    beside the bases, that the diagnostics depend on: when one of these changes, mypy checks the class again, whatever
    its module imports.
    """

    bases: tuple[str, ...]
    store: Callable[[AnalysisScope], Iterable[TypeInfo]]


class OnAttribute(Record):
    """Called for each attribute, read or assigned, that only the `__getattr__` of the class `owner` supplies.

    `ctx.context` is the location. mypy filters errors while it checks an assignment, so a rule reports an assigned
    attribute with `mypy_api.fail_at`.
    """

    owner: str
    check: Callable[[AttributeContext, str], None]


class OnConstruction(Record):
    """Called for each call of a class that derives from `base`, by its name."""

    base: str
    check: Callable[[FunctionContext, TypeInfo], None]


class OnCall(Record):
    """Called for each call of the method `name` on an object whose class derives from one of `bases`."""

    bases: tuple[str, ...]
    name: str
    check: Callable[[MethodContext], None]


class OnSignature(Record):
    """Like OnCall, before mypy checks the arguments: mypy checks them against the signature that this returns."""

    bases: tuple[str, ...]
    name: str
    check: Callable[[MethodSigContext], FunctionLike]


Check: TypeAlias = OnClass | OnAnalysed | OnAttribute | OnConstruction | OnCall | OnSignature


class Rule(Record):
    """One diagnostic: everything that the plugin, its tests and its reference page know about it."""

    code: ErrorCode
    reason: str
    """Why it matters: what would happen at run time."""
    bad: str
    """A whole module for which mypy reports this diagnostic and no other."""
    good: str
    """The same module, corrected."""
    checks: tuple[Check, ...]
    since: str = "1.0.0"
    """The version of dddkit that has it first."""

    @property
    def module(self) -> str:
        """The name of its module, and of the file of its test cases."""
        return module_of(self.code)

    @property
    def title(self) -> str:
        """A sentence that says what is right, as in "Every `I.step` names a step of its story"."""
        return self.code.description
