"""The mounted certificate as HAProxy wants it."""

import pytest

from costwain.agent.certificate import read_pair

# printf x | base64 is enough: only PEM's frame and the SHA-1 of what is inside matter here
LEAF = "-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"
CHAIN = "-----BEGIN CERTIFICATE-----\neQ==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
SHA1_OF_X = "11F6AD8EC52A2984ABAAFD7C3B516503785C2072"


def _mount(folder, certificate=LEAF, key=KEY):
    (folder / "tls.crt").write_text(certificate)
    (folder / "tls.key").write_text(key)


def test_the_first_certificate_counts_and_no_blank_line_ends_the_payload_early(tmp_path):
    _mount(tmp_path, f"\n{LEAF}\n\n{CHAIN}\r\n")
    pair = read_pair(tmp_path)
    assert pair.fingerprint == SHA1_OF_X
    assert pair.pem == (LEAF + CHAIN + KEY).rstrip("\n")


def test_the_key_is_not_in_what_a_log_shows_of_the_pair(tmp_path):
    _mount(tmp_path)
    assert "c2VjcmV0" not in repr(read_pair(tmp_path))


def test_what_is_no_certificate_or_is_missing_is_said(tmp_path):
    _mount(tmp_path, "nonsense")
    with pytest.raises(ValueError, match=r"tls\.crt: a certificate in PEM form is wanted"):
        read_pair(tmp_path)
    (tmp_path / "tls.key").unlink()
    with pytest.raises(OSError, match=r"tls\.key"):
        read_pair(tmp_path)
