"""The Lease on the real API server: one leads, and when it stops the other does."""

import asyncio

import pytest
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.lease import LEASE_NAME, Lease, Timings
from costwain.adapters.resources import LEASES

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

QUICK = Timings(duration_s=3, renew_deadline_s=2, retry_s=0.2)
PATIENCE_S = 30


async def spec_of(kube: Kube, namespace: str) -> dict[str, object]:
    lease = await kube.get(LEASES, LEASE_NAME, namespace)
    assert lease is not None
    spec: dict[str, object] = lease["spec"]
    return spec


async def test_of_two_that_start_at_once_exactly_one_leads(kube: Kube, namespace: str) -> None:
    both = [Lease(kube, namespace, name, timings=QUICK) for name in ("a", "b")]
    taken = await asyncio.gather(*(lease.attempt() for lease in both))
    assert sorted(taken) == [False, True]
    assert (await spec_of(kube, namespace))["holderIdentity"] == both[taken.index(True)].identity


async def test_when_the_holder_dies_the_other_takes_over_and_never_both_lead(kube: Kube, namespace: str) -> None:
    first, second = (Lease(kube, namespace, name, timings=QUICK) for name in ("a", "b"))
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    waiting = asyncio.create_task(second.acquire())
    renewed = (await spec_of(kube, namespace))["renewTime"]

    async def has_renewed() -> bool:
        return (await spec_of(kube, namespace))["renewTime"] != renewed

    await eventually_async(has_renewed, PATIENCE_S, "the holder renews")
    assert (first.is_leader(), second.is_leader(), waiting.done()) == (True, False, False)
    holding.cancel()  # as if killed: no release

    async def second_leads() -> bool:
        assert not (first.is_leader() and second.is_leader())
        return second.is_leader()

    await eventually_async(second_leads, PATIENCE_S, "the other takes over")
    await waiting
    assert (first.epoch, second.epoch) == (0, 1)
    assert (await spec_of(kube, namespace))["leaseTransitions"] == 1
    assert second.last_renewed_wall_s is not None


async def test_a_released_lease_is_free_at_once(kube: Kube, namespace: str) -> None:
    first, second = (Lease(kube, namespace, name) for name in ("a", "b"))  # 15 s that nobody waits for
    await first.acquire()
    assert not await second.attempt()
    await first.release()
    assert await second.attempt()
    assert (first.is_leader(), second.is_leader(), second.epoch) == (False, True, 1)


async def test_a_namespace_that_is_not_there_is_trouble_and_no_crash(kube: Kube) -> None:
    assert not await Lease(kube, "nowhere", "a", timings=QUICK).attempt()
