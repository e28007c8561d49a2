"""Ledgers in the cluster: compare-and-swap, and no leader of an older epoch."""

from typing import Any

import pytest

from costwain.adapters.kube import ApiError
from costwain.adapters.ledger import LedgerConflictError, Ledgers
from costwain.domain.ledger import SpendLedgerSpec

KEY = ("default", "chat")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """An API server with one kind of object and compare-and-swap."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], dict[str, Any]] = {}

    async def list(self, *_: Any) -> tuple[list[dict[str, Any]], str]:
        return list(self.stored.values()), "1"

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if KEY in self.stored:
            raise ApiError(409, "AlreadyExists", "it is there")
        return self._store(manifest, 1)

    async def replace(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["resourceVersion"] != self.stored[KEY]["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "it was modified")
        return self._store(manifest, int(manifest["metadata"]["resourceVersion"]) + 1)

    def _store(self, manifest: dict[str, Any], version: int) -> dict[str, Any]:
        metadata = {**manifest["metadata"], "resourceVersion": str(version)}
        self.stored[KEY] = {**manifest, "metadata": metadata}
        return self.stored[KEY]


@pytest.mark.anyio
async def test_what_was_written_is_read_again_with_its_epoch() -> None:
    server = Server()
    await Ledgers(server).save(KEY, SpendLedgerSpec(fleet_uid="u"), epoch=3)  # type: ignore[arg-type]
    reader = Ledgers(server)  # type: ignore[arg-type]
    await reader.load()
    assert reader.all == {KEY: SpendLedgerSpec(fleet_uid="u", epoch=3)}


@pytest.mark.anyio
async def test_a_second_writer_is_told_and_reads_again() -> None:
    server = Server()
    first, second = Ledgers(server), Ledgers(server)  # type: ignore[arg-type]
    await first.save(KEY, SpendLedgerSpec(), epoch=1)
    await second.load()
    await first.save(KEY, SpendLedgerSpec(fleet_uid="first"), epoch=1)
    with pytest.raises(LedgerConflictError, match="ledger default/chat"):
        await second.save(KEY, SpendLedgerSpec(fleet_uid="second"), epoch=1)
    assert second.all[KEY].fleet_uid == "first"


@pytest.mark.anyio
async def test_a_leader_of_an_older_epoch_writes_nothing() -> None:
    server = Server()
    await Ledgers(server).save(KEY, SpendLedgerSpec(), epoch=5)  # type: ignore[arg-type]
    stale = Ledgers(server)  # type: ignore[arg-type]
    await stale.load()
    with pytest.raises(LedgerConflictError, match="written under epoch 5, this is 4"):
        await stale.save(KEY, SpendLedgerSpec(fleet_uid="stale"), epoch=4)


@pytest.mark.anyio
async def test_a_ledger_that_cant_be_read_is_named_rather_than_forgotten() -> None:
    server = Server()
    server.stored[KEY] = {
        "metadata": {"namespace": KEY[0], "name": KEY[1], "resourceVersion": "1"},
        "spec": {"open": [{"uid": "a"}]},
    }
    with pytest.raises(ValueError, match="fields can't be read; mend or delete it"):
        await Ledgers(server).load()  # type: ignore[arg-type]
