"""Specs at the edge of what is refused that must pass; CEL, pydantic and the API server agree."""

from tests.specs import keyed, line, model_deployment, pool, variant

GOOD = {
    "conversations anywhere": ("ModelDeployment", model_deployment(gateway={"affinity": "None"})),
    "keys alone": ("ModelDeployment", model_deployment(gateway={"apiKeysSecretRef": {"name": "chat-keys"}})),
    "a tenant with every limit": (
        "ModelDeployment",
        model_deployment(
            gateway=keyed(
                {"name": "blue", "requestsPerMinute": 60, "maxConcurrentRequests": 4, "minVariant": "full"},
                {"name": "red", "requestsPerSecond": 2},
            )
        ),
    ),
    "the smallest fleet": ("ModelDeployment", model_deployment()),
    "another router before a replica at least": (
        "ModelDeployment",
        model_deployment(gateway={"mode": "None"}, scaling={"minReplicas": 1}),
    ),
    "floor and ceiling are one": ("ModelDeployment", model_deployment(scaling={"minReplicas": 3, "maxReplicas": 3})),
    "dollars by the hour": ("ModelDeployment", model_deployment(budget={"amount": "5", "period": "Hour"})),
    "a variant by hand": ("ModelDeployment", model_deployment(swap={"mode": "Manual", "variant": "full"})),
    "a gate by the drop alone": (
        "ModelDeployment",
        model_deployment(
            variants=[variant(evaluations={"safety": "98.1"})],
            swap={"gates": [{"evaluation": "safety", "maxDrop": "2"}]},
        ),
    ),
    "weights on a claim": (
        "ModelDeployment",
        model_deployment(variants=[variant(model={"uri": "pvc://weights/qwen"}, engine={"args": {"seed": "1"}})]),
    ),
    "labels of the user's own": (
        "ModelDeployment",
        model_deployment(variants=[variant(engine={"podTemplate": {"labels": {"team": "blue"}}})]),
    ),
    "a pool with a price": ("AcceleratorPool", pool()),
    "a pool without one": ("AcceleratorPool", {"vendor": "nvidia", "accelerator": "h100"}),
    "a pool that is paid already": ("AcceleratorPool", pool(price={"amount": "0", "source": "owned"})),
    "an accelerator by its figures": (
        "AcceleratorPool",
        pool(accelerator="b999", memory="192Gi", memoryBandwidthGBps=8000, bf16Tflops=2000),
    ),
    "a budget over every fleet": ("InferenceBudget", {"amount": "100.00"}),
    "a budget over the fleets of a team": (
        "InferenceBudget",
        {
            "amount": "5",
            "period": "Hour",
            "timeZone": "Europe/Berlin",
            "onExhausted": "ScaleToZero",
            "selector": {"namespaces": ["shop"], "matchLabels": {"team": "blue"}},
            "sharing": "FairShare",
        },
    ),
    "a ledger that knows whose dollars they were": (
        "SpendLedger",
        {"labelled": [{"sinceMilliseconds": 0, "labels": {"team": "blue"}}]},
    ),
    "a ledger with a pod on the bill": ("SpendLedger", {"epoch": 3, "open": [line()]}),
}
