"""A rank of `ours.py ranks`: steps of the whole trainer over MPI. `mpirun -np 2 python3 ranks.py
NAME=VALUE …`; rank 0 prints the line, with the seconds and bytes of each kind of exchange in a
step. ranks=1: one process without MPI. gigabits=1: as over a network of 1 Gbit/s and 0.1 ms, whose
time is slept after each exchange; overlap=0: no sum is behind the backward pass.
"""

import math
import statistics
import time

from timing import arguments, report


class Timed:
    """Collectives that note how long each operation takes, and what it moves."""

    def __init__(self, inner, overlap, gigabits, latency=1e-4):
        self.inner, self.rank, self.world = inner, inner.rank, inner.world
        self.any_thread = inner.any_thread and overlap
        self.seconds_per_byte = 8e-9 / gigabits if gigabits else 0
        self.latency = latency * math.log2(self.world) if gigabits else 0
        self.seconds, self.bytes = {}, {}

    def _note(self, name, size, call, passes=1):
        """`passes`: of all but one rank's bytes over the network."""
        start = time.perf_counter()
        call()
        if self.seconds_per_byte:
            others = (self.world - 1) / self.world
            time.sleep(passes * (self.latency + others * size * self.seconds_per_byte))
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start
        self.bytes[name] = self.bytes.get(name, 0) + size

    def all_reduce_sum(self, values):
        self._note("sum", values.nbytes, lambda: self.inner.all_reduce_sum(values), 2)

    def all_gather(self, values, gathered):
        kind = "agree" if values.nbytes == 64 else "gather"
        self._note(kind, gathered.nbytes, lambda: self.inner.all_gather(values, gathered))

    def all_to_all(self, values, received):
        self._note("exchange", values.nbytes, lambda: self.inner.all_to_all(values, received))

    def broadcast(self, values, root):
        self.inner.broadcast(values, root)

    def barrier(self):
        self.inner.barrier()


def main(
    ranks,
    threads=1,
    batch=256,
    side=28,
    channels=1,
    width=16,
    precision="bf16",
    sync=0,
    steps=6,
    epochs=4,
    overlap=1,
    gigabits=0,
    gradients="f32",
) -> None:
    import numpy as np

    import supcon

    timed = None
    if ranks > 1:
        timed = Timed(supcon.mpi.collectives(), bool(overlap), float(gigabits))
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (batch * steps, side, side, channels), dtype=np.uint8)
    model = supcon.Model(
        "resnet18",
        width=width,
        stem="cifar",
        channels=channels,
        image_size=side,
        precision=precision,
        n_jobs=threads,
    )
    between, last, before, busy = [], time.perf_counter(), {}, 0

    def hear(event):
        nonlocal last, before, busy
        now, then = time.perf_counter(), last
        last = now
        if event.epoch == 1 and event.kind == "epoch":
            busy = time.process_time()
            before = timed and (dict(timed.seconds), dict(timed.bytes))
        if event.epoch > 1 and event.kind == "step" and event.step > 1:
            between.append(now - then)

    supcon.train(
        model,
        supcon.Dataset.from_images(images, np.arange(len(images)) % 10),
        epochs=epochs,
        batch_size=batch,
        augmentation="none",
        callbacks=[hear],
        validation_fraction=0,
        sync_batch_norm=bool(sync),
        gradient_precision=gradients,
        stop_on_collapse=False,
        collectives=timed,
    )
    if timed is None or timed.rank == 0:
        count = (epochs - 1) * steps
        # of rank 0's threads, those that wait in a loop as well
        more = {"cpu_s": round((time.process_time() - busy) / count, 6)}
        for name in timed.seconds if timed else ():
            more[f"{name}_s"] = round((timed.seconds[name] - before[0][name]) / count, 6)
            more[f"{name}_bytes"] = round((timed.bytes[name] - before[1][name]) / count)
        report(between, images_per_s=round(batch / statistics.median(between), 1), **more)


if __name__ == "__main__":
    import sys

    main(**arguments(sys.argv[1:]))
