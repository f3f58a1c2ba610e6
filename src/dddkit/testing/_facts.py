"""What every repository keeps to, as tests that know neither how it stores nor whether it is async."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from typing import Any, ClassVar, Generic, NoReturn, TypeVar, cast

from dddkit._awaitables import dispose, is_unfinished
from dddkit._callables import kind_of
from dddkit._core.identity import has_identity_field, identity_of, no_identity_message
from dddkit._core.recording import Recording, pending_events
from dddkit.exceptions import ConcurrencyError
from dddkit.testing._opened import Repository
from dddkit.testing._reporting import NotTheContractItself, outcome, skipped
from dddkit.testing.sameness import assert_same

__all__ = ["Facts"]

AggregateT = TypeVar("AggregateT", bound=Recording)
IdT = TypeVar("IdT")
FactsT = TypeVar("FactsT", bound="Facts[Any, Any]")


def _fact(check: Callable[[FactsT], Coroutine[Any, Any, None]]) -> Callable[[FactsT], None]:
    """Make a test of it that is called without awaiting."""

    def test(self: FactsT) -> None:
        __tracebackhide__ = True
        error = self._run(outcome(check(self)))  # pyright: ignore[reportPrivateUsage]  # a method of it
        if error is not None:
            raise error

    test.__name__, test.__qualname__, test.__doc__ = check.__name__, check.__qualname__, check.__doc__
    return test


def _fact_of_versions(check: Callable[[FactsT], Coroutine[Any, Any, None]]) -> Callable[[FactsT], None]:
    """Make a test of it that is skipped where the repository has no versions."""

    async def unless_without(self: FactsT) -> None:
        __tracebackhide__ = True
        if not self.versions:
            raise skipped(f"versions = False: {type(self).__qualname__} says that its repository has none")
        await check(self)

    unless_without.__name__, unless_without.__doc__ = check.__name__, check.__doc__
    unless_without.__qualname__ = check.__qualname__
    return _fact(unless_without)


class Facts(Generic[AggregateT, IdT]):
    """The facts. What is done in one block of `open()` is read in the next one."""

    __test__ = NotTheContractItself()

    versions: ClassVar[bool] = True
    """Whether the repository notices that an aggregate was changed since it was read."""

    def new(self) -> AggregateT:
        """Return an aggregate that was never saved, with another identity at each call; None, if `save` gives it.

        The more of its fields have a value of their own, the more is compared.
        """
        raise self._lacks("new(self)", "returns an aggregate that was never saved, with a new identity at each call")

    def change(self, aggregate: AggregateT, /) -> None:
        """Change the aggregate in place, as its users do: all facts about changes rest on it."""
        raise self._lacks("change(self, aggregate)", "changes the aggregate in place")

    # Reading

    @_fact
    async def test_what_is_saved_can_be_read(self) -> None:
        await self._assert_stored(await self._saved())

    @_fact
    async def test_an_unknown_identity_is_none(self) -> None:
        unknown = self._new()
        self._skip_without_identity(unknown)
        await self._assert_not_stored(unknown, "was never saved")

    @_fact
    async def test_what_is_read_has_no_pending_events(self) -> None:
        aggregate = self._changed(await self._saved())
        await self._save(aggregate)
        events = (await self._stored(aggregate)).get_events()
        if events:
            names = ", ".join(type(event).__qualname__ for event in events)
            self._fail(f"{_named(aggregate)} came back with pending events, which would be published again: {names}")

    @_fact
    async def test_each_block_reads_an_object_of_its_own(self) -> None:
        before = await self._saved()
        one, other = await self._stored(before), await self._stored(before)
        self._changed(one)
        self._assert_same(other, before, "has changed, since another object of it was changed")

    @_fact
    async def test_a_change_that_is_not_saved_is_not_stored(self) -> None:
        saved = await self._saved()
        before = deepcopy(saved)
        self._changed(saved)  # after the end of its block, and so is the next one
        self._assert_same(await self._stored(before), before, "was changed after it was saved, and came back changed")
        self._changed(await self._stored(before))
        self._assert_same(await self._stored(before), before, "was changed and not saved, and came back changed")

    # Saving

    @_fact
    async def test_a_change_that_is_saved_can_be_read(self) -> None:
        aggregate = self._changed(await self._stored(await self._saved()))
        await self._save(aggregate)
        await self._assert_stored(aggregate)

    @_fact
    async def test_an_object_that_was_saved_can_be_saved_again(self) -> None:
        aggregate = await self._saved()
        await self._save(aggregate)
        self._changed(aggregate)
        await self._save(aggregate)
        await self._assert_stored(aggregate)

    @_fact
    async def test_the_last_save_of_a_block_counts(self) -> None:
        aggregate = self._new()
        async with self._opened() as repository:
            await repository.save(aggregate)
            self._changed(aggregate)
            await repository.save(aggregate)
        await self._assert_stored(aggregate)

    @_fact
    async def test_each_aggregate_is_stored_for_itself(self) -> None:
        one, other, third = self._new(), self._new(), self._new()
        async with self._opened() as repository:
            for aggregate in (one, other, third):
                await repository.save(aggregate)
        for aggregate in (one, other, third):
            await self._assert_stored(aggregate)
        self._changed(one)
        await self._save(one)
        await self._delete(third)
        await self._assert_stored(one)
        await self._assert_stored(other)

    # Deleting

    @_fact
    async def test_what_is_deleted_cannot_be_read(self) -> None:
        aggregate = await self._saved()
        await self._delete(await self._stored(aggregate))
        await self._assert_not_stored(aggregate, "was deleted")

    @_fact
    async def test_an_object_that_was_saved_can_be_deleted(self) -> None:
        aggregate = await self._saved()
        await self._delete(aggregate)
        await self._assert_not_stored(aggregate, "was deleted")

    @_fact
    async def test_what_is_saved_and_deleted_in_one_block_is_not_stored(self) -> None:
        aggregate = self._new()
        async with self._opened() as repository:
            await repository.save(aggregate)
            await repository.delete(aggregate)
        await self._assert_not_stored(aggregate, "was deleted")

    @_fact
    async def test_deleting_an_unknown_aggregate_does_nothing(self) -> None:
        other, unknown = await self._saved(), self._new()
        await self._delete(unknown)
        await self._assert_not_stored(unknown, "was never saved")
        await self._assert_stored(other)

    @_fact
    async def test_after_a_delete_the_identity_is_free(self) -> None:
        first, second = self._two_new_objects()
        await self._save(first)
        await self._delete(first)
        await self._save(second)
        await self._assert_stored(second)

    # Versions: who comes second, with an object that was read or made before, is refused

    @_fact_of_versions
    async def test_a_save_of_what_was_changed_meanwhile_is_refused(self) -> None:
        mine, theirs = await self._two_objects()
        await self._save(self._changed(theirs))
        await self._assert_save_refused(self._changed(mine), "was changed since it was read")
        await self._assert_stored(theirs)

    @_fact_of_versions
    async def test_a_delete_of_what_was_changed_meanwhile_is_refused(self) -> None:
        mine, theirs = await self._two_objects()
        await self._save(self._changed(theirs))
        await self._assert_delete_refused(mine, "was changed since it was read")
        await self._assert_stored(theirs)

    @_fact_of_versions
    async def test_a_new_aggregate_does_not_replace_a_stored_one(self) -> None:
        first, second = self._two_new_objects()
        self._skip_without_identity(first)
        await self._save(first)
        await self._assert_save_refused(second, "is new, and one with its identity is stored already")
        await self._assert_stored(first)

    @_fact_of_versions
    async def test_a_save_of_what_was_deleted_meanwhile_is_refused(self) -> None:
        mine, theirs = await self._two_objects()
        await self._delete(theirs)
        await self._assert_save_refused(self._changed(mine), "was deleted since it was read")
        await self._assert_not_stored(mine, "was deleted")

    @_fact_of_versions
    async def test_what_was_deleted_and_created_again_meanwhile_is_another_one(self) -> None:
        first, again = self._two_new_objects()
        self._skip_without_identity(first)
        await self._save(first)
        mine = await self._stored(first)
        await self._delete(first)
        await self._save(again)
        await self._assert_delete_refused(mine, "was deleted and created again since it was read")
        await self._assert_save_refused(self._changed(mine), "was deleted and created again since it was read")
        await self._assert_stored(again)

    @_fact_of_versions
    async def test_reading_does_not_make_others_come_second(self) -> None:
        mine, _theirs = await self._two_objects()
        await self._save(self._changed(mine))
        await self._assert_stored(mine)

    # What the facts are written with

    def _opened(self) -> AbstractAsyncContextManager[Repository]:
        raise NotImplementedError

    def _run(self, work: Coroutine[Any, Any, Exception | None]) -> Exception | None:
        raise NotImplementedError

    def _new(self) -> AggregateT:
        __tracebackhide__ = True
        made = self.new()
        if not isinstance(cast("object", made), Recording):
            if is_unfinished(made):
                dispose(made)
            self._reject(f"new() returns {kind_of(made)}, and no aggregate")
        identity = identity_of(made)
        if identity is None and not has_identity_field(made):
            self._reject(no_identity_message("new()", made))
        before = vars(self).setdefault("_made", list[Any]())
        if any(made is one or (identity is not None and identity == identity_of(one)) for one in before):
            self._reject(f"new() has returned {_named(made)} twice; give each object another identity")
        before.append(made)
        return made

    def _skip_without_identity(self, aggregate: AggregateT) -> None:
        """Skip what can be asked only of an aggregate that has its identity before it is saved."""
        if identity_of(aggregate) is None:
            raise skipped(f"{type(self).__qualname__}: new() leaves it to save to give the identity")

    def _changed(self, aggregate: AggregateT) -> AggregateT:
        """Change the aggregate, and return it."""
        __tracebackhide__ = True
        before, identity = deepcopy(aggregate), identity_of(aggregate)
        result: object = self.change(aggregate)  # type: ignore[func-returns-value]  # it should return nothing
        if result is not None:
            if is_unfinished(result):
                dispose(result)
            self._reject(f"change() returns {kind_of(result)}; it changes the aggregate in place and returns nothing")
        if identity_of(aggregate) != identity:
            self._reject("change() has changed the identity; let it change another field")
        if _are_same(aggregate, before):
            self._reject("change() has changed nothing; let it change a field that is stored")
        return aggregate

    def _two_new_objects(self) -> tuple[AggregateT, AggregateT]:
        """Return two new objects of one identity, the second one changed.

        Both have the events of a new one: a copy has none, and a repository that writes what the events say would miss
        them.
        """
        __tracebackhide__ = True
        first = self._new()
        second = deepcopy(first)
        for event in pending_events(first):
            second.add_event(event)
        return first, self._changed(second)

    async def _saved(self) -> AggregateT:
        """Return a new aggregate that is stored."""
        __tracebackhide__ = True
        aggregate = self._new()
        await self._save(aggregate)
        return aggregate

    async def _two_objects(self) -> tuple[AggregateT, AggregateT]:
        """Return two objects of one stored aggregate, as two of its users have read it."""
        __tracebackhide__ = True
        saved = await self._saved()
        return await self._stored(saved), await self._stored(saved)

    async def _save(self, aggregate: AggregateT) -> None:
        async with self._opened() as repository:
            await repository.save(aggregate)

    async def _delete(self, aggregate: AggregateT) -> None:
        async with self._opened() as repository:
            await repository.delete(aggregate)

    async def _read(self, aggregate: AggregateT) -> Any:
        __tracebackhide__ = True
        if identity_of(aggregate) is None:
            self._fail(f"{_named(aggregate)} was saved, and has no identity; set it in save, or in new()")
        async with self._opened() as repository:
            return await repository.get(identity_of(aggregate))

    async def _stored(self, aggregate: AggregateT) -> AggregateT:
        """Return what is stored under the identity of an aggregate."""
        __tracebackhide__ = True
        read = await self._read(aggregate)
        if read is None:
            self._fail(f"{_named(aggregate)} was saved, and get returns None")
        stored: AggregateT = read
        return stored

    async def _assert_stored(self, aggregate: AggregateT) -> None:
        __tracebackhide__ = True
        self._assert_same(await self._stored(aggregate), aggregate, "came back as another than it was saved")

    async def _assert_not_stored(self, aggregate: AggregateT, why: str) -> None:
        __tracebackhide__ = True
        if identity_of(aggregate) is None:  # save would have given one
            return
        read = await self._read(aggregate)
        if read is not None:
            self._fail(f"{_named(aggregate)} {why}, and get returns {kind_of(read)}, not None")

    async def _assert_save_refused(self, aggregate: AggregateT, why: str) -> None:
        __tracebackhide__ = True
        if not await self._is_refused(self._save(aggregate)):
            self._fail(f"{_named(aggregate)} {why}, and was saved all the same; raise ConcurrencyError")

    async def _assert_delete_refused(self, aggregate: AggregateT, why: str) -> None:
        __tracebackhide__ = True
        if not await self._is_refused(self._delete(aggregate)):
            self._fail(f"{_named(aggregate)} {why}, and was deleted all the same; raise ConcurrencyError")

    async def _is_refused(self, work: Awaitable[None]) -> bool:
        try:
            await work
        except ConcurrencyError:
            return True
        return False

    def _assert_same(self, read: AggregateT, expected: AggregateT, what: str) -> None:
        __tracebackhide__ = True
        try:
            assert_same(read, expected)
        except AssertionError as difference:
            lines = str(difference).partition("\n")[2]  # without the summary, for which this one stands
            self._fail(f"{_named(expected)} {what}\n{lines}")

    def _fail(self, text: str) -> NoReturn:
        __tracebackhide__ = True
        raise AssertionError(f"{type(self).__qualname__}: {text}") from None

    def _reject(self, text: str) -> NoReturn:
        """Raise for a method of the user's that gives the facts nothing to go by."""
        __tracebackhide__ = True
        raise TypeError(f"{type(self).__qualname__}: {text}")

    def _lacks(self, method: str, what: str) -> TypeError:
        cls = type(self).__qualname__
        return TypeError(f"{cls} does not define {method}, which {what}; its contract needs it")


def _are_same(one: object, other: object) -> bool:
    try:
        assert_same(one, other)
    except AssertionError:
        return False
    return True


def _named(aggregate: object) -> str:
    return f"{type(aggregate).__qualname__} {identity_of(aggregate)!r}"
