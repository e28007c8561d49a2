"""Vendors and accelerators as records: a new one is one record here and nothing anywhere else.

Figures are the makers' data sheets, dense (no sparsity). They feed the capacity prior,
which a pool's own measurements correct.
"""

from dataclasses import dataclass

VLLM_VERSION = "0.33.0"
GIB = 1024**3

# On every model pod. Service links are switched off as well: they would inject VLLM_PORT.
COMMON_ENV = (("VLLM_NO_USAGE_STATS", "1"), ("DO_NOT_TRACK", "1"))


@dataclass(frozen=True)
class Security:
    """What a container needs from its security context to reach the vendor's devices.

    `run_as_user` None: the image has no user but root. `device_groups`: host groups that own
    the device files, whose ids differ from one host OS to the next, so a pool supplies them.
    """

    seccomp_profile: str = "RuntimeDefault"
    run_as_user: int | None = None
    run_as_group: int | None = None
    device_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Efficiency:
    """How far a vendor's stack stays below its data sheet; the constants of the capacity roofline.

    Shares of the peak: `bandwidth`, `decode_flops`, `prefill_flops`. Seconds: `layer_s` a layer
    and step, `expert_layer_s` more where the layer has experts (routing, permuting, two grouped
    products), `all_reduce_s` a collective, `sequence_s` a running sequence and step.
    """

    bandwidth: float
    decode_flops: float
    prefill_flops: float
    layer_s: float
    expert_layer_s: float
    all_reduce_s: float
    sequence_s: float


@dataclass(frozen=True)
class Vendor:
    """How one vendor's pods are written, and how well its stack uses the hardware.

    `image` None: there is no image to assume, the pool must name one. `shared_memory_bytes` is
    the default size of /dev/shm, which counts against the container's memory limit.
    """

    name: str
    resource: str
    image: str | None
    env: tuple[tuple[str, str], ...]
    shared_memory_bytes: int
    security: Security
    efficiency: Efficiency

    def __hash__(self) -> int:  # equal ones have equal names, and capacities are looked up thousands of times a turn
        return hash(self.name)


@dataclass(frozen=True)
class Accelerator:
    """One device as Kubernetes counts it (a pod that asks for 1 gets this much).

    `fp8_flops_per_s` None: no FP8 units, such weights are computed in BF16. The default of
    `interconnect_bytes_per_s`, one way between two devices, is PCIe 4 x16.
    """

    name: str
    vendor: Vendor
    memory_bytes: int
    memory_bandwidth_bytes_per_s: float
    bf16_flops_per_s: float
    fp8_flops_per_s: float | None = None
    interconnect_bytes_per_s: float = 32e9

    def __hash__(self) -> int:
        return hash(self.name)


# NVIDIA and AMD: fitted to published vLLM measurements (H100, H200; MI300X with 70B and 405B), one set for all
# models and rounded. decode_flops and expert_layer_s of AMD could not be told from those points and are NVIDIA's.
_NVIDIA_FIT = Efficiency(0.85, 0.60, 0.60, layer_s=40e-6, expert_layer_s=20e-6, all_reduce_s=12e-6, sequence_s=30e-6)
_AMD_FIT = Efficiency(0.64, 0.60, 0.41, layer_s=18e-6, expert_layer_s=20e-6, all_reduce_s=28e-6, sequence_s=94e-6)
# Invented: a plain server core, so that a tiny model serves; nobody should size a fleet by it.
_CPU_GUESS = Efficiency(0.50, 0.30, 0.30, layer_s=100e-6, expert_layer_s=0.0, all_reduce_s=200e-6, sequence_s=50e-6)

NVIDIA = Vendor(
    "nvidia",
    "nvidia.com/gpu",
    f"vllm/vllm-openai:v{VLLM_VERSION}",
    env=(),
    shared_memory_bytes=2 * GIB,
    security=Security(run_as_user=2000, run_as_group=0),
    efficiency=_NVIDIA_FIT,
)
AMD = Vendor(
    "amd",
    "amd.com/gpu",
    f"vllm/vllm-openai-rocm:v{VLLM_VERSION}",
    env=(),
    shared_memory_bytes=8 * GIB,
    # ROCm maps memory in ways that the default seccomp profile refuses.
    security=Security("Unconfined", device_groups=("video", "render")),
    efficiency=_AMD_FIT,
)
# No measurements of these three: NVIDIA's constants are a guess until a pool's own take over.
GOOGLE = Vendor(
    "google", "google.com/tpu", f"vllm/vllm-tpu:v{VLLM_VERSION}", (), 2 * GIB, Security(), efficiency=_NVIDIA_FIT
)
INTEL = Vendor("intel", "gpu.intel.com/xe", None, (), 2 * GIB, Security(), efficiency=_NVIDIA_FIT)
AWS = Vendor("aws", "aws.amazon.com/neuron", None, (), 2 * GIB, Security(), efficiency=_NVIDIA_FIT)
CPU = Vendor(
    "cpu",
    "cpu",
    f"vllm/vllm-openai-cpu:v{VLLM_VERSION}-x86_64",
    env=(("VLLM_CPU_KVCACHE_SPACE", "4"),),  # GiB
    shared_memory_bytes=1 * GIB,
    security=Security(),
    efficiency=_CPU_GUESS,
)

VENDORS: dict[str, Vendor] = {v.name: v for v in (NVIDIA, AMD, GOOGLE, INTEL, AWS, CPU)}

# A GDDR card sold as 24 GB reports about 24e9 bytes once ECC has its share; an HBM part sold as
# 80 GB reports nearly 80 GiB.
_GB = 10**9

_ACCELERATORS = (
    Accelerator("l4", NVIDIA, 24 * _GB, 0.300e12, 121e12, 242e12),
    Accelerator("a10g", NVIDIA, 24 * _GB, 0.600e12, 70e12),
    Accelerator("l40s", NVIDIA, 48 * _GB, 0.864e12, 362e12, 733e12),
    Accelerator("a100-40gb", NVIDIA, 40 * GIB, 1.555e12, 312e12, None, 300e9),
    Accelerator("a100-80gb", NVIDIA, 80 * GIB, 2.039e12, 312e12, None, 300e9),
    Accelerator("h100", NVIDIA, 80 * GIB, 3.350e12, 989e12, 1978e12, 450e9),
    Accelerator("h200", NVIDIA, 140 * GIB, 4.800e12, 989e12, 1978e12, 450e9),
    Accelerator("b200", NVIDIA, 178 * GIB, 8.000e12, 2250e12, 4500e12, 900e9),
    Accelerator("mi210", AMD, 64 * GIB, 1.638e12, 181e12, None, 150e9),
    # An MI250 card is two dies, and Kubernetes and vLLM each see two devices: this is one die.
    Accelerator("mi250", AMD, 64 * GIB, 1.638e12, 181e12, None, 150e9),
    Accelerator("mi300x", AMD, 192 * GIB, 5.300e12, 1307e12, 2615e12, 448e9),
    Accelerator("mi325x", AMD, 256 * GIB, 6.000e12, 1307e12, 2615e12, 448e9),
    Accelerator("mi350x", AMD, 288 * GIB, 8.000e12, 2307e12, 4614e12, 537e9),
    Accelerator("mi355x", AMD, 288 * GIB, 8.000e12, 2516e12, 5033e12, 537e9),
    # One core and its share of a server's memory; invented, as `_CPU_GUESS` says.
    Accelerator("cpu", CPU, 8 * GIB, 20e9, 100e9),
)

ACCELERATORS: dict[str, Accelerator] = {a.name: a for a in _ACCELERATORS}
