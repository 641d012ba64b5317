"""The library as a guest in a Python process: pools of forked workers, Ctrl-C in long calls, and
other programs that compute beside it.
"""

import concurrent.futures
import multiprocessing
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import supcon

IMAGES = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)


def python(code, *arguments, timeout=120):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *map(str, arguments)],
        check=True, capture_output=True, text=True, timeout=timeout,
    ).stdout  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["pool", "executor"])
def test_an_error_in_a_forked_worker_reaches_the_caller(kind):
    """A worker that died while it took the model from its queue would be replaced for ever."""
    model = supcon.Model(width=2, image_size=8, channels=1, n_jobs=1)
    model.embed(IMAGES)
    context = multiprocessing.get_context("fork")
    if kind == "pool":
        with context.Pool(1) as pool, pytest.raises(supcon.ForkError, match="fork"):
            pool.map_async(model.embed, [IMAGES, IMAGES]).get(60)
    else:
        with (
            concurrent.futures.ProcessPoolExecutor(1, context) as pool,
            pytest.raises(supcon.ForkError, match="fork"),
        ):
            list(pool.map(model.embed, [IMAGES, IMAGES], timeout=60))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])  # the default since Python 3.14
def test_new_processes_embed(method):
    model = supcon.Model(width=2, image_size=8, channels=1, n_jobs=1)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        (rows,) = pool.map(model.embed, [IMAGES], timeout=120)
    assert np.array_equal(rows, model.embed(IMAGES))


LONG_CALLS = {
    "supcon_loss": """
        x = np.random.default_rng(0).normal(size=(120_000, 128)).astype(np.float32)
        call = lambda: supcon.supcon_loss(x, np.arange(120_000) % 10, normalize=True, n_jobs=1)
    """,
    "tune": """
        images = np.random.default_rng(0).integers(0, 255, (2000, 32, 32, 3), np.uint8)
        data = supcon.Dataset.from_images(images, np.arange(2000) % 10)
        model = supcon.Model(width=16, n_jobs=1, precision="f32")
        call = lambda: supcon.tune(model, data, batch_size=64)
    """,
    "embed": """
        model = supcon.Model("resnet50", image_size=96, n_jobs=1, precision="f32")
        images = np.zeros((4000, 96, 96, 3), np.uint8)
        call = lambda: model.embed(images)
    """,
    "fit_classifier": """
        model = supcon.Model("resnet50", image_size=96, n_jobs=1, precision="f32")
        images = np.zeros((4000, 96, 96, 3), np.uint8)
        call = lambda: model.fit_classifier(images, np.arange(4000) % 2)
    """,
    "corrupt": """
        images = np.zeros((4000, 224, 224, 3), np.uint8)
        call = lambda: supcon.corrupt(images, "elastic_transform", 5, n_jobs=1)
    """,
    "retrieval": """
        rows = np.random.default_rng(0).normal(size=(120000, 128)).astype(np.float32)
        call = lambda: supcon.retrieval(rows, np.arange(120000) % 1000, n_jobs=1)
    """,
    # some seconds of choosing l2, and half a minute of fitting
    "evaluate": """
        random = np.random.default_rng(0)
        rows = random.normal(size=(60000, 512)).astype(np.float32)
        labels = random.integers(0, 1000, 60000)
        call = lambda: supcon.evaluate(rows, labels, rows[:10], labels[:10], n_jobs=1)
    """,
    "search": """
        rows = np.random.default_rng(0).normal(size=(120000, 128)).astype(np.float32)
        index = supcon.Index(n_jobs=1).add(rows)
        call = lambda: index.search(rows)
    """,
    # 64 million pixels each, a tenth of a second
    "png": """
        import pathlib, struct, tempfile, zlib
        def chunk(kind, body):
            sum = struct.pack(">I", zlib.crc32(kind + body))
            return struct.pack(">I", len(body)) + kind + body + sum
        folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(folder.name, "black.png")
        path.write_bytes(
            b"\\x89PNG\\r\\n\\x1a\\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 8000, 8000, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(bytes(8000 * 8001), 1)) + chunk(b"IEND", b"")
        )
        model = supcon.Model(width=2, image_size=8, n_jobs=1, precision="f32")
        call = lambda: model.embed([path] * 40)
    """,
    # 18 million pixels each, half a second
    "jpeg": """
        import pathlib, tempfile
        from PIL import Image
        folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(folder.name, "noise.jpg")
        noise = np.random.default_rng(0).integers(0, 256, (1050, 1050), np.uint8)
        Image.fromarray(np.tile(noise, (4, 4))).save(path, progressive=True)
        model = supcon.Model(width=2, image_size=8, n_jobs=1, precision="f32")
        call = lambda: model.embed([path] * 40)
    """,
    # names alone: a second
    "folder": """
        import tempfile
        folder = tempfile.TemporaryDirectory()
        os.mkdir(folder.name + "/class")
        for i in range(60_000):
            os.symlink("/dev/null", f"{folder.name}/class/{i}.png")
        delays = (0.001, 0.01, 0.03, 0.1)
        call = lambda: supcon.ImageFolder(folder.name)
    """,
}
# In their first hundredths of a second the calls prepare themselves, and then they compute.
INTERRUPT = """
if "delays" not in globals():
    delays = (0.001, 0.01, 0.03, 0.1, 0.5)

def interrupt(after):
    time.sleep(after)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

for after in delays:
    sent = []
    try:
        threading.Thread(target=interrupt, args=(after,)).start()
        call()
        print("nothing came")
    except KeyboardInterrupt:
        print(time.monotonic() - sent[0])
"""


@pytest.mark.parametrize("call", LONG_CALLS)
def test_an_interrupt_ends_a_long_call(call):
    """Whenever it comes, and far sooner than most of the calls would end: after half a minute."""
    code = textwrap.dedent(LONG_CALLS[call]) + INTERRUPT
    said = python("import os, signal, threading, time, numpy as np, supcon\n" + code, timeout=600)
    waited = [float(it) for it in said.split()]
    # A second on a machine that has nothing else to do; the tests share theirs.
    assert len(waited) >= 4 and max(waited) < 5, waited


BESIDE = """
    import sys, threading
    first, second = sys.argv[1:3]
    for name in (first, second):
        __import__(name)
    import numpy as np, supcon
    other = sys.modules["torch"] if "torch" in (first, second) else None
    stops = threading.Event()

    def product():
        a = np.random.default_rng(1).normal(size=(300, 300))
        if other is None:
            return a @ a
        return (other.from_numpy(a).float().requires_grad_() @ other.from_numpy(a).float()
                ).relu().detach().numpy()

    def compute():
        truth = product()
        while not stops.is_set():
            assert np.array_equal(product(), truth)
            rounds.append(1)

    def learn():
        images = np.random.default_rng(0).integers(0, 255, (48, 12, 12), np.uint8)
        encoder = supcon.SupConEncoder(
            width=4, epochs=3, batch_size=16, validation_fraction=0, precision="f32",
            random_state=1, n_jobs=2, stop_on_collapse=False,
        )
        return encoder.fit_transform(images, np.arange(48) % 3)

    alone = learn()
    rounds, failed = [], []
    threading.excepthook = lambda it: failed.append(it.exc_value)
    thread = threading.Thread(target=compute)
    thread.start()
    while len(rounds) < 3 and not failed:
        assert np.array_equal(learn(), alone)
    stops.set()
    thread.join()
    assert not failed, failed
"""


@pytest.mark.parametrize("order", ["supcon first", "supcon second"])
@pytest.mark.parametrize("other", ["numpy", "torch"])
def test_beside_another_program(other, order):
    """Both compute at once, whichever was loaded first, and get what they get alone."""
    pytest.importorskip(other)
    names = ("supcon", other) if order == "supcon first" else (other, "supcon")
    python(BESIDE, *names)
