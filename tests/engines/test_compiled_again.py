"""A function that numba has just compiled and the same one from its cache compute the same, bit for
bit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FITS = """
import hashlib, sys
from dataclasses import fields
from pathlib import Path
import numpy as np
from reelstream.datasets import detect
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import fit_models
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.ratings.histories import Histories

dataset = detect(Path(sys.argv[1]))
history, catalog = Histories.of(dataset.read_ratings()), dataset.read_catalog().catalog
for n_factors in (15, 4):  # a row of whole vectors, and one with a remainder
    parameters = FitParameters(n_factors=n_factors, sweeps=4, burn_in=2, n_draws=2)
    context = FitContext(
        catalog=catalog, scale=dataset.scale, parameters=parameters, has_gate=False
    )
    models = fit_models(history, context)
    parts = models.rating.draws, models.rating.state
    arrays = [getattr(part, field.name) for part in parts for field in fields(part)]
    arrays.append(models.like.weights)
    model_set = ModelSet(
        number=1, models=models, catalog=catalog, scale=dataset.scale, trained_on=TrainedOn({}, {})
    )
    state = model_set.fold_in(history.of_user(1))
    answers = model_set.predict(state, model_set.rating.item_ids, 2 * 10**9)
    arrays += [answers.mean, answers.sd, answers.like_probability]
    held = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    print(hashlib.sha256(held).hexdigest())
"""


@pytest.mark.slow
def test_a_set_and_its_answers_are_the_same_from_the_cache(
    small_dataset: Path, tmp_path: Path
) -> None:
    """Else `models rebuild` would fail on the very first set, two machines of a cluster would
    disagree, and a server would answer otherwise after its first start.
    """
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", FITS, str(small_dataset)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert len(said[0].split()) == 2
    assert said[0] == said[1]
