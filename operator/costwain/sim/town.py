"""Town: several fleets on shared pools and under shared budgets, and one policy that is asked for all of them.

Between two turns nothing is kept for the policy but what a cluster keeps: pods, Deployments, ledgers, and the memories.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest

from costwain.domain.snapshot import Pool, SharedBudget, Snapshot
from costwain.sim.arrival import InputError
from costwain.sim.batches import NOTHING, Batch
from costwain.sim.member import Member, Setup
from costwain.sim.policy import Policy
from costwain.sim.score import Score, summed
from costwain.sim.windows import Windows

Watch = Callable[[float], None]  # is told the share of the work that is done, 0 to 1


def unwatched(_: float) -> None:
    """Tells nobody."""


class Town:
    """One run of fleets with one scenario; `now_s` is the end of the turns that have passed."""

    def __init__(self, setups: Sequence[Setup], policy: Policy, budgets: Sequence[SharedBudget] = ()) -> None:
        self._scenario, self._policy, self._budgets = setups[0].scenario, policy, tuple(budgets)
        self._turn_s = self._scenario.turn_seconds
        self._warm_turns = round(self._scenario.warm_up_seconds / self._turn_s)
        self.now_s = self._scenario.start_s - self._warm_turns * self._turn_s
        self._turns = 0
        self.members = [Member(setup, self.now_s) for setup in setups]
        self._windows = self._opened()

    def run(self, loads: Sequence[Sequence[Batch]], watch: Watch = unwatched) -> list[Score]:
        """The whole traces, one a fleet, and a tail in which what waits can be answered; a score a fleet.

        Raises InputError where the warm-up is longer than the traces.
        """
        turns = list(zip_longest(*loads, fillvalue=NOTHING))
        if len(turns) < self._warm_turns:
            wanted = f"want at most the trace's {len(turns) * self._turn_s:g} s"
            raise InputError("scenario: warmUpSeconds", wanted, f"{self._scenario.warm_up_seconds:g}")
        tail = [(NOTHING,) * len(self.members)] * round(self._scenario.tail_seconds / self._turn_s)
        total = self._warm_turns + len(turns) + len(tail)
        self.decide()
        for batches in turns[: self._warm_turns]:
            self.turn(batches)
            watch(self._turns / total)
        if self._warm_turns:
            self._windows = self._opened()
            for member in self.members:
                member.forget(self.now_s)
        for batches in turns:
            self.turn(batches)
            watch(self._turns / total)
        for budget, windows in self._windows.items():
            windows.close(partial(self._spent, budget), self.now_s)
        for member in self.members:
            member.track.close(member.fleet.ledger, self.now_s)
        for batches in tail:
            self._turn(batches)
            watch(self._turns / total)
        return [member.finish() for member in self.members]

    def total(self, scores: Sequence[Score]) -> Score:
        """All fleets as one."""
        parts = {"/".join(m.fleet.key): (s, m.tally) for m, s in zip(self.members, scores, strict=True)}
        return summed(parts, list(self._windows.values()))

    def turn(self, batches: Sequence[Batch]) -> None:
        """One turn: requests are served, pods move on, ledgers are metered, the policy is asked and obeyed."""
        self._turn(batches)
        for budget, windows in self._windows.items():
            windows.turn(partial(self._spent, budget), self.now_s)

    def _turn(self, batches: Sequence[Batch]) -> None:
        end_s = self.now_s + self._turn_s
        for member, batch in zip(self.members, batches, strict=True):
            member.serve(batch, self.now_s, end_s)
        self.now_s = end_s
        self._turns += 1
        self.decide()

    def decide(self) -> None:
        """Asks the policy once, and obeys it."""
        pools = self.members[0].market.pools(self.now_s)
        fleets = tuple(member.look(pools, self.now_s) for member in self.members)
        snapshot = Snapshot(self.now_s, fleets, self._standing(pools), self._budgets)
        began = time.perf_counter()
        plans = {plan.key: plan for plan in self._policy.decide(snapshot).fleets}
        took_s = time.perf_counter() - began
        for member in self.members:
            member.obey(plans.get(member.fleet.key), self.now_s, took_s)

    def _standing(self, pools: Mapping[str, Pool]) -> dict[str, Pool]:
        held = dict.fromkeys(pools, 0)
        for pod in (pod for member in self.members for pod in member.pods):
            held[pod.place[1]] += pod.accelerators
        return {name: replace(pool, used=held[name]) for name, pool in pools.items()}

    def _opened(self) -> dict[str, Windows]:
        """The windows of every shared budget from now on, by its name."""
        terms = {b.name: (b.spec.amount, b.spec.period, b.spec.time_zone) for b in self._budgets}
        return {name: Windows(each, self.now_s) for name, each in terms.items()}

    def _spent(self, budget: str, from_s: float, until_s: float) -> int:
        """What the members of a shared budget spent."""
        selector = next(b.spec.selector for b in self._budgets if b.name == budget)
        fleets = [m.fleet for m in self.members if selector.matches(m.fleet.namespace, m.fleet.labels)]
        return sum(fleet.ledger.spent_micro(from_s, until_s) for fleet in fleets)
