"""The plugin as the command runs it: it also marks each call of an async story whose result nobody takes.

mypy reports these itself, as `unused-coroutine`. The mark tells them from coroutines that every checker knows to be
some. It stands among mypy's own errors, so that mypy's cache keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy.errorcodes import ErrorCode
from mypy.nodes import CallExpr, Context, ExpressionStmt, MypyFile
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, Plugin
from mypy.types import Instance, Type, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._plugin import DDDKitPlugin

MARK: Final = "dddkit: an async story is called, and nobody awaits it"
_CODE: Final = ErrorCode("dddkit-mark", "Mark what the command shows of mypy's own diagnostics", "dddkit")

_ALSO: Final = ("dddkit.testing.runs.run_until", "dddkit.testing.runs.run_failing")
"""Functions that run a story, and are async if it is."""


class MarkingPlugin(DDDKitPlugin):
    """The plugin that marks."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._file: MypyFile | None = None
        self._statements: set[tuple[int, int]] = set()

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Return the hook of the plugin, around which the calls of stories are marked."""
        hook = super().get_method_hook(fullname)
        if hook is None or not fullname.endswith(".__call__"):
            return hook
        info = self._class(fullname.removesuffix(".__call__"))
        if info is None or not info.has_base(names.STORY):
            return hook

        def marking(ctx: MethodContext) -> Type:
            result = hook(ctx)
            self._mark(ctx, result)
            return result

        return marking

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Return a hook that marks the functions which run a story; else that of the plugin."""
        return self._mark_function if fullname in _ALSO else super().get_function_hook(fullname)

    def _mark_function(self, ctx: FunctionContext) -> Type:
        self._mark(ctx, ctx.default_return_type)
        return ctx.default_return_type

    def _mark(self, ctx: MethodContext | FunctionContext, result: Type) -> None:
        found = get_proper_type(result)
        if not isinstance(found, Instance) or not found.type.has_base("typing.Awaitable"):
            return
        checker = mypy_api.checker_of(ctx.api)
        if self._is_statement(checker.tree, ctx.context):
            mypy_api.fail_at(checker, MARK, ctx.context, _CODE, is_filtered=True)  # as among overloads

    def _is_statement(self, file: MypyFile, call: Context) -> bool:
        if file is not self._file:
            self._file = file
            self._statements = {
                (node.line, node.column)
                for node in mypy_api.walk(file)
                if isinstance(node, ExpressionStmt) and isinstance(node.expr, CallExpr)
            }
        return (call.line, call.column) in self._statements


def plugin(version: str) -> type[Plugin]:
    """Return the class of the plugin; mypy calls this with its own version."""
    return MarkingPlugin
