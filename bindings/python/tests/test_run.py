"""The folder of a run."""

import csv
import math
import re
import subprocess
import sys

import files
import numpy as np
import pytest

import supcon

RUN = dict(epochs=3, batch_size=16, learning_rate=0.05, validation_fraction=0.25)


def model(**more):
    return supcon.Model(
        **dict(width=4, image_size=12, channels=1, mean=0.3, std=0.3, precision="f32", n_jobs=1)
        | more
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory, shapes):
    """(the folder, the model, the data, what `train` returned)."""
    images, labels = shapes
    data = supcon.Dataset.from_images(images, labels).with_class_names(["lying", "upright"])
    found, folder = model(), tmp_path_factory.mktemp("runs") / "first"
    training = supcon.train(
        found, data, run=folder, seed=3, temperature=0.2, augmentation={"hue": 0.05}, **RUN
    )
    assert training.run == folder
    return folder, found, data, training


def test_the_folder_has_what_it_says(made):
    folder = made[0]
    expected = {"config.toml", "summary.csv", "checkpoints", "model.safetensors", "README.md"}
    assert expected <= {it.name for it in folder.iterdir()}
    assert sorted(it.name for it in (folder / "checkpoints").iterdir()) == [
        "best.safetensors",
        "last.supcon",
    ]


def test_config_has_every_option(made):
    toml = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    folder = made[0]
    found = toml.loads((folder / "config.toml").read_text())
    assert found["train"] | dict(seed=3, **RUN) == found["train"]
    assert found["loss"]["temperature"] == 0.2 and found["loss"]["form"] == "out"
    assert found["augmentation"]["hue"] == 0.05 and found["augmentation"]["kind"] == "simclr"
    assert found["model"]["width"] == 4 and found["model"]["image_size"] == [12, 12]
    assert found["model"]["zero_init_last_gamma"] == "off"  # what auto came to
    # every option of a preset, which has them all, but for what names the folder
    recipe = supcon.preset("cifar-pytorch")
    whole = set(found["train"]) | set(found["loss"])
    assert set(recipe.train) - whole <= {
        "augmentation",
        "milestones",
        "unfreeze_epochs",
        "image_size_schedule",
        "checkpoint_folder",
        "feature_cache_folder",
        "resume",
    }
    assert set(recipe.train["augmentation"]) == set(found["augmentation"])
    # the options as they are written train the same model
    again = model()
    supcon.train(
        again, made[2], **found["train"], **found["loss"], augmentation=found["augmentation"]
    )
    np.testing.assert_array_equal(again.embed(made[2]), made[1].embed(made[2]))


def test_summary_has_timms_columns(made):
    with open(made[0] / "summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:2] == ["epoch", "train_loss"] and "lr" in rows[0]
    for row, event in zip(rows, made[3].history):
        assert int(row["epoch"]) == event.epoch
        assert float(row["train_loss"]) == pytest.approx(event.loss, rel=1e-5)
        assert float(row["eval_knn_top1"]) == pytest.approx(100 * event.knn_accuracy, rel=1e-5)
        assert float(row["lr"]) == pytest.approx(event.learning_rate, rel=1e-5)
        assert row["train_top1"] == "" and math.isnan(event.train_accuracy)
    assert len(rows) == 3


def test_events_for_tensorboard(made):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tensors = pytest.importorskip("tensorboard.util.tensor_util")
    found = reader.EventAccumulator(str(made[0]))
    found.Reload()
    losses = [
        (it.step, tensors.make_ndarray(it.tensor_proto).item())
        for it in found.Tensors("train/loss")
    ]
    assert losses == [(it.epoch, pytest.approx(it.loss, rel=1e-6)) for it in made[3].history]


def test_the_cards_snippet_runs_and_its_figures_hold(made):
    folder, found, data, _ = made
    card = (folder / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", card, re.S).group(1)
    shown = "print(embeddings.shape, np.abs(np.linalg.norm(embeddings, axis=1) - 1).max() < 1e-5)"
    out = subprocess.run(
        [sys.executable, "-c", code + shown], cwd=folder, capture_output=True, text=True
    )
    assert out.stdout.split() == ["(2,", f"{found.embedding_dim})", "True"], out.stderr
    # kNN of all 24 held-out images among the training images, with numpy
    known, held = data.split(0.25, 3)
    rows, others = found.embed(known), found.embed(held)
    cosines = others @ rows.T
    nearest = np.argsort(-cosines, 1)[:, :20]
    weights = np.exp(np.take_along_axis(cosines, nearest, 1) / 0.1)
    votes = [(weights * (known.labels[nearest] == it)).sum(1) for it in (0, 1)]
    right = np.mean(np.argmax(votes, 0) == held.labels)
    assert f"| accuracy of up to 20 nearest training images | {right:.2%} |" in card
    assert "On 24 held-out images" in card and "2 classes: lying, upright" in card


def test_a_folder_with_a_run_is_left_alone(made, tmp_path):
    folder, _, data, _ = made
    before = (folder / "config.toml").read_bytes()
    training = supcon.train(model(), data, run=folder, **RUN | {"epochs": 1})
    assert training.run == folder.with_name("first-2")
    assert (folder / "config.toml").read_bytes() == before
    (tmp_path / "file").write_text("mine")
    training = supcon.train(model(), data, run=tmp_path / "file", **RUN | {"epochs": 1})
    assert training.run == tmp_path / "file-2" and (tmp_path / "file").read_text() == "mine"
    for wrong in (3, "a\0b"):
        with pytest.raises((TypeError, ValueError), match="run is"):
            supcon.train(model(), data, run=wrong)


def test_a_stopped_run_goes_on_in_its_folder(shapes, tmp_path, stop):
    data = supcon.Dataset.from_images(*shapes)

    def end(event):
        if event.epoch == 3 and event.kind == "step":
            raise stop

    with pytest.raises(stop):
        supcon.train(model(), data, run=tmp_path / "r", callbacks=end, **RUN | {"epochs": 4})
    assert supcon.load(tmp_path / "r" / "model.safetensors").width == 4
    assert "stopped before its end" in (tmp_path / "r" / "README.md").read_text()
    rows = lambda: (tmp_path / "r" / "summary.csv").read_text().splitlines()
    assert [it.split(",")[0] for it in rows()] == ["epoch", "1", "2"]
    training = supcon.train(model(), data, run=tmp_path / "r", resume=True, **RUN | {"epochs": 4})
    assert training.run == tmp_path / "r"
    assert [it.split(",")[0] for it in rows()] == ["epoch", "1", "2", "3", "4"]
    assert "held-out images" in (tmp_path / "r" / "README.md").read_text()


def test_a_run_that_never_began_leaves_nothing(shapes, tmp_path):
    data = supcon.Dataset.from_images(*shapes)
    with pytest.raises(supcon.StateError):  # fewer images than a batch
        supcon.train(model(), data, run=tmp_path / "r", **RUN | {"batch_size": 500})
    assert not list(tmp_path.iterdir())


def test_without_labels_and_with_test_images(shapes, tmp_path):
    images, labels = shapes
    plain = supcon.Dataset.from_images(images)
    options = RUN | {"epochs": 1}
    folder = supcon.train(model(), plain, run=tmp_path / "plain", objective="simclr", **options).run
    assert "top-1" not in (folder / "README.md").read_text()
    data = supcon.Dataset.from_images(images, labels).with_class_names(["lying", "upright"])
    # the same classes, numbered in another order
    test = supcon.Dataset.from_images(images[:30], 1 - labels[:30])
    test = test.with_class_names(["upright", "lying"])
    from supcon._assessment import Assessment

    folder = supcon.train(model(), data, run=tmp_path / "test", test=test, **options).run
    found = Assessment.load(folder / "evaluation.npz")
    np.testing.assert_array_equal(found.labels, labels[:30])
    assert found.judged == "test images"
    assert found.metrics["top1"] == np.mean(found.predictions == labels[:30])
    # labels that are any numbers
    odd = supcon.Dataset.from_images(images, 7 * labels - 3)
    folder = supcon.train(model(), odd, run=tmp_path / "odd", **options).run
    found, held = Assessment.load(folder / "evaluation.npz"), odd.split(0.25, 0)[1]
    assert found.class_names == ["-3", "4"]
    np.testing.assert_array_equal(found.labels, held.labels == 4)
    other = test.with_class_names(["upright", "slanted"])
    with pytest.raises(supcon.ArgumentError, match="'slanted'"):
        supcon.train(model(), data, run=tmp_path / "other", test=other, **options)


def test_files_that_vanish_before_a_run_is_judged(shapes, tmp_path, caplog):
    """They are left out, with a warning."""
    images, labels = shapes
    files.folder(tmp_path / "train", images, labels)
    files.folder(tmp_path / "test", images[:20], labels[:20])
    gone = [tmp_path / "train" / "upright" / "0001.png", tmp_path / "test" / "lying" / "0002.png"]

    def remove(event):
        for it in gone if event.kind == "epoch" and event.epoch == RUN["epochs"] else ():
            it.unlink()

    data, test = (supcon.ImageFolder(tmp_path / it, channels=1) for it in ("train", "test"))
    training = supcon.train(model(), data, run=tmp_path / "r", test=test, callbacks=remove, **RUN)
    from supcon._assessment import Assessment

    found = Assessment.load(training.run / "evaluation.npz")
    assert found.metrics["images"] == 19 and "lying/0002.png" not in found.names.tolist()
    for it, count in zip(gone, (72, 20)):
        said = f"1 of {count} images have become unreadable and are left out; the first: {it}"
        assert said in caplog.text


@pytest.mark.parametrize("count", [1, 2])
def test_few_images_to_judge_by(shapes, tmp_path, count):
    """Of one image, or one of each class, there is no neighbor of its class to look for."""
    data = supcon.Dataset.from_images(*shapes)
    options = RUN | {"epochs": 1}
    test = data.subset(range(count))
    folder = supcon.train(model(), data, run=tmp_path / "r", test=test, **options).run
    card = (folder / "README.md").read_text()
    assert "top-1 accuracy" in card and "MAP@R" not in card and "alignment" not in card
    assert ("uniformity" in card) == (count > 1)
    assert f"On {count} test {'image' if count == 1 else 'images'};" in card
    assert "Confusion" in supcon.report(folder).read_text(encoding="utf-8")
