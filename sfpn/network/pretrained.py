"""A folder in the manner of Hugging Face: weights, their card, and a README for the model's page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sfpn.files import write_text
from sfpn.network import checkpoint, hub
from sfpn.network.card import Card, save_card
from sfpn.network.model import SFPN, fold_batch_norm

README = """---
library_name: sfpn
tags:
- face-verification
license: other
license_name: see-below
---
# {title}

```python
from sfpn import Verifier

verifier = Verifier.from_pretrained("user/repo")  # the name of this repository
print(verifier("a.jpg", "b.jpg").decision)
```

`model.safetensors` holds the weights and `model.json` their card: preprocessing, thresholds and error rates per pose
pair.

Licence: {licence}

{limits}
"""


def save(model: SFPN, folder: Path, card: Card | None, *, measured_with_these: bool) -> Path:
    """See SFPN.save_pretrained. measured_with_these: the card's rates are of these weights even if its hash is not."""
    if card is None:
        raise ValueError("these weights have no card; give one: save_pretrained(folder, card=Card(...))")
    path = folder / f"{hub.STEM}.safetensors"
    network = fold_batch_norm(model) if model.config.batch_norm else model
    saved = checkpoint.save(network, card, path)
    if not measured_with_these and saved.weights_sha256 != card.weights_sha256:
        save_card(replace(saved, operating_points={}, histograms={}, results=[], templates=()), path)
    page = README.format(title=card.title, licence=card.licence, limits=card.limits)
    write_text(page, folder / "README.md")
    return path
