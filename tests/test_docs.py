"""Documentation that can't rot: what users can name is named in it."""

import re
from pathlib import Path

from costwain.cli.main import VERBS
from costwain.render.haproxy import SAFE_PATHS
from costwain.render.haproxy.errors import ERRORS
from costwain.render.reference import reference

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_verb_is_in_the_readme() -> None:
    assert [verb for verb in VERBS if f"`{verb}`" not in README] == []


def test_every_make_target_that_the_docs_name_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set()
    for page in ROOT.glob("*.md"):
        named |= set(re.findall(r"`make ([a-z][a-z-]*)", page.read_text(encoding="utf-8")))
    assert named <= targets


def test_no_lock_file_names_an_address_to_download_from() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://|--index-url|--find-links", lock.read_text(encoding="utf-8"))


def test_the_field_reference_is_the_generated_one() -> None:
    assert (ROOT / "docs" / "fields.md").read_text(encoding="utf-8") == reference()


def test_every_reason_and_metric_is_explained() -> None:
    page = (ROOT / "docs" / "reasons-and-metrics.md").read_text(encoding="utf-8")
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "operator" / "costwain").rglob("*.py"))
    reasons = set(re.findall(r'Why\(\s*"([A-Z][A-Za-z]+)"', source)) | set(
        re.findall(r'because\([^"]*, "([A-Z]\w+)"', source)
    )
    metrics = set(re.findall(r'"(costwain_[a-z_]+)"', source))
    assert [word for word in sorted(reasons | metrics) if f"`{word}`" not in page] == []


def test_every_setting_is_explained() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "operator" / "costwain").rglob("*.py"))
    settings = set(re.findall(r"COSTWAIN_[A-Z_]+[A-Z]\b", source)) - {"COSTWAIN_STUB"}
    assert [name for name in sorted(settings) if f"`{name}`" not in page] == []


def test_every_error_of_the_gateway_is_explained_with_its_status_and_when_to_come_again() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| .+ \| .+ \| (\d*).*\|$", page, re.MULTILINE)
    said = {(int(status), code, wait) for status, code, wait in rows}
    assert said == {(e.status, e.code, str(e.retry_after_s or "")) for e in ERRORS}
    assert [path for path in SAFE_PATHS if f"`{path}`" not in page] == []
