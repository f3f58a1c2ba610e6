from fp1_package import Greet, Member

from dddkit.dataclasses import InMemoryRepository


class Members(InMemoryRepository[Member, int]):
    pass


member = Member(7)
member.add_event(Member.Joined())
assert len(member.pull_events()) == 1
state = Greet.State(name="Ada")
Greet()(state)
assert state.said == ["hello Ada"]
assert Members()
