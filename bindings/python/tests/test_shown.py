"""How objects look when they are printed, and in a notebook."""

import html.parser

import files
import numpy as np
import pytest

import supcon

RANDOM = np.random.default_rng(0)


class Cells(html.parser.HTMLParser):
    """The text of a table's cells, row by row; every element must be closed."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data


def shown(thing):
    text = thing._repr_html_()
    assert len(text) < 4000
    return dict(Cells(text).rows)


@pytest.fixture(scope="module")
def data():
    images = RANDOM.integers(0, 256, (30, 16, 12, 3), np.uint8)
    return supcon.Dataset.from_images(images, np.arange(30) % 3).with_class_names(
        ["a & b", "<i>", "c"]
    )


def test_data(data, tmp_path):
    assert shown(data) == {
        "images": "30",
        "size": "16 × 12, 3 channels",
        "3 classes": "a & b (10), <i> (10), c (10)",
    }
    many = supcon.Dataset.from_images(RANDOM.integers(0, 256, (99, 5, 5), np.uint8), np.arange(99))
    assert shown(many)["99 classes"].endswith(", 9 (1) and 89 more")
    assert shown(many)["size"] == "5 × 5, 1 channel"
    assert "classes" not in repr(shown(many.with_labels(None)))
    files.png(tmp_path / "a.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"nothing")
    folder = shown(supcon.ImageFolder(tmp_path))
    assert folder["images"] == "1" and folder["left out"].startswith("1; the first: ")


def test_model(data):
    model = supcon.Model(width=4, image_size=16, precision="f32", n_jobs=1)
    rows = shown(model)
    assert rows["encoder"].endswith("of width 4, cifar stem")
    assert rows["images"] == "16 × 16, 3 channels, squash"
    assert rows["classes"] == "none" and rows["computes in"] == "f32"
    assert rows["parameters"] == f"{model.parameters:,}"
    model.fit_classifier(data)
    assert shown(model)["classes"] == "a & b, <i>, c"
    bare = supcon.Model(width=4, image_size=16, head="none", n_jobs=1)
    assert shown(bare)["projection head"] == "none"


def test_index():
    index = supcon.Index().add(RANDOM.normal(size=(6, 5)), [f"<{it}>.jpg" for it in range(6)])
    assert shown(index) == {
        "embeddings": "6",
        "dimension": "5",
        "ids": "<0>.jpg, <1>.jpg, <2>.jpg, <3>.jpg and 2 more",
    }
    assert shown(supcon.Index())["embeddings"] == "0"


def test_results(data):
    rows, labels = RANDOM.normal(size=(2000, 8)), np.arange(2000) % 40
    found = supcon.evaluate(rows, labels, rows, labels, "knn")
    text = repr(found)
    assert len(text) < 300 and "probabilities=float32 [2000, 40]" in text, text
    assert shown(found)["top1"] == f"{found.top1:.4g}" and shown(found)["classes"] == "int64 [40]"
    for other in (
        supcon.retrieval(rows, labels),
        found.calibration(),
        supcon.ood_detection(RANDOM.random(40), RANDOM.random(40)),
    ):
        assert len(repr(other)) < 330 and set(shown(other)) == {
            it.replace("_", " ") for it in vars(other)
        }
    model = supcon.Model(width=2, image_size=16, precision="f32", n_jobs=1)
    options = dict(batch_size=10, verbose=0)
    run = supcon.train(model, data, epochs=3, validation_fraction=0, **options)
    assert shown(run)["epochs"] == "3" and shown(run)["loss"] == f"{run.history[-1].loss:.4g}"
    assert "knn_accuracy" not in repr(run) and "knn accuracy" not in shown(run)
    run = supcon.train(model, data, epochs=1, validation_fraction=0.2, **options)
    assert "knn accuracy" in shown(run) and len(repr(run)) < 150


def test_estimators_show_scikit_learns_diagram():
    pytest.importorskip("sklearn")
    encoder = supcon.SupConEncoder(width=8)
    assert "sk-container" in encoder._repr_html_() and "SupConEncoder" in encoder._repr_html_()
