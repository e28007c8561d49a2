"""API keys: what a mounted Secret comes to, and what happens to it while it is changed."""

import logging

import pytest

from costwain.agent.keys import KeyFolder, hash_of, hashes
from costwain.local.node.folder import write_all
from costwain.local.node.payloads import File

BLUE, RED, NEW = "sk-blue-0123456789", "sk-red-0123456789", "sk-new-0123456789"

CASES = {  # story: (files, keys known by tenant, faults)
    "one key a line": ({"blue": f"{BLUE}\n{NEW}\n"}, {BLUE: "blue", NEW: "blue"}, []),
    "lines of another system, blank ones between": ({"blue": f"\r\n {BLUE} \r\n\n"}, {BLUE: "blue"}, []),
    "a tenant without a key": ({"blue": "\n", "red": RED}, {RED: "red"}, []),
    "a key that could be found by trying": (
        {"blue": "0123456789abcde"}, {}, ["API keys: blue: line 1: a key has at least 16 characters"]),
    "a key with a space": (
        {"blue": f"{RED} # red"}, {}, ["API keys: blue: line 1: a key is visible ASCII without spaces"]),
    "a key that isn't text": (
        {"blue": "\ufffd" * 20}, {}, ["API keys: blue: line 1: a key is visible ASCII without spaces"]),
    "a key of two tenants belongs to the first by name": (
        {"red": BLUE, "blue": BLUE}, {BLUE: "blue"}, ["API keys: red: line 1: blue has this key already"]),
}  # fmt: skip


@pytest.mark.parametrize(("texts", "known", "faults"), CASES.values(), ids=CASES)
def test_hashes(texts, known, faults):
    assert hashes(texts) == ({hash_of(key): tenant for key, tenant in known.items()}, faults)


def _mount(folder, **texts):
    write_all(folder, {name: File(text.encode(), 0o440) for name, text in texts.items()})


def test_a_changed_secret_is_read_again_and_a_secret_that_is_gone_lets_nobody_in(tmp_path):
    keys = KeyFolder(tmp_path)
    _mount(tmp_path, blue=BLUE)
    assert keys.current() == {hash_of(BLUE): "blue"}
    _mount(tmp_path, blue=NEW, red=RED)
    assert keys.current() == {hash_of(NEW): "blue", hash_of(RED): "red"}
    _mount(tmp_path)
    assert keys.current() == {}


def test_a_secret_that_is_not_there_yet_lets_nobody_in(tmp_path):
    assert KeyFolder(tmp_path).current() == {}


def test_what_cannot_be_read_for_a_moment_changes_nothing(tmp_path, caplog):
    folder = tmp_path / "keys"
    keys = KeyFolder(folder)
    assert keys.current() is None
    _mount(folder, blue=BLUE)
    assert keys.current() == {hash_of(BLUE): "blue"}
    folder.rename(tmp_path / "away")
    assert keys.current() == {hash_of(BLUE): "blue"}
    assert "No such file" in caplog.text


def test_a_key_is_in_no_log(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    _mount(tmp_path, blue=f"{BLUE}\nshort", red=BLUE)
    KeyFolder(tmp_path).current()
    assert "API keys: 1, of 2 tenants" in caplog.text
    assert not [key for key in (BLUE, "short") if key in caplog.text.replace("shorter", "")]
