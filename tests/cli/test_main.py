"""The command line's frame: fast help, verbs by name, errors in one line."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from costwain.cli import main as frame


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["costwain", *arguments])
    with pytest.raises(SystemExit) as ended:
        frame.main()
    return ended.value.code


def install(monkeypatch: pytest.MonkeyPatch, command: click.Command) -> None:
    monkeypatch.setattr(frame, "probe", command, raising=False)
    monkeypatch.setattr(frame, "VERBS", {"probe": frame.Verb("costwain.cli.main:probe", "For this test.")})


def test_help_lists_every_verb_and_imports_none() -> None:
    script = (
        "import sys; from costwain.cli.main import cli; cli.main(['--help'], standalone_mode=False); "
        "print('imported:', sorted(m for m in sys.modules if m.startswith('costwain.') and m != 'costwain.cli.main'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    for name, verb in frame.VERBS.items():
        assert f"  {name} " in done.stdout
        assert verb.help.split()[0] in done.stdout
    assert "imported: ['costwain.cli']" in done.stdout


@pytest.mark.parametrize("name", sorted(frame.VERBS))
def test_every_verb_answers_to_help(name: str) -> None:
    answer = CliRunner().invoke(frame.cli, [name, "--help"])
    assert answer.exit_code == 0
    assert answer.output.startswith("Usage: cli ")


def test_an_unknown_verb_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(monkeypatch, "frobnicate") == 2
    assert "No such command 'frobnicate'" in capsys.readouterr().err


def test_an_interrupt_is_one_line_and_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def probe() -> None:
        raise KeyboardInterrupt

    install(monkeypatch, probe)
    assert run_main(monkeypatch, "probe") == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_a_missing_package_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "probe_without_package.py").write_text("import absent_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(frame, "VERBS", {"probe": frame.Verb("probe_without_package:probe", "For this test.")})
    assert run_main(monkeypatch, "probe") == 1
    assert "costwain probe: the Python package 'absent_package' is wanted (found none)" in capsys.readouterr().err


def test_a_verbs_own_exit_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def probe() -> None:
        sys.exit(7)

    install(monkeypatch, probe)
    assert run_main(monkeypatch, "probe") == 7
