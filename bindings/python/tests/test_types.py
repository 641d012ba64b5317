"""The package's types, as mypy reads them in a user's script."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import supcon

pytest.importorskip("mypy")

RIGHT = """
from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import supcon
from supcon import callbacks

images = np.zeros((8, 32, 32, 3), np.uint8)
labels = ["cat", "dog"] * 4

encoder = supcon.SupConEncoder("resnet18", width=8, epochs=3, objective="simclr", mean=0.5)
rows: npt.NDArray[np.float32] = encoder.fit(images, labels).transform([Path("a.jpg"), "b.png"])
print(encoder.epochs, encoder.model_.embedding_dim + 1, encoder.set_params(epochs=4))

classifier: supcon.SupConClassifier = supcon.SupConClassifier(
    class_weight={"cat": 2.0}, callbacks=[callbacks.EarlyStopping("loss", patience=3)]
).fit(images, labels, sample_weight=np.ones(8))
print(supcon.mpi.collectives, supcon.distributed.collectives)
print(classifier.predict(images).tolist(), classifier.score(images, labels) + 0.5)


class Stop(callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs and logs["loss"] < 0.1:
            self.model.stop_training = True
        self.trainer.scale_rate(0.5)


def tell(event: supcon.Event) -> None:
    print(event.epoch + 1, event.message.upper())


recipe = supcon.preset("cifar-supcon")
model = supcon.Model(**recipe.model | {"width": 8}, n_jobs=2)
data = supcon.ImageFolder("photos", class_order="natural").with_class_names(["a", "b"])
training = supcon.train(model, data, **recipe.train | {"epochs": 2}, callbacks=[Stop(), tell])
supcon.train(model, data, epochs=2, augmentation={"kind": "simclr"}, run=Path("runs/first"))
print(training.history[-1].loss + 1, data[:3].labels, len(data[np.arange(2)]))
first, second = data.split(0.1)
made = supcon.Dataset.from_function(lambda at: images[at], 8, 32, 32, 3, labels=np.arange(8))

loaded = supcon.load(Path("model.safetensors"), precision="f32", image_size=(32, 48))
found = loaded.embed(["a.jpg", b"...", images[0]], "probabilities", progress=lambda i, n: print(i))
one = loaded.embed("a.jpg").mean() + loaded.embed(data).sum() + loaded.embed(images.tolist()).max()
judged = supcon.evaluate(found, np.arange(8), found, np.arange(8), "knn", k=5)
print(judged.top1 + judged.calibration().accuracy, supcon.retrieval(found, labels).map_at_r + 1)
similarities, indices = supcon.nearest(found, k=3)
index = supcon.Index(loaded).add(found, ["a", "b"])
print(index.search(found, k=2).ids.shape, indices.shape, similarities.dtype)
loss, gradient = supcon.supcon_loss(found, labels, return_gradient=True)
rounded = round(loss, 3) + supcon.supcon_loss(found, anchors="first", temperature=0.5).real
each: npt.NDArray[np.float32] = supcon.supcon_loss(found, labels, reduction="none", scale=2.0)
both, steep, lone = supcon.supcon_loss(
    found, labels, reduction="none", return_gradient=True, return_without_positive=True
)
print(rounded, each.max(), both.shape, steep.dtype, lone.bit_length(), gradient.sum())
queue_loss, slope = supcon.supcon_loss_queue(found, found, queue=found, return_gradient=True)
print(queue_loss.is_integer(), slope.sum(), supcon.supcon_loss_queue(found, found).real)
views: npt.NDArray[np.float32] = supcon.augment(images, {"kind": "simclr", "hue": 0.0}, size=24)
print(supcon.report(training, data).name, supcon.presets()[0].upper(), supcon.version())
"""

# each line with the error that mypy has for it
WRONG = """
import numpy as np

import supcon
from supcon import callbacks

images = np.zeros((8, 32, 32, 3), np.uint8)
model = supcon.load("model.safetensors")
data = supcon.Dataset.from_images(images)
supcon.SupConEncoder(epoch=3)  # call-arg
supcon.SupConEncoder(epochs="3")  # arg-type
supcon.SupConEncoder(objective="supercon")  # arg-type
supcon.SupConClassifier(epoch=3)  # call-arg
supcon.SupConClassifier(random_state="today")  # arg-type
supcon.load(3)  # arg-type
supcon.load("model.safetensors", precision="f16")  # arg-type
supcon.Model(depth=18)  # call-arg
supcon.train(model, data, epochs="3")  # arg-type
supcon.train(model, images, epochs=3)  # arg-type
supcon.train(model, data, temprature=0.1)  # call-arg
supcon.train(model, data, callbacks=3)  # arg-type
model.embed(3)  # arg-type
model.embed(images, "embedding")  # arg-type
model.embedding_dimension  # attr-defined
supcon.ImageFolder("photos", on_error="ignore")  # arg-type
supcon.evaluate(images, [0], images, [0], "svm")  # arg-type
supcon.Dataset(images)  # arg-type
supcon.Dataset.from_folder("photos")  # attr-defined
supcon.laod("model.safetensors")  # attr-defined
callbacks.EarlyStopping(patience="3")  # arg-type
supcon.supcon_loss(images, temprature=0.1)  # call-overload
supcon.supcon_loss(images, reduction="median")  # call-overload
supcon.supcon_loss(images).shape  # attr-defined
supcon.supcon_loss(images, reduction="none").is_integer()  # attr-defined
supcon.supcon_loss(images, return_gradient=True).real  # attr-defined
supcon.supcon_loss_queue(images, images, return_gradient=True).real  # attr-defined
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """mypy's errors, each once: [(file, line, code)]."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\n")
    package = Path(supcon.__file__).resolve().parents[1]
    if package.name != "site-packages":
        with open(folder / "mypy.ini", "a") as file:
            file.write(f"mypy_path = {package}\n")
    command = [sys.executable, "-m", "mypy", "right.py", "wrong.py"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
    assert found.returncode == 1, found.stdout + found.stderr
    known = re.compile(r"^(\w+)\.py:(\d+): error: .*\[([a-z-]+)\]$", re.M)
    print(found.stdout)
    each = [(file, int(line), code) for file, line, code in known.findall(found.stdout)]
    return list(dict.fromkeys(each))


def test_right_use_has_no_errors(errors):
    assert [it for it in errors if it[0] == "right"] == []


def test_wrong_use_has_the_error_of_each_line(errors):
    lines = enumerate(WRONG.splitlines(), 1)
    expected = [("wrong", at, it.split("  # ")[1]) for at, it in lines if "  # " in it]
    assert [it for it in errors if it[0] == "wrong"] == expected
