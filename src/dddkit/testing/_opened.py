"""The repository under test as its contract calls it: what is sync or async by mistake is an error by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from dddkit._awaitables import dispose, is_awaitable, is_unfinished
from dddkit._callables import kind_of

__all__ = ["OpenedAsync", "OpenedSync", "Repository"]


class Repository:
    """The three methods of a repository, sync or async, as async ones.

    Args:
        found: what `open()` has yielded.
        contract: the name of the user's class, for messages.
        is_async: whether its methods should be async.
    """

    def __init__(self, found: object, contract: str, *, is_async: bool) -> None:
        self._found: Final = found
        self._contract: Final = contract
        self._is_async: Final = is_async

    async def save(self, aggregate: object) -> None:
        await self._call("save", aggregate)

    async def delete(self, aggregate: object) -> None:
        await self._call("delete", aggregate)

    async def get(self, aggregate_id: object) -> Any:
        return await self._call("get", aggregate_id)

    async def _call(self, name: str, argument: object) -> Any:
        method: Any = getattr(self._found, name, None)
        if not callable(method):
            raise TypeError(
                f"{self._contract}: open() yields {kind_of(self._found)}, which has no {name}(); yield the repository"
            )
        result = method(argument)
        if self._is_async:
            return await self._awaitable(name, result)
        if is_unfinished(result):
            dispose(result)
            raise TypeError(f"{self._contract}: {name}() of the repository is async; derive from RepositoryContract")
        return result

    def _awaitable(self, name: str, result: object) -> Awaitable[Any]:
        if is_awaitable(result):
            return result
        raise TypeError(f"{self._contract}: {name}() of the repository is sync; derive from SyncRepositoryContract")


class OpenedAsync:
    """A block of `open()`, an async context manager of the user's."""

    def __init__(self, open_: Callable[[], Any], contract: str) -> None:
        self._open: Final = open_
        self._contract: Final = contract
        self._block: Any = None

    async def __aenter__(self) -> Repository:
        self._block = block = self._open()
        if not _has(block, "__aenter__"):
            if is_unfinished(block):
                dispose(block)
            raise TypeError(
                f"{self._contract}: open() returns {kind_of(block)}, and no async context manager; "
                f"write `@asynccontextmanager` above `async def open(self)`{_or_other(block, '__enter__', 'Sync')}"
            )
        return Repository(await block.__aenter__(), self._contract, is_async=True)

    async def __aexit__(self, *exc_info: object) -> bool | None:
        suppresses: bool | None = await self._block.__aexit__(*exc_info)
        return suppresses


class OpenedSync:
    """A block of `open()`, a context manager of the user's, as an async one."""

    def __init__(self, open_: Callable[[], Any], contract: str) -> None:
        self._open: Final = open_
        self._contract: Final = contract
        self._block: Any = None

    async def __aenter__(self) -> Repository:
        self._block = block = self._open()
        if not _has(block, "__enter__"):
            if is_unfinished(block):
                dispose(block)
            raise TypeError(
                f"{self._contract}: open() returns {kind_of(block)}, and no context manager; "
                f"write `@contextmanager` above `def open(self)`{_or_other(block, '__aenter__', '')}"
            )
        return Repository(block.__enter__(), self._contract, is_async=False)

    async def __aexit__(self, *exc_info: object) -> bool | None:
        suppresses: bool | None = self._block.__exit__(*exc_info)
        return suppresses


def _or_other(block: Any, method: str, prefix: str) -> str:
    return f", or derive from {prefix}RepositoryContract" if _has(block, method) else ""


def _has(block: object, method: str) -> bool:
    return hasattr(type(block), method)
