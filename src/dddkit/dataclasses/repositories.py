"""The repositories: the same in both flavours."""

from dddkit._core.repository import InMemoryRepository, Repository, SyncInMemoryRepository, SyncRepository

__all__ = ["InMemoryRepository", "Repository", "SyncInMemoryRepository", "SyncRepository"]
