"""Features that were kept: other outputs, and a classifier, without the images."""

import files
import numpy as np
import pytest

import supcon
from supcon import _safetensors
from supcon._features import Features


@pytest.fixture(scope="module")
def model():
    return supcon.Model(
        width=8, channels=1, image_size=12, projection_dim=16, precision="f32", seed=7
    )


def test_features_that_were_kept(model, shapes):
    images, labels = shapes
    model, other = model.copy(), model.copy()
    names = np.array(["b", "a"])[labels]
    features = model.embed(images, normalize=False)
    assert model.fit_classifier(images, names).classifier_l2 > 0
    other.fit_classifier(images, names, features=features)
    found, truth = other.forward_head(features), model.embed(images, "probabilities")
    np.testing.assert_allclose(found, truth, atol=1e-4)
    weights = _safetensors.parsed(model.to_bytes())[0]
    logits = features.astype(float) @ weights["fc.weight"].T.astype(float) + weights["fc.bias"]
    np.testing.assert_allclose(model.forward_head(features, "logits"), logits, atol=1e-4)
    np.testing.assert_allclose(
        model.forward_head(features, "projection", normalize=False),
        model.embed(images, "projection", normalize=False),
        atol=1e-5,
    )
    assert model.forward_head(features[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match=r"features have dimension 63; expected 64"):
        model.forward_head(features[:, 1:])
    with pytest.raises(ValueError, match=r"features\[2, 0\] is nan"):
        other.fit_classifier(
            images, names, features=np.where(features == features[2, 0], np.nan, features)
        )
    with pytest.raises(ValueError, match="there are 5 features; expected one for each of"):
        other.fit_classifier(images, names, features=features[:5])


def test_a_classifier_on_flipped_images(model, shapes):
    """It is the one of a set that has the flipped images too."""
    images, labels = shapes
    flipped = images[:, :, ::-1]
    np.testing.assert_allclose(
        model.embed(images, flip=True), model.embed(np.ascontiguousarray(flipped)), atol=1e-6
    )
    both = np.concatenate([images, flipped]), np.concatenate([labels, labels])
    whole, flips, kept = model.copy(), model.copy(), model.copy()
    whole.fit_classifier(*both, l2=0.01)
    flips.fit_classifier(images, labels, l2=0.01, flip=True)
    data = supcon.Dataset.from_images(images, labels)
    Features.of(kept, data, flip=True).fit_classifier(kept, None, 0.01)
    truth = whole.embed(images, "logits")
    for found in (flips, kept):
        np.testing.assert_allclose(found.embed(images, "logits"), truth, atol=1e-3)
    with pytest.raises(ValueError, match="there are 96 features; expected two for each of 96"):
        kept.fit_classifier(data, features=kept.embed(data, normalize=False), flip=True)


def test_images_that_became_unreadable_are_left_out(model, shapes, tmp_path, caplog):
    images, labels = shapes
    files.folder(tmp_path, images, labels)
    data = supcon.ImageFolder(tmp_path, channels=1)
    gone = tmp_path / "upright" / "0001.png"
    gone.unlink()
    kept = Features.of(model, data, flip=True)
    others = np.delete(data.labels, data.paths.index(str(gone)))
    np.testing.assert_array_equal(kept.data.labels, others)
    np.testing.assert_allclose(np.linalg.norm(kept.units(), axis=1), np.ones(95), atol=1e-5)
    assert kept.rows.shape == (95, 64) and kept.values.shape == (190, 64)
    np.testing.assert_array_equal(kept.subset([2]).values, kept.values[2:3])
    assert (
        f"1 of 96 images have become unreadable and are left out; the first: {gone}" in caplog.text
    )
