"""Sentences: what a choice says of itself and of the rungs that were not chosen, with the numbers."""

from dataclasses import replace

from costwain.decide.budget import priced
from costwain.decide.case import Case, Choice
from costwain.decide.options import Rung
from costwain.decide.pair import Pair
from costwain.decide.sizing import Mix
from costwain.domain.money import dollars
from costwain.domain.plan import Why


def told(case: Case, choice: Choice) -> Choice:
    """The choice with the news of a change: what the rung that was left would have needed."""
    current = next((rung for rung in case.eligible if rung.name == case.fleet.memory.target), None)
    if current is None or current.name == choice.rung.name:
        return choice
    until = case.clock(case.purse.window.end_s) if case.purse else ""
    names = [r.name for r in case.eligible]
    left = case.mix(current, case.want)
    serves = f"{choice.rung.name} serves for {priced(choice.mix.hourly_micro)}"
    if names.index(choice.rung.name) < names.index(current.name):
        money = (
            f", {dollars(case.purse.left_micro)} is left{case.purse.terms.where} until {until}" if case.purse else ""
        )
        return replace(choice, news=Why("SteppedUp", f"{serves} instead of {current.name}{money}"))
    needs = f"{current.name} needs {priced(left.hourly_micro)} for {case.want.per_s:.1f} requests/s"
    if left.short:
        return replace(choice, news=Why("SteppedDown", f"{_room(case, current, left, left)}: {serves}"))
    if case.purse is None:
        return replace(choice, news=Why("SteppedDown", f"{needs}: {serves}"))
    of = "" if case.purse.terms.shared else f" of {dollars(case.purse.limit_micro)}"
    left_text = f"{dollars(case.purse.left_micro)}{of} is left{case.purse.terms.where} until {until}"
    return replace(choice, news=Why("SteppedDown", f"{needs}, {left_text}: {serves}"))


def _room(case: Case, rung: Rung, mix: Mix, all_of_it: Mix) -> str:
    """How far a rung reaches, alone or as a part, and what ends there."""
    capped = case.at_ceiling(rung, all_of_it)
    what = f"is capped at maxReplicas {case.want.most}," if capped else "has accelerators for"
    return f"{rung.name} {what} {mix.per_s:.1f} of {case.want.per_s:.1f} requests/s"


def serves_both(case: Case, rung: Rung, pair: Pair) -> Why:
    """That a lower rung takes a part, and why."""
    low = pair.beside
    both = f"both for {priced(pair.both.hourly_micro)}"
    if not low.percent:  # it is replicas that are wanted, not what they carry
        count = f"{rung.name} has room for {pair.mix.replicas} of {case.want.least} replicas"
        return Why("ServesBoth", f"{count}: {low.rung.name} has the others, {both}")
    part = f"{low.rung.name} serves {low.percent} % of conversations"
    return Why("ServesBoth", f"{_room(case, rung, pair.mix, pair.both)}: {part}, {both}")


def serves(case: Case, rung: Rung, mix: Mix) -> Why:
    """What a rung carries, on what, for how much, and for how long the money pays it."""
    where = " + ".join(f"{n} x {pool}" for (_, pool), n in sorted(mix.counts.items())) or "no replica"
    needed = f"{case.want.per_s:.1f} requests/s"
    load = f"{mix.per_s:.1f} of {needed}" if mix.per_s < case.want.per_s * (1 - 1e-6) else needed
    sentence = f"{rung.name} serves {load} on {where} for {priced(mix.hourly_micro)}"
    if case.purse is not None and not case.purse.pays(mix.hourly_micro, case.purse.left_s):
        lasts_s = case.purse.lasts_s(mix.hourly_micro, 0)
        sentence += f"; at this rate the money lasts until {case.clock(case.now_s + lasts_s)}"
    return Why("Serves", sentence)


def verdict(case: Case, choice: Choice, rung: Rung) -> str:
    """What became of a rung in a choice."""
    if rung.barred is not None:
        return rung.barred.sentence
    if not rung.options:
        return "; ".join(problem.sentence for problem in rung.problems)
    if rung.name == choice.rung.name:
        return choice.why.sentence
    if choice.beside and rung.name == choice.beside.rung.name:
        return f"serves {choice.beside.percent} % beside {choice.rung.name}"
    mix = case.mix(rung, case.want)
    return f"would cost {dollars(mix.hourly_micro)}/h" if mix.counts else "no accelerators for a replica now"
