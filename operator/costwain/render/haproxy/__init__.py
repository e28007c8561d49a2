"""HAProxy's configuration: a few files that change only when the ladder or a fixed limit does."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from costwain.domain.buckets import TOKEN_S
from costwain.render.haproxy import errors

SERVING, WAITING = "variant", "waiting"  # a variant's backend, and the one in which nobody serves at or above it
HOLD, AGAIN = "hold", "again"  # servers that are no pods
PROGRAM_MAP = "program.map"
KEYS_MAP, TENANTS_MAP = "keys.map", "tenants.map"  # hash of a key -> tenant; "what/tenant" -> limit
MAX_CONNECTIONS = 65_000  # that HAProxy takes where the machine's limit of open files allows it
RECORDS = "requests"  # the ring of records
EXPORTER_PORT = 8405
SHARE_UNIT = 10_000  # shares are in hundredths of a percent
SAFE_PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/rerank",
    "/v1/score",
)

_TLS_GLOBAL = """\
    ssl-load-extra-del-ext           # the key of tls.crt is tls.key
    ssl-default-bind-options ssl-min-ver TLSv1.2
"""


@dataclass(frozen=True)
class Limits:
    """What HAProxy reads at its start; a change rolls the gateway. Seconds are wall seconds."""

    queue_timeout_s: float
    max_request_bytes: int
    disclose_variant: bool = True  # x-costwain-variant on every answer
    api_keys: bool = False  # only who has a key gets in
    tls: bool = False
    answer_timeout_s: float = 600  # silence of a pod: a long prefill
    observed_percent: int = 1  # streams whose every token is looked at
    affinity: bool = True  # a conversation goes to its pod; else to the least busy one


def haproxy_files(ladder: Sequence[str], limits: Limits) -> dict[str, str]:
    """File name -> text of everything HAProxy reads; `ladder` holds the variants' names, best first."""
    keys = {KEYS_MAP: "", TENANTS_MAP: ""} if limits.api_keys else {}
    return {
        "haproxy.cfg": _fill(_text("gateway.cfg"), _parts(ladder, limits) | _actions()),
        **{name: _text(name) for name in ("hold.lua", "route.lua", "affinity.lua", "observe.lua")},
        PROGRAM_MAP: "state starting\nshares 0\nmax-queued 0\nmodel -\n",
        **keys,
        **{f"{error.status}.http": error.page for error in errors.PAGES},
    }


def _parts(ladder: Sequence[str], limits: Limits) -> dict[str, str]:
    """The values of gateway.cfg; those that are templates themselves come first."""
    # a request that is routed anew waits inside: its outer half must outlast a queue and an answer
    of_limits = {
        "SERVER_TIMEOUT_MS": _ms(limits.queue_timeout_s + limits.answer_timeout_s),
        "DISCLOSE": "" if limits.disclose_variant else "#",
    }
    backends = [backend(kind, variant) for kind in (SERVING, WAITING) for variant in ladder]
    return {
        "KEYS": _text("keys.cfg") if limits.api_keys else "",
        "TENANTS": _text("tenants.cfg") if limits.api_keys else "",
        "TENANT_TABLE": _text("tenant_table.cfg") if limits.api_keys else "",
        "TLS": ' ssl crt "${TLS}/tls.crt" alpn http/1.1' if limits.tls else "",
        "TLS_GLOBAL": _TLS_GLOBAL if limits.tls else "",
        "ROUTING": _routing(limits.affinity),
        "RECORD": _text("observe.cfg"),
        "TOKEN_BUCKETS": " ".join(f"{bound:g}" for bound in TOKEN_S),
        "VARIANTS": "".join(
            _fill(_text("variant.cfg"), {"PREFIX": kind, "OTHER": other, "VARIANT": variant, **of_limits})
            for variant in ladder
            for kind, other in ((SERVING, WAITING), (WAITING, SERVING))
        ),
        "OBSERVED_PERCENT": str(limits.observed_percent),
        "MAX_FILES": str(2 * MAX_CONNECTIONS),
        "EXPORTER_PORT": str(EXPORTER_PORT),
        "BACKENDS": " ".join(backends),
        "LADDER": " ".join(ladder),
        "AFFINITY": "on" if limits.affinity else "off",
        "ERRORFILES": "\n".join(f'    errorfile {e.status} "${{CFG}}/{e.status}.http"' for e in errors.PAGES),
        "QUEUE_TIMEOUT_MS": _ms(limits.queue_timeout_s),
        "ANSWER_TIMEOUT_MS": _ms(limits.answer_timeout_s),
        "MAX_REQUEST_BYTES": str(limits.max_request_bytes),
        "PATHS": " ".join(SAFE_PATHS),
    }


def _routing(affinity: bool) -> str:
    """The rules that choose a backend. For affinity a text is always parsed, else for the dice of divided shares."""
    divided = "" if affinity else " { var(txn.shares) -m reg [1-9][0-9]{0,3}, }"
    return _fill(_text("routing.cfg").rstrip("\n"), {"DIVIDED": divided})


def _actions() -> dict[str, str]:
    """The answers that rules of the templates give."""
    return {
        "STARTING": errors.STARTING.rule(),
        "INVALID_KEY": errors.INVALID_KEY.rule(challenge=True),
        "LENGTH_REQUIRED": errors.LENGTH_REQUIRED.rule(),
        "TOO_MANY": errors.CONCURRENCY_EXCEEDED.rule(),
        "TOO_FAST_A_MINUTE": errors.RATE_EXCEEDED.rule(retry_after="%[int(59),add(txn.minute),div(txn.minute)]"),
        "TOO_FAST": errors.RATE_EXCEEDED.rule(),
        "UNKNOWN_VARIANT": errors.UNKNOWN_VARIANT.rule(),
        "MINIMUM_UNKNOWN": errors.MINIMUM_UNKNOWN.rule(),
        "QUEUE_FULL": errors.QUEUE_FULL.rule(),
    }


def backend(kind: str, variant: str) -> str:
    """The name of a variant's backend; `kind` is SERVING or WAITING.

    >>> backend(SERVING, "full")
    'variant.full'
    """
    return f"{kind}.{variant}"


def _ms(duration_s: float) -> str:
    return f"{max(round(duration_s * 1000), 1)}ms"


def _fill(template: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


@cache
def _text(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")
