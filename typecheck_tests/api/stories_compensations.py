"""What checkers say about compensations. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from typing_extensions import assert_type

from dddkit.exceptions import CompensationError, DDDKitError
from dddkit.stories import (
    I,
    StepExecutionInfo,
    Story,
    StoryExecutionContext,
    StoryHook,
    StoryState,
    compensates,
    inject_hooks,
)


class Checkout(Story):
    I.reserve
    I.charge
    I.ship

    class State(StoryState):
        order_id: int

    @staticmethod
    def reserve(state: State) -> None: ...

    @compensates(reserve)
    def release(self, state: State) -> None: ...

    async def charge(self, state: State) -> None: ...

    @compensates(charge, even_if_failed=True)
    async def refund(self, state: State, *, loudly: bool = False) -> None: ...

    def ship(self, state: State) -> None: ...

    @compensates(step="ship")
    @staticmethod
    def call_back(state: State) -> None: ...


compensates(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
compensates()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
compensates("ship", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
compensates("ship")(1)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # no function


async def call(story: Checkout, state: Checkout.State) -> None:
    """A compensation can be called like the method that it was before."""
    assert_type(story.release(state), None)
    assert_type(await story.refund(state, loudly=True), None)
    assert_type(story.call_back(state), None)
    story.release()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    story.release(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Child(Checkout):
    def release(self, state: Checkout.State) -> None:
        assert_type(super().release(state), None)


# The error


def read(error: CompensationError) -> None:
    assert_type(error.story, str)
    assert_type(error.failures, tuple[tuple[str, BaseException], ...])
    assert_type(error.undone, tuple[str, ...])
    assert_type(error.left, tuple[str, ...])
    raised: DDDKitError = error
    raise raised


CompensationError("Checkout", [("charge", ValueError())], ["reserve"], left=())
CompensationError()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# The facts, and the hook


def read_facts(step: StepExecutionInfo) -> None:
    assert_type(step.compensated, bool)
    assert_type(step.compensation_error, BaseException | None)
    step.compensated = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


class Around:
    def around_compensation(self, context: StoryExecutionContext, info: StepExecutionInfo) -> Generator[None]:
        yield


class AroundEverything(Around):
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield


class OtherParameters:
    def around_compensation(self, step: StepExecutionInfo) -> Iterator[None]:
        yield


class NoGenerator:
    def around_compensation(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...


hooks: list[StoryHook] = [Around(), AroundEverything()]
_parameters: StoryHook = OtherParameters()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
_generator: StoryHook = NoGenerator()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
inject_hooks(Checkout, hooks)
