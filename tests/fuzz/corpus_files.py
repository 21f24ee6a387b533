"""The kept inputs: a few tiny files for each target, some right and some that were once taken wrongly."""

import json
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"


def files(target: str) -> list[Path]:
    """The inputs that are kept for *target*."""
    return sorted((CORPUS / target).iterdir())


def samples(target: str) -> list[dict[str, Any]]:
    """Those of them that are taken, to be spoilt."""
    return [json.loads(path.read_bytes()) for path in files(target) if path.name.startswith("taken")]


def texts(target: str) -> list[str]:
    """Likewise, where they are no documents."""
    return [path.read_text() for path in files(target) if path.name.startswith("taken")]
