"""Whose pairs come next: order, fairness and size of batches, without threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins.backends.contract import PairOptions
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.engine.schedule import CHARACTERS, LONG_TURN, SLICE, WINDOW, Schedule
from tests.number_backend import NumberBackend, some_pairs, words

BACKEND = NumberBackend()
PLAIN = PairOptions()


def request(name: str, size: int, length: int = 5, options: PairOptions = PLAIN) -> Request:
    return Request(some_pairs(name, size, length), options)


def read_all(schedule: Schedule) -> None:
    """Tokenizes until the schedule has enough."""
    while (found := schedule.next_slice()) is not None:
        subject, part = found
        schedule.ready(
            subject.items(part.start, BACKEND.prepare(subject.pairs[part], subject.options))
        )


def drain(schedule: Schedule, budget: int = 100) -> list[list[Item]]:
    """Every batch, as one worker with a reader that keeps up would see them."""
    batches = []
    read_all(schedule)
    while batch := schedule.draw(lambda options: options.max_batch_tokens or budget):
        batches.append(batch)
        read_all(schedule)
    return batches


def names(batch: list[Item]) -> set[str]:
    return {item.request.pairs[item.position][0] for item in batch}


def scheduled(*requests: Request) -> Schedule:
    schedule = Schedule()
    for each in requests:
        schedule.add(each)
    return schedule


lengths = st.lists(st.integers(2, 40), max_size=30)
sizes = st.sampled_from([PLAIN, PairOptions(max_batch_tokens=30), PairOptions(label=1)])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(lengths, st.sampled_from([1, 1, 30]), sizes), max_size=8),
    st.integers(1, 200),
)
def test_every_pair_is_in_one_batch_of_its_own_options_within_the_budget(
    plan: list[tuple[list[int], int, PairOptions]], budget: int
) -> None:
    requests = [
        Request([(f"{n}", "x " * (length - 1)) for n, length in enumerate(each * times)], options)
        for each, times, options in plan
    ]
    batches = drain(scheduled(*requests), budget)
    seen = [(id(item.request), item.position) for batch in batches for item in batch]
    assert sorted(seen) == sorted((id(r), n) for r in requests for n in range(r.size))
    for batch in batches:
        options = batch[0].request.options
        assert all(item.request.options == options for item in batch)
        longest = max(item.tokens for item in batch)
        assert batch[0].tokens == longest
        limit = options.max_batch_tokens or budget
        assert len(batch) == 1 or len(batch) * longest <= limit


def test_a_request_alone_is_sorted_by_length_into_full_batches() -> None:
    generator = np.random.default_rng(3)
    lengths = generator.integers(2, 60, SLICE)
    pairs = [(f"q{number}", "x " * int(length)) for number, length in enumerate(lengths)]
    batches = drain(scheduled(Request(pairs, PLAIN)), budget=300)
    in_order = [item.tokens for batch in batches for item in batch]
    assert in_order == sorted(map(words, pairs), reverse=True)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * batch[0].tokens > 300


def test_short_requests_are_served_in_the_order_of_their_arrival() -> None:
    schedule = scheduled(*(request(f"r{number}", 40) for number in range(20)))
    finished: list[str] = []
    left = {f"r{number}": 40 for number in range(20)}
    for batch in drain(schedule):
        for item in batch:
            name = item.request.pairs[item.position][0]
            left[name] -= 1
            if not left[name]:
                finished.append(name)
    assert finished == [f"r{number}" for number in range(20)]


def test_a_short_request_overtakes_a_long_one() -> None:
    schedule = scheduled(request("bulk", 10_000))
    read_all(schedule)
    assert names(schedule.draw(lambda _: 100)) == {"bulk"}
    schedule.add(request("small", 10))
    read_all(schedule)
    batch = schedule.draw(lambda _: 100)
    assert names(batch) == {"small"}  # ten more pairs would fit, and double its time
    assert len(batch) == 10


def test_short_requests_fill_up_each_others_batches_and_what_a_long_one_leaves() -> None:
    schedule = scheduled(request("bulk", SLICE + 1))
    batches = []
    for number in range(60):  # SLICE + 1 pairs are 12 full batches and one of 17
        schedule.add(request(f"small{number}", 15))
        read_all(schedule)
        batches.append(schedule.draw(lambda _: 100))
    assert names(batches[0]) == {"small0"}  # there was nothing else to fill it up with
    assert names(batches[1]) == {"small1"}
    last = next(batch for batch in batches[::-1] if "bulk" in names(batch))
    assert len(last) == 20
    assert len(names(last)) == 2


def test_a_long_request_leads_a_batch_in_so_many_while_short_ones_never_end() -> None:
    schedule = scheduled(request("bulk", 10_000, length=30))
    led_by_bulk = []
    for number in range(40):
        schedule.add(request(f"small{number}", 20))
        read_all(schedule)
        led_by_bulk.append(names(schedule.draw(lambda _: 100)) == {"bulk"})
    assert sum(led_by_bulk) == 40 // LONG_TURN
    assert led_by_bulk[LONG_TURN - 1]


def test_long_requests_share_the_batches() -> None:
    schedule = scheduled(request("one", 5_000), request("two", 5_000))
    batches = drain(schedule)
    half = [item for batch in batches[: len(batches) // 2] for item in batch]
    of_one = sum(item.request.pairs[item.position][0] == "one" for item in half)
    assert abs(of_one / len(half) - 0.5) < 0.15


def test_a_long_request_of_short_pairs_ends_beside_a_job_of_longer_ones() -> None:
    schedule = scheduled(request("bulk", 10_000, length=30), request("long", 300, length=4))
    before = 0
    for batch in drain(schedule, budget=300):
        left = [item for item in batch if names([item]) == {"bulk"}]
        before += len(left)
        if any(item.request.size == 300 for item in batch):
            last = before
    assert last <= 2 * WINDOW


def test_a_batch_is_filled_up_with_pairs_of_similar_length_only() -> None:
    schedule = scheduled(request("long", 1, 40), request("short", 5, 10), request("similar", 5, 31))
    first, *_ = drain(schedule, budget=200)
    assert [item.tokens for item in first] == [40, 31, 31, 31, 31]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 40))
def test_what_lies_ready_is_bounded(bulk: int, small: int) -> None:
    before = BACKEND.prepared
    read_all(scheduled(request("bulk", bulk), *(request("small", SLICE) for _ in range(small))))
    assert BACKEND.prepared - before <= 2 * WINDOW


@pytest.mark.parametrize("size", [10, 3 * WINDOW])
def test_a_discarded_request_leaves_nothing_behind(size: int) -> None:
    gone, stays = request("gone", size), request("stays", 3)
    schedule = scheduled(gone, stays)
    read_all(schedule)
    schedule.draw(lambda _: 10)
    schedule.discard(gone)
    assert {item.request for batch in drain(schedule) for item in batch} <= {stays}


def test_very_long_texts_are_tokenized_few_at_a_time_and_others_between_them() -> None:
    texts = ["x" * (CHARACTERS // 2), "x " * 9, "x" * (2 * CHARACTERS), "x " * 30, "x"]
    big = Request([("q", text) for text in texts], PLAIN)
    schedule = scheduled(big, request("small", 3))
    found = []
    while (part := schedule.next_slice()) is not None:
        found.append(part)
        schedule.ready(part[0].items(part[1].start, BACKEND.prepare(part[0].pairs[part[1]], PLAIN)))
    assert [(r is big, part.start, part.stop) for r, part in found] == [
        (True, 0, 2),
        (False, 0, 3),
        (True, 2, 3),
        (True, 3, 5),
    ]
    batches = drain(schedule, budget=60)
    assert sum(map(len, batches)) == 8
    for batch in batches:
        assert len(batch) * max(item.tokens for item in batch) <= 60
