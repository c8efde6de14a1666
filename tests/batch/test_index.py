"""The index of a journal: what is held in memory beside its file is never seen as anything else."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest

from aivideoapi_batch import _index
from aivideoapi_batch._index import Index


@dataclass
class Plain:
    """One id, with the rules written down once more."""

    status: str | None = None
    place: int | None = None
    unfinished: int = 0
    paid: bool = False
    run: int = 0

    def end(self, status: str, place: int, paid: bool) -> None:
        self.unfinished = max(self.unfinished - 1, 0)
        self.paid |= paid
        if self.status != "ok":
            self.status, self.place = status, place


@pytest.mark.parametrize("most", [1, 3, 1000], ids=lambda most: f"{most} held")
def test_however_little_is_held(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(_index, "_MOST_HELD", most)
    monkeypatch.setattr(_index, "_ASKED_AT_ONCE", 2)
    draw, index = random.Random(most), Index()
    plain = {f"r{number}\ud800": Plain() for number in range(9)}
    for step in range(600):
        ids = [draw.choice(list(plain)) for _ in range(draw.randint(1, 5))]
        (id, one), status, paid = (ids[0], plain[ids[0]]), draw.choice(["ok", "failed"]), draw.random() < 0.5
        match draw.randrange(6):
            case 0:
                met = index.met(ids, run=step // 50 + 1)
                for id, (_, is_twice) in zip(ids, met, strict=True):
                    assert is_twice is (plain[id].run == step // 50 + 1), step
                    plain[id].run = step // 50 + 1
            case 1:
                index.began_one(id)
                one.unfinished += 1
            case 2:
                index.ended_one(id, status, 0, step, paid=paid)
                one.end(status, step, paid)
            case 3:
                index.began(ids)
                for id in ids:
                    plain[id].unfinished += 1
            case 4:
                index.ended((id, status, 0, step, paid) for id in ids)
                for id in ids:
                    plain[id].end(status, step, paid)
            case 5:
                states = Counter(one.status for one in plain.values() if one.status)
                assert index.counts() == states
                assert index.unfinished() == (
                    sum(one.unfinished for one in plain.values()),
                    sum(one.unfinished for one in plain.values() if one.status),
                )
        for known, want in zip(index.look(ids), [plain[id] for id in ids], strict=True):
            seen = (known.status, known.place, known.unfinished, bool(known.paid), known.run)
            assert seen == (want.status, want.place, want.unfinished, want.paid, want.run), step
    index.close()
