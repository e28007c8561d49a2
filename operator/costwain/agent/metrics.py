"""The gateway's numbers in Prometheus' text form, from HAProxy's counters alone. Pure."""

from collections import Counter
from collections.abc import Mapping

from costwain.agent.haproxy import RESPONSE_CLASSES, Counters, State
from costwain.render.haproxy import AGAIN, HOLD, KEYS_MAP, SERVING, WAITING, backend

_HELP = {  # name: (type, help)
    "costwain_gateway_up": ("gauge", "1 while HAProxy answers its agent."),
    "costwain_gateway_api_keys": ("gauge", "API keys that are let in; without this metric everybody is."),
    "costwain_gateway_queue_depth": ("gauge", "Requests that wait for the variant now."),
    "costwain_gateway_in_flight": ("gauge", "Requests that pods of the variant and pool answer now."),
    "costwain_gateway_slots": ("gauge", "Requests that the pods that are up may answer at once."),
    "costwain_gateway_requests_total": ("counter", "Requests that were routed to the variant, refused ones included."),
    "costwain_gateway_responses_total": ("counter", "Answers to them by class; a request routed anew counts once."),
}
_Samples = dict[str, dict[tuple[tuple[str, str], ...], int]]
CONTENT_TYPE = "text/plain; version=0.0.4"


def metrics_text(state: State | None) -> str:
    """The text of /metrics; of a HAProxy that does not answer only `costwain_gateway_up 0` is known."""
    samples: _Samples = {name: {} for name in _HELP}
    samples["costwain_gateway_up"][()] = int(state is not None)
    if state is not None:
        if KEYS_MAP in state.maps:
            samples["costwain_gateway_api_keys"][()] = len(state.maps[KEYS_MAP].entries)
        for variant in state.ladder:
            _add_variant(samples, state, variant)
    lines = []
    for name, values in samples.items():
        if values:
            kind, text = _HELP[name]
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{_labels(labels)} {value}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"


def queue_depth(state: State, variant: str) -> int:
    """Requests that wait for a variant: in its own queue, and in that of those who may not go below it."""
    return sum(state.backends[backend(kind, variant)].queued for kind in (SERVING, WAITING))


def _add_variant(samples: _Samples, state: State, variant: str) -> None:
    label = ("variant", variant)
    both = [backend(kind, variant) for kind in (SERVING, WAITING)]
    samples["costwain_gateway_queue_depth"][(label,)] = queue_depth(state, variant)
    samples["costwain_gateway_requests_total"][(label,)] = sum(
        # a hold request that was cut by hand counts again at its server alone
        max(state.backends[name].total - state.servers[name, HOLD].total, 0)
        for name in both
    )
    for kind in RESPONSE_CLASSES:
        samples["costwain_gateway_responses_total"][label, ("code", kind)] = sum(
            state.backends[name].responses[kind] - state.servers[name, AGAIN].responses[kind] for name in both
        )
    in_flight, slots = _by_pool(state.pods(both[0]))
    for pool, count in in_flight.items():
        samples["costwain_gateway_in_flight"][label, ("pool", pool)] = count
        samples["costwain_gateway_slots"][label, ("pool", pool)] = slots[pool]


def _by_pool(pods: Mapping[str, Counters]) -> tuple[Counter[str], Counter[str]]:
    in_flight: Counter[str] = Counter()
    slots: Counter[str] = Counter()
    for server, row in pods.items():
        pool = server.partition(":")[0]
        in_flight[pool] += row.sessions
        slots[pool] += row.limit if row.is_up else 0
    return in_flight, slots


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""
