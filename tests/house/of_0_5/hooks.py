"""The default hooks, which draw the steps of a run to the log, and a hook of one's own."""

import logging
import re
import sys
from dataclasses import dataclass
from types import SimpleNamespace

from dddkit.stories import (
    ExecutionTimeTracker,
    I,
    LoggingHook,
    StatusTracker,
    StepExecutionInfo,
    Story,
    StoryExecutionContext,
    inject_hooks,
)


@dataclass(frozen=True, slots=True)
class Send(Story):
    I.label
    I.hand_over

    class State(SimpleNamespace):
        labelled: bool = False
        handed_over: bool = False

    def label(self, state: State):
        state.labelled = True

    def hand_over(self, state: State):
        if state.handed_over:
            raise ValueError("handed over twice")
        state.handed_over = True


class Lines(logging.Formatter):
    def format(self, record):
        return re.sub(r"\d\.\d{3}s", "0.000s", record.getMessage().strip())


handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(Lines())
log = logging.getLogger("dddkit.stories.story")
log.addHandler(handler)
log.setLevel(logging.DEBUG)

inject_hooks(Send, [StatusTracker(), ExecutionTimeTracker(), LoggingHook()])
story = Send()
state = story.State()
story(state)

log.setLevel(logging.ERROR)
try:
    story(state)
except ValueError as error:
    print(error)

log.setLevel(logging.CRITICAL)


class Loud:
    def before(self, context: StoryExecutionContext, step_info: StepExecutionInfo):
        print("before", step_info.step_name, step_info.step_index)

    def after(self, context: StoryExecutionContext, step_info: StepExecutionInfo):
        print("after", step_info.step_name, step_info.meta["status"])

    def error(self, context: StoryExecutionContext, step_info: StepExecutionInfo):
        print("error", step_info.step_name, step_info.error, len(context.steps), type(context.story).__name__)


inject_hooks(Send, hooks=[Loud()])
try:
    story(state)
except ValueError as error:
    print(error)
Send.register_hook("before", lambda context, step: print("registered"))
story(story.State())
