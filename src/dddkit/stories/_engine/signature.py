"""The signature of a State's constructor, made when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin, get_type_hints

from dddkit._annotations import own_annotations
from dddkit.stories._engine.defaults import Default
from dddkit.stories._engine.fields import REQUIRED, VARIABLE

if TYPE_CHECKING:
    from inspect import Signature

__all__ = ["signature_of", "type_of_field"]


def signature_of(cls: Any) -> Signature:
    """Return the signature of the constructor that the fields make."""
    from inspect import Parameter, Signature

    parameters: list[Parameter] = []
    for name, default in cls.__state_fields__.items():
        if default is not VARIABLE:
            annotation, value = type_of_field(cls, name), default
            if annotation is None:
                annotation = Parameter.empty
            if default is REQUIRED:
                value = Parameter.empty
            elif type(default) is Default:
                value = default.value
            parameters.append(Parameter(name, Parameter.KEYWORD_ONLY, default=value, annotation=annotation))
    return Signature(parameters, return_annotation=None)


def type_of_field(cls: type, name: str) -> Any:
    """Return the type of a field, or its text where that cannot be evaluated; None where Final leaves it open."""
    owner = next(base for base in cls.__mro__ if name in own_annotations(base))
    annotation: Any = own_annotations(owner)[name]
    try:
        # One by one, since a single name that only checkers import would leave all of them unevaluated.
        alone = type(owner.__name__, (), {"__annotations__": {name: annotation}, "__module__": owner.__module__})
        names = {parameter.__name__: parameter for parameter in getattr(owner, "__type_params__", ())}
        annotation = get_type_hints(alone, localns=names | vars(owner), include_extras=True)[name]
    except Exception:
        return annotation
    metadata: tuple[object, ...] = getattr(annotation, "__metadata__", ())
    if metadata:
        annotation = annotation.__origin__
    if annotation is Final:
        return None
    if get_origin(annotation) is Final:
        [annotation] = get_args(annotation)
    return Annotated[(annotation, *metadata)] if metadata else annotation
