"""What checkers say about hooks. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from typing_extensions import assert_type

from dddkit.stories import (
    ExecutionTimeTracker,
    I,
    LoggingHook,
    StatusTracker,
    StepExecutionInfo,
    StepStatus,
    Story,
    StoryExecutionContext,
    StoryHook,
    inject_hooks,
)
from dddkit.stories.hooks import HookRegistration

T = TypeVar("T")


class Checkout(Story):
    I.pay

    def pay(self, state: object) -> None: ...


class Abstract(Story):
    I.pay

    @abstractmethod
    def pay(self, state: object) -> None: ...


class Of(Story, Generic[T]):
    I.pay

    def pay(self, state: T) -> None: ...


class WithConstructor(Checkout):
    def __init__(self, price: int, *, name: str) -> None:
        self.price = price
        self.name = name


# The classes of hooks


class CustomHook:  # the parameters may be called as people like
    def before(self, context: StoryExecutionContext, step_info: StepExecutionInfo) -> None:
        print(f"Starting step: {step_info.step_name}")

    def after(self, context: StoryExecutionContext, step_info: StepExecutionInfo) -> None:
        print(f"Completed step: {step_info.step_name}")

    def error(self, context: StoryExecutionContext, step_info: StepExecutionInfo) -> None:
        print(f"Error in step: {step_info.step_name}, Error: {step_info.error}")


class OnlyAfter:
    async def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...


class Around:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Generator[None, None, None]:
        yield


class OtherParameters:
    def before(self, step: StepExecutionInfo) -> None: ...


class OtherOrder:
    def after(self, step: StepExecutionInfo, context: StoryExecutionContext) -> None: ...


class NoGenerator:
    def around_story(self, context: StoryExecutionContext) -> None: ...


class AsyncAround:
    async def around_story(self, context: StoryExecutionContext) -> None: ...


class NoHook:
    def befor(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...


hooks: list[StoryHook] = [StatusTracker(), ExecutionTimeTracker(), LoggingHook(), CustomHook(), OnlyAfter(), Around()]
_parameters: StoryHook = OtherParameters()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
_order: StoryHook = OtherOrder()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
_generator: StoryHook = NoGenerator()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
_async: StoryHook = AsyncAround()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
_none: StoryHook = NoHook()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# Injecting

assert_type(inject_hooks(Checkout), HookRegistration)
inject_hooks(Checkout, None)
inject_hooks(Checkout, [])
inject_hooks(Checkout, hooks)
inject_hooks(Checkout, hooks=[CustomHook()])
inject_hooks(Checkout, (StatusTracker(), Around()))
inject_hooks(Abstract)
inject_hooks(Of)
inject_hooks(WithConstructor)
inject_hooks(Story)
inject_hooks(object)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
inject_hooks(Checkout, CustomHook())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no list
inject_hooks(Checkout, [NoHook()])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
inject_hooks(Checkout, [CustomHook])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]  # the class

manager: AbstractContextManager[HookRegistration, None] = inject_hooks(Checkout)
with inject_hooks(Checkout) as handle:
    assert_type(handle, HookRegistration)
    assert_type(handle.remove(), None)


def of_any_story(story: type[Story]) -> None:
    inject_hooks(story)


# Registering


def callback(context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...
async def async_callback(context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...
def other_parameters(step: StepExecutionInfo) -> None: ...


assert_type(Checkout.register_hook("before", callback), HookRegistration)
Checkout.register_hook("after", async_callback)
Checkout.register_hook("error", lambda context, step: print(context.story, step.error))
Checkout.register_hook("befor", callback)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Checkout.register_hook("around_step", callback)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Checkout.register_hook("before", other_parameters)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
assert_type(Checkout.__step_hooks__, dict[str, list[Callable[..., Any]]])


# The facts


def read(context: StoryExecutionContext, step: StepExecutionInfo) -> None:
    assert_type(step.step_name, str)
    assert_type(step.step_index, int)
    assert_type(step.status, StepStatus)
    assert_type(step.duration, float)
    assert_type(step.error, BaseException | None)
    assert_type(step.meta, dict[str, Any])
    assert_type(step.template, str)
    assert_type(context.story, object)
    assert_type(context.steps, tuple[StepExecutionInfo, ...])
    assert_type(context.status, StepStatus)
    assert_type(context.duration, float)
    assert_type(context.story_name, str)
    step.step_name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    context.state = None  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


# Facts made by hand

assert_type(StepExecutionInfo("charge", 1, status=StepStatus.COMPLETED, duration=0.2), StepExecutionInfo)
assert_type(StepExecutionInfo("charge", error=ValueError()), StepExecutionInfo)
assert_type(
    StoryExecutionContext(Checkout(), None, [StepExecutionInfo("charge")], status=StepStatus.RUNNING),
    StoryExecutionContext,
)
StepExecutionInfo()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
StepExecutionInfo("charge", 0, StepStatus.FAILED)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
StoryExecutionContext()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
