"""Records become numbers: by variant, pool and tenant, each once, and what is missing is told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.builders import state

from costwain.adapters.metrics import parse
from costwain.agent.haproxy import Runtime
from costwain.agent.observe import Missing, Observer
from costwain.agent.record import Record, Seen
from costwain.agent.tally import Tally

pytestmark = pytest.mark.anyio
_G = "costwain_gateway_"
WHO = {"variant": "full", "pool": "spot", "tenant": "blue"}
STREAM = Record("1.1", True, True, "full", "spot", "blue", 200, None, 0.4, 0.3, 2500, None, None, None)
LOOKED_AT = Seen(tokens=10, token_bytes=2000, gaps_s=0.2, gaps={0: 8, 19: 1})


def _tally(*records):
    tally = Tally()
    for record in records:
        tally.add(record, {"blue"})
    return "\n".join(tally.lines())


def _value(text, name, **labels):
    return parse(text, {name}).get((name, tuple(sorted((WHO | labels).items()))))


def test_usage_is_believed_before_the_count_of_events():
    text = _tally(replace(STREAM, prompt_tokens=5, completion_tokens=12, seen=LOOKED_AT))
    assert _value(text, f"{_G}prompt_tokens_total") == 5
    assert _value(text, f"{_G}completion_tokens_total", source="usage") == 12
    assert _value(text, f"{_G}completion_tokens_total", source="counted") is None


def test_a_stream_that_nobody_looked_at_waits_until_the_size_of_a_token_is_known():
    unseen = [replace(STREAM, answer_bytes=500 + 200 * tokens) for tokens in (3, 30)]
    assert _value(_tally(*unseen), f"{_G}completion_tokens_total", source="estimated") is None
    text = _tally(*unseen, replace(STREAM, seen=LOOKED_AT), replace(STREAM, answer_bytes=500 + 200 * 7))
    assert _value(text, f"{_G}completion_tokens_total", source="estimated") == 40
    assert _value(text, f"{_G}completion_tokens_total", source="counted") == 10


def test_the_size_of_a_token_is_a_variants_own():
    text = _tally(replace(STREAM, seen=LOOKED_AT), replace(STREAM, variant="small"))
    assert _value(text, f"{_G}completion_tokens_total", source="estimated", variant="small") is None


def test_buckets_and_sums_of_times():
    text = _tally(replace(STREAM, seen=LOOKED_AT), replace(STREAM, first_byte_s=0.002))
    name = f"{_G}time_to_first_token_seconds"
    found = parse(text, {f"{name}_bucket", f"{name}_sum"})
    by_bound = {dict(pairs)["le"]: value for (kind, pairs), value in found.items() if kind.endswith("bucket")}
    assert [by_bound[bound] for bound in ("0.001", "0.005", "0.25", "0.5", "+Inf")] == [0, 1, 1, 2, 2]
    assert _value(text, f"{name}_sum") == pytest.approx(0.302)
    assert _value(text, f"{_G}inter_token_latency_seconds_count") == 9
    assert _value(text, f"{_G}queue_time_seconds_count") == 2


@pytest.mark.parametrize(("tenant", "label"), [("blue", "blue"), ("stranger", "other"), (None, "none")])
def test_a_tenant_has_a_label_only_if_it_is_configured(tenant, label):
    text = _tally(replace(STREAM, tenant=tenant))
    assert _value(text, f"{_G}answers_total", tenant=label, code="200") == 1


def test_a_refusal_has_no_tokens_and_no_first_token():
    text = _tally(replace(STREAM, status=503, pool="none", queued_s=None, first_byte_s=None))
    assert _value(text, f"{_G}answers_total", pool="none", code="503") == 1
    assert "queue_time_seconds_count" not in text
    assert "prompt_tokens_total{" not in text


COUNTS = {  # story: [(ended, seen)], missing at the end
    "every record came": ([(5, 5), (9, 9)], 0),
    "two never came": ([(5, 5), (9, 7)], 2),
    "told once": ([(5, 5), (9, 7), (12, 10)], 2),
    "more later": ([(5, 5), (9, 7), (12, 9)], 3),
    "records came before the count": ([(5, 5), (9, 12)], 0),
    "what was before this agent is not its loss": ([(100, 20), (110, 30)], 0),
    "HAProxy began anew": ([(100, 100), (3, 103), (9, 108)], 1),
}


@pytest.mark.parametrize(("looks", "missing"), COUNTS.values(), ids=COUNTS)
def test_a_lost_record_is_told_once(looks, missing):
    count = Missing()
    for ended, seen in looks:
        count.settle(ended, seen)
    assert count.total == missing


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=30))
def test_missing_is_what_was_lost(turns):
    count, ended, seen, lost = Missing(), 0, 0, 0
    count.settle(0, 0)
    for more, drops in turns:
        ended, seen, lost = ended + more, seen + more - min(more, drops), lost + min(more, drops)
        count.settle(ended, seen)
    assert count.total == lost


async def test_what_is_no_record_is_counted_and_a_record_only_once(tmp_path):
    observer = Observer(Runtime(tmp_path / "nobody.sock"))
    good = "api 1.1 variant.full spot:a 200 -- 0 100 - - 1 - - - - - -"
    for line in (good, good, "7 events lost", "", "a\0b"):
        observer.take(line)
    samples = parse(await observer.page(None), {f"{_G}broken_records_total", f"{_G}answers_total"})
    assert samples[f"{_G}broken_records_total", ()] == 2
    assert sum(value for (name, _), value in samples.items() if name == f"{_G}answers_total") == 1


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=80), max_size=8))
async def test_no_line_ends_the_observer(lines):
    observer = Observer(Runtime(None))
    for line in (*lines, "api 1.1 variant.full spot:a 200 -- 0 100 - - 1 - - - - - -"):
        observer.take(line)
    assert f'{_G}answers_total{{variant="full",pool="spot",tenant="none",code="200"}} 1' in await observer.page(None)


async def test_a_requests_record_that_never_comes_is_told(tmp_path):
    observer = Observer(Runtime(tmp_path / "nobody.sock"))
    await observer.page(state())
    one_ended = state()
    one_ended.backends["variant.full"] = replace(one_ended.backends["variant.full"], total=3, sessions=1)
    text = await observer.page(one_ended)
    found = parse(text, {f"{_G}unobserved_requests_total"})[f"{_G}unobserved_requests_total", ()]
    before = state().backends["variant.full"]
    assert found == 2 - (before.total - before.sessions)
