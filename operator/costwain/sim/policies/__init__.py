"""Policies by name: the operator's own decide and its ablations, and what others do, each with its published defaults.

To add one: write a module with a dataclass whose fields are its settings, and add one line to POLICIES.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from costwain.sim.arrival import InputError, number_of
from costwain.sim.policies.ablations import NoBudget, NoForecast, NoHysteresis, NoSwap, OneVendor
from costwain.sim.policies.aibrix import AibrixApa
from costwain.sim.policies.apart import Apart
from costwain.sim.policies.base import Facts
from costwain.sim.policies.hpa import Hpa
from costwain.sim.policies.infadapter import InfAdapter
from costwain.sim.policies.keda import Keda
from costwain.sim.policies.knative import KnativeKpa
from costwain.sim.policies.kubeai import KubeAi
from costwain.sim.policies.static import StaticMean, StaticPeak
from costwain.sim.policies.wva import WvaSaturation
from costwain.sim.policy import Ours, Policy

__all__ = ["POLICIES", "Facts", "policy_for_all", "policy_of"]


@dataclass(frozen=True)
class Entry:
    """A policy's class, one line that says what it does, and whether it decides on all fleets at once."""

    make: type[Any]
    what: str
    for_all: bool = False


POLICIES: dict[str, Entry] = {
    "costwain": Entry(Ours, "the operator's own decide", for_all=True),
    "no-budget": Entry(NoBudget, "the same, blind to the budget", for_all=True),
    "no-swap": Entry(NoSwap, "the same, on the best variant alone", for_all=True),
    "one-vendor": Entry(OneVendor, "the same, on the pools of one vendor", for_all=True),
    "no-forecast": Entry(NoForecast, "the same, expecting no more than what comes now", for_all=True),
    "no-hysteresis": Entry(NoHysteresis, "the same, without dwell time and stabilisation", for_all=True),
    "static-peak": Entry(StaticPeak, "as many replicas as the busiest five minutes need"),
    "static-mean": Entry(StaticMean, "as many replicas as the mean load needs"),
    "hpa": Entry(Hpa, "HorizontalPodAutoscaler on requests a replica"),
    "keda": Entry(Keda, "KEDA on waiting requests"),
    "knative-kpa": Entry(KnativeKpa, "Knative's autoscaler on concurrency"),
    "kubeai": Entry(KubeAi, "KubeAI's autoscaler on active requests"),
    "aibrix-apa": Entry(AibrixApa, "AIBrix APA on the KV cache"),
    "wva": Entry(WvaSaturation, "llm-d's variant autoscaler, saturation engine"),
    "infadapter": Entry(InfAdapter, "the best mix of variants within an even rate of dollars"),
}


def policy_of(text: str, facts: Facts) -> Policy:
    """A new policy from `name` or `name:setting=value,...`; raises InputError on what it doesn't know."""
    name, _, given = text.partition(":")
    if name not in POLICIES:
        raise InputError("policy", f"want one of {', '.join(POLICIES)}", repr(name))
    make = POLICIES[name].make
    known = [f.name for f in fields(make) if f.init] if is_dataclass(make) else []
    open_to = [setting for setting in known if setting != "facts"]
    settings: dict[str, float] = {}
    for each in filter(None, given.split(",")):
        setting, _, value = each.partition("=")
        if setting not in open_to:
            raise InputError(f"policy {name}", f"want a setting among {', '.join(open_to) or 'none'}", repr(setting))
        settings[setting] = _positive(number_of(value, f"policy {name}", setting), f"policy {name}: {setting}")
    built: Policy = make(facts=facts, **settings) if "facts" in known else make(**settings)
    return built


def policy_for_all(text: str, facts: Mapping[tuple[str, str], Facts]) -> Policy:
    """The policy for several fleets, by key what is known of each; one that knows one fleet runs once for each."""
    each = {key: policy_of(text, known) for key, known in facts.items()}
    return next(iter(each.values())) if POLICIES[text.partition(":")[0]].for_all else Apart(each)


def _positive(value: float, where: str) -> float:
    if value <= 0:
        raise InputError(where, "want a positive number", f"{value:g}")
    return value
