"""What `get`, `why` and `cost` share: which objects are meant, and errors that say where, what and found."""

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click
from kubernetes.aio import config as kube_config

from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import Resource
from costwain.cli.format import Object, key_of
from costwain.domain import names

T = TypeVar("T")
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Where:
    """Which objects a command is about; `name` None is all, `namespace` None is every namespace."""

    name: str | None
    namespace: str | None


def where_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds NAME, -n and -A, and calls the command with what they mean as `at`; a contradiction exits with 2."""

    @functools.wraps(command)
    def with_where(name: str | None, namespace: str | None, all_namespaces: bool, **others: Any) -> None:
        command(at=where(name, namespace, all_namespaces), **others)

    argument = click.argument("name", required=False)
    one = click.option("-n", "--namespace", help="Namespace; default that of the kubeconfig's context.")
    every = click.option("-A", "--all-namespaces", is_flag=True, help="Look in every namespace.")
    return argument(one(every(with_where)))


def where(name: str | None, namespace: str | None, all_namespaces: bool) -> Where:
    """What the options mean together; a contradiction is a usage error (exit code 2)."""
    if all_namespaces and name is not None:
        raise click.UsageError(f"--all-namespaces: goes without a name (found {name!r})")
    if all_namespaces and namespace is not None:
        raise click.UsageError(f"--all-namespaces: goes without --namespace (found {namespace!r})")
    return Where(name, None if all_namespaces else namespace or _current_namespace())


def run(read: Callable[[Kube], Awaitable[T]]) -> T:
    """Runs a read against the cluster; what fails ends with one line and exit code 1."""

    async def connected() -> T:
        async with await Kube.connect() as kube:
            try:
                return await read(kube)
            except ApiError as error:
                raise click.ClickException(f"{kube.server}: {error}") from None
            except (aiohttp.ClientError, TimeoutError) as error:
                found = str(error) or "no answer in time"
                raise click.ClickException(f"{kube.server}: can't be reached (found {found})") from None

    try:
        return asyncio.run(connected())
    except kube_config.ConfigException as error:
        raise click.ClickException(f"kubeconfig: no way to a cluster (found {error})") from None


async def find(kube: Kube, resource: Resource, at: Where) -> list[Object]:
    """The objects that are meant, by namespace and name; a name that isn't there exits with 1 and says what is."""
    try:
        items, _ = await kube.list(resource, at.namespace)
    except ApiError as error:
        if not error.is_not_found:
            raise
        kind = f"{resource.plural}.{names.GROUP}"
        raise click.ClickException(f"{kube.server}: {kind} are not installed (found {error.message})") from None
    for item in items:  # a list leaves these two out of its items
        item.setdefault("apiVersion", resource.api_version)
        item.setdefault("kind", resource.kind)
    items.sort(key=key_of)
    if at.name is None:
        return items
    found = [item for item in items if item["metadata"]["name"] == at.name]
    if not found:
        others = ", ".join(item["metadata"]["name"] for item in items) or "none"
        raise click.ClickException(f"{resource.kind} {at.namespace}/{at.name}: not found (found {others})")
    return found


def _current_namespace() -> str:
    """That of the kubeconfig's context, in a pod the pod's own, else `default`."""
    if "KUBECONFIG" not in os.environ and _POD_NAMESPACE.is_file():
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip()
    try:
        _, context = kube_config.list_kube_config_contexts()
    except kube_config.ConfigException:
        return "default"  # the connection will say what is wrong
    return str(context.get("context", {}).get("namespace") or "default")
