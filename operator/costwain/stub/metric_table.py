"""Which metrics vLLM has: names without the `vllm:` prefix, labels and bucket bounds as it writes them."""

from costwain.domain.buckets import FIRST_TOKEN_S, REQUEST_S, TOKEN_S

_NONE = ("",)

# (name, help, its own label, the label's values)
COUNTERS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("estimated_flops_per_gpu", "Estimated floating point operations of a device", "", _NONE),
    ("estimated_read_bytes_per_gpu", "Estimated bytes a device has read", "", _NONE),
    ("estimated_write_bytes_per_gpu", "Estimated bytes a device has written", "", _NONE),
    ("prefix_cache_queries", "Tokens looked up in the prefix cache", "", _NONE),
    ("prefix_cache_hits", "Tokens found in the prefix cache", "", _NONE),
    ("external_prefix_cache_queries", "Tokens looked up in other instances' caches", "", _NONE),
    ("external_prefix_cache_hits", "Tokens found in other instances' caches", "", _NONE),
    ("mm_cache_queries", "Items looked up in the multi-modal cache", "", _NONE),
    ("mm_cache_hits", "Items found in the multi-modal cache", "", _NONE),
    ("num_preemptions", "Sequences sent back to the queue for want of cache", "", _NONE),
    ("prompt_tokens", "Prompt tokens read", "", _NONE),
    (
        "prompt_tokens_by_source",
        "Prompt tokens by where they came from",
        "source",
        ("local_compute", "local_cache_hit", "external_kv_transfer"),
    ),
    ("prompt_tokens_cached", "Prompt tokens that were cached", "", _NONE),
    (
        "prompt_tokens_cached_by_source",
        "Prompt tokens that were cached, by tier",
        "source",
        ("device", "host", "p2p", "disk", "external_unspecified"),
    ),
    ("generation_tokens", "Tokens generated", "", _NONE),
    (
        "request_success",
        "Requests that ended, by why",
        "finished_reason",
        ("stop", "length", "abort", "error", "repetition"),
    ),
    (
        "admission_rejections",
        "Requests refused because the queue was full",
        "reason",
        ("max_num_queued_reqs", "max_num_queued_tokens"),
    ),
)

# (name, help, its own label)
GAUGES: tuple[tuple[str, str, str], ...] = (
    ("num_requests_running", "Requests in the batch", ""),
    ("num_requests_waiting", "Requests in the queue", ""),
    ("num_requests_waiting_by_reason", "Requests in the queue, by why", "reason"),
    ("engine_sleep_state", "1 for the state the engine is in", "sleep_state"),
    ("kv_cache_usage_perc", "Share of the KV cache in use, 1 is all", ""),
)


def _bounds(text: str) -> tuple[float, ...]:
    return tuple(float(bound) for bound in text.split())


_ITERATION = _bounds("1 8 16 32 64 128 256 512 1024 2048 4096 8192 16384")
_CHOICES = _bounds("1 2 5 10 20")
_PREEMPTIONS = _bounds("1 2 3 4 5 10 20")

# (name, help, bounds), where no bounds stands for those of `token_bounds`
HISTOGRAMS: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("request_prompt_tokens", "Prompt tokens of a request", ()),
    ("request_generation_tokens", "Tokens generated for a request", ()),
    ("iteration_tokens_total", "Tokens in an iteration", _ITERATION),
    ("request_max_num_generation_tokens", "Most tokens generated for a choice of a request", ()),
    ("request_params_n", "Choices a request asked for", _CHOICES),
    ("request_params_max_tokens", "The max_tokens of a request", ()),
    ("time_to_first_token_seconds", "From arrival to the first token", FIRST_TOKEN_S),
    ("inter_token_latency_seconds", "Between two tokens", TOKEN_S),
    ("request_time_per_output_token_seconds", "Mean time per token after the first", TOKEN_S),
    ("e2e_request_latency_seconds", "From arrival to the last token", REQUEST_S),
    ("request_queue_time_seconds", "From arrival to the batch", REQUEST_S),
    ("request_inference_time_seconds", "From the batch to the last token", REQUEST_S),
    ("request_prefill_time_seconds", "From the batch to the first token", REQUEST_S),
    ("request_decode_time_seconds", "From the first token to the last", REQUEST_S),
    ("request_num_preemptions", "How often a request was preempted", _PREEMPTIONS),
    ("request_prefill_kv_computed_tokens", "Prompt tokens whose cache was computed", ()),
)


def token_bounds(max_model_len: int) -> tuple[float, ...]:
    """1, 2, 5, 10, ... up to the longest context.

    >>> token_bounds(512)
    (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
    """
    bounds = (float(digit * 10**power) for power in range(len(str(max_model_len))) for digit in (1, 2, 5))
    return tuple(bound for bound in bounds if bound <= max_model_len)
