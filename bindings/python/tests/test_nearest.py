"""supcon.nearest and supcon.Index against numpy in double precision, and against faiss and usearch
where they are installed.
"""

import struct

import numpy as np
import pytest

import supcon


def rows(count, dimension=24, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def unit(values):
    values = values.astype(np.float64)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def expected(gallery, queries, k):
    """By a stable sort: among equals the lower index first."""
    products = unit(queries) @ unit(gallery).T
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, order, 1), order


@pytest.mark.parametrize("queries", [1, 8, 9, 300])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_nearest(queries, jobs):
    gallery, asked = rows(5000), rows(queries, seed=1)
    similarities, indices = supcon.nearest(gallery, asked, k=7, n_jobs=jobs)
    products, order = expected(gallery, asked, 7)
    assert indices.dtype == np.int64 and similarities.dtype == np.float32
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(similarities, products, atol=1e-6)


def test_k_is_ten_and_rows_do_not_find_themselves():
    gallery = rows(50)
    similarities, indices = supcon.nearest(gallery)
    assert indices.shape == similarities.shape == (50, 10)
    assert (indices != np.arange(50)[:, None]).all()
    np.testing.assert_array_equal(indices, expected(gallery, gallery, 11)[1][:, 1:])


def test_products_of_rows_as_they_are():
    gallery, asked = rows(200), rows(3, seed=1)
    similarities, indices = supcon.nearest(gallery, asked, k=4, normalize=False)
    products = asked.astype(np.float64) @ gallery.astype(np.float64).T
    np.testing.assert_array_equal(indices, np.argsort(-products, axis=1)[:, :4])
    np.testing.assert_allclose(similarities, -np.sort(-products, axis=1)[:, :4], rtol=1e-6)


def test_what_nearest_refuses():
    gallery = rows(5)
    for k in (0, -3, 6, 2**31 - 1):
        with pytest.raises(supcon.ArgumentError, match=f"k is {k}"):
            supcon.nearest(gallery, gallery, k=k)
    with pytest.raises(supcon.ShapeError, match="24 .* 3"):
        supcon.nearest(gallery, rows(2, 3))
    bad = gallery.copy()
    bad[3, 2] = np.nan
    for normalize in (True, False):
        with pytest.raises(supcon.ArgumentError, match="row 3"):
            supcon.nearest(bad, gallery[:1], k=2, normalize=normalize)


@pytest.mark.parametrize(
    "ids",
    [
        None,
        np.arange(40)[::-1] * 10**15 - 7,
        [f"photos/ü{it}.jpg" for it in range(40)],
        [f"\udcff{it}" for it in range(40)],  # a path that is not UTF-8
    ],
)
def test_index_is_kept(tmp_path, ids):
    embeddings, index = rows(40), supcon.Index()
    index.add(embeddings[:13], None if ids is None else ids[:13])
    index.add(embeddings[13:], None if ids is None else ids[13:])
    assert len(index) == 40 and index.dimension == 24
    np.testing.assert_allclose(index.embeddings, unit(embeddings), atol=1e-7)
    found = index.search(embeddings[20:22], k=3)
    np.testing.assert_array_equal(found.indices, expected(embeddings, embeddings[20:22], 3)[1])
    names = np.arange(40) if ids is None else np.asarray(ids, dtype=object)
    assert found.ids.tolist() == names[found.indices].tolist()
    path = tmp_path / "photos.index"
    index.save(path)
    again = supcon.Index.load(path)
    assert again.ids.tolist() == index.ids.tolist()
    np.testing.assert_array_equal(again.embeddings, index.embeddings)
    for ours, theirs in zip(again.search(embeddings, 5), index.search(embeddings, 5)):
        np.testing.assert_array_equal(ours, theirs)


def test_the_file_is_what_safetensors_reads(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    index = supcon.Index().add(rows(10), range(5, 15))
    index.save(tmp_path / "a.index")
    read = safetensors.load_file(tmp_path / "a.index")
    np.testing.assert_array_equal(read["embeddings"], index.embeddings)
    assert read["ids"].tolist() == list(range(5, 15))
    # And the other way round: written by safetensors, without a checksum.
    safetensors.save_file(read, tmp_path / "b.index", {"supcon.index": "1"})
    assert supcon.Index.load(tmp_path / "b.index").ids.tolist() == list(range(5, 15))


def test_the_models_fingerprint(tmp_path):
    model = supcon.Model("resnet18", width=4, stem="cifar", image_size=16, seed=1)
    other = supcon.Model("resnet18", width=4, stem="cifar", image_size=16, seed=2)
    model.save(tmp_path / "m.safetensors")
    loaded = supcon.load(tmp_path / "m.safetensors", precision="f32")
    assert loaded.fingerprint == model.fingerprint != other.fingerprint
    bright = supcon.Model("resnet18", width=4, stem="cifar", image_size=16, seed=1, mean=0.9)
    assert bright.fingerprint != model.fingerprint
    model.reset_classifier(5)  # which the embedding does not pass
    assert loaded.fingerprint == model.fingerprint
    index = supcon.Index(model).add(rows(3, model.embedding_dim))
    index.save(tmp_path / "a.index")
    index = supcon.Index.load(tmp_path / "a.index")
    index.check(loaded)
    with pytest.raises(supcon.StateError, match=model.fingerprint):
        index.check(other)


def test_what_an_index_refuses(tmp_path):
    index = supcon.Index()
    with pytest.raises(supcon.StateError, match="empty"):
        index.search(rows(1))
    index.add(rows(3), ["a", "b", "c"])
    with pytest.raises(supcon.ShapeError, match="24"):
        index.add(rows(3, 5))
    with pytest.raises(supcon.ShapeError, match="2 ids for 3"):
        index.add(rows(3), ["a", "b"])
    with pytest.raises(supcon.ElementTypeError, match="int"):
        index.add(rows(1), [4])
    with pytest.raises(supcon.ElementTypeError, match="mixed"):
        index.add(rows(2), ["a", 4])
    bad = rows(2)
    bad[1, 1] = np.inf
    with pytest.raises(supcon.ArgumentError, match="embedding 1"):
        index.add(bad)
    with pytest.raises(supcon.ArgumentError, match="query 1"):
        index.search(bad)
    with pytest.raises(supcon.ShapeError, match="24"):
        index.search(rows(1, 3))
    for k, error in ((0, supcon.ArgumentError), (2.5, supcon.ElementTypeError)):
        with pytest.raises(error, match="k is"):
            index.search(rows(1), k=k)
    assert index.search(rows(1), k=np.int64(2)).ids.shape == (1, 2)
    assert len(index) == 3 and index.search(rows(1), k=100).ids.shape == (1, 3)
    with pytest.raises(supcon.FileError):
        supcon.Index.load(tmp_path / "none.index")


def test_damaged_files_are_refused(tmp_path):
    index = supcon.Index().add(rows(6, 4), [f"path {it}" for it in range(6)])
    path = tmp_path / "a.index"
    index.save(path)
    whole = path.read_bytes()
    random = np.random.default_rng(2)
    damaged = [whole[:cut] for cut in (0, 7, 8, 60, len(whole) - 1)]
    for _ in range(200):
        piece = bytearray(whole)
        piece[random.integers(len(whole))] ^= 1 << random.integers(8)
        damaged.append(bytes(piece))
    damaged.append(struct.pack("<Q", 2**63) + whole[8:])
    survived = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            found = supcon.Index.load(path)
        except supcon.FormatError:
            continue
        # The checksum's own name was hit, as if another program had written the file.
        assert found.ids.tolist() == index.ids.tolist()
        np.testing.assert_array_equal(found.embeddings, index.embeddings)
        survived += 1
    assert survived < 15
    model = supcon.Model("resnet18", width=4, stem="cifar", image_size=16)
    model.save(path)
    with pytest.raises(supcon.FormatError, match="supcon.index"):
        supcon.Index.load(path)


def test_faiss():
    pytest.importorskip("faiss")
    embeddings, asked = rows(500), rows(9, seed=3)
    queries = unit(asked).astype(np.float32)
    index = supcon.Index().add(embeddings)
    similarities, numbers = index.to_faiss().search(queries, 5)
    found = index.search(asked, 5)
    np.testing.assert_array_equal(numbers, found.indices)
    np.testing.assert_allclose(similarities, found.similarities, atol=1e-6)
    numbered = supcon.Index().add(embeddings, np.arange(500) * 3 + 1)
    assert (numbered.to_faiss().search(queries, 5)[1] == found.indices * 3 + 1).all()
    named = supcon.Index().add(embeddings, [str(it) for it in range(500)])
    assert (named.to_faiss().search(queries, 5)[1] == found.indices).all()


def test_usearch():
    pytest.importorskip("usearch.index")
    embeddings = rows(500)
    index = supcon.Index().add(embeddings, np.arange(500) * 3 + 1)
    keys = index.to_usearch().search(index.embeddings, 1).keys
    assert (np.asarray(keys).reshape(-1) == index.ids).mean() > 0.98  # it is approximate
    with pytest.raises(supcon.ArgumentError, match="one id"):
        supcon.Index().add(rows(2), [4, 4]).to_usearch()


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"pip install 'supcon\[faiss\]'"):
        supcon.Index().add(rows(2)).to_faiss()
