"""Certificates and kubeconfigs of a local control plane: made at its start, deleted with it."""

import base64
import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADDRESS = "127.0.0.1"
SERVICE_ADDRESS = "10.96.0.1"  # first address of the service range: the Service `kubernetes`
_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_VALID = dt.timedelta(days=365)
_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Authority:
    """A certificate authority; its key never leaves the cluster's folder."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, folder: Path, name: str = "ca") -> "Authority":
        """Reads `<name>.crt` and `<name>.key`; raises OSError or ValueError."""
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{folder}/{name}.key: an elliptic curve key is wanted, found {type(key).__name__}")
        return cls(x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes()), key)


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names: user and groups as RBAC reads them; `serves` lists DNS names and addresses."""

    user: str
    groups: Sequence[str] = ()
    serves: Sequence[str] = ()


def write_all(folder: Path, now: dt.datetime) -> None:
    """Writes the authorities, every component's pair and the service account key into folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca, front = (_authority(folder, name, now) for name in ("ca", "front-proxy-ca"))
    issue(folder, "apiserver", ca, Subject("kube-apiserver", (), (*_NAMES, ADDRESS, SERVICE_ADDRESS)), now)
    issue(folder, "kubelet-client", ca, Subject("apiserver-kubelet-client", ("system:masters",)), now)
    issue(folder, "front-proxy-client", front, Subject("front-proxy-client"), now)
    issue(folder, "admin", ca, Subject("admin", ("system:masters",)), now)
    issue(folder, "controller-manager", ca, Subject("system:kube-controller-manager"), now)
    issue(folder, "scheduler", ca, Subject("system:kube-scheduler"), now)
    signer = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "sa.key", signer)
    public = signer.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "sa.pub").write_bytes(public)


def issue(folder: Path, name: str, authority: Authority, subject: Subject, now: dt.datetime) -> None:
    """Writes `<name>.crt` and `<name>.key`: a serving certificate where the subject serves, else a client's."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.SERVER_AUTH if subject.serves else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(_name(subject), authority.certificate.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if subject.serves:
        builder = builder.add_extension(x509.SubjectAlternativeName([_san(s) for s in subject.serves]), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{name}.key", key)


def write_kubeconfig(path: Path, folder: Path, user: str, server: str, context: str) -> None:
    """Writes a kubeconfig (mode 0600) that holds the user's pair and the authority, so that it can be moved."""

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
    pair = {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": user, "user": pair}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }
    write_private(path, yaml.safe_dump(config, sort_keys=False).encode())


def write_private(path: Path, content: bytes) -> None:
    """Replaces the file at once by one of mode 0600: a reader sees the old or the new one, whole."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    new.rename(path)


def _authority(folder: Path, name: str, now: dt.datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(Subject(f"costwain-local-{name}"))
    certificate = (
        _builder(subject, subject, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{name}.key", key)
    return Authority(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(subject: Subject) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, subject.user)])


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        content_commitment=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    # SEC 1 form: the API server's service account signer reads it as it does PKCS 8, and so do older tools.
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    write_private(path, pem)
