"""Following a kind: what was known stays known while the API server is away, and a gap in the watch heals."""

import asyncio
from contextlib import suppress

import pytest
from tests.support import eventually_async

from costwain.adapters.kube import ApiError
from costwain.adapters.resources import PODS
from costwain.agent.cluster import Follower

pytestmark = pytest.mark.anyio
_GONE = ApiError(410, "Expired", "too old resource version")


def _pod(name, **labels):
    return {"metadata": {"name": name, "labels": labels}}


class _Script:
    """A cluster that plays: each list is the next of `lists` (the last for ever), each watch the next of `watches`."""

    def __init__(self, lists, watches=()):
        self._lists, self._watches, self.listed = list(lists), list(watches), 0

    async def list(self, resource):
        self.listed += 1
        answer = self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]
        if isinstance(answer, Exception):
            raise answer
        return answer, "1"

    async def watch(self, resource, version):
        for event in self._watches.pop(0) if self._watches else ():
            if isinstance(event, Exception):
                raise event
            yield event
        if not self._watches:
            await asyncio.Event().wait()


CASES = {  # story: (cluster, names known in the end)
    "changes are followed": (
        _Script([[_pod("a")]], [[("ADDED", _pod("b")), ("MODIFIED", _pod("c")), ("DELETED", _pod("b"))]]), {"a", "c"}),
    "a version that is too old is listed again": (_Script([[_pod("a")], [_pod("b")]], [[_GONE], []]), {"b"}),
    "a watch that ends is started again": (_Script([[_pod("a")], [_pod("a"), _pod("b")]], [[], []]), {"a", "b"}),
    "what was deleted in a gap is forgotten": (_Script([[_pod("a"), _pod("b")], [_pod("b")]], [[], []]), {"b"}),
    "a bookmark is no object": (_Script([[_pod("a")]], [[("BOOKMARK", {"metadata": {}})]]), {"a"}),
    "a line cut short is no end": (_Script([[_pod("a")], [_pod("c")]], [[ValueError("cut")], []]), {"c"}),
    "an API server that is away at the start is waited for": (
        _Script([ConnectionRefusedError("away"), [_pod("a")]]), {"a"}),
    "one that goes away leaves what was known": (
        _Script([[_pod("a")], ConnectionRefusedError("away")], [[TimeoutError()], []]), {"a"}),
}  # fmt: skip


@pytest.mark.parametrize(("cluster", "want"), CASES.values(), ids=CASES)
async def test_follow(cluster, want):
    follower = Follower(cluster, PODS, lambda: None)
    task = asyncio.create_task(follower.run())
    try:

        async def known():
            return set(follower.objects) == want and follower.synced

        await eventually_async(known, 5, f"{want} known")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert cluster.listed >= 1
