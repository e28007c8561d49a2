"""Tensor parallelism: among how many accelerators vLLM splits a model.

Its attention heads must divide evenly, and its key-value heads too, or be copied evenly where there are fewer of them.
vLLM wants more of some models; this is what it wants of all.
"""

from costwain.domain.hardware import Accelerator
from costwain.domain.models import ModelShape

MOST = 64  # accelerators a replica


def split_refused(shape: ModelShape, accelerator: Accelerator, count: int) -> str | None:
    """What vLLM would take instead, and why, or None where it takes that many; unknown heads are no ground.

    Cores are no devices, and one replica uses all that it gets without a split.
    """
    if "/" not in accelerator.vendor.resource or shape.heads is None or _even(shape.heads, shape.kv_heads, count):
        return None
    *some, last = [str(n) for n in range(1, MOST + 1) if _even(shape.heads, shape.kv_heads, n)]
    wanted = f"{', '.join(some)} or {last}" if some else last
    heads = f"{shape.heads} attention and {shape.kv_heads} key-value heads"
    return f"want {wanted}, for vLLM splits {shape.name}'s {heads} evenly (found {count})"


def _even(heads: int, kv_heads: int, count: int) -> bool:
    return heads % count == 0 and max(kv_heads, count) % min(kv_heads, count) == 0
