"""A rating model that an older version published."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fitted_set import Fitted

from reelstream.errors import DamagedError
from reelstream.models.rating.model import NORMAL_SHAPE, RatingModel

ADDED_IN_2 = ("prior_shape", "exposure_precision", "item_precisions")


@pytest.fixture
def saved(fitted: Fitted, tmp_path: Path) -> Path:
    fitted.model_set.rating.save(tmp_path)
    return tmp_path


def as_format(number: int, folder: Path) -> None:
    path = folder / "model.json"
    about = json.loads(path.read_bytes())
    about["format"] = number
    if number < 3:
        del about["hyperparameters"]["echo"]
        (folder / "draws_echo.npy").unlink()
    if number == 1:
        for name in ADDED_IN_2:
            del about["hyperparameters"][name]
        (folder / "draws_exposure.npy").unlink()
        (folder / "chain_prior_weight.npy").unlink()
    path.write_text(json.dumps(about))


def test_format_1_answers_with_normal_users_whose_choices_say_nothing(
    fitted: Fitted, saved: Path
) -> None:
    as_format(1, saved)
    older = RatingModel.load(saved)
    assert older.hyperparameters.prior_shape == NORMAL_SHAPE
    assert not older.draws.exposure.any() and (older.state.prior_weight == 1).all()
    model_set = fitted.with_rating(older)
    np.testing.assert_allclose(model_set.dynamics.prior_spread, 1.0, atol=0.01)
    state = model_set.fold_in(fitted.history.of_user(int(fitted.history.user_ids[0])))
    assert np.isfinite(model_set.predict(state, older.item_ids[:3], 10**9).mean).all()


def test_format_2_answers_without_an_echo(fitted: Fitted, saved: Path) -> None:
    as_format(2, saved)
    older = RatingModel.load(saved)
    assert not any(older.hyperparameters.echo)
    model_set = fitted.with_rating(older)
    assert not model_set.dynamics.echo.any() and model_set.dynamics.prior_spread.std() > 0.1


def test_a_format_of_a_later_version_is_refused(saved: Path) -> None:
    as_format(4, saved)
    with pytest.raises(DamagedError, match="format 4, this version reads 3"):
        RatingModel.load(saved)
