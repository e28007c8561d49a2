"""Certificates of the local control plane: who they name, what they are for, who may read them."""

import base64
import datetime as dt
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from costwain.local import pki

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "pki"
    pki.write_all(folder, NOW)
    return folder


def certificate(keys: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((keys / f"{name}.crt").read_bytes())


def attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(a.value) for a in name.get_attributes_for_oid(oid)]


SUBJECTS = {
    "the administrator is in the group that may do all": ("admin", "admin", ["system:masters"], "ca"),
    "the API server may call any kubelet": (
        "kubelet-client",
        "apiserver-kubelet-client",
        ["system:masters"],
        "ca",
    ),
    "the controller manager has its own user": ("controller-manager", "system:kube-controller-manager", [], "ca"),
    "the scheduler has its own user": ("scheduler", "system:kube-scheduler", [], "ca"),
    "the front proxy's client is of an authority of its own": (
        "front-proxy-client",
        "front-proxy-client",
        [],
        "front-proxy-ca",
    ),
}


@pytest.mark.parametrize(("file", "user", "groups", "authority"), SUBJECTS.values(), ids=SUBJECTS)
def test_clients(keys: Path, file: str, user: str, groups: list[str], authority: str) -> None:
    made = certificate(keys, file)
    assert attribute(made.subject, NameOID.COMMON_NAME) == [user]
    assert attribute(made.subject, NameOID.ORGANIZATION_NAME) == groups
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    made.verify_directly_issued_by(certificate(keys, authority))


def test_the_api_server_serves_its_address_and_the_names_that_pods_use(keys: Path) -> None:
    names = certificate(keys, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "10.96.0.1"]
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))


def test_the_two_authorities_do_not_vouch_for_each_other(keys: Path) -> None:
    with pytest.raises(ValueError, match="does not match"):
        certificate(keys, "front-proxy-client").verify_directly_issued_by(certificate(keys, "ca"))


def test_certificates_hold_from_a_little_before_now_for_a_year(keys: Path) -> None:
    for file in keys.glob("*.crt"):
        made = certificate(keys, file.stem)
        assert made.not_valid_before_utc < NOW
        assert made.not_valid_after_utc == NOW + dt.timedelta(days=365)


def test_only_the_owner_reads_keys_and_kubeconfigs(keys: Path, tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    pki.write_kubeconfig(config, keys, "admin", "https://127.0.0.1:1", "costwain-test")
    private = [*keys.glob("*.key"), config]
    assert len(private) == 10
    assert {file.stat().st_mode & 0o777 for file in private} == {0o600}


def test_a_kubeconfig_holds_all_it_needs(keys: Path, tmp_path: Path) -> None:
    pki.write_kubeconfig(tmp_path / "kubeconfig", keys, "admin", "https://127.0.0.1:1", "costwain-test")
    config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    assert config["current-context"] == "costwain-test"
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    ca = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    assert ca == (keys / "ca.crt").read_bytes()
    assert base64.b64decode(config["users"][0]["user"]["client-key-data"]) == (keys / "admin.key").read_bytes()


def test_a_node_can_get_its_own_serving_certificate_later(keys: Path, tmp_path: Path) -> None:
    authority = pki.Authority.load(keys)
    pki.issue(tmp_path, "node", authority, pki.Subject("system:node:n1", serves=("127.1.0.1",)), NOW)
    certificate(tmp_path, "node").verify_directly_issued_by(certificate(keys, "ca"))
