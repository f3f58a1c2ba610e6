"""Aggregates of parts: trees of entities, roots that entities know, weak references, ids beside objects."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NewType

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, ValueObject

FolderId = NewType("FolderId", int)


@dataclass(frozen=True)
class Name(ValueObject):
    text: str


@dataclass(kw_only=True)
class File(Entity):
    file_id: int
    name: Name
    folder: Folder | None = field(default=None, repr=False)

    def rename(self, name: Name) -> None:
        old, self.name = self.name, name
        if self.folder is not None:
            self.folder.root.add_event(Folder.FileRenamed(old=old, new=name))


@dataclass(kw_only=True)
class Folder(Aggregate):
    folder_id: FolderId
    parent_ref: weakref.ref[Folder] | None = None
    folders: dict[FolderId, Folder] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    owner_id: int | None = None

    @dataclass(frozen=True, kw_only=True)
    class FileRenamed(AggregateEvent):
        old: Name
        new: Name

    @dataclass(frozen=True, kw_only=True)
    class Grown(AggregateEvent):
        folder_id: FolderId

    @property
    def root(self) -> Folder:
        parent = self.parent_ref() if self.parent_ref else None
        return parent.root if parent else self

    def add(self, folder_id: FolderId) -> Folder:
        child = self.folders[folder_id] = Folder(folder_id=folder_id, parent_ref=weakref.ref(self))
        self.root.add_event(self.Grown(folder_id=folder_id))
        return child

    def __iter__(self) -> Iterator[Folder]:
        yield self
        for folder in self.folders.values():
            yield from folder


root = Folder(folder_id=FolderId(1))
child = root.add(FolderId(2)).add(FolderId(3))
file = File(file_id=1, name=Name("a"), folder=child)
file.rename(Name("b"))
assert len(root.get_events()) == 3
assert [folder.folder_id for folder in root] == [1, 2, 3]
