"""Faults that are planted, to see that the checks find them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.dataclasses import EventBroker
from dddkit.messages import Message
from dddkit.sqlalchemy import Inbox, Outbox, SyncUnitOfWork, UnitOfWork
from tests.kill.bank import Account
from tests.kill.repositories import BankUnit, SyncBankUnit, Units

if TYPE_CHECKING:
    from dddkit.sqlalchemy._publishing import Publish

__all__ = ["FAULTS", "Fault", "ForgetfulInbox", "deleting_before", "with_outbox_outside"]

Fault = Literal["delete-before-publish", "no-inbox", "outbox-outside"]
FAULTS: Final[tuple[Fault, ...]] = ("delete-before-publish", "no-inbox", "outbox-outside")


class ForgetfulInbox(Inbox):
    """Knows no key that it has noted: what is delivered twice is done twice."""

    def _note(self, connection: Connection, consumer: str, key: str) -> bool:
        super()._note(connection, consumer, key)
        return True


def deleting_before(publish: Publish, engine: AsyncEngine, outbox: Outbox) -> Publish:
    """Delete a message first, and publish it then: whoever is killed between the two loses it."""

    async def delete_and_publish(message: Message) -> None:
        async with engine.begin() as connection:
            await connection.execute(outbox.table.delete().where(outbox.table.c["id"] == message.id))
        await publish(message)

    return delete_and_publish


def with_outbox_outside(
    units: Units, box: Outbox
) -> tuple[Callable[[AsyncEngine], BankUnit], Callable[[Engine], SyncBankUnit]]:
    """Write events into the outbox in a transaction of their own, once that of the aggregates has committed."""

    class Later(UnitOfWork):
        outbox = box

    class SyncLater(SyncUnitOfWork):
        outbox = box

    def unit(engine: AsyncEngine) -> BankUnit:
        async def put(event: Account.Changed) -> None:
            async with Later(engine) as later:
                later.publish(event, subject=f"accounts/{event.account_id}")
                await later.commit()

        broker = EventBroker()
        broker.subscribe(Account.Changed, put)
        return units.unit(engine, broker=broker)

    def sync_unit(engine: Engine) -> SyncBankUnit:
        def put(event: Account.Changed) -> None:
            with SyncLater(engine) as later:
                later.publish(event, subject=f"accounts/{event.account_id}")
                later.commit()

        broker = EventBroker()
        broker.subscribe(Account.Changed, put)
        return units.sync_unit(engine, broker=broker)

    return unit, sync_unit
