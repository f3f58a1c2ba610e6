"""An aggregate nested in another records the outer one's event, and the other way round."""

from __future__ import annotations

from dataclasses import dataclass, field

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity


@dataclass(kw_only=True)
class Order(Aggregate):
    order_id: int
    lines: list[Order.Line] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Changed(AggregateEvent):
        what: str

    @dataclass(kw_only=True)
    class Line(Aggregate):
        line_id: int

        @dataclass(frozen=True, kw_only=True)
        class Added(AggregateEvent):
            pass

        def change(self) -> None:
            self.add_event(Order.Changed(what=f"line {self.line_id}"))

        @dataclass(kw_only=True)
        class Note(Aggregate):
            note_id: int

            def change(self) -> None:
                self.add_event(Order.Changed(what="note"))
                self.add_event(Order.Line.Added())

    @dataclass(kw_only=True)
    class Payment(Entity):
        payment_id: int

    def add(self, line_id: int) -> Order.Line:
        line = self.Line(line_id=line_id)
        self.lines.append(line)
        self.add_event(self.Changed(what="lines"))
        line.add_event(self.Changed(what="line"))
        line.add_event(Order.Line.Added())
        return line


order = Order(order_id=1)
line = order.add(3)
line.change()
note = Order.Line.Note(note_id=1)
note.change()
assert [len(one.get_events()) for one in (order, line, note)] == [1, 3, 2]
assert Order.Payment(payment_id=1) == Order.Payment(payment_id=1)
