"""The Kubernetes API as this project uses it: raw objects in and out, one deadline a call.

The `kubernetes` package finds the credentials (kubeconfig or service account); the calls themselves
go over its configuration with aiohttp, since its generated models cost ten times the CPU.
"""

import json
import os
from collections.abc import AsyncIterator
from typing import Any, Self

import aiohttp
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config

from costwain.adapters.resources import Resource, resource_of
from costwain.domain import names

Object = dict[str, Any]
_IN_CLUSTER_VARIABLE = "KUBERNETES_SERVICE_HOST"
_CHUNK = 500  # objects a page of a list


class ApiError(Exception):
    """An answer of the API server that is not a success; `status` is its HTTP code, `reason` its machine word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message

    @property
    def is_conflict(self) -> bool:
        return self.status == 409

    @property
    def is_not_found(self) -> bool:
        return self.status == 404

    @property
    def is_gone(self) -> bool:
        """The resource version is too old: list again."""
        return self.status == 410


class Kube:
    """One connection to one API server; every call raises ApiError, aiohttp.ClientError or TimeoutError."""

    def __init__(self, configuration: kube_client.Configuration, timeout_s: float) -> None:
        self._configuration = configuration
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._api = kube_client.ApiClient(configuration)
        self._session = aiohttp.ClientSession(
            base_url=configuration.host,
            connector=aiohttp.TCPConnector(ssl=self._api.rest_client.ssl_context, limit=32),
        )

    @classmethod
    async def connect(cls, kubeconfig: str | None = None, timeout_s: float = 5) -> Self:
        """Connects by the given kubeconfig, else KUBECONFIG, else the pod's service account, else ~/.kube/config."""
        configuration = kube_client.Configuration()
        if kubeconfig is None and "KUBECONFIG" not in os.environ and _IN_CLUSTER_VARIABLE in os.environ:
            kube_config.load_incluster_config(client_configuration=configuration)
        else:
            await kube_config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
        return cls(configuration, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()
        await self._api.close()

    @property
    def server(self) -> str:
        """The API server's address, for messages."""
        return str(self._configuration.host)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None where there is none."""
        try:
            return await self.request("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.is_not_found:
                return None
            raise

    async def list(
        self, resource: Resource, namespace: str | None = None, selector: str | None = None
    ) -> tuple[list[Object], str]:
        """Every object that matches, and the resource version from which a watch goes on."""
        items: list[Object] = []
        query = {"limit": str(_CHUNK), **({"labelSelector": selector} if selector else {})}
        while True:
            page = await self.request("GET", resource.path(namespace), query=query)
            items += page["items"]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return items, str(page["metadata"]["resourceVersion"])

    async def watch(
        self,
        resource: Resource,
        resource_version: str,
        namespace: str | None = None,
        selector: str | None = None,
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yields (ADDED | MODIFIED | DELETED | BOOKMARK, object) until the server ends the watch (<= 5 min).

        Raises ApiError with `is_gone` where the version is too old, TimeoutError after 70 s of silence.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "290",
            **({"labelSelector": selector} if selector else {}),
        }
        silence = aiohttp.ClientTimeout(total=330, sock_connect=10, sock_read=70)
        path, headers = resource.path(namespace), await self._headers(None)
        async with self._session.get(
            path, params=query, headers=headers, timeout=silence, max_line_size=8 << 20, read_bufsize=4 << 20
        ) as response:
            await _raise_for_status(response)
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
                yield event["type"], event["object"]

    async def create(self, manifest: Object) -> Object:
        """Creates the object; a name that is taken raises ApiError with `is_conflict`."""
        resource, metadata = resource_of(manifest), manifest["metadata"]
        return await self.request("POST", resource.path(metadata.get("namespace")), manifest)

    async def replace(self, manifest: Object, subresource: str | None = None) -> Object:
        """Replaces the object; its resourceVersion makes this a compare-and-swap (ApiError `is_conflict`)."""
        return await self.request("PUT", _path_of(manifest, subresource), manifest)

    async def apply(
        self, manifest: Object, *, subresource: str | None = None, manager: str = names.FIELD_MANAGER
    ) -> Object:
        """Server-side apply with force: fields in the manifest are ours from now on."""
        query = {"fieldManager": manager, "force": "true"}
        path = _path_of(manifest, subresource)
        return await self.request("PATCH", path, manifest, query, "application/apply-patch+yaml")

    async def merge(self, resource: Resource, name: str, patch: Object, **where: str | None) -> Object:
        """Merge-patches an object; `where` takes namespace and subresource."""
        path = resource.path(where.get("namespace"), name, where.get("subresource"))
        return await self.request("PATCH", path, patch, content_type="application/merge-patch+json")

    async def patch_status(self, resource: Resource, name: str, namespace: str | None, patch: Object) -> Object:
        """Strategic-merge-patches the status of a built-in kind, so that conditions merge by type."""
        path = resource.path(namespace, name, "status")
        return await self.request("PATCH", path, patch, content_type="application/strategic-merge-patch+json")

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, grace_s: int | None = None
    ) -> None:
        """Deletes the object; one that is gone already is no error."""
        options = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
        try:
            await self.request("DELETE", resource.path(namespace, name), options or None)
        except ApiError as error:
            if not error.is_not_found:
                raise

    async def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """One call; the decoded JSON answer."""
        headers = await self._headers(content_type if body is not None else None)
        data = None if body is None else json.dumps(body).encode()
        async with self._session.request(
            method, path, data=data, params=query, headers=headers, timeout=self._timeout
        ) as response:
            await _raise_for_status(response)
            answer: Object = await response.json(content_type=None)
            return answer

    async def _headers(self, content_type: str | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": names.FIELD_MANAGER}
        token = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token:
            headers["Authorization"] = token
        if content_type:
            headers["Content-Type"] = content_type
        return headers


def _path_of(manifest: Object, subresource: str | None) -> str:
    metadata = manifest["metadata"]
    return resource_of(manifest).path(metadata.get("namespace"), metadata["name"], subresource)


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = await response.text()
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    raise ApiError(response.status, status.get("reason", response.reason or ""), status.get("message", text[:500]))
