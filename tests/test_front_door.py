"""What `from sfpn import ...` and `pip install .` give a program: little at first, everything when asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from helpers.drawn_people import save_drawn
from helpers.paths import ROOT

import sfpn


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_importing_is_quick_and_loads_no_torch():
    code = (
        "import sys, time; before = time.process_time(); import sfpn; spent = time.process_time() - before; "
        "print(spent, [n for n in ('torch', 'numpy', 'pandas', 'PIL', 'datasets', 'gradio') if n in sys.modules])"
    )
    done = python(code, ROOT)
    spent, loaded = done.stdout.split(maxsplit=1)
    assert float(spent) < 0.3 and loaded.strip() == "[]", done.stderr


def test_every_name_is_there_once_asked_for():
    assert set(sfpn.__all__) <= set(dir(sfpn))
    for name in sfpn.__all__:
        assert getattr(sfpn, name).__name__ == name
    assert not hasattr(sfpn, "no_such_name")


def test_type_checkers_see_the_same_names():
    text = (ROOT / "sfpn" / "__init__.py").read_text()
    seen = dict(re.findall(r"^    from (sfpn\.\S+) import (\w+)$", text, re.MULTILINE))
    assert {name: module for module, name in seen.items()} == sfpn._HOMES
    assert sorted(sfpn._HOMES) == sorted(sfpn.__all__)


def test_the_library_needs_what_the_app_needs_and_no_page_of_it():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11 or later")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert set(project["dependencies"]) <= set(wanted)
    assert {"gradio", "plotly"}.isdisjoint(re.split(r"\W", line)[0] for line in project["dependencies"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel made from a copy of the tree, without a network."""
    try:
        if int(version("setuptools").split(".")[0]) < 77:
            pytest.skip("needs setuptools of version 77 or later")
        version("pip")
    except PackageNotFoundError as error:
        pytest.skip(f"needs {error.name} to build")
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("sfpn", "data_tools", "demo"):
        leave = shutil.ignore_patterns("__pycache__", "assets")
        shutil.copytree(ROOT / name, tree / name, ignore=leave)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(tree),
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_only_the_library_is_installed(wheel):
    with zipfile.ZipFile(wheel) as held:
        names = held.namelist()
        entry_points = held.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
        metadata = held.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"sfpn"}
    assert {"sfpn/py.typed", "sfpn/weights/base.safetensors", "sfpn/weights/base.json"} <= set(names)
    in_tree = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sfpn").rglob("*.py")}
    assert in_tree == {name for name in names if name.endswith(".py")}
    assert "sfpn = sfpn.__main__:main" in entry_points
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert len(needed) > 5 and not any(name in line for line in needed for name in ("gradio", "plotly", "onnx"))


def test_four_lines_verify_from_another_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as held:
        held.extractall(tmp_path / "site")
    for name, pose in (("a.jpg", "frontal"), ("b.jpg", "profile")):
        save_drawn(tmp_path / name, pose)
    code = (
        "from sfpn import Verifier\n"
        "verifier = Verifier.from_pretrained('base')\n"
        "comparison = verifier('a.jpg', 'b.jpg')\n"
        "print(comparison.decision, comparison.match, comparison.rule.pose_pair)\n"
        "import sfpn; print(sfpn.__file__)"
    )
    done = python(code, tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    answer, place = done.stdout.splitlines()
    assert re.fullmatch(r"(match True|uncertain False|no match False) \('frontal', 'profile'\)", answer)
    assert Path(place).is_relative_to(tmp_path / "site")
