"""Optimizers, schedules, the weights' average, chunks, encoders and heads, as Python and the
command line reach them.
"""

import numpy as np
import pytest

import supcon
from supcon import _options


@pytest.mark.parametrize(
    "optimizer, rate", [("sgd", 0.05), ("lars", 5.0), ("rmsprop", 0.02), ("adamw", 0.003)]
)
def test_every_optimizer_learns(shapes, small, optimizer, rate):
    options = small | dict(
        optimizer=optimizer, learning_rate=rate, reference_batch=0, epochs=4, ema_decay=0.8
    )
    encoder = supcon.SupConEncoder(**options).fit(*shapes)
    losses = list(encoder.history_["loss"])
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_the_exponential_schedule_is_a_staircase(shapes):
    data, model = (
        supcon.Dataset.from_images(*shapes),
        supcon.Model(width=4, channels=1, image_size=12, precision="f32", n_jobs=1),
    )
    heard = []
    supcon.train(
        model,
        data,
        epochs=2,
        batch_size=16,
        schedule="exponential",
        exponential_factor=0.5,
        exponential_epochs=0.5,
        warmup_steps=0,
        learning_rate=0.01,
        reference_batch=0,
        validation_fraction=0,
        augmentation="crop_flip",
        callbacks=lambda it: heard.append(it),
    )
    rates = [it.learning_rate for it in heard if it.kind == "step"]
    assert rates == pytest.approx([0.01 * 0.5 ** (step // 3) for step in range(12)])


def test_chunks_take_less_memory_and_learn(shapes):
    memory = {}
    for chunk in (0, 4):
        model = supcon.Model(width=8, channels=1, image_size=24, precision="f32", seed=1, n_jobs=1)
        found = supcon.train(
            model,
            supcon.Dataset.from_images(*shapes),
            epochs=2,
            batch_size=32,
            chunk_size=chunk,
            validation_fraction=0,
            seed=2,
            learning_rate=0.02,
        )
        memory[chunk] = found.memory
        assert np.isfinite(found.history[-1].loss)
    assert memory[4] < 0.5 * memory[0]
    with pytest.raises(ValueError, match="divisor"):
        supcon.train(model, supcon.Dataset.from_images(*shapes), batch_size=32, chunk_size=5)


@pytest.mark.parametrize("architecture, width", [("resnext50_32x4d", 16), ("wide_resnet50_2", 4)])
@pytest.mark.parametrize("head", ["mlp3", "mlp3_bn"])
def test_encoders_and_heads(tmp_path, architecture, width, head):
    model = supcon.Model(
        architecture,
        width=width,
        channels=1,
        image_size=12,
        head=head,
        projection_dim=7,
        normalize_features=True,
        precision="f32",
        n_jobs=1,
    )
    images = np.random.default_rng(1).integers(0, 256, (3, 12, 12), dtype=np.uint8)
    rows = model.embed(images, "projection")
    assert rows.shape == (3, 7) and np.linalg.norm(rows, axis=1) == pytest.approx(1, rel=1e-5)
    model.save(tmp_path / "model.safetensors")
    again = supcon.load(tmp_path / "model.safetensors", precision="f32")
    assert (again.architecture, again.head, again.normalize_features) == (architecture, head, True)
    assert np.array_equal(again.embed(images, "projection"), rows)


def test_the_classifier_takes_normalized_features(shapes):
    """Logits are a linear function of r/|r|, by numpy."""
    model = supcon.Model(
        width=4, channels=1, image_size=12, normalize_features=True, precision="f32", n_jobs=1
    ).fit_classifier(*shapes)
    rows, logits = (
        model.embed(shapes[0], normalize=True).astype(np.float64),
        model.embed(shapes[0], "logits").astype(np.float64),
    )
    design = np.c_[rows, np.ones(len(rows))]
    found, *_ = np.linalg.lstsq(design, logits, rcond=None)
    assert np.abs(design @ found - logits).max() < 1e-4 * np.abs(logits).max()


def test_words_of_the_library():
    assert (
        _options.TRAIN["optimizer"].choices == ["sgd", "lars", "rmsprop", "adamw"]
        and _options.TRAIN["optimizer"].default == "sgd"
    )
    assert _options.TRAIN["schedule"].choices == ["constant", "cosine", "step", "exponential"]
    assert _options.MODEL["head"].choices == ["none", "linear", "mlp", "mlp_bn", "mlp3", "mlp3_bn"]
