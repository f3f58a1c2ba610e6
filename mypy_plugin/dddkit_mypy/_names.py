"""The names of the library, and of what it builds on, that the plugin knows; a test imports each dotted name."""

from __future__ import annotations

from typing import Final

STORY: Final = "dddkit.stories.story.Story"
STEP_LIST: Final = "dddkit.stories._engine.steps.StepList"  # what `I` is an instance of
IMPORTED_I: Final = "dddkit.stories._engine.steps.I"
COMPENSATES: Final = "dddkit.stories._engine.compensations.compensates"

DECLARED: Final = "dddkit.dataclasses._declared.Declared"  # what refuses undecorated classes at run time
FROZEN: Final = "dddkit.dataclasses._declared.Frozen"

AGGREGATE_EVENT: Final = "dddkit.dataclasses._aggregate_event.AggregateEvent"
DOMAIN_EVENT: Final = "dddkit.dataclasses.events.DomainEvent"
VALUE_OBJECT: Final = "dddkit.dataclasses.aggregates.ValueObject"
AGGREGATE_EVENT_MODEL: Final = "dddkit.pydantic._aggregate_event.AggregateEvent"
DOMAIN_EVENT_MODEL: Final = "dddkit.pydantic.events.DomainEvent"
VALUE_OBJECT_MODEL: Final = "dddkit.pydantic.aggregates.ValueObject"

# In both flavours; an event of one flavour does not derive from an event of the other.
EVENTS: Final = (AGGREGATE_EVENT, DOMAIN_EVENT, AGGREGATE_EVENT_MODEL, DOMAIN_EVENT_MODEL)
VALUE_OBJECTS: Final = (VALUE_OBJECT, VALUE_OBJECT_MODEL)
FROZEN_MODELS: Final = (AGGREGATE_EVENT_MODEL, DOMAIN_EVENT_MODEL, VALUE_OBJECT_MODEL)

RECORDABLE: Final = "dddkit._core.events.AnyAggregateEvent"  # the base of the aggregate events of both flavours
IDENTIFIED: Final = "dddkit._core.identity.Identified"  # entities and aggregates of both flavours
IDENTITY: Final = "dddkit._core.identity.Identity"
MAPPED: Final = "sqlalchemy.orm.base.Mapped"
EVENT_BROKER: Final = "dddkit._core.broker.EventBroker"
CHANGES_HANDLER: Final = "dddkit._core.changes.ChangesHandler"
RECORDING: Final = "dddkit._core.recording.Recording"  # aggregates of both flavours
REPOSITORY: Final = "dddkit._core.repository.Repository"
SYNC_REPOSITORY: Final = "dddkit._core.repository.SyncRepository"
IN_MEMORY_REPOSITORY: Final = "dddkit._core.repository.InMemoryRepository"
SYNC_IN_MEMORY_REPOSITORY: Final = "dddkit._core.repository.SyncInMemoryRepository"
UNIT: Final = "dddkit.sqlalchemy._unit_class.AnyUnit"  # UnitOfWork and SyncUnitOfWork
DOCUMENTS: Final = "dddkit.sqlalchemy.documents.Documents"
CUSTOM: Final = "dddkit.sqlalchemy.custom.Custom"
ORM_MAPPED: Final = "dddkit.sqlalchemy.orm_mapped.OrmMapped"
STORY_STATE: Final = "dddkit.stories.state.StoryState"
DURABLE: Final = "dddkit.stories.dbos.durable.Durable"
CONSUMER: Final = "dddkit.sqlalchemy.consumer.Consumer"
SIGNAL: Final = "dddkit.stories.durable.waiting.Signal"
DELAY: Final = "dddkit.stories.durable.waiting.Delay"
SINGLEDISPATCHMETHOD: Final = "functools.singledispatchmethod"
SIMPLE_NAMESPACE: Final = "types.SimpleNamespace"
MODEL: Final = "pydantic.main.BaseModel"
ROOT_MODEL: Final = "pydantic.root_model.RootModel"
SECRETS: Final = ("pydantic.types.Secret", "pydantic.types.SecretStr", "pydantic.types.SecretBytes")
STORY_STATE_ERROR: Final = "dddkit.exceptions.StoryStateError"
DDDKIT_ERROR: Final = "dddkit.exceptions.DDDKitError"
VARIABLE: Final = "dddkit.stories.state.variable"

GETATTR_METHODS: Final = ("__getattr__", "__getattribute__")  # they supply attributes that no class declares
ATTRIBUTE_FUNCTIONS: Final = ("builtins.hasattr", "builtins.getattr", "builtins.setattr", "builtins.delattr")
