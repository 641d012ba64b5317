"""The report of a run, as a browser shows it."""

import html
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import supcon
from supcon._assessment import Assessment
from supcon._report._projection import pca, project

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NAMES = ["lying <b>&\"'", "upright"]


@pytest.fixture(scope="module")
def run(tmp_path_factory, shapes):
    images, labels = shapes
    labels = np.where(np.arange(96) % 7 == 0, 1 - labels, labels)  # some mistakes to show
    data = supcon.Dataset.from_images(images, labels).with_class_names(NAMES)
    model = supcon.Model(
        width=4, image_size=12, channels=1, mean=0.3, std=0.3, precision="f32", n_jobs=1
    )
    training = supcon.train(
        model,
        data,
        run=tmp_path_factory.mktemp("runs") / "first",
        epochs=3,
        batch_size=16,
        validation_fraction=0.4,
        seed=3,
    )
    assert supcon.report(training) == training.run / "report.html"
    return training.run


def browse(page, script="", *flags, size=(1200, 900), tmp_path):
    """What `script` returns, run in the page after it has loaded."""
    if BROWSER is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    probe = (
        "<script>window.onerror = text => { document.title = 'error ' + text };"
        f"setTimeout(() => {{ const found = (() => {{ {script} }})();"
        "document.documentElement.setAttribute('data-found', JSON.stringify(found)) }, 300)"
        "</script></body>"
    )
    copy = tmp_path / "page.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={size[0]},{size[1]}",
        "--virtual-time-budget=3000",
        *flags,
        "--dump-dom",
        copy.as_uri(),
    ]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "<title>error" not in out.stdout, out.stdout[:500]
    found = re.search(r'data-found="([^"]*)"', out.stdout)
    assert found, out.stderr[-2000:]
    return json.loads(html.unescape(found.group(1)))


def test_sections_tips_and_switches(run, tmp_path):
    found = browse(
        run / "report.html",
        """
        const point = document.querySelector(".map .p");
        const box = point.getBoundingClientRect();
        point.dispatchEvent(new PointerEvent("pointermove",
            {bubbles: true, clientX: box.x, clientY: box.y}));
        const tip = document.getElementById("tip");
        const before = point.style.transform;
        const other = document.querySelector('[data-projection="1"]');
        if (other) other.click();
        document.querySelector('[data-class="1"]').click();
        return {
          titles: [...document.querySelectorAll("h2")].map(it => it.textContent),
          tip: tip.innerText, shown: getComputedStyle(tip).display,
          thumb: getComputedStyle(tip.firstChild).backgroundImage.slice(0, 22),
          moved: !other || before !== point.style.transform,
          kept: document.querySelectorAll(".map .p.kept").length,
          points: document.querySelectorAll(".map .p").length,
          loaded: performance.getEntriesByType("resource").map(it => it.name.slice(0, 5)),
          legend: [...document.querySelectorAll("[data-class]")].map(it => it.innerText.trim()),
          empty: [...document.querySelectorAll(".thumb")].filter(
            it => !getComputedStyle(it).backgroundImage.startsWith("url(")).length,
        };
        """,
        tmp_path=tmp_path,
    )
    assert found["titles"] == [
        "Curves",
        "Confusion",
        "Map of the embeddings",
        "Nearest neighbors",
        "Worst mistakes",
        "Calibration",
        "What training sees",
        "Configuration",
    ]
    assert found["shown"] == "flex" and "image" in found["tip"]
    assert found["thumb"] == 'url("data:image/png;ba' and found["moved"]
    judged = Assessment.load(run / "evaluation.npz")
    assert found["points"] == len(judged.mapped)
    assert found["kept"] == (judged.labels[judged.mapped] == 1).sum()
    assert set(found["loaded"]) <= {"data:"}
    assert found["legend"] == NAMES and found["empty"] == 0


@pytest.mark.parametrize("dark", [False, True])
def test_phone_and_dark(run, tmp_path, dark):
    """Nothing is wider than a phone, and text stands out from what is behind it."""
    inner = tmp_path / "inner.html"
    inner.write_text((run / "report.html").read_text(encoding="utf-8"), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        '<!DOCTYPE html><body><iframe srcdoc="" width="360" height="900"></iframe></body>'
    )
    page = html.escape(inner.read_text(encoding="utf-8"), quote=True)
    outer.write_text(outer.read_text().replace('srcdoc=""', f'srcdoc="{page}"'), encoding="utf-8")
    found = browse(
        outer,
        """
        const frame = document.querySelector("iframe").contentWindow;
        const root = frame.document.documentElement;
        const light = it => {
          const [r, g, b] = it.match(/[0-9.]+/g).map(x => x / 255).map(
            x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const contrast = (selector, property, behind) => {
          const a = light(frame.getComputedStyle(root.querySelector(selector))[property]);
          const b = light(frame.getComputedStyle(root.querySelector(behind)).backgroundColor);
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        };
        return {
          wide: root.scrollWidth, inner: frame.innerWidth,
          page: light(frame.getComputedStyle(frame.document.body).backgroundColor),
          words: contrast("section p", "color", "section"),
          axis: contrast("svg text", "fill", "section"),
          link: contrast("nav a", "color", "body"),
          bad: contrast(".bad", "color", "section"),
        };
        """,
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        tmp_path=tmp_path,
    )
    assert found["inner"] == 360 and found["wide"] <= 360
    assert (found["page"] < 0.05) if dark else (found["page"] > 0.8)
    for name in ("words", "axis", "link", "bad"):
        assert found[name] >= 4.5, (name, found[name])  # WCAG 2, level AA


def test_it_needs_no_network(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|//cdn|@import|<link|src=", page.split("<pre>")[0])
    assert "default-src 'none'" in page


def test_figures_are_those_of_the_evaluation(run):
    found = Assessment.load(run / "evaluation.npz")
    page = (run / "report.html").read_text(encoding="utf-8")
    wrong = found.predictions != found.labels
    assert f"<b>{1 - wrong.mean():.2%}</b>" in page
    counts = np.zeros((2, 2), int)
    for truth, guess in zip(found.labels, found.predictions):
        counts[truth, guess] += 1
    np.testing.assert_array_equal(found.confusion, counts)
    assert f"{counts[0, 1]:,} images, {counts[0, 1] / counts[0].sum():.1%} of the class" in page
    order = found.confidences[found.mistakes]
    assert wrong[found.mistakes].all() and (np.diff(order) <= 0).all() and len(order)


def test_neighbors_are_the_nearest(run, shapes):
    found = Assessment.load(run / "evaluation.npz")
    images, labels = shapes
    labels = np.where(np.arange(96) % 7 == 0, 1 - labels, labels)
    known, held = supcon.Dataset.from_images(images, labels).split(0.4, 3)
    model = supcon.load(run / "model.safetensors", precision="f32")
    cosines = model.embed(held)[found.queries] @ model.embed(known).T
    best = -np.sort(-cosines, axis=1)[:, : found.neighbor_cosines.shape[1]]
    np.testing.assert_allclose(found.neighbor_cosines, best, atol=1e-5)


def test_pca_against_the_covariance():
    random = np.random.default_rng(0)
    rows = random.normal(size=(50, 5)) @ random.normal(size=(5, 5))
    points = pca(rows)
    values = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1]
    np.testing.assert_allclose(points.var(0), values[:2])
    np.testing.assert_allclose(np.corrcoef(points.T)[0, 1], 0, atol=1e-12)
    for few in (np.zeros((4, 3)), rows[:1], rows[:, :1]):
        assert np.isfinite(pca(few)).all() and pca(few).shape == (len(few), 2)
    with pytest.raises(supcon.ArgumentError, match="'pac'"):
        project(rows, ["pac"])


def test_a_run_without_labels_and_one_that_was_stopped(shapes, tmp_path, stop):
    images, labels = shapes
    make = lambda: supcon.Model(width=4, image_size=12, channels=1, precision="f32", n_jobs=1)
    plain = supcon.Dataset.from_images(images)
    options = dict(epochs=1, batch_size=16)
    run = supcon.train(make(), plain, run=tmp_path / "plain", objective="simclr", **options).run
    page = supcon.report(run).read_text(encoding="utf-8")
    assert "Map of the embeddings" in page and "Confusion" not in page

    def end(event):
        raise stop

    data = supcon.Dataset.from_images(images, labels)
    with pytest.raises(stop):
        supcon.train(make(), data, run=tmp_path / "stopped", callbacks=end, **options)
    with pytest.raises(supcon.ArgumentError, match="expected data="):
        supcon.report(tmp_path / "stopped")
    if sys.version_info >= (3, 11):
        assert "Confusion" in supcon.report(tmp_path / "stopped", data).read_text(encoding="utf-8")
    with pytest.raises(supcon.ArgumentError, match="no folder of a run"):
        supcon.report(tmp_path)
    (tmp_path / "plain" / "evaluation.npz").write_bytes(b"PK")
    with pytest.raises((supcon.FormatError, OSError)):
        supcon.report(tmp_path / "plain")
