"""README and pages stay true where a machine can tell: links and paths exist, the tree is the tree, the site builds."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT

README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [
    README,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "sfpn/weights/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LONGEST_README = 150  # lines: two screens
OURS = "app.py|demo|sfpn|data_tools|tests|docs"


def tracked(*paths: str) -> list[Path]:
    """Files under version control, or a skip where there is no checkout."""
    listed = subprocess.run(["git", "ls-files", *paths], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        pytest.skip("not a git checkout")
    return [Path(line) for line in listed.stdout.splitlines()]


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.S)


def test_readme_fits_two_screens():
    assert len(README.read_text().splitlines()) <= LONGEST_README


def test_front_matter_is_that_of_a_gradio_space():
    yaml = pytest.importorskip("yaml")
    front = yaml.safe_load(README.read_text().split("---")[1])
    assert (front["sdk"], front["app_file"]) == ("gradio", "app.py")
    assert (ROOT / front["thumbnail"]).is_file()
    assert len(front["short_description"]) <= 60  # the Hub refuses longer ones
    assert all(isinstance(front[name], list) for name in ("models", "datasets", "tags"))


def test_tree_names_every_package_and_no_other():
    packages = {file.parent.as_posix() + "/" for file in tracked("demo", "sfpn", "data_tools") if file.suffix == ".py"}
    tree = ARCHITECTURE.read_text().split("```")[1]
    named = {line.split()[0] for line in tree.splitlines() if line.strip()}
    assert packages - named == set()
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page: Path):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", without_code(page.read_text())):
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if heading and not heading.startswith("sfpn."):  # those of the reference are made from docstrings
            assert heading in headings(file), target


def headings(page: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", without_code(page.read_text()), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_and_modules_named_in_pages_exist(page: Path):
    text = page.read_text()
    for path in re.findall(rf"(?<![\w./-])(?:{OURS})(?:/[\w.-]*\w/?)+", text):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ((?:sfpn|data_tools|tests)(?:\.\w+)*)", text):
        file = ROOT / module.replace(".", "/")
        assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), module


def test_commands_named_in_pages_exist():
    from data_tools.cli import KINDS
    from sfpn.__main__ import COMMANDS

    text = "\n".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"python -m sfpn ([a-z][a-z-]+)", text)) <= set(COMMANDS)
    assert set(re.findall(r"python -m data_tools build ([a-z][a-z0-9]*)", text)) <= set(KINDS)


def commands_on_pages() -> dict[tuple[str, ...], set[str]]:
    """('sfpn', 'train', 'pack') -> the options that any page gives it."""
    found: dict[tuple[str, ...], set[str]] = {}
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"(?:-m (?:sfpn|data_tools)|python app\.py) [^\n`#;]*", text):
            words = line.replace("-m ", "").replace("python ", "").split()
            depth = {"train": 3, "build": 3, "app.py": 1}.get(words[0] if words[0] == "app.py" else words[1], 2)
            options = {word.strip("[]()") for word in words if word.strip("[](").startswith("--")}
            command = tuple(word.rstrip(".,:;)") for word in words[:depth] if not word.startswith("--"))
            found.setdefault(command, set()).update(options)
    return found


@pytest.mark.parametrize("command", commands_on_pages().items(), ids=lambda item: " ".join(item[0]))
def test_options_on_pages_exist(command: tuple, capsys: pytest.CaptureFixture):
    (program, *words), options = command
    module = importlib.import_module({"app.py": "app"}.get(program, f"{program}.__main__"))
    with pytest.raises(SystemExit) as ended:
        module.main([*words, "--help"])
    assert ended.value.code == 0
    assert options <= set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))


def test_python_of_the_readme_runs_in_any_folder(tmp_path: Path):
    from sfpn.data.dataset import FaceDataset

    drawn = FaceDataset.open(ROOT / "demo" / "assets" / "synthetic").pictures(
        {"syn-0000-frontal-00", "syn-0000-frontal-01"}
    )
    for name, picture in zip(("a.jpg", "b.jpg"), drawn, strict=True):
        picture.decode().save(tmp_path / name, quality=95)
    code = re.search(r"```python\n(.*?)```", README.read_text(), flags=re.S)[1]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert re.fullmatch(r"0\.\d+ True match\n", ran.stdout), ran.stderr


def test_the_card_on_the_page_is_a_card():
    from sfpn.network.card import Card

    page = (ROOT / "docs" / "your-own.md").read_text()
    card = Card.from_json(json.loads(re.search(r"```json\n(.*?)```", page, flags=re.S)[1]))
    assert (card.preprocess.geometry, card.preprocess.size, card.mirror_sum) == ("five_point", 112, True)


def test_site_builds_without_warnings(tmp_path: Path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = {file.relative_to(tmp_path / "site").as_posix() for file in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "results.html", "reference/verification.html"} <= pages
    for page in (tmp_path / "site").rglob("*.html"):
        assert not re.search(
            r"""<(?:script|img|iframe)[^>]+src=["']?https?:|<link[^>]+href=["']?https?://(?!\S*\.html)[^>]*stylesheet""",
            page.read_text(),
        ), page.name
    shutil.rmtree(tmp_path / "site")


def test_citation_file_holds_what_the_format_asks_for():
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text()
