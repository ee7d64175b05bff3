"""Where the tests find what they look at."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "demo" / "assets"
SYNTHETIC = ASSETS / "synthetic"
SHARED = ROOT.parent / "shared"
