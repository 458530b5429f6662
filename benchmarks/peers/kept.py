"""Answers of peers, kept from run to run: peers do not change when reelstream does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common import versions
from peers.contest import Answer

_OWN_CODE = Path(__file__).parent
_DEPENDS_ON = ("numpy", "scipy", "scikit-surprise", "myfm", "lightgbm", "pyspark")


@dataclass(frozen=True)
class KeptAnswers:
    """Answers in a folder, each under what it depends on; without a folder nothing is kept."""

    folder: Path | None
    fingerprint: str
    """Of the data set."""

    def get(self, peer: str, split: str, ask: Callable[[], Answer]) -> Answer:
        """The answer kept for this peer, split, data, code of the peers and versions, or what `ask`
        says now.
        """
        if self.folder is None:
            return ask()
        code = [path.read_bytes() for path in sorted(_OWN_CODE.glob("*.py"))]
        parts = [peer, split, self.fingerprint, repr(versions(_DEPENDS_ON))]
        key = hashlib.sha256(b"\0".join([*code, *(part.encode() for part in parts)])).hexdigest()[
            :24
        ]
        path = self.folder / f"{key}.npz"
        if path.exists():
            kept = np.load(path)
            return Answer(kept["predicted"], float(kept["fit_seconds"]))
        answer = ask()
        self.folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, predicted=answer.predicted, fit_seconds=answer.fit_seconds)
        return answer
