"""Ledgers in the cluster: read once, written only by compare-and-swap, never by a leader of an older epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import SPEND_LEDGERS
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec

Key = tuple[str, str]


class LedgerConflictError(Exception):
    """Somebody else wrote the ledger: this process must read it again before it grants anything."""


@dataclass(frozen=True)
class _Held:
    spec: SpendLedgerSpec
    resource_version: str | None


class Ledgers:
    """Every SpendLedger, as this process last read or wrote it."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._held: dict[Key, _Held] = {}

    async def load(self) -> None:
        """Reads all of them; raises ValueError for one that can't be read, rather than forget dollars."""
        items, _ = await self._kube.list(SPEND_LEDGERS)
        self._held = {(i["metadata"]["namespace"], i["metadata"]["name"]): _read(i) for i in items}

    @property
    def all(self) -> Mapping[Key, SpendLedgerSpec]:
        return {key: held.spec for key, held in self._held.items()}

    def get(self, key: Key) -> SpendLedgerSpec | None:
        """The ledger of one fleet, or None where it has none yet."""
        held = self._held.get(key)
        return None if held is None else held.spec

    async def save(self, key: Key, spec: SpendLedgerSpec, epoch: int) -> None:
        """Writes the ledger under this epoch; raises LedgerConflictError where another writer was there first."""
        held = self._held.get(key)
        if held is not None and held.spec.epoch > epoch:
            raise LedgerConflictError(f"ledger {'/'.join(key)}: written under epoch {held.spec.epoch}, this is {epoch}")
        manifest = _manifest(key, spec.model_copy(update={"epoch": epoch}), held)
        try:
            written = await (self._kube.create(manifest) if held is None else self._kube.replace(manifest))
        except ApiError as error:
            if not error.is_conflict:
                raise
            await self.load()
            raise LedgerConflictError(f"ledger {key[0]}/{key[1]}: {error.message}") from error
        self._held[key] = _read(written)


def _manifest(key: Key, spec: SpendLedgerSpec, held: _Held | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "namespace": key[0],
        "name": key[1],
        "labels": {names.MANAGED_BY: names.FIELD_MANAGER, names.FLEET: key[1]},
    }
    if held is not None and held.resource_version is not None:
        metadata["resourceVersion"] = held.resource_version
    return {
        "apiVersion": names.API_VERSION,
        "kind": "SpendLedger",
        "metadata": metadata,
        "spec": spec.model_dump(by_alias=True, exclude_none=True),
    }


def _read(obj: dict[str, Any]) -> _Held:
    metadata = obj["metadata"]
    try:
        spec = SpendLedgerSpec.model_validate(obj.get("spec", {}))
    except ValidationError as error:
        where = f"ledger {metadata['namespace']}/{metadata['name']}"
        raise ValueError(f"{where}: {error.error_count()} fields can't be read; mend or delete it") from error
    return _Held(spec, metadata["resourceVersion"])
