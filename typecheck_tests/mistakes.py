"""Mistakes in correct modules, and the code that the plugin must report for each."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

Edit: TypeAlias = Callable[[], object]
"""Changes the module so that it contains one mistake."""
Sites: TypeAlias = Callable[[ast.Module], Iterator[Edit]]
"""Yields an edit for every node of a module where a mistake is possible."""


class Mistake(NamedTuple):
    """A kind of mistake."""

    code: str
    name: str
    sites: Sites


MISTAKES: Final[list[Mistake]] = []


def _mistake(code: str) -> Callable[[Sites], Sites]:
    def keep(sites: Sites) -> Sites:
        MISTAKES.append(Mistake(code, sites.__name__.strip("_").replace("_", " "), sites))
        return sites

    return keep


def mutants(source: str, mistake: Mistake) -> Iterator[str]:
    """Yield the module with one mistake of a kind, once for each node where it is possible."""
    for number in range(len(list(mistake.sites(ast.parse(source))))):
        tree = ast.parse(source)
        list(mistake.sites(tree))[number]()
        yield ast.unparse(ast.fix_missing_locations(tree))


# --- finding places ---------------------------------------------------------------------------------------------


def _classes(tree: ast.Module, *bases: str) -> Iterator[ast.ClassDef]:
    """Yield the classes directly under one of the bases; all classes where no base is given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and (not bases or {_name(base) for base in node.bases} & set(bases)):
            yield node


def _name(expr: ast.expr) -> str:
    return ast.unparse(expr).partition("[")[0]


def _stories(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Yield the stories whose steps are all methods of their own."""
    return _classes(tree, "Story")


def _listings(story: ast.ClassDef) -> list[ast.Expr]:
    return [
        node
        for node in story.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Attribute) and ast.unparse(node.value.value) == "I"
    ]


def _listed(statement: ast.Expr) -> ast.Attribute:
    assert isinstance(statement.value, ast.Attribute)
    return statement.value


def _steps(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for story in _stories(tree):
        names = {_listed(statement).attr for statement in _listings(story)}
        for node in story.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names:
                yield node


def _arguments(step: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    return step.args.posonlyargs or step.args.args


def _is_static(step: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator) == "staticmethod" for decorator in step.decorator_list)


def _publishes(awaited: ast.Await) -> bool:
    return ast.unparse(awaited.value) == "broker(event)"


def _expr(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body


def _statements(source: str) -> list[ast.stmt]:
    return ast.parse(source).body


def _set(target: object, name: str, value: object) -> Edit:
    return partial(setattr, target, name, value)


def _set_all(*edits: Edit) -> Edit:
    def edit() -> None:
        for single in edits:
            single()

    return edit


# --- stories ----------------------------------------------------------------------------------------------------


@_mistake("dddkit-unknown-step")
def _a_listed_name_is_misspelt(tree: ast.Module) -> Iterator[Edit]:
    for story in _classes(tree, "Story", "HouseStory"):
        for statement in _listings(story):
            yield _set(_listed(statement), "attr", _listed(statement).attr + "x")


@_mistake("dddkit-unknown-step")
def _a_listed_name_begins_with_an_underscore(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        for statement in _listings(story):
            yield _set(_listed(statement), "attr", "_" + _listed(statement).attr)


@_mistake("dddkit-unknown-step")
def _a_method_is_renamed(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        yield _set(step, "name", "do_" + step.name)


@_mistake("dddkit-unknown-step")
def _a_method_is_deleted(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        names = {_listed(statement).attr for statement in _listings(story)}
        for node in story.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in names:
                yield partial(story.body.remove, node)


@_mistake("dddkit-unknown-step")
def _a_step_is_listed_in_a_function(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        for statement in _listings(story):
            yield partial(tree.body.extend, _statements(f"def listing() -> None:\n    I.{_listed(statement).attr}"))


@_mistake("dddkit-unknown-step")
def _a_listed_name_is_asked_for_an_attribute(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        for statement in _listings(story):
            yield _set(statement, "value", _expr(f"I.{_listed(statement).attr}.run"))


@_mistake("dddkit-step-signature")
def _a_method_forgets_self(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        if not _is_static(step):
            yield _set_all(partial(_arguments(step).pop, 0), _set(step, "body", _statements("...")))


@_mistake("dddkit-step-signature")
def _a_step_wants_one_more_argument(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        yield partial(_arguments(step).append, ast.arg("extra", _expr("int")))


@_mistake("dddkit-step-signature")
def _a_step_takes_no_state(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        yield _set_all(_arguments(step).pop, _set(step, "body", _statements("...")))


@_mistake("dddkit-step-signature")
def _a_step_takes_the_state_by_keyword(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):

        def edit(step: ast.FunctionDef | ast.AsyncFunctionDef = step) -> None:
            step.args.kwonlyargs = [_arguments(step).pop()]
            step.args.kw_defaults = [None]

        yield edit


@_mistake("dddkit-step-signature")
def _an_injected_step_takes_nothing(tree: ast.Module) -> Iterator[Edit]:
    for field in _injected(tree, "Callable"):
        yield _set(field, "annotation", _expr("Callable[[], None]"))


@_mistake("dddkit-step-signature")
def _an_injected_step_is_no_callable(tree: ast.Module) -> Iterator[Edit]:
    for field in _injected(tree, "Callable", "Inner"):
        yield _set(field, "annotation", _expr("int"))


@_mistake("dddkit-step-state")
def _an_injected_step_takes_something_else(tree: ast.Module) -> Iterator[Edit]:
    for field in _injected(tree, "Callable"):
        yield _set(field, "annotation", _expr("Callable[[Foreign], None]"))


@_mistake("dddkit-step-state")
def _a_nested_story_has_a_state_of_another_kind(tree: ast.Module) -> Iterator[Edit]:
    for field in _injected(tree, "Inner"):
        yield _set(field, "annotation", _expr("Loose"))


def _injected(tree: ast.Module, *types: str) -> Iterator[ast.AnnAssign]:
    for story in _classes(tree, "HouseStory"):
        for node in story.body:
            if isinstance(node, ast.AnnAssign) and _name(node.annotation) in types:
                yield node


@_mistake("dddkit-step-state")
def _a_step_takes_a_foreign_class(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        for annotation in ("Foreign", "int", "Ordered", "'Inner.State | None'"):
            if "None" not in annotation or step.name not in _names_in(tree, "Inner"):
                yield _set_all(
                    _set(_arguments(step)[-1], "annotation", _expr(annotation)),
                    _set(step, "body", _statements("...")),
                )


def _names_in(tree: ast.Module, name: str) -> set[str]:
    """Return the methods of one class."""
    return {
        node.name
        for story in _classes(tree)
        if story.name == name
        for node in story.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


@_mistake("dddkit-step-return")
def _a_step_returns_a_value(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        for returned, value in (("int", "1"), ("str | None", "'no'"), ("State", "state")):
            yield _set_all(
                _set(step, "returns", _expr(returned)),
                partial(step.body.extend, _statements(f"return {value}")),
            )


@_mistake("dddkit-step-return")
def _an_async_step_returns_an_awaitable(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        if isinstance(step, ast.AsyncFunctionDef):
            yield _set_all(
                partial(tree.body.insert, 0, *_statements("from collections.abc import Awaitable as Later")),
                _set(step, "returns", _expr("Later[None]")),
                _set(step, "body", _statements("raise NotImplementedError")),
            )


@_mistake("dddkit-step-return")
def _a_step_is_a_generator(tree: ast.Module) -> Iterator[Edit]:
    for step in _steps(tree):
        if isinstance(step, ast.FunctionDef):
            yield _set_all(
                _set(step, "returns", _expr("Iterator[int]")),
                partial(step.body.extend, _statements("yield 1")),
            )


@_mistake("dddkit-empty-story")
def _a_story_lists_nothing(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        if _listings(story):
            yield _set(story, "body", [node for node in story.body if node not in _listings(story)])


@_mistake("dddkit-repeated-step")
def _a_step_is_listed_twice(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        for statement in _listings(story):
            yield partial(story.body.insert, story.body.index(statement) + 1, *_statements(ast.unparse(statement)))


@_mistake("dddkit-unlisted-step")
def _a_step_is_not_listed(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        if len(_listings(story)) > 1:
            undone = {ast.unparse(decorator.args[0]).strip("'") for _, decorator in _compensations(tree)}
            for statement in _listings(story):
                if _listed(statement).attr not in undone:  # else what undoes it is wrong as well
                    yield partial(story.body.remove, statement)


@_mistake("unused-coroutine")
def _nobody_awaits_an_async_story(tree: ast.Module) -> Iterator[Edit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Await) and not _publishes(node.value):
            yield _set(node, "value", node.value.value)


@_mistake("dddkit-story-state")
def _a_story_is_called_with_something_else(tree: ast.Module) -> Iterator[Edit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("loose", "outer"):
            for given in ("Foreign()", "1", "None", "Ordered.State(number=1)"):
                yield _set(node, "args", [_expr(given)])


@_mistake("dddkit-state-order")
def _a_step_comes_after_those_that_read_what_it_sets(tree: ast.Module) -> Iterator[Edit]:
    for story in _classes(tree, "Story"):
        if story.name == "Ordered":
            source = ast.unparse(story)
            for statement in _listings(story)[:-1]:
                if f"= state.made_by_{_listed(statement).attr} " in source:

                    def edit(story: ast.ClassDef = story, statement: ast.Expr = statement) -> None:
                        last = story.body.index(_listings(story)[-1])
                        story.body.remove(statement)
                        story.body.insert(last, statement)

                    yield edit


@_mistake("dddkit-undeclared-state")
def _an_attribute_of_a_namespace_is_misspelt(tree: ast.Module) -> Iterator[Edit]:
    for story in _classes(tree, "Story"):
        if story.name == "Loose":
            for node in ast.walk(story):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "state":
                    yield _set(node, "attr", node.attr + "s")


@_mistake("dddkit-mutable-default")
def _a_namespace_has_a_mutable_default(tree: ast.Module) -> Iterator[Edit]:
    for state in _classes(tree, "SimpleNamespace"):
        for node in state.body:
            if isinstance(node, ast.AnnAssign):
                for type_, value in (
                    ("list[str]", "[]"),
                    ("list[str]", "list()"),
                    ("dict[str, int]", "{}"),
                    ("dict[str, int]", "{'a': 1}"),
                    ("set[str]", "set()"),
                ):
                    yield partial(state.body.extend, _statements(f"more: {type_} = {value}"))


@_mistake("dddkit-story-attribute")
def _a_step_leaves_something_in_the_story(tree: ast.Module) -> Iterator[Edit]:
    for story in _classes(tree, "Story"):
        methods = [
            node for node in _steps(tree) if node in story.body and [arg.arg for arg in node.args.args[:1]] == ["self"]
        ]
        if story.name == "Loose" and len(methods) > 1:
            for setting in ("self.kept = 1", "self.kept, other = 1, 2", "for self.kept in range(3): ..."):

                def edit(story: ast.ClassDef = story, methods: list[Any] = methods, setting: str = setting) -> None:
                    story.decorator_list.clear()
                    methods[0].body[:0] = _statements(setting)
                    methods[-1].body[:0] = _statements("print(self.kept)")

                yield edit


def _compensations(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.Call]]:
    """Yield the methods that undo a step, each with its decorator."""
    for story in _stories(tree):
        for node in story.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.decorator_list:
                decorator = node.decorator_list[0]
                if isinstance(decorator, ast.Call) and _name(decorator.func) == "compensates":
                    yield node, decorator


@_mistake("dddkit-durable-state")
def _a_state_cannot_be_recorded(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        for state in story.body:
            if story.name == "Kept" and isinstance(state, ast.ClassDef):
                for field in state.body:
                    for unfit in ("object", "list[object]", "dict[str, Callable[[int], None]] | None", "type[Foreign]"):
                        yield _set(field, "annotation", _expr(unfit))


@_mistake("dddkit-compensation")
def _a_compensation_names_no_step(tree: ast.Module) -> Iterator[Edit]:
    for method, decorator in _compensations(tree):
        for named in ("nothing", method.name, f"{ast.unparse(decorator.args[0]).strip(chr(39))}x"):
            yield _set(decorator, "args", [ast.Constant(named)])


@_mistake("dddkit-compensation")
def _a_compensation_cannot_be_called(tree: ast.Module) -> Iterator[Edit]:
    for method, _ in _compensations(tree):
        yield partial(_arguments(method).append, ast.arg("extra", _expr("int")))
        yield _set_all(
            _set(_arguments(method)[-1], "annotation", _expr("Foreign")), _set(method, "body", _statements("..."))
        )


@_mistake("dddkit-compensation")
def _a_compensation_is_hidden_listed_or_doubled(tree: ast.Module) -> Iterator[Edit]:
    for story in _stories(tree):
        for method, decorator in _compensations(tree):
            if method in story.body:
                if not _is_static(method):
                    yield partial(method.decorator_list.insert, 0, _expr("abstractmethod"))
                if not method.name.startswith("_"):
                    yield partial(story.body.append, _statements(f"I.{method.name}")[0])
                twin = ast.parse(f"@{ast.unparse(decorator)}\ndef undo_again(self, state: State) -> None: ...").body[0]
                yield partial(story.body.append, twin)


@_mistake("dddkit-state-order")
def _a_compensation_reads_what_only_a_later_step_sets(tree: ast.Module) -> Iterator[Edit]:
    for story in _classes(tree, "Story"):
        if story.name == "Ordered":
            last = _listed(_listings(story)[-1]).attr
            for method, decorator in _compensations(tree):
                if method in story.body and not decorator.keywords and last not in ast.unparse(decorator.args[0]):
                    yield _set(method, "body", _statements(f"print(state.made_by_{last})"))


@_mistake("dddkit-undecorated-class")
def _the_decorator_of_a_story_is_forgotten(tree: ast.Module) -> Iterator[Edit]:
    for story in _classes(tree, "Story"):
        if story.name in ("Loose", "Inner"):

            def edit(story: ast.ClassDef = story) -> None:
                story.decorator_list.clear()
                story.body[:0] = _statements("gateway: int")

            yield edit


# --- building blocks --------------------------------------------------------------------------------------------


def _is_pydantic(tree: ast.Module) -> bool:
    return "dddkit.pydantic" in ast.unparse(tree)


def _fields_of(owner: ast.ClassDef) -> list[ast.AnnAssign]:
    return [node for node in owner.body if isinstance(node, ast.AnnAssign)]


def _thaw(tree: ast.Module, *bases: str) -> Iterator[Edit]:
    for owner in _classes(tree, *bases):
        if _is_pydantic(tree):
            yield partial(owner.body.insert, 0, *_statements("model_config = ConfigDict(frozen=False)"))
        else:
            for said in ("@dataclass(kw_only=True)", "@dataclass(frozen=False, kw_only=True)"):
                made = ast.parse(f"{said}\nclass Made: ...").body[0]
                assert isinstance(made, ast.ClassDef)
                yield _set(owner, "decorator_list", made.decorator_list)


@_mistake("dddkit-unfrozen-event")
def _an_event_is_not_frozen(tree: ast.Module) -> Iterator[Edit]:
    return _thaw(tree, "AggregateEvent", "DomainEvent", "Opened")


@_mistake("dddkit-unfrozen-value-object")
def _a_value_object_is_not_frozen(tree: ast.Module) -> Iterator[Edit]:
    return _thaw(tree, "ValueObject")


@_mistake("dddkit-undecorated-class")
def _a_decorator_is_forgotten(tree: ast.Module) -> Iterator[Edit]:
    if not _is_pydantic(tree):
        for owner in _classes(tree, "AggregateEvent", "DomainEvent", "ValueObject", "Entity", "Aggregate", "Opened"):
            yield _set(owner, "decorator_list", [])


@_mistake("dddkit-value-object-entity")
def _a_value_object_holds_an_entity(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "ValueObject"):
        for type_ in ("Line", "Order", "tuple[Line, ...]", "Line | None", "dict[str, tuple[Line | None, int]]"):
            yield partial(owner.body.extend, _statements(f"held: '{type_}'"))


@_mistake("dddkit-missing-identity")
def _an_identity_has_another_name(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "Entity", "Aggregate"):
        for field in _fields_of(owner):
            assert isinstance(field.target, ast.Name)
            if field.target.id in ("id", "line_id", "order_id") or field.target.id == f"{owner.name.lower()}_id":
                yield _set_all(_set(field.target, "id", "key"), _set(field, "annotation", _expr("Number")))


@_mistake("dddkit-foreign-event")
def _an_aggregate_adds_the_event_of_another(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "Aggregate"):
        other = "Basket.Filled(count=1)" if owner.name == "Order" else "Order.Closed(reason='done')"
        for node in ast.walk(owner):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.add_event":
                yield _set(node, "args", [_expr(other)])


@_mistake("dddkit-dropped-event")
def _an_event_is_made_and_not_recorded(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "Aggregate"):
        for node in ast.walk(owner):
            call = node.value if isinstance(node, ast.Expr) else None
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "self.add_event":
                yield _set(node, "value", call.args[0])


@_mistake("dddkit-unawaited-publish")
def _an_async_function_does_not_await_what_it_publishes(tree: ast.Module) -> Iterator[Edit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Await) and _publishes(node.value):
            yield _set(node, "value", node.value.value)


@_mistake("dddkit-mutable-field")
def _an_event_or_value_object_holds_something_mutable(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "ValueObject", "AggregateEvent", "DomainEvent"):
        for type_ in ("list[int]", "dict[str, int]", "set[int]", "list[int] | None"):
            yield partial(owner.body.extend, _statements(f"held: {type_}"))


@_mistake("dddkit-aggregate-reference")
def _an_aggregate_or_entity_holds_another_aggregate(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "Aggregate"):
        if owner.name == "Order":
            for type_ in ("Basket", "list[Basket]", "Basket | None"):
                yield partial(owner.body.extend, _statements(f"held: {type_}"))


@_mistake("dddkit-repository-parameters")
def _a_repository_has_other_parameters(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "Repository", "SyncRepository"):
        base = _name(owner.bases[0])
        for given in ("", "[Line, Number]", "[Amount, Number]", f"[{owner.name[:-1]}, str]", "[Number, Basket]"):
            yield _set(owner, "bases", [_expr(base + given)])


@_mistake("dddkit-unhandled-event")
def _an_event_has_no_handler(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "ChangesHandler"):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and node.name == "_":
                yield partial(owner.body.remove, node)


@_mistake("dddkit-changes-result")
def _a_field_of_the_result_is_never_set(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "ChangesHandler"):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and node.name == "_clear_state":
                for statement in node.body:
                    yield partial(node.body.remove, statement)


@_mistake("dddkit-changes-result")
def _the_result_is_no_named_tuple(tree: ast.Module) -> Iterator[Edit]:
    for owner in _classes(tree, "NamedTuple"):
        yield _set(owner, "bases", [])
