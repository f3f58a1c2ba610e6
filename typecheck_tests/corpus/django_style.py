"""Mixins before and after, `Meta` classes, class attributes as configuration, cooperative super()."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from dddkit.stories import I, Story, StoryState, variable

StateT = TypeVar("StateT", bound="RequestState")


class RequestState(StoryState):
    user: str | None = None
    response: str = variable()
    trail: list[str] = []


class LoginRequiredMixin:
    login_url: ClassVar[str] = "/login"

    def authenticate(self, state: RequestState) -> None:
        if state.user is None:
            raise PermissionError(self.login_url)
        state.trail.append("authenticated")


class TemplateMixin:
    template_name: str | None = None
    extra_context: dict[str, Any] = {}

    def get_template(self) -> str:
        assert self.template_name
        return self.template_name

    def render(self, state: RequestState) -> None:
        state.response = self.get_template().format(user=state.user, **self.extra_context)


class View(Story, ABC, Generic[StateT]):
    I.authenticate
    I.handle
    I.render

    class Meta:
        abstract = True

    def authenticate(self, state: StateT) -> None: ...

    def handle(self, state: StateT) -> None: ...

    def render(self, state: StateT) -> None: ...


class Loud:
    def handle(self, state: RequestState) -> None:
        state.trail.append("loud")
        super().handle(state)  # type: ignore[misc]


class Profile(LoginRequiredMixin, Loud, TemplateMixin, View[RequestState]):
    template_name = "hello {user}{end}"
    extra_context = {"end": "."}

    class Meta(View.Meta):
        abstract = False

    def handle(self, state: RequestState) -> None:
        super().handle(state)
        state.trail.append("profile")


@dataclass
class Themed(Profile):
    theme: str = "dark"

    def get_template(self) -> str:
        return f"[{self.theme}] {super().get_template()}"


state = RequestState(user="ada")
Themed()(state)
assert (state.response, state.trail) == ("[dark] hello ada.", ["authenticated", "loud", "profile"])
try:
    Profile()(RequestState())
except PermissionError as error:
    assert str(error) == "/login"
