"""The second way to a fleet's queue: ask Prometheus, where the gateways themselves can't be reached."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

TIMEOUT_S = 3
# An instant query answers with values up to five minutes old; a queue of that age is unknown.
_FRESH_S = 60
_FLEET_LABEL = "costwain_dev_fleet"  # as Prometheus writes the pods' label costwain.dev/fleet
_SERIES = f'costwain_gateway_queue_depth{{{_FLEET_LABEL}!=""}}'
QUEUE_DEPTH = f"sum by (namespace, {_FLEET_LABEL}) ({_SERIES} and (time() - timestamp({_SERIES}) < {_FRESH_S}))"

Fleet = tuple[str, str]  # namespace, name


class Prometheus:
    """One Prometheus server, asked once a turn for all fleets together; it never raises and never waits for long."""

    def __init__(self, url: str, session: requests.Session | None = None, timeout_s: int = TIMEOUT_S) -> None:
        # Retries would hold the thread for many turns, and the next turn asks again anyway.
        self._client = PrometheusConnect(url, session=session, retry=Retry(total=0), timeout=timeout_s)
        self._timeout_s = timeout_s

    async def queue_depths(self) -> Mapping[Fleet, float] | None:
        """Requests that wait by (namespace, fleet), fresh ones alone; None on any failure."""
        try:
            async with asyncio.timeout(self._timeout_s + 1):  # the client's own limit is one for each read
                rows = await asyncio.to_thread(self._client.custom_query, QUEUE_DEPTH)
        except (requests.RequestException, PrometheusApiClientException, TimeoutError):
            return None
        except (KeyError, TypeError, ValueError):  # an answer that isn't Prometheus'
            return None
        return _by_fleet(rows)


def _by_fleet(rows: Any) -> Mapping[Fleet, float] | None:
    try:
        found = {(r["metric"]["namespace"], r["metric"][_FLEET_LABEL]): float(r["value"][1]) for r in rows}
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return {fleet: depth for fleet, depth in found.items() if math.isfinite(depth) and depth >= 0}
