"""Pictures of something else: how far a scan may lie from those of its class."""

import numpy as np
import pytest

from training.outliers import REACH, candidates

pytestmark = pytest.mark.training


def test_a_class_whose_pictures_vary_more_is_not_refused_more_often():
    random = np.random.default_rng(5)
    narrow, wide = random.normal(0, 1, (400, 8)), random.normal(0, 4, (400, 8)) + 40
    strata = ["Normal/chest_xray"] * 400 + ["Sick/cardiac_mri"] * 400
    scores = candidates(np.concatenate([narrow, wide]).astype(np.float32), strata)["mahalanobis"].scores(
        np.concatenate([random.normal(0, 1, (400, 8)), random.normal(0, 4, (400, 8)) + 40]).astype(np.float32)
    )
    refused = scores > 1
    assert 0.2 * (1 - REACH) < refused[:400].mean() < 3 * (1 - REACH)
    assert 0.2 * (1 - REACH) < refused[400:].mean() < 3 * (1 - REACH)
