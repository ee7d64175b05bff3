"""No files are written beside the sources of components when the app is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers.paths import ROOT

COMPONENT = "import gradio as gr\n\n\nclass Own(gr.HTML):\n    EVENTS = []\n"


@pytest.mark.parametrize(
    ("before", "written"),
    [("import gradio", True), ("from demo.common.gradio_import import import_gradio as i; i()", False)],
)
def test_components_have_no_interface_files(tmp_path, before, written):
    (tmp_path / "own_component.py").write_text(COMPONENT)
    program = f"import sys; sys.path += [{str(tmp_path)!r}, {str(ROOT)!r}]; {before}; import own_component"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, timeout=120)
    assert (tmp_path / "own_component.pyi").exists() == written


def test_the_app_imports_gradio_so():
    program = (
        "import app, inspect, gradio.component_meta as m; print(m.create_or_modify_pyi(), inspect.getfile(app.build))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=ROOT, timeout=120, capture_output=True, text=True
    )
    assert said.stdout.split() == ["None", str(ROOT / "app.py")]
