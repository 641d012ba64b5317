"""A rank of the tests: mpirun -np N python worker.py FOLDER JSON, where JSON has options of
`supcon.train` and what is to go wrong. Rank 0 leaves what it came to in FOLDER/result.npz; every
rank its outcome in FOLDER/rankN.txt.
"""

import json
import os
import signal
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np

import supcon


def data(count=48, shift=0):
    """Images whose classes are stripes of different periods."""
    random = np.random.default_rng(5)
    labels = np.arange(count) % 3
    columns = np.arange(12)[None, None, :] + random.integers(0, 4, (count, 1, 1))
    stripes = np.where(columns % (labels[:, None, None] + 2) == 0, 200, 40)
    noise = random.integers(-30, 30, (count, 12, 12))
    return (stripes + noise).astype(np.uint8), (labels + shift) % 3


def png(path, image):
    """Writes gray uint8 [h, w]."""
    kinds = {
        b"IHDR": struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in image)),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(it)) + kind + it + struct.pack(">I", zlib.crc32(kind + it))
        for kind, it in kinds.items()
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def main() -> int:
    folder, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    fault, at = options.pop("fault", None), options.pop("at", 1)
    kind, estimator = options.pop("collectives", "mpi"), options.pop("estimator", False)
    deadline, parts = options.pop("deadline", 30), options.pop("parts", False)
    comm, collectives, rank = None, None, 0
    if kind == "mpi":
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
        if fault == "absent" and comm.rank == at:
            time.sleep(deadline + 3)
        collectives = supcon.mpi.collectives(comm, deadline=deadline)
    elif kind == "gloo":
        import torch.distributed

        torch.distributed.init_process_group("gloo")
        collectives = supcon.distributed.collectives()
    rank = collectives.rank if collectives else 0
    is_faulty = rank == at
    if fault == "options" and is_faulty:
        options["learning_rate"] = 0.125
    if fault == "word" and is_faulty:
        options["schedule"] = "nonsense"
    images, labels = data(shift=1 if fault == "data" and is_faulty else 0)
    whole = images
    if parts:
        # the later a rank, the more it has
        world = collectives.world
        bounds = [len(images) * it * (it + 1) // (world * (world + 1)) for it in range(world + 1)]
        own = slice(bounds[rank], bounds[rank + 1])
        images, labels = images[own], labels[own]
    if fault == "part" and is_faulty:
        images = np.stack([images] * 3, -1)
    if fault == "labels" and is_faulty:
        labels = labels[1:]
    if collectives and is_faulty and fault in ("delay", "killed", "hangs"):
        original, calls = collectives.all_reduce_sum, iter(range(1 << 30))
        checkpoint = Path(options.get("checkpoint_folder", "")) / "last.supcon"

        def all_reduce_sum(values):
            if fault == "killed" and checkpoint.exists():
                os.kill(os.getpid(), signal.SIGKILL)
            if fault != "killed" and next(calls) == 3:
                time.sleep(1 if fault == "delay" else deadline + 8)
            original(values)

        collectives.all_reduce_sum = all_reduce_sum
    callbacks = []
    if fault == "callback":
        callbacks = [lambda event: event.step == 2]
    if fault == "full":
        import resource

        callbacks = [
            lambda event: (
                event.epoch == 2 and resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            )
        ]
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    outcome, history = "done", []
    try:
        if estimator:
            encoder = supcon.SupConEncoder(
                width=4, random_state=3, n_jobs=1, precision="f32", collectives=collectives,
                callbacks=callbacks, **options,
            ).fit(images, labels)  # fmt: skip
            model, history = encoder.model_, encoder.history_["loss"]
        else:
            model = supcon.Model(
                width=4, channels=1, image_size=12, seed=3 + rank, n_jobs=1, precision="f32"
            )
            if parts:
                data_set = supcon.Dataset.join(
                    lambda: supcon.Dataset.from_images(images, labels), collectives
                )
            else:
                data_set = supcon.Dataset.from_images(images, labels)
            training = supcon.train(
                model,
                data_set,
                collectives=collectives,
                callbacks=callbacks,
                seed=7,
                **options,
            )
            history = [it.loss for it in training.history]
            outcome = "stopped" if training.stopped else "done"
        if rank == 0:
            model.save(folder / "model.safetensors")
            np.savez(folder / "result.npz", rows=model.embed(whole), history=history)
    except supcon.SupConError as error:
        outcome = f"{type(error).__name__}: {error} [of rank {error.rank}]"
        if error.__cause__ is not None:
            outcome += f" from {type(error.__cause__).__name__}"
    except KeyboardInterrupt:
        outcome = "interrupted"
    (folder / f"rank{rank}.txt").write_text(outcome)
    if comm is not None and collectives.failed:
        time.sleep(2)  # the others write theirs
        comm.Abort(3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
