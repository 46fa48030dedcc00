"""Requests with a time budget: whose pairs come next, and how many, without threads or a clock."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_plugins.backends.contract import PairOptions, Prepared
from rerank_plugins.engine.budgeted import FEW, SLICE
from rerank_plugins.engine.pace import RECENT, Pace
from rerank_plugins.engine.requests import Item, Request
from rerank_plugins.engine.schedule import Schedule
from rerank_plugins.engine.turns import Turns
from rerank_plugins.tokens.windows import ALL_WINDOWS
from tests.number_backend import NumberBackend, Pair, some_pairs, words

BACKEND = NumberBackend()
PLAIN = PairOptions()
TOKEN = 0.001
"""Seconds per token of the machine in these tests."""


class Machine:
    """Runs the batches of some turns at an even pace, on a clock of its own.

    Attributes:
        now: The time.
        backend: Tokenizes the pairs.
        batches: The inputs of all batches that were run.
        begun: When each batch began.
    """

    def __init__(self, *, overhead: float = 0.0, most: int = 1000, learned: bool = True) -> None:
        self.turns = Turns(Schedule(), devices=1)
        self.now = 0.0
        self.backend = BACKEND
        self.batches: list[list[Pair]] = []
        self.begun: list[float] = []
        self.slowdown = 1.0
        self._overhead = overhead
        self._most = most
        if learned:
            for tokens in (10, 100, 1000):
                self.turns.paces[0].add(tokens, self._seconds(tokens))

    def ask(
        self,
        pairs: list[Pair],
        budget: float | None = None,
        options: PairOptions = PLAIN,
    ) -> Request:
        """Adds a request; a budget begins now."""
        request = Request(pairs, options, deadline=None if budget is None else self.now + budget)
        request.budget = np.inf if budget is None else budget
        self.turns.add(request)
        return request

    def draw(self) -> list[Item]:
        """Tokenizes what is wanted, and takes the next batch."""
        while found := self.turns.next_slice(self.now):
            request, part = found
            pairs, how = request.pairs[part], request.options
            prepared = self.backend.prepare(pairs, how, request.windows)
            self.turns.ready(request.items(part.start, prepared))
        return self.turns.draw(0, lambda options: options.max_batch_tokens or self._most, self.now)

    def step(self) -> list[Item]:
        """Runs the next batch, if there is one."""
        batch = self.draw()
        if batch:
            tokens = len(batch) * batch[0].tokens
            self.begun.append(self.now)
            self.batches.append([item.given for item in batch])
            self.now += self._seconds(tokens)
            self.turns.paces[0].add(tokens, self._seconds(tokens))
            for item in batch:
                item.request.put(item, np.float32(0))
        return batch

    def run(self) -> None:
        """Runs batches until nothing is left that may be run."""
        while self.step():
            pass

    def _seconds(self, tokens: int) -> float:
        return self.slowdown * (self._overhead + TOKEN * tokens)


class Windows(NumberBackend):
    """A backend that cuts passages into windows of three words."""

    def prepare(
        self, pairs: Sequence[Pair], options: PairOptions, windows: slice = ALL_WINDOWS
    ) -> Prepared:
        parts = [
            [(query, part) for part in re.findall(r"(?:\S+ *){1,3}", passage)]
            for query, passage in pairs
        ]
        chosen = [each[windows] for each in parts]
        inputs = [window for each in chosen for window in each]
        more = [windows.stop is not None and len(each) > windows.stop for each in parts]
        places = [[(0, 1)] * len(each) for each in chosen]
        return Prepared(inputs, [words(window) for window in inputs], more, places, more)


def scored(request: Request) -> int:
    return request.asked - request.left


def queries(batch: list[Item]) -> set[str]:
    return {item.request.pairs[item.position][0] for item in batch}


def test_a_request_with_time_for_everything_is_scored_in_order_of_slices() -> None:
    machine = Machine()
    request = machine.ask(some_pairs("q", 200), budget=100)
    machine.run()
    assert request.left == 0
    order = [pair for batch in machine.batches for pair in batch]
    assert order == some_pairs("q", 200)


def test_what_is_scored_in_time_is_the_beginning_whatever_the_lengths() -> None:
    lengths = np.random.default_rng(5).integers(3, 30, 200)
    pairs = [("q", f"{number} {'x ' * length}") for number, length in enumerate(lengths)]
    machine = Machine()
    request = machine.ask(pairs, budget=1.0)
    machine.run()
    count = scored(request)
    assert 40 < count < 70  # a thousand tokens are 61 pairs
    places = [pairs.index(pair) for batch in machine.batches for pair in batch]
    assert max(places) < count + SLICE // 2
    assert machine.now <= 1.05  # a batch may take a little longer than the time left


def test_a_slice_is_sorted_by_length_so_that_little_is_padding() -> None:
    pairs = [("q", f"{number} {'x ' * (5 if number % 2 else 40)}") for number in range(32)]
    machine = Machine()
    machine.ask(pairs, budget=100)
    machine.run()
    for batch in machine.batches:
        assert len({words(pair) for pair in batch}) == 1


def test_without_a_known_pace_the_first_batch_is_small_and_of_the_first_pairs() -> None:
    machine = Machine(learned=False)
    machine.ask(some_pairs("q", 100), budget=1.0)
    assert [item.position for item in machine.step()] == list(range(FEW))
    assert len(machine.step()) > FEW


def test_a_batch_takes_hardly_longer_than_the_time_left() -> None:
    machine = Machine()
    request = machine.ask(some_pairs("q", 100, 10), budget=0.1)
    machine.run()
    assert machine.now <= 0.115
    assert 8 <= scored(request) <= 11
    assert machine.turns.give_up(machine.now) or request.is_over(machine.now)


def test_a_request_without_a_score_gets_one_pair_whatever_the_pace_says() -> None:
    machine = Machine()
    for _ in range(RECENT):
        machine.turns.paces[0].add(10, 60.0)  # a minute for ten tokens: it cannot be unlearnt else
    request = machine.ask(some_pairs("q", 100, 10), budget=0.1)
    assert not machine.turns.give_up(machine.now)
    assert len(machine.step()) == 1
    assert machine.turns.give_up(machine.now)
    assert machine.step() == []
    assert request.is_over(machine.now)


def test_behind_a_pair_too_long_for_the_time_left_no_pair_is_scored() -> None:
    pairs = [*some_pairs("q", 5, 10), ("q", "x " * 500), *some_pairs("r", 5, 10)]
    machine = Machine()
    request = machine.ask(pairs, budget=0.3)
    machine.run()
    assert machine.turns.give_up(machine.now)
    assert sorted(pair for batch in machine.batches for pair in batch) == sorted(pairs[:5])
    assert request.deadline < 0.3


def test_what_is_scored_in_little_time_is_the_beginning() -> None:
    lengths = np.random.default_rng(3).integers(3, 60, 40)
    pairs = [("q", f"{number} {'x ' * length}") for number, length in enumerate(lengths)]
    for budget in (0.02, 0.05, 0.1, 0.2, 0.3):
        machine = Machine(overhead=0.01)
        machine.ask(pairs, budget)
        machine.run()
        found = sorted(pairs.index(pair) for batch in machine.batches for pair in batch)
        sure = max(0, len(found) - FEW)  # the last batch may leave a pair that is unlike the others
        assert found[:sure] == list(range(sure))
        assert max(found) < len(found) + FEW // 2


def test_a_machine_that_gets_slower_leaves_no_first_candidate_without_a_score() -> None:
    lengths = np.random.default_rng(5).integers(3, 30, 200)
    pairs = [("q", f"{number} {'x ' * length}") for number, length in enumerate(lengths)]
    machine = Machine(most=100)
    machine.slowdown = 3.0  # than the pace that was learnt
    request = machine.ask(pairs, budget=0.6)
    machine.run()
    found = sorted(pairs.index(pair) for batch in machine.batches for pair in batch)
    assert request.left
    assert len(found) > 5
    assert found[: len(found) * 2 // 3] == list(range(len(found) * 2 // 3))


def test_nothing_is_drawn_or_tokenized_once_the_time_is_over() -> None:
    machine = Machine()
    request = machine.ask(some_pairs("q", 100), budget=1.0)
    machine.step()
    machine.now = 1.0
    assert machine.draw() == []
    assert request.read < 100


def test_pairs_are_tokenized_a_slice_at_a_time() -> None:
    machine = Machine(learned=False)
    request = machine.ask(some_pairs("q", 1000), budget=100)
    machine.draw()
    assert request.read == SLICE
    beside = Machine()
    few = [beside.ask(some_pairs(f"q{n}", 1000), budget=0.2) for n in range(4)]
    beside.draw()
    first, *others = (each.read for each in few)
    assert first == SLICE  # no slice has told the length of pairs before
    assert all(FEW <= read < SLICE for read in others)  # not more than there is time for


def test_a_batch_that_is_drawn_while_the_last_slice_is_tokenized_loses_nothing() -> None:
    machine = Machine()
    request = machine.ask(some_pairs("q", 2 * SLICE), budget=100)
    turns, sizes = machine.turns, []
    while True:
        found = turns.next_slice(0.0)
        batch = turns.draw(0, lambda _: 10**6, 0.0)  # while the slice is being tokenized
        sizes.append(len(batch))
        if found:
            part = request.pairs[found[1]]
            turns.ready(request.items(found[1].start, BACKEND.prepare(part, PLAIN)))
        elif not batch:
            break
    assert sum(sizes) == 2 * SLICE


@pytest.mark.parametrize("callers", [2, 5, 30])
def test_callers_get_equally_deep(callers: int) -> None:
    machine = Machine(most=200)
    asked = [machine.ask(some_pairs(f"q{n}", 100, 10), budget=2.0) for n in range(callers)]
    machine.run()
    depths = [scored(each) for each in asked]
    assert max(depths) - min(depths) <= max(3, 0.25 * max(depths))
    assert sum(depths) >= 0.8 * min(200, callers * 100)
    assert machine.now <= 2.0


def test_a_late_caller_catches_up_with_the_others() -> None:
    machine = Machine(most=100)
    first = machine.ask(some_pairs("first", 100, 10), budget=2.0)
    for _ in range(4):
        machine.step()
    assert scored(first) == 40
    late = machine.ask(some_pairs("late", 100, 10), budget=2.0)
    assert queries(machine.step()) == {"late"}
    while scored(late) < 40:
        machine.step()
    assert scored(first) <= 50


def test_a_batch_is_filled_up_with_pairs_of_other_callers_whose_time_allows_it() -> None:
    machine = Machine(overhead=0.02, most=200)
    machine.ask(some_pairs("one", 4, 10), budget=5.0)
    machine.ask(some_pairs("two", 4, 11), budget=5.0)
    machine.ask(some_pairs("long", 4, 40), budget=5.0)
    hasty = machine.ask(some_pairs("hasty", 4, 10), budget=0.05)
    first = machine.step()
    assert "hasty" in queries(first)  # it has the least time
    assert machine.now <= hasty.deadline
    machine.now = hasty.deadline
    batches = [machine.step() for _ in range(3)]
    assert {"one", "two"} in [queries(batch) for batch in batches]
    assert max(map(len, batches)) > len(first)


def test_pairs_with_other_options_are_in_other_batches() -> None:
    machine = Machine()
    machine.ask(some_pairs("plain", 5), budget=5.0)
    machine.ask(some_pairs("cut", 5), budget=5.0, options=PairOptions(max_length=3))
    assert [len(queries(machine.step())) for _ in range(2)] == [1, 1]


def test_budgets_and_other_requests_share_the_work_evenly() -> None:
    machine = Machine(most=100)
    plain = machine.ask(some_pairs("plain", 200, 10))
    dated = machine.ask(some_pairs("dated", 200, 10), budget=1000.0)
    for _ in range(20):
        machine.step()
    assert scored(plain) == scored(dated) == 100
    machine.run()
    assert plain.left == dated.left == 0


def test_a_side_that_was_alone_owes_nothing_to_the_other() -> None:
    machine = Machine(most=100)
    dated = machine.ask(some_pairs("dated", 200, 10), budget=1000.0)
    for _ in range(10):
        machine.step()
    plain = machine.ask(some_pairs("plain", 200, 10))
    for _ in range(4):
        machine.step()
    assert scored(dated) + scored(plain) == 140
    assert scored(plain) >= 10


def test_requests_without_a_budget_are_scheduled_as_if_there_were_no_turns() -> None:
    sizes = (30, 300, 5, 700)
    machine, schedule = Machine(most=100), Schedule()
    for n, size in enumerate(sizes):
        machine.ask(some_pairs(f"r{n}", size, 5 + n))
        schedule.add(Request(some_pairs(f"r{n}", size, 5 + n), PLAIN))
    machine.run()

    def read() -> None:
        while found := schedule.next_slice():
            schedule.ready(
                found[0].items(found[1].start, BACKEND.prepare(found[0].pairs[found[1]], PLAIN))
            )

    alone = []
    read()
    while batch := schedule.draw(lambda _: 100):
        alone.append([item.request.pairs[item.position] for item in batch])
        read()
    assert machine.batches == alone


def test_a_pair_that_takes_all_the_time_left_is_padded_for_too() -> None:
    machine = Machine(most=200)
    short = machine.ask([("a", f"{n} x x x") for n in range(99)], budget=1.0)
    machine.step()
    long = machine.ask([("b", "x " * 39)], budget=30 * TOKEN)  # it would take 41 * TOKEN
    batch = machine.draw()
    assert {item.request for item in batch} >= {long}
    assert len(batch) * batch[0].tokens <= 200
    assert short.left


plans = st.lists(
    st.tuples(
        st.lists(st.integers(3, 60), min_size=1, max_size=40),
        st.one_of(st.none(), st.floats(0.01, 3.0)),
        st.sampled_from([PLAIN, PairOptions(max_batch_tokens=50)]),
        st.floats(0, 0.5),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(plans, st.sampled_from([0.0, 0.02]), st.booleans())
def test_pairs_are_run_once_and_none_begins_after_its_end(
    plan: list[tuple[list[int], float | None, PairOptions, float]], overhead: float, learned: bool
) -> None:
    machine = Machine(overhead=overhead, most=200, learned=learned)
    asked: list[tuple[Request, float]] = []
    for number, (lengths, budget, options, pause) in enumerate(plan):
        pairs = [(f"{number}", f"{n} {'x ' * length}") for n, length in enumerate(lengths)]
        asked.append((machine.ask(pairs, budget, options), machine.now + (budget or np.inf)))
        if machine.now < pause:
            machine.step()
    machine.run()
    run = [pair for batch in machine.batches for pair in batch]
    assert len(run) == len(set(run))
    for begun, batch in zip(machine.begun, machine.batches, strict=True):
        owners = [asked[int(query)] for query in {query for query, _ in batch}]
        assert all(begun < end for _, end in owners)
        assert len({request.options for request, _ in owners}) == 1
        most = owners[0][0].options.max_batch_tokens or 200
        assert len(batch) == 1 or len(batch) * max(map(words, batch)) <= most
    for request, end in asked:
        assert end < np.inf or not request.left
        assert scored(request) or machine.now >= end or not np.isfinite(end)


def paced(*batches: tuple[int, float]) -> Pace:
    pace = Pace()
    for tokens, seconds in batches:
        pace.add(tokens, seconds)
    return pace


def test_without_batches_there_is_no_pace() -> None:
    pace = Pace()
    assert not pace.known
    assert pace.seconds(100) == 0
    assert pace.tokens(1) == np.inf


def test_between_and_beyond_known_sizes_the_pace_goes_on_evenly() -> None:
    pace = paced((100, 100.0), (1000, 1000.0))
    for at in (100, 400, 1000, 5000):
        assert pace.seconds(at) == pytest.approx(at)
        assert pace.tokens(at) == pytest.approx(at)


def test_a_small_batch_is_worth_a_try_and_is_not_believed_to_be_fast() -> None:
    pace = paced((100, 100.0), (1000, 1000.0))
    assert pace.tokens(10) == pytest.approx(10)
    assert pace.seconds(10) == 100


def test_what_a_batch_takes_at_least_is_learnt() -> None:
    pace = paced((10, 5.0), (1000, 6.0))
    assert pace.seconds(500) == pytest.approx(5.5, abs=0.1)
    assert pace.tokens(5.5) == pytest.approx(505, abs=10)
    assert pace.tokens(1.0) == pytest.approx(2)


def test_a_batch_that_was_held_up_says_little() -> None:
    pace = paced(*[(100, 1.0)] * 5, (100, 50.0))
    assert pace.seconds(100) == pytest.approx(1.0)


def test_a_bigger_batch_is_never_expected_to_take_less() -> None:
    pace = paced((100, 9.0), (1000, 1.0))
    assert pace.seconds(1000) == pace.seconds(100) == 9.0
    assert pace.tokens(9.0) == 1000


def test_an_old_pace_is_forgotten() -> None:
    pace = paced((100, 50.0), *[(100, 1.0)] * RECENT)
    assert pace.seconds(100) == pytest.approx(1.0)
    assert pace.seconds(200) == pytest.approx(2.0)


def long_pairs(count: int) -> list[Pair]:
    """Pairs in one to four windows."""
    return [("q", f"{at} b c " * (at % 4 + 1)) for at in range(count)]


def test_the_first_windows_of_all_passages_come_first() -> None:
    machine = Machine()
    machine.backend = Windows()
    pairs = long_pairs(50)
    request = machine.ask(pairs, budget=1000)
    machine.run()
    assert request.left == 0
    order = [window for batch in machine.batches for _, window in batch]
    assert len(order) == sum(at % 4 + 1 for at in range(50))
    assert {window.split()[0] for window in order[:50]} == {str(at) for at in range(50)}
    request.finish()
    scores = request.result()
    assert scores.scored is None
    assert scores.windows.tolist() == [at % 4 + 1 for at in range(50)]
    assert not scores.truncated.any()
    assert not machine.turns._budgeted


def test_a_passage_with_some_windows_scored_has_a_score_and_is_not_read_whole() -> None:
    machine = Machine(most=20)
    machine.backend = Windows()
    pairs = long_pairs(40)
    request = machine.ask(pairs, budget=60 * 4 * TOKEN)  # for 60 of 100 windows
    while machine.turns._budgeted and not request.is_over(machine.now):
        machine.step()
        machine.turns.give_up(machine.now)
    request.finish()
    scores = request.result()
    assert scores.scored is None
    assert 40 < scores.windows.sum() < 100
    read = scores.windows == [at % 4 + 1 for at in range(40)]
    assert scores.truncated.tolist() == (~read).tolist()
    assert request.left == 40 - read.sum()


def test_windows_of_a_time_that_ends_among_the_first_ones() -> None:
    machine = Machine(most=20)
    machine.backend = Windows()
    request = machine.ask(long_pairs(40), budget=20 * 4 * TOKEN)
    while machine.turns._budgeted and not request.is_over(machine.now):
        machine.step()
        machine.turns.give_up(machine.now)
    request.finish()
    scores = request.result()
    assert 10 < scores.scored.sum() < 30
    assert scores.windows.max() == 1
    assert scores.truncated[scores.scored].tolist() == [
        at % 4 > 0 for at in np.flatnonzero(scores.scored)
    ]


def test_a_request_without_a_time_budget_takes_all_windows_at_once() -> None:
    machine = Machine()
    machine.backend = Windows()
    request = machine.ask(long_pairs(8))
    machine.run()
    assert request.left == 0
    assert sum(map(len, machine.batches)) == 20
