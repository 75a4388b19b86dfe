"""The queue of dead letters: bounded in number and in bytes, and nothing of it is lost or doubled."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.dead_letter import DeadLetter
from monitor.events import Reject
from monitor.outgoing import Outgoing, key_of
from monitor.store.memory import MemoryStore


class Receiver:
    """Takes as many letters as it is told to."""

    def __init__(self) -> None:
        self.taken: list[DeadLetter] = []
        self.most = 0

    def publish(self, letters: Sequence[DeadLetter]) -> int:
        self.taken += letters[: self.most]
        return min(self.most, len(letters))

    def close(self) -> None:
        pass


def reject(offset: int, size: int, row: int | None = None) -> Reject:
    return Reject("p", 0, offset, row, "not_json", "not JSON", None, 0, key=b"k", value=bytes(size))


def write(outgoing: Outgoing, store: MemoryStore) -> None:
    puts, deletes = outgoing.changes()
    store.write(puts, deletes, sync=True)
    outgoing.written()


def test_a_message_of_bad_rows_is_kept_once_and_not_ten_thousand_times() -> None:
    store, receiver = MemoryStore(), Receiver()
    outgoing = Outgoing(store, receiver, limit=10_000)
    assert outgoing.add(0, [reject(7, 1 << 20, row) for row in range(2_000)]) == 0
    write(outgoing, store)
    assert sum(len(value) for _, value in store.scan(b"Q")) < (64 << 20) + 2_000 * 200
    receiver.most = 10_000
    assert Outgoing(store, receiver, limit=10_000).publish() == 2_000
    assert sorted(letter.row or 0 for letter in receiver.taken) == list(range(2_000))
    assert sum(letter.value is not None for letter in receiver.taken) == 63


def test_room_comes_back_with_acknowledgements() -> None:
    store, receiver = MemoryStore(), Receiver()
    outgoing = Outgoing(store, receiver, limit=100, most_bytes=1_000)
    outgoing.add(0, [reject(0, 900), reject(1, 900)])
    receiver.most = 1
    outgoing.publish()
    outgoing.add(0, [reject(2, 900)])
    receiver.most = 9
    outgoing.publish()
    assert [letter.value is not None for letter in receiver.taken] == [True, False, True]


@given(st.lists(st.one_of(st.integers(0, 300), st.sampled_from(["write", "publish", "crash"])), max_size=40), st.data())
@settings(deadline=None, max_examples=100)
def test_every_letter_that_fits_arrives_and_the_bounds_hold(steps: list[int | str], data: st.DataObject) -> None:
    store, receiver = MemoryStore(), Receiver()
    outgoing = Outgoing(store, receiver, limit=5, most_bytes=400)
    durable: set[bytes] = set()
    refused: dict[bytes, int] = {}
    for number, step in enumerate(steps):
        if isinstance(step, int):
            one = reject(number, step)
            if outgoing.add(0, [one]) == 0:
                refused[key_of(0, one)] = number
        elif step == "write":
            write(outgoing, store)
            durable |= refused.keys()
        elif step == "publish":
            write(outgoing, store)
            durable |= refused.keys()
            receiver.most = data.draw(st.integers(0, 6))
            outgoing.publish()
        else:
            outgoing = Outgoing(store, receiver, limit=5, most_bytes=400)
            refused = {key: offset for key, offset in refused.items() if key in durable}
        assert len(outgoing) <= 5
    receiver.most = 9
    outgoing = Outgoing(store, receiver, limit=5, most_bytes=400)
    while outgoing.publish():
        write(outgoing, store)
    assert {letter.offset for letter in receiver.taken} >= {refused[key] for key in durable if key in refused}
    assert {letter.offset for letter in receiver.taken} <= set(range(len(steps)))
