"""The engine container of a model pod: image, `vllm serve` arguments, environment, probes and mounts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from costwain.domain import names
from costwain.domain.api import EnvVar
from costwain.domain.hardware import COMMON_ENV, VENDORS, Vendor
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.variant import Model, Variant
from costwain.render.vllm_args import to_argv

Manifest = dict[str, Any]

_CACHE = "/cache"
_WEIGHTS = "/models"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  a mount, not a temporary file

# Time for the gateway to forget a pod that goes without its drain (a roll-out, an eviction).
_PRE_STOP_S = 5
# /health refuses the connection until the engine serves, so asking often costs nothing and finds it soon.
# The gateway hangs up first, after seconds: a large request that meets a pod hanging up can't be sent again.
_KEEP_ALIVE_S = "600"
_STARTUP_PERIOD_S = 2


@dataclass(frozen=True)
class ModelTarget:
    """What one Deployment is to be: a variant on a pool."""

    namespace: str
    fleet: str
    owner_uid: str
    served_model_name: str
    variant: Variant
    pool_name: str
    pool: AcceleratorPoolSpec
    accelerators: int
    replicas: int
    gated: bool = True  # not Ready before the gateway has it

    @property
    def vendor(self) -> Vendor:
        return VENDORS[self.pool.vendor]

    @property
    def resource(self) -> str:
        """What the scheduler counts: the pool's own resource (such as a MIG slice), else the vendor's."""
        return self.pool.resource_name or self.vendor.resource


def engine_container(target: ModelTarget) -> Manifest:
    """The container; raises ValueError where no image is known, or where a pvc:// path leaves its claim."""
    engine = target.variant.engine
    health = {"httpGet": {"path": "/health", "port": "http"}}
    mounts: list[Manifest] = [{"name": "cache", "mountPath": _CACHE}, {"name": "shm", "mountPath": _SHARED_MEMORY}]
    if _claim(target.variant.model):
        mounts.append({"name": "weights", "mountPath": _WEIGHTS, "readOnly": True})
    return {
        "name": names.MODEL_CONTAINER,
        "image": _image(target),
        "args": _args(target),
        "env": _env(target),
        "ports": [{"name": "http", "containerPort": names.MODEL_PORT}],
        "resources": _resources(target),
        "startupProbe": health
        | {
            "periodSeconds": _STARTUP_PERIOD_S,
            "timeoutSeconds": 2,
            "failureThreshold": math.ceil(engine.startup_timeout_seconds / _STARTUP_PERIOD_S),
        },
        "readinessProbe": health | {"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3},
        # It begins when the startup probe has passed. A minute: a busy tokenizer answers late, a dead engine exits.
        "livenessProbe": health | {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        "lifecycle": {"preStop": {"sleep": {"seconds": _PRE_STOP_S}}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": mounts,
    }


def _image(target: ModelTarget) -> str:
    image = target.variant.engine.image or target.pool.image or target.vendor.image
    if not image:
        raise ValueError(
            f"AcceleratorPool {target.pool_name}: spec.image: required, "
            f"there is no image to assume for vendor {target.vendor.name} (found none)"
        )
    return image


def _args(target: ModelTarget) -> list[str]:
    """The user's arguments come first: argparse lets the last of duplicates win, and that is ours."""
    model, engine = target.variant.model, target.variant.engine
    argv = [_weights(model), *to_argv(engine.args)]
    argv += ["--host", "0.0.0.0", "--port", str(names.MODEL_PORT)]  # noqa: S104  a pod's own address
    argv += ["--served-model-name", target.served_model_name]
    if model.revision and not _claim(model):
        argv += ["--revision", model.revision]
    if target.accelerators > 1 and is_device(target.resource):
        argv += ["--tensor-parallel-size", str(target.accelerators)]
    return [*argv, "--shutdown-timeout", str(engine.shutdown_timeout_seconds)]


def _weights(model: Model) -> str:
    if not _claim(model):
        return model.uri.removeprefix("hf://")
    path = model.uri.removeprefix("pvc://").partition("/")[2].strip("/")
    if ".." in path.split("/"):
        raise ValueError(f"model.uri: the path must stay inside the claim (found {model.uri!r})")
    return f"{_WEIGHTS}/{path}".rstrip("/")


def _claim(model: Model) -> str | None:
    return model.uri.removeprefix("pvc://").partition("/")[0] if model.uri.startswith("pvc://") else None


def _env(target: ModelTarget) -> list[Manifest]:
    """Later ones replace earlier ones of the same name: vendor, ours, the pool's, the variant's, the secret."""
    engine, model = target.variant.engine, target.variant.model
    values = {
        **dict(target.vendor.env),
        **dict(COMMON_ENV),
        "HOME": _CACHE,
        "HF_HOME": f"{_CACHE}/huggingface",
        "VLLM_CACHE_ROOT": f"{_CACHE}/vllm",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(engine.startup_timeout_seconds),  # its own 600 s would end a slow load
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": _KEEP_ALIVE_S,
        **({"HF_HUB_OFFLINE": "1"} if _claim(model) else {}),
        **_by_name(target.pool.pod_defaults.env),
        **_by_name(engine.env),
    }
    token = model.token_secret_ref
    env: list[Manifest] = [{"name": k, "value": v} for k, v in values.items() if token is None or k != "HF_TOKEN"]
    if token is not None:
        env.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": token.name, "key": token.key}}})
    return env


def _by_name(env: Iterable[EnvVar]) -> dict[str, str]:
    return {variable.name: variable.value for variable in env}


def _resources(target: ModelTarget) -> Manifest:
    """Accelerators are asked for as much as they are limited, as Kubernetes wants it of devices."""
    wanted, count = target.variant.engine.resources, {target.resource: str(target.accelerators)}
    return {"requests": dict(wanted.requests) | count, "limits": dict(wanted.limits) | count}


def is_device(resource: str) -> bool:
    """Devices have a domain in their name; cores don't, and are neither tainted nor split by tensor parallelism."""
    return "/" in resource


def engine_volumes(target: ModelTarget) -> list[Manifest]:
    """The pod's volumes, as `engine_container` mounts them."""
    size = target.pool.pod_defaults.shared_memory or f"{target.vendor.shared_memory_bytes // 1024**2}Mi"
    volumes: list[Manifest] = [
        {"name": "cache", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}},
    ]
    if claim := _claim(target.variant.model):
        volumes.append({"name": "weights", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return volumes
