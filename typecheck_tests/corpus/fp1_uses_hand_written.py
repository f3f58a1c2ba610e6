import fp1_hand_written as hand

assert hand.Money(3) == hand.Money(3)
assert hand.Guest(guest_id=1, name="a") == hand.Guest(guest_id=1, name="b")
assert hand.Paid(4).cents == 4
assert hand.Seen().occurred_on
state = hand.Add.State()
hand.Add()(state)
assert state.items == ["x"]
