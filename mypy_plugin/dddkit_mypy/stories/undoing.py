"""What compensations read of the state, which is as the stopped run has left it."""

from __future__ import annotations

from collections.abc import Iterator

from mypy.nodes import TypeInfo

from dddkit_mypy._record import Record
from dddkit_mypy.stories.compensations import compensations_of
from dddkit_mypy.stories.flags import is_behind_flag
from dddkit_mypy.stories.flow import Read, first_values, is_visible
from dddkit_mypy.stories.flow_metadata import flow_of_step


class EarlyRead(Record):
    """A read of a variable that the steps which have run by then need not have set."""

    step: str
    method: str
    """The compensation of the step."""
    variable: str
    read: Read
    setter: str
    """The first step that sets the variable: a later one, or the step itself, where it may have been stopped."""

    @property
    def reported(self) -> tuple[str, str, str, str]:
        """What the message says: reads that are equal in this are one."""
        return self.step, self.method, self.variable, self.setter


def early_reads_in_undoing(
    info: TypeInfo, steps: list[str], state: TypeInfo, variables: frozenset[str]
) -> Iterator[EarlyRead]:
    """Yield the reads of variables that only steps set which need not have run when the compensation does."""
    compensations = compensations_of(info)
    if not compensations:
        return
    flows = [flow_of_step(info, name) for name in steps]
    undoing = {one.method: flow_of_step(info, one.method) for one in compensations.values()}
    others = [flow for flow in undoing.values() if flow is not None]
    for step, one in compensations.items():
        flow, position = undoing[one.method], steps.index(step)
        if flow is None or not is_visible(flow, state):
            continue
        ran = position if one.even_if_failed else position + 1
        before = flows[: position + 1]
        if any(found is None or not is_visible(found, state) for found in before):
            continue  # any of them may have set anything
        already_set = {name for found in before[:ran] if found is not None for name in found.sets}
        later = [(name, found) for name, found in zip(steps[ran:], flows[ran:], strict=True) if found is not None]
        deciding = [flow, *(found for _, found in later), *others]
        for variable, reads in flow.reads.items():
            if variable not in variables or variable in already_set:
                continue
            setter = next((name for name, found in later if variable in first_values(found)), None)
            if setter is None:
                continue  # it comes from outside
            read = next(
                (read for values in reads if not is_behind_flag(state, variable, read := Read(*values), deciding)), None
            )
            if read is not None:
                yield EarlyRead(step, one.method, variable, read, setter)
