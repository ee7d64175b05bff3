"""Where measuring material that is not part of the repository lies, and the marks that skip tests without it."""

import pytest

from helpers.paths import SHARED

CFP = SHARED / "data" / "cfp-dataset"
PUBLISHED = SHARED / "weights" / "SqueezeFacePoseNet_with_separable_DWC.mat"

needs_cfp = pytest.mark.skipif(
    not CFP.is_dir(), reason="needs ../shared/data/cfp-dataset (real faces, not redistributed)"
)
needs_published = pytest.mark.skipif(
    not PUBLISHED.is_file(), reason="needs ../shared/weights (the authors' published file)"
)

FRMDB = SHARED / "data" / "frmdb"
needs_frmdb = pytest.mark.skipif(
    not FRMDB.is_dir(), reason="needs ../shared/data/frmdb (real faces, not redistributed)"
)
