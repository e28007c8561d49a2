"""The engine alone, in simulated time: speed, order, memory, and no difference between few and many looks at it."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.stub.process import MODEL

from costwain.decide.capacity import TTFT_FIXED_S, RequestShape, tokens_per_s
from costwain.decide.roofline import prefill_s, step_s
from costwain.stub.args import Settings, parse
from costwain.stub.engine import Engine
from costwain.stub.metrics import Metrics
from costwain.stub.sequence import LENGTH, Sequence


def settings(*argv: str, **differs: Any) -> Settings:
    return replace(parse([MODEL, *argv], {"COSTWAIN_STUB_ACCELERATOR": "l4"}), **differs)


@dataclass
class Bench:
    """An engine, what its clients got, and a clock that goes on in steps of `tick_s`."""

    settings: Settings
    tick_s: float = 0.05
    now_s: float = 0.0
    got: dict[str, int] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metrics = Metrics("chat", self.settings.max_model_len, 0.0, {})
        self.engine = Engine(self.settings, self.metrics)

    def submit(self, name: str, prompt: int = 100, answer: int = 50) -> Sequence:
        def emit(tokens: int, reason: str | None) -> None:
            self.got[name] = self.got.get(name, 0) + tokens
            if reason is not None:
                self.ended[name] = reason

        sequence = Sequence(prompt, answer, answer, LENGTH, self.now_s, emit)
        self.engine.advance(self.now_s)
        self.engine.submit(sequence)
        return sequence

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_s += self.tick_s
            self.engine.advance(self.now_s)

    def run_dry(self) -> None:
        for _ in range(1_000_000):
            if self.engine.wakes_s() is None:
                return
            self.turn()
        raise AssertionError("the engine never comes to rest")


def test_one_request_takes_what_the_capacity_model_says() -> None:
    bench = Bench(settings())
    alone = bench.submit("alone", prompt=1000, answer=101)
    bench.run_dry()
    given_ = bench.settings
    first_s = TTFT_FIXED_S + prefill_s(given_.shape, given_.accelerator, 1, 1000)
    assert alone.first_token_s == pytest.approx(first_s)
    assert alone.first_token_s is not None
    assert alone.last_token_s is not None
    token_s = (alone.last_token_s - alone.first_token_s) / 100
    assert token_s == pytest.approx(step_s(given_.shape, given_.accelerator, 1, 1, 1050), rel=0.01)


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_a_steady_crowd_is_served_at_the_rate_of_the_capacity_model(concurrency: int) -> None:
    bench = Bench(settings("--max-num-seqs", str(concurrency)))
    for n in range(6 * concurrency):
        bench.submit(f"r{n}", prompt=200, answer=100)
    bench.run_dry()
    tokens_per_s = 6 * concurrency * 100 / bench.now_s
    step = step_s(bench.settings.shape, bench.settings.accelerator, 1, concurrency, 250)
    tpot_s = step + concurrency * prefill_s(bench.settings.shape, bench.settings.accelerator, 1, 200) / 100
    assert tokens_per_s == pytest.approx(concurrency / tpot_s, rel=0.15)


def test_beyond_max_num_seqs_requests_wait_their_turn() -> None:
    bench = Bench(settings("--max-num-seqs", "2"))
    first, second, third = (bench.submit(name, answer=20) for name in ("first", "second", "third"))
    bench.turn(2)
    assert (bench.engine.running, bench.engine.waiting) == (2, 1)
    bench.run_dry()
    assert third.admitted_s is not None
    assert third.admitted_s >= min(first.last_token_s or 0, second.last_token_s or 0)


def test_when_the_cache_is_full_the_latest_is_sent_back_and_nothing_is_lost() -> None:
    bench = Bench(settings(kv_tokens=400, max_model_len=300))
    for name in "abc":
        bench.submit(name, prompt=100, answer=150)
    bench.run_dry()
    assert bench.got == {"a": 150, "b": 150, "c": 150}
    preempted = [line for line in bench.metrics.render(0, 0, 0).splitlines() if "num_preemptions_total{" in line]
    assert float(preempted[0].rpartition(" ")[2]) >= 1
    assert bench.engine.kv_usage == 0


def test_a_long_prompt_is_read_in_pieces_between_the_tokens_of_others() -> None:
    bench = Bench(settings("--max-num-batched-tokens", "512"), tick_s=0.005)
    bench.submit("writer", answer=500)
    bench.turn(20)
    bench.submit("reader", prompt=5000, answer=1)
    before = bench.got["writer"]
    while "reader" not in bench.ended:
        bench.turn()
    assert bench.got["writer"] - before >= 10, "one token at least for each of the ten pieces"


def test_a_dropped_sequence_leaves_batch_and_cache() -> None:
    bench = Bench(settings("--max-num-seqs", "1"))
    running, waiting = bench.submit("running", answer=1000), bench.submit("waiting")
    bench.turn(5)
    bench.engine.drop(running)
    bench.engine.drop(waiting)
    bench.engine.drop(waiting)
    assert (bench.engine.running, bench.engine.waiting, bench.engine.kv_usage) == (0, 0, 0)
    assert bench.ended == {}


def test_ending_all_tells_everybody_why() -> None:
    bench = Bench(settings("--max-num-seqs", "1"))
    bench.submit("running", answer=1000)
    bench.submit("waiting")
    bench.turn(5)
    bench.engine.end_all("abort")
    assert bench.ended == {"running": "abort", "waiting": "abort"}
    assert bench.engine.wakes_s() is None


arrivals = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 120), st.floats(0, 2)), min_size=1, max_size=12)


def _finishes(tick_s: float, crowd: list[tuple[int, int, float]]) -> tuple[dict[str, int], list[float]]:
    """Tokens and last instants of a crowd (prompt, answer, seconds after the one before) seen every `tick_s`."""
    bench = Bench(settings("--max-num-seqs", "4", kv_tokens=800, max_model_len=400), tick_s=tick_s)
    sequences = []
    for n, (prompt, answer, after_s) in enumerate(crowd):
        bench.now_s += after_s
        sequences.append(bench.submit(f"r{n}", prompt, answer))
    bench.run_dry()
    return bench.got, [s.last_token_s or 0 for s in sequences]


@given(arrivals)
@hypothesis_settings(max_examples=40, deadline=None)
def test_everybody_gets_every_token_however_often_one_looks(crowd: list[tuple[int, int, float]]) -> None:
    wanted = {f"r{n}": answer for n, (_, answer, _) in enumerate(crowd)}
    often, seldom = _finishes(0.003, crowd), _finishes(0.4, crowd)
    assert often[0] == wanted
    assert seldom[0] == wanted
    assert seldom[1] == pytest.approx(often[1], rel=0.02)


@pytest.mark.parametrize("running", [8, 40])
def test_its_speed_is_what_the_operator_learns_a_scalar_of_one_from(running: int) -> None:
    bench = Bench(settings("--max-num-seqs", str(running)), tick_s=0.02)
    for i in range(600):
        bench.submit(f"r{i}", prompt=200, answer=100)

    def until(ended: int) -> tuple[float, int]:
        while len(bench.ended) < ended:
            bench.turn()
        return bench.now_s, sum(bench.got.values())

    (begun_s, before), (now_s, after) = until(200), until(500)
    placed = (bench.settings.shape, bench.settings.accelerator, 1)
    expected = tokens_per_s(*placed, RequestShape(200, 100), running)
    assert (after - before) / (now_s - begun_s) == pytest.approx(expected, rel=0.08)
