"""Specs that must be refused, each with its sentence; CEL, pydantic and the API server agree."""

import copy
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]


@dataclass(frozen=True)
class Bad:
    """What differs from a good spec of the kind, and the one refusal that must come of it."""

    kind: str
    change: Spec
    where: str
    sentence: str


def model_deployment(**change: Any) -> Spec:
    """A small ModelDeployment spec with the given top-level fields put in."""
    return {"variants": [variant()], **change}


def variant(**change: Any) -> Spec:
    """A rung that runs on one pool."""
    return {
        "name": "full",
        "model": {"uri": "hf://Qwen/Qwen3-32B"},
        "quality": "72.7",
        "placements": [{"pool": "h100"}],
        **change,
    }


def pool(**change: Any) -> Spec:
    """An AcceleratorPool spec."""
    return {"vendor": "nvidia", "accelerator": "h100", "price": {"amount": "2.49"}, **change}


def line(**change: Any) -> Spec:
    """An open line of a ledger."""
    return {
        "uid": "8f6b",
        "pod": "chat-full-h100-0",
        "variant": "full",
        "pool": "h100",
        "accelerators": 1,
        "hourlyMicro": 2_490_000,
        "sinceMilliseconds": 1000,
        "meteredThroughMilliseconds": 2000,
        **change,
    }


def spec_of(bad: Bad) -> Spec:
    """The whole spec that must be refused."""
    return copy.deepcopy(_BASE[bad.kind] | bad.change)


_BASE: dict[str, Spec] = {
    "ModelDeployment": model_deployment(),
    "AcceleratorPool": pool(),
    "InferenceBudget": {"amount": "100.00"},
    "SpendLedger": {},
}


def _fleet(where: str, sentence: str, **change: Any) -> Bad:
    return Bad("ModelDeployment", change, where, sentence)


def _rung(where: str, sentence: str, **change: Any) -> Bad:
    return Bad("ModelDeployment", {"variants": [variant(**change)]}, f"spec.variants[0]{where}", sentence)


def keyed(*tenants: Spec) -> Spec:
    return {"apiKeysSecretRef": {"name": "chat-keys"}, "tenants": list(tenants)}


BAD = {
    "the floor lies above the ceiling": _fleet(
        "spec.scaling",
        "minReplicas (4) must not exceed maxReplicas (3)",
        scaling={"minReplicas": 4, "maxReplicas": 3},
    ),
    "a floor above the default ceiling": _fleet(
        "spec.scaling", "minReplicas (21) must not exceed maxReplicas (20)", scaling={"minReplicas": 21}
    ),
    "somebody else is to scale": _fleet(
        "spec.scaling", "mode: External is not supported yet", scaling={"mode": "External"}
    ),
    "early steps of a budget": _fleet(
        "spec.budget",
        "thresholds: not supported yet",
        budget={"amount": "240.00", "thresholds": [{"percent": 80, "action": "StepDown"}]},
    ),
    "once more money": _fleet(
        "spec.budget",
        "override: not supported yet",
        budget={"amount": "240.00", "override": {"amount": "50.00", "until": "2026-12-01T00:00:00Z"}},
    ),
    "a budget by the week": _fleet(
        "spec.budget", "period: Week is not supported yet", budget={"amount": "240.00", "period": "Week"}
    ),
    "a budget by the month": _fleet(
        "spec.budget", "period: Month is not supported yet", budget={"amount": "240.00", "period": "Month"}
    ),
    "the cheapest variant for ever": _fleet(
        "spec.budget",
        "onExhausted: Cheapest is not supported yet",
        budget={"amount": "240.00", "onExhausted": "Cheapest"},
    ),
    "a gate without a bar": _fleet(
        "spec.swap.gates[0]",
        "min or maxDrop is required",
        variants=[variant(evaluations={"gsm8k": "95.8"})],
        swap={"gates": [{"evaluation": "gsm8k"}]},
    ),
    "drain before the new ones start": _fleet(
        "spec.swap", "surge: DrainFirst is not supported yet", swap={"surge": "DrainFirst"}
    ),
    "by hand, but which variant?": _fleet(
        "spec.swap",
        "variant goes with mode Manual, and only with it (mode is Manual)",
        swap={"mode": "Manual"},
    ),
    "a variant named, but dollars decide": _fleet(
        "spec.swap",
        "variant goes with mode Manual, and only with it (mode is Automatic)",
        swap={"variant": "full"},
    ),
    "a swap that never ends": _fleet("spec.swap", "stepPercents must end with 100", swap={"stepPercents": [25, 50]}),
    "by hand to a variant that isn't there": _fleet(
        "spec",
        "swap.variant: no variant of this name",
        swap={"mode": "Manual", "variant": "huge"},
    ),
    "a gate on an evaluation that nobody took": _fleet(
        "spec",
        "swap.gates: no variant has an evaluation of this name",
        swap={"gates": [{"evaluation": "gsm8k", "min": "80"}]},
    ),
    "another router, and nobody who holds requests at zero": _fleet(
        "spec",
        "gateway.mode None needs scaling.minReplicas of at least 1: nobody would hold requests at zero",
        gateway={"mode": "None"},
    ),
    "another router, and keys for a gateway that isn't there": _fleet(
        "spec.gateway",
        "apiKeysSecretRef, tls and spillAfterSeconds need mode Managed: with None there is no gateway",
        gateway={"mode": "None", "apiKeysSecretRef": {"name": "chat-keys"}},
        scaling={"minReplicas": 1},
    ),
    "tenants without keys": _fleet(
        "spec.gateway",
        "tenants go with apiKeysSecretRef: a key tells who asks",
        gateway={"tenants": [{"name": "blue"}]},
    ),
    "two tenants of one name": _fleet(
        "spec.gateway", "tenants: every name at most once", gateway=keyed({"name": "blue"}, {"name": "blue"})
    ),
    "two rates at once": _fleet(
        "spec.gateway.tenants[0]",
        "requestsPerSecond and requestsPerMinute exclude one another",
        gateway=keyed({"name": "blue", "requestsPerSecond": 2, "requestsPerMinute": 60}),
    ),
    "a tenant that must get a variant that isn't there": _fleet(
        "spec",
        "gateway.tenants: minVariant names no variant",
        gateway=keyed({"name": "blue", "minVariant": "full"}, {"name": "red", "minVariant": "huge"}),
    ),
    "a Gateway API route": _fleet(
        "spec.gateway", "httpRoute: not supported yet", gateway={"httpRoute": {"hostnames": ["chat.example.com"]}}
    ),
    "kept weights": _fleet("spec", "cache: not supported yet", cache={"claimName": "weights"}),
    "two variants of one name": _fleet(
        "spec", "variants: every name at most once", variants=[variant(), variant(quality="64.3")]
    ),
    "weights in a bucket": _rung(
        ".model",
        "uri: only hf:// and pvc:// are supported yet, found s3://models/qwen",
        model={"uri": "s3://models/qwen"},
    ),
    "a label that is the operator's": _rung(
        ".engine.podTemplate",
        "labels: keys under costwain.dev/ and app.kubernetes.io/ are the operator's own",
        engine={"podTemplate": {"labels": {"costwain.dev/fleet": "mine"}}},
    ),
    "LoRA adapters": _rung("", "adapters: not supported yet", adapters=[{"name": "sql", "uri": "hf://me/sql"}]),
    "one pool twice": _rung(
        "",
        "placements: every pool at most once",
        placements=[{"pool": "h100"}, {"pool": "h100", "accelerators": 2}],
    ),
    "a pool that costs nothing by mistake": Bad(
        "AcceleratorPool",
        {"price": {"amount": "0.00"}},
        "spec",
        "price.amount: 0 is free only with source 'owned'",
    ),
    "memory without bandwidth": Bad(
        "AcceleratorPool",
        {"accelerator": "b999", "memory": "192Gi", "bf16Tflops": 2000},
        "spec",
        "memory, memoryBandwidthGBps and bf16Tflops go together",
    ),
    "early steps of a shared budget": Bad(
        "InferenceBudget", {"thresholds": [{"percent": 80}]}, "spec", "thresholds: not supported yet"
    ),
    "once more money to share": Bad(
        "InferenceBudget",
        {"override": {"amount": "50.00", "until": "2026-12-01T00:00:00Z"}},
        "spec",
        "override: not supported yet",
    ),
    "a shared budget by the week": Bad(
        "InferenceBudget", {"period": "Week"}, "spec", "period: Week is not supported yet"
    ),
    "a shared budget by the month": Bad(
        "InferenceBudget", {"period": "Month"}, "spec", "period: Month is not supported yet"
    ),
    "the cheapest variant of every member for ever": Bad(
        "InferenceBudget", {"onExhausted": "Cheapest"}, "spec", "onExhausted: Cheapest is not supported yet"
    ),
    "a pod that ended before it began": Bad(
        "SpendLedger",
        {"closed": [line(untilMilliseconds=999)]},
        "spec.closed[0]",
        "untilMilliseconds must not lie before sinceMilliseconds",
    ),
}
