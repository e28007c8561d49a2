"""Maps of HAProxy: what they should hold against what they hold; who a key belongs to, and what a tenant may. Pure."""

from collections.abc import Callable, Mapping, Sequence

from costwain.agent.haproxy import LiveMap, State
from costwain.agent.program import Tenant
from costwain.render.haproxy import KEYS_MAP, TENANTS_MAP


def map_lines(live: LiveMap, wanted: Mapping[str, str], whole: bool = False) -> list[str]:
    """The commands that make a map's entries what is wanted; with `whole` those that nobody wants go, first.

    >>> map_lines(LiveMap(3, {"a": "1", "b": "2"}), {"a": "1", "c": "4"}, whole=True)
    ['del map #3 b', 'add map #3 c 4']
    """
    gone = [f"del map #{live.number} {key}" for key in live.entries if whole and key not in wanted]
    return gone + [
        f"{'set' if key in live.entries else 'add'} map #{live.number} {key} {value}"
        for key, value in wanted.items()
        if live.entries.get(key) != value
    ]


def tenant_lines(
    tenants: Sequence[Tenant], keys: Mapping[str, str], state: State, part: Callable[[int], int]
) -> list[str]:
    """The commands for keys and tenants; none for a HAProxy that was started without keys.

    `part` is this replica's part of a limit. Limits stand before the key that they bind.
    """
    if KEYS_MAP not in state.maps:
        return []
    limits = {key: value for tenant in tenants for key, value in _limits(tenant, part).items()}
    return [
        *map_lines(state.maps[TENANTS_MAP], limits, whole=True),
        *map_lines(state.maps[KEYS_MAP], keys, whole=True),
    ]


def _limits(tenant: Tenant, part: Callable[[int], int]) -> dict[str, str]:
    numbers = {
        "second": tenant.requests_per_second,
        "minute": tenant.requests_per_minute,
        "concurrent": tenant.max_concurrent_requests,
    }
    limits = {f"{what}/{tenant.name}": str(part(whole)) for what, whole in numbers.items() if whole is not None}
    return limits | ({f"minimum/{tenant.name}": tenant.min_variant} if tenant.min_variant else {})
