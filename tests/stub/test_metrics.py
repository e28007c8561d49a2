"""The metrics page: what stands on it before and after a request, line by line."""

import doctest

from costwain.stub import metric_table
from costwain.stub.metrics import Metrics
from costwain.stub.sequence import LENGTH, Sequence


def _page(metrics: Metrics) -> list[str]:
    return metrics.render(running=2, waiting=1, kv_usage=0.25).splitlines()


def test_doctests_hold() -> None:
    assert doctest.testmod(metric_table).failed == 0


def test_a_new_engine_shows_every_series_at_zero() -> None:
    page = _page(Metrics("chat", 2048, 12.5, {"block_size": "16"}))
    for line in (
        "# TYPE vllm:generation_tokens_total counter",
        'vllm:generation_tokens_total{engine="0",model_name="chat"} 0.0',
        "# TYPE vllm:generation_tokens_created gauge",
        'vllm:generation_tokens_created{engine="0",model_name="chat"} 12.5',
        'vllm:request_success_total{engine="0",model_name="chat",finished_reason="abort"} 0.0',
        'vllm:admission_rejections_total{model_name="chat",reason="max_num_queued_reqs"} 0.0',
        'vllm:num_requests_running{engine="0",model_name="chat"} 2.0',
        'vllm:num_requests_waiting_by_reason{engine="0",model_name="chat",reason="capacity"} 1.0',
        'vllm:engine_sleep_state{engine="0",model_name="chat",sleep_state="awake"} 1.0',
        'vllm:kv_cache_usage_perc{engine="0",model_name="chat"} 0.25',
        'vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="chat"} 0.0',
        'vllm:request_prompt_tokens_bucket{engine="0",le="2000.0",model_name="chat"} 0.0',
        'vllm:request_prompt_tokens_bucket{engine="0",le="+Inf",model_name="chat"} 0.0',
        'vllm:cache_config_info{engine="0",block_size="16"} 1.0',
    ):
        assert line in page


def test_a_finished_request_lands_in_its_buckets() -> None:
    metrics = Metrics("chat", 2048, 0.0, {})
    sequence = Sequence(100, 11, 11, LENGTH, 5.0, emit=lambda tokens, reason: None)
    sequence.admitted_s, sequence.first_token_s, sequence.last_token_s = 5.2, 5.5, 6.5
    sequence.produced, sequence.ended = 11, LENGTH
    metrics.first_token(0.5)
    metrics.token_gap(0.1, 10)
    metrics.finished(sequence)
    page = _page(metrics)
    for line in (
        'vllm:time_to_first_token_seconds_bucket{engine="0",le="0.25",model_name="chat"} 0.0',
        'vllm:time_to_first_token_seconds_bucket{engine="0",le="0.5",model_name="chat"} 1.0',
        'vllm:inter_token_latency_seconds_bucket{engine="0",le="0.1",model_name="chat"} 10.0',
        'vllm:inter_token_latency_seconds_sum{engine="0",model_name="chat"} 1.0',
        'vllm:request_time_per_output_token_seconds_sum{engine="0",model_name="chat"} 0.1',
        'vllm:e2e_request_latency_seconds_sum{engine="0",model_name="chat"} 1.5',
        'vllm:request_success_total{engine="0",model_name="chat",finished_reason="length"} 1.0',
    ):
        assert line in page


def test_a_name_with_quotes_stays_one_label() -> None:
    page = _page(Metrics('ch"at', 2048, 0.0, {}))
    assert 'vllm:num_requests_running{engine="0",model_name="ch\\"at"} 2.0' in page
