"""A visitor's set as a ZIP: its one folder opens with --dataset."""

from __future__ import annotations

import shutil
import zipfile
from html import escape

from demo.common.own_sets import OwnSet
from demo.common.pictures import file_address
from sfpn.errors import UserError
from sfpn.files import whole_file
from sfpn.progress import StageProgress


def zip_link(own: OwnSet, progress: StageProgress) -> str:
    """Write the ZIP where only the visitor's browser is served from, and give the link to it as HTML.

    What is in it is compressed already. Raises UserError when the disk is full or the set was closed.
    """
    folder, target = own.dataset, own.pictures / f"{own.dataset.name}.zip"
    files = sorted(file for file in folder.rglob("*") if file.is_file() and ".building" not in str(file))
    if not files:
        raise UserError("There is no set of yours any more.")
    try:
        with whole_file(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for number, file in enumerate(files):
                progress("packing", number, len(files))
                archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
    except OSError as error:
        raise UserError("The ZIP cannot be written: this computer's disk is full.") from error
    finally:
        if own.closed:
            shutil.rmtree(own.pictures, ignore_errors=True)
    size = target.stat().st_size
    return (
        f'<a href="{file_address(target)}" download="{escape(target.name)}">{escape(target.name)}</a> '
        f"({size / 1e6:,.1f} MB): unpack it, then <code>python app.py --dataset {escape(folder.name)}</code>"
    )
