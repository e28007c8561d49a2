"""The hardware table: what a pool may name, and that a record is whole."""

import pytest

from costwain.domain.hardware import ACCELERATORS, VENDORS, Accelerator, Vendor

GIB = 1024**3


@pytest.mark.parametrize("accelerator", ACCELERATORS.values(), ids=ACCELERATORS)
def test_every_accelerator_is_whole_and_knows_its_vendor(accelerator: Accelerator) -> None:
    assert VENDORS[accelerator.vendor.name] is accelerator.vendor
    assert accelerator.memory_bytes >= 8 * GIB
    assert accelerator.memory_bandwidth_bytes_per_s > 0
    assert accelerator.fp8_flops_per_s is None or accelerator.fp8_flops_per_s > accelerator.bf16_flops_per_s


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)
def test_every_vendor_names_a_resource_and_never_claims_more_than_the_data_sheet(vendor: Vendor) -> None:
    assert vendor.resource
    use = vendor.efficiency
    assert all(0 < share <= 1 for share in (use.bandwidth, use.decode_flops, use.prefill_flops))
    assert min(use.layer_s, use.all_reduce_s, use.sequence_s) >= 0


STORIES = {
    "NVIDIA's image brings a user of its own": ("nvidia", "nvidia.com/gpu", "RuntimeDefault", 2000),
    "AMD's image has only root and needs seccomp off": ("amd", "amd.com/gpu", "Unconfined", None),
    "a CPU pod asks for cores": ("cpu", "cpu", "RuntimeDefault", None),
}


@pytest.mark.parametrize(("name", "resource", "seccomp", "user"), STORIES.values(), ids=STORIES)
def test_what_a_pod_of_the_vendor_needs(name: str, resource: str, seccomp: str, user: int | None) -> None:
    vendor = VENDORS[name]
    assert (vendor.resource, vendor.security.seccomp_profile, vendor.security.run_as_user) == (resource, seccomp, user)


def test_an_amd_pod_that_is_not_root_must_join_the_groups_of_the_devices() -> None:
    assert VENDORS["amd"].security.device_groups == ("video", "render")


def test_an_mi250_is_half_a_card_because_kubernetes_counts_dies() -> None:
    assert ACCELERATORS["mi250"].memory_bytes == 64 * GIB
