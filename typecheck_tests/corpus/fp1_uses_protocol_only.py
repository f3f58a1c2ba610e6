import asyncio

from fp1_protocol_only import Cart, Carts


async def main() -> None:
    carts = Carts()
    cart = Cart(id="c")
    cart.add("tea")
    await carts.save(cart)
    assert await carts.get("c") is cart
    await carts.delete(cart)
    assert await carts.get("c") is None
    assert [event.occurred_on.tzinfo is not None for event in cart.get_events()] == [True]


asyncio.run(main())
