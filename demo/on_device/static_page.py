"""The tab as a folder of files that any web server, or a static Space, serves without Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from demo.on_device.bundle import Bundle, manifest
from demo.on_device.runtime import FILES, runtime_folder
from demo.theme import STYLE_SHEET
from sfpn.errors import UserError
from sfpn.files import whole_folder

BROWSER = Path(__file__).parent / "browser"


def export_page(folder: Path, bundle: Bundle, cache: Path) -> int:
    """Write the page into a new folder; returns its size in bytes. Raises UserError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is there already and not an empty folder; choose another")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as building:
            for file in sorted(BROWSER.iterdir()):
                if file.suffix in (".js", ".css", ".html"):
                    shutil.copy(file, building / file.name)
            shutil.copy(STYLE_SHEET, building / STYLE_SHEET.name)
            (building / "files").mkdir()
            runtime = [runtime_folder(cache) / file.kept_as for file in FILES.values()]
            for file in (*bundle.files, *runtime):
                shutil.copy(file, building / "files" / file.name)
            text = json.dumps(manifest(bundle, cache, lambda path: f"files/{path.name}"))
            (building / "manifest.json").write_text(text, encoding="utf-8")
            return sum(file.stat().st_size for file in building.rglob("*") if file.is_file())
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): choose another") from error
