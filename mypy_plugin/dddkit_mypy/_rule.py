"""What a rule is: a code, why it is there, an example of each kind, and when it wants to be asked.

A rule is one module in `rules/`. It holds a `RULE`, which `rules/__init__.py` lists, and reports with the code of
that rule. `checks` says at which moments of mypy's work it is asked; a rule may want several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from mypy.checker import TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.nodes import Context, MypyFile, TypeInfo
from mypy.options import Options
from mypy.plugin import AttributeContext, MethodContext, MethodSigContext
from mypy.types import FunctionLike

from dddkit_mypy._mypy_api import Place, head_of

PARENT: Final = ErrorCode("dddkit", "Check declarations of dddkit's building blocks and stories", "dddkit")


def new_code(name: str, title: str, *, opt_in: bool = False) -> ErrorCode:
    """Make the code of a rule. `enable_error_code` switches an opt-in one on."""
    return ErrorCode(name, title, "dddkit", default_enabled=not opt_in, sub_code_of=PARENT)


class Reporter(Protocol):
    """What the semantic analyzer and the checker have in common, as far as a report goes."""

    @property
    def options(self) -> Options:
        """Those of the module."""
        ...

    def fail(self, msg: str, ctx: Context, /, *, code: ErrorCode | None = None) -> object:
        """Report a message."""


class ClassContext(NamedTuple):
    """A class whose declaration is complete, and the way to report on it."""

    info: TypeInfo
    api: Reporter
    checker: TypeChecker | None
    """mypy's checker, right after it has checked the body of the class.

    Never None for stories; None for other classes with a metaclass of their own, pydantic models among them: mypy
    tells plugins nothing while it checks those, and the rule is asked when their analysis is done, which is before the
    checker starts.
    """
    tree: MypyFile
    """The module of the class."""
    shared: dict[str, Any]
    """What one rule has worked out about this class and another one needs."""

    def report(self, message: str, context: Context, code: ErrorCode) -> None:
        """Report a message at a node of the class's own module; what is inherited is reported at `info.defn`."""
        self.api.fail(message, head_of(context), code=code)


class OnClass(NamedTuple):
    """Asked once for each class that derives from one of `bases`, never for these themselves."""

    bases: tuple[str, ...]
    check: Callable[[ClassContext], None]


class OnAnalysed(NamedTuple):
    """Asked for each class that derives from one of `bases`, before any is checked, to note what its source says.

    Nothing can be reported then, but what is noted is there for later runs too, which do not see the source. It answers
    the classes, beside the bases, that decide what is reported: when one of these changes, mypy checks the class again,
    whatever its module imports.
    """

    bases: tuple[str, ...]
    note: Callable[[TypeInfo, Place], Iterable[TypeInfo]]


class OnAttribute(NamedTuple):
    """Asked for each attribute, read or written, that only the `__getattr__` of the class `owner` supplies.

    Where that happens is `ctx.context`. While mypy checks an assignment it holds errors back, so a report made on a
    written attribute must be made through `checker.msg` outside of them.
    """

    owner: str
    check: Callable[[AttributeContext, str], None]


class OnCall(NamedTuple):
    """Asked for each call of the method `name` on an object whose class derives from one of `bases`."""

    bases: tuple[str, ...]
    name: str
    check: Callable[[MethodContext], None]


class OnSignature(NamedTuple):
    """Like OnCall, before mypy checks the arguments: the signature that is answered is the one it checks them by."""

    bases: tuple[str, ...]
    name: str
    check: Callable[[MethodSigContext], FunctionLike]


Check: TypeAlias = OnClass | OnAnalysed | OnAttribute | OnCall | OnSignature


class Rule(NamedTuple):
    """One diagnostic: all that the plugin, its tests and its reference page know about it."""

    code: ErrorCode
    title: str
    """A sentence that says what is right, as in "Every `I.step` names a step of its story"."""
    reason: str
    """Why it matters: what would happen at run time."""
    bad: str
    """A whole module that draws this diagnostic and no other."""
    good: str
    """The same module, mended."""
    checks: tuple[Check, ...]
