"""Choice: which rung is to serve, and how large. Scale out first; step down only where dollars or accelerators end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from costwain.decide.budget import (
    SERVE_S,
    Step,
    may_grow,
    may_rise,
    may_start,
    may_stay,
    next_pays,
    running_micro_per_h,
    stopping_s,
)
from costwain.decide.case import Case, Choice
from costwain.decide.options import Rung
from costwain.decide.pair import paired
from costwain.decide.reserve import mean_micro_per_h
from costwain.decide.sentences import serves, serves_both, told
from costwain.decide.shortage import within_money
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.decide.swap import serving
from costwain.domain.plan import Why

LEAN_PARTS = (1.0, 0.75, 0.5, 0.25, 0.0)  # of a queue's and a burst's room, what is tried where not all can be had


def choose(case: Case) -> Choice | None:
    """The best rung that demand, dollars and accelerators allow; None where no rung could run at all."""
    if not case.eligible:
        return None
    offers = case.offers
    current = next((rung for rung, _ in offers if rung.name == case.fleet.memory.target), None)
    step = way_down(case, offers, current)
    payable = [offer for offer in offers if _allowed(case, offer, current, step)]
    for choice in _whole(case, payable, current, step):
        return told(case, choice)
    return told(case, _most_of(case, payable) if payable else _short_of_money(case, offers, current, step))


def payable(case: Case) -> list[tuple[Rung, Mix]]:
    """Offers that the purse allows as they are now, whichever rung serves: what is decided from it may change that."""
    if not case.eligible:
        return []
    step = way_down(case, case.offers, None)
    return [offer for offer in case.offers if _allowed(case, offer, None, step)]


def _whole(case: Case, payable: Sequence[tuple[Rung, Mix]], current: Rung | None, step: Step) -> Iterator[Choice]:
    """Choices that carry the demand, best rung first; the rung that serves may also stay with what carries arrivals.

    A queue or a burst ends within minutes, and a step down for it would take as long and last for the dwell time.
    """
    full = {rung.name: mix for rung, mix in payable if not mix.short}
    for rung, mix in case.offers:
        if current in (None, rung) and _needs_the_lower(case, rung):
            beside = replace(rung, options=tuple(replace(o, most=o.most_now) for o in rung.options))
            alone = _while_others_stay(case, beside)
            pair = paired(case, beside, alone) if alone.short else None
            if pair is not None and _allowed(case, (rung, pair.both), current, step):
                yield Choice(rung, pair.mix, serves_both(case, rung, pair), beside=pair.beside)
        if rung.name in full:
            yield Choice(rung, mix, serves(case, rung, mix))
            continue
        pair = paired(case, rung, mix) if mix.short and mix.counts else None
        if pair is not None and _allowed(case, (rung, pair.both), current, step):
            yield Choice(rung, pair.mix, serves_both(case, rung, pair), beside=pair.beside)
        if rung is current and case.count(rung):
            mixes = (case.mix(rung, want) for want in _less_and_less(case))
            lean = next((mix for mix in mixes if _allowed(case, (rung, mix), current, step)), None)
            if lean is not None and lean.per_s >= case.least_want.per_s and lean.replicas >= case.want.least:
                yield Choice(rung, lean, serves(case, rung, lean))


def _while_others_stay(case: Case, rung: Rung) -> Mix:
    """What it has alone while the others stay; at maxReplicas too, unless it works off what queues up as they go."""
    running = case.running(rung)
    alone = cheapest(rung.options, case.want, running)
    slots = case.want.most - sum(r.variant != rung.name for r in case.fleet.alive)
    if alone.short or alone.replicas <= slots:
        return alone
    least = cheapest(rung.options, replace(case.want, most=slots), running)
    waits_per_s = max(0.0, case.expected.arriving_per_s - least.per_s)
    return alone if alone.per_s >= case.want.per_s + waits_per_s else least


def _less_and_less(case: Case) -> Iterator[Want]:
    """All that is wanted, down to what arrives."""
    least_per_s = case.least_want.per_s
    for part in LEAN_PARTS:
        yield replace(case.want, per_s=least_per_s + part * (case.want.per_s - least_per_s))


def _allowed(case: Case, offer: tuple[Rung, Mix], current: Rung | None, step: Step) -> bool:
    """A rise waits for its dwell time; what doesn't run yet must pay for its start, what runs need only fit."""
    (rung, mix), purse = offer, case.purse
    ladder = [r.name for r in case.eligible]
    rises = current is not None and ladder.index(rung.name) < ladder.index(current.name)
    dwell_s = case.fleet.spec.swap.min_dwell_seconds
    if rises and _dwells(case):
        return False
    alone = all(place[0] == rung.name for place in mix.counts)
    if rises and alone and not _can_be_created(case, rung):
        return False
    if purse is None:
        return True
    if rises:
        return may_rise(purse, mix.hourly_micro, dwell_s, step)
    if current is not None and rung is not current and _too_late(case, current, step):
        return False
    beside = _beside(case, mix)
    if beside is not None and purse.left_s < rung.start_s + SERVE_S:
        # What starts now serves in the next period, and until then all that runs is paid out of this one.
        until_then = purse.pays(mix.hourly_micro + beside, purse.left_s)
        if not (until_then and next_pays(purse, mix.hourly_micro, SERVE_S, step)):
            return False
    elif beside and case.count(rung):
        return may_grow(purse, mix.hourly_micro, beside, rung.start_s, step)
    if mix.hourly_micro > step.reserve_micro_per_h and not case.count(rung):
        return may_start(purse, mix.hourly_micro, dwell_s, step)
    return may_stay(purse, mix.hourly_micro, step)


def _dwells(case: Case) -> bool:
    """Whether the target is too young to be left for a better one."""
    return case.now_s - (case.fleet.memory.target_since_s or 0.0) < case.fleet.spec.swap.min_dwell_seconds


def _beside(case: Case, mix: Mix) -> int | None:
    """Micro-dollars an hour of what else runs while a mix starts; None where nothing of it is to start."""
    running = case.fleet.counts
    if all(n <= running.get(place, 0) for place, n in mix.counts.items()):
        return None
    options = (o for each in case.rungs for o in each.options)  # a mix of two rungs is one too
    kept = sum(o.hourly_micro * min(running.get(o.place, 0), mix.counts.get(o.place, 0)) for o in options)
    return max(0, running_micro_per_h(case.fleet) - kept)


def _can_be_created(case: Case, rung: Rung) -> bool:
    """CreateFirst: what can start beside the others must carry what arrives, or the rise itself makes a queue.

    A lone replica that leaves no room for a second one has no such choice.
    """
    others = sum(r.variant != rung.name for r in case.fleet.alive)
    room = case.fleet.spec.scaling.max_replicas - others
    if others <= 1 and (room < 1 or not any(o.most_now for o in rung.options)):
        return True
    beside = [replace(o, most=o.most_now) for o in rung.options]
    now_per_s = 0.0 if case.expected.idle else case.expected.now_per_s
    return not cheapest(beside, Want(now_per_s, 1, room), {}).short


def _needs_the_lower(case: Case, rung: Rung) -> bool:
    """Whether a lower rung carries a part, and what could start while it runs wouldn't carry that."""
    ladder = [r.name for r in case.eligible]
    below = ladder[ladder.index(rung.name) + 1 :]
    carrying = serving(case.fleet, rung.name, case.fleet.memory)
    return any(name in carrying for name in below) and not _can_be_created(case, rung)


def _too_late(case: Case, current: Rung, step: Step) -> bool:
    """Whether a step down would end after the period and so save nothing in it; what runs could still shrink."""
    late = case.purse is not None and case.purse.left_s < step.both_s
    return late and case.count(current) > 0 and not case.mix(current, case.want).short


def way_down(case: Case, offers: Sequence[tuple[Rung, Mix]], current: Rung | None) -> Step:
    """The rung that costs least to the end of the period, how long a swap to it runs both, what serves until then."""
    rates = mean_micro_per_h(case, offers)
    lowest = min(range(len(offers)), key=lambda n: (offers[n][1].short, rates[n]))
    rung, swap = offers[lowest][0], case.fleet.spec.swap
    stepping_s = rung.start_s + swap.step_seconds * len(swap.step_percents)
    floor = case.mix(rung, Want(0.0, case.fleet.spec.scaling.min_replicas, case.want.most))
    serving = next((m for r, m in offers if r is current and case.count(r)), None)
    return Step(
        reserve_micro_per_h=floor.hourly_micro if case.expected.idle else rates[lowest],
        both_s=stepping_s + stopping_s(case.fleet),
        serving_micro_per_h=serving.hourly_micro if serving else 0,
    )


def _most_of(case: Case, payable: Sequence[tuple[Rung, Mix]]) -> Choice:
    """Accelerators are short for every rung, or maxReplicas is: the one that carries most of the demand."""
    rung, mix = max(payable, key=lambda offer: offer[1].per_s)
    count = f"{mix.replicas} replica{'' if mix.replicas == 1 else 's'}"
    carried = f"{mix.per_s:.1f} requests/s of the {case.want.per_s:.1f} that are needed"
    if case.at_ceiling(rung, mix):
        return Choice(
            rung, mix, Why("AtMaxReplicas", f"{rung.name} is capped at maxReplicas {case.want.most}, {carried}")
        )
    return Choice(rung, mix, Why("AcceleratorsShort", f"{rung.name} has accelerators for {count}, {carried}"))


def _short_of_money(case: Case, offers: Sequence[tuple[Rung, Mix]], current: Rung | None, step: Step) -> Choice:
    """No rung can be paid to the end of the period: the one with the fewest dollars a request, as far as they go.

    Not a better one than what runs: where two cost alike it would come and go with the load, and each time pay both.
    """
    purse = case.purse
    assert purse is not None  # whatever could run is allowed where nobody counts the dollars
    if current is not None and (case.count(current) or _dwells(case)):
        offers = [offer for offer in offers if case.eligible.index(offer[0]) >= case.eligible.index(current)]
    rung = current if current is not None and _too_late(case, current, step) else cheapest_a_request(case, offers)
    floor = case.fleet.spec.scaling.min_replicas if purse.terms.keeps_floor else 0
    found = within_money(case, purse, rung, floor)
    if found.mix.counts or current is None or rung is current:
        return found
    stays = within_money(case, purse, current, floor)  # what runs may be payable where nothing could be started
    return stays if stays.mix.counts else found


def cheapest_a_request(case: Case, offers: Sequence[tuple[Rung, Mix]]) -> Rung:
    """The rung of the fewest dollars a request that is asked."""
    return min(offers, key=lambda offer: _micro_per_request(case, offer[1]))[0]


def _micro_per_request(case: Case, mix: Mix) -> float:
    """Dollars for what is asked, not for what could be."""
    return mix.hourly_micro / max(min(mix.per_s, case.want.per_s), 1e-9)
