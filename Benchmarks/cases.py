"""The table of what is timed: each case with the work that we do for it, the peers that do the
same, and the ratio of times that is the goal.

A contender is a program and its NAME=VALUE words: "swift" is the benchmark executable, "ours" is
ours.py, "peers" is peers/peers.py in the peers' environment.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Contender:
    subject: str
    program: str
    work: str
    arguments: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    group: str
    name: str
    ours: Contender
    precision: str = ""
    peers: tuple = ()
    # Ours over the best of the peers, at most; None: nothing was promised.
    goal: "float | None" = None
    aim: "float | None" = None
    # The same for the peak of memory; None: it is not compared.
    memory_goal: "float | None" = None
    memory_aim: "float | None" = None
    # How often compare.py takes turns; 0: what its caller asks for.
    rounds: int = 0


def swift(work, **arguments):
    return Contender("libsupcon", "swift", work, arguments)


def ours(work, **arguments):
    return Contender("libsupcon", "ours", work, arguments)


def peer(subject, work, **arguments):
    return Contender(subject, "peers", work, arguments)


# ---------------------------------------------------------------------------------------------
# training steps
NETWORKS = {
    "resnet18-cifar 32x32 128 views": dict(
        architecture="resnet18", stem="cifar", width=64, channels=3, side=32, views=128
    ),
    "resnet18-cifar width 16 28x28x1 512 views": dict(
        architecture="resnet18", stem="cifar", width=16, channels=1, side=28, views=512
    ),
    "resnet50 224x224 16 views": dict(
        architecture="resnet50", stem="imagenet", width=64, channels=3, side=224, views=16
    ),
}
STEP_GOALS = {  # network, precision → goal and aim
    ("resnet18-cifar 32x32 128 views", "bf16"): (0.95, 0.90),
    ("resnet18-cifar 32x32 128 views", "f32"): (0.90, 0.65),
    ("resnet18-cifar width 16 28x28x1 512 views", "bf16"): (0.80, 0.65),
    ("resnet18-cifar width 16 28x28x1 512 views", "f32"): (0.80, 0.50),
    ("resnet50 224x224 16 views", "bf16"): (0.88, 0.80),
}


def train_steps():
    for name, shape in NETWORKS.items():
        # Compiling the large one takes minutes and gains nothing here.
        forms = [
            (mode, layout)
            for mode in ("eager", "compile")
            for layout in ("nhwc", "nchw")
            if mode == "eager" or shape["architecture"] != "resnet50"
        ]
        for precision in ("f32", "bf16"):
            goal, aim = STEP_GOALS.get((name, precision), (None, None))
            yield Case(
                "train-step",
                f"train-step {name}",
                swift("train-step", **shape, precision=precision),
                precision,
                tuple(
                    peer(
                        f"torch {mode} {layout}",
                        "train-step",
                        **shape,
                        precision=precision,
                        mode=mode,
                        layout=layout,
                    )
                    for mode, layout in forms
                ),
                goal,
                aim,
                0.6,
                0.4,
            )


FROZEN_GOALS = {  # frozen stages, int8 → goal and aim
    (3, False): (0.80, 0.65),
    (3, True): (0.55, 0.45),
}


def frozen_steps():
    """Fine-tuning steps of a ResNet-50 whose first stages are frozen."""
    shape = NETWORKS["resnet50 224x224 16 views"]
    for freeze, int8 in ((3, False), (3, True), (4, False)):
        for precision in ("f32", "bf16"):
            yield Case(
                "frozen",
                f"frozen step resnet50 224x224 16 views, stages 1 to {freeze} frozen"
                + (" in int8" if int8 else ""),
                swift("train-step", **shape, precision=precision, freeze=freeze, int8=int(int8)),
                precision,
                tuple(
                    peer(
                        f"torch eager {layout}",
                        "train-step",
                        **shape,
                        precision=precision,
                        mode="eager",
                        layout=layout,
                        freeze=freeze,
                    )
                    for layout in ("nhwc", "nchw")
                ),
                *FROZEN_GOALS.get((freeze, int8), (None, None)),
            )


CACHE_GOALS = {3: (0.50, 0.40), 4: (0.05, 0.02)}  # frozen stages → goal and aim


def cached_epochs():
    """Epochs of the whole trainer over the feature cache, and without it."""
    for freeze, goals in CACHE_GOALS.items():
        for precision in ("f32", "bf16"):
            work = dict(freeze=freeze, precision=precision)
            yield Case(
                "cached",
                f"epoch over the feature cache, resnet50 224x224, stages 1 to {freeze} frozen",
                ours("epoch", **work, cache=1),
                precision,
                (replace(ours("epoch", **work, cache=0), subject="libsupcon without the cache"),),
                *goals,
            )


def busy():
    """A step while a foreign process computes beside it, and in quiet."""
    for name, shape in NETWORKS.items():
        if shape["architecture"] == "resnet50":
            continue
        for precision in ("f32", "bf16"):
            yield Case(
                "busy",
                f"busy {name}",
                swift("busy", **shape, precision=precision),
                precision,
                (
                    peer(
                        "torch eager nhwc",
                        "busy",
                        **shape,
                        precision=precision,
                        mode="eager",
                        layout="nhwc",
                        foreign="{benchmark}",
                    ),
                ),
                rounds=1,
            )


def layers():
    for name, shape in NETWORKS.items():
        for precision in ("f32", "bf16"):
            yield Case(
                "layers", f"layers {name}", swift("layers", **shape, precision=precision), precision
            )


def limits():
    yield Case("limit", "limit of multiply-adds", swift("limit"))


# ---------------------------------------------------------------------------------------------
# loss
def losses():
    for n in (512, 2048, 8192):
        goal, aim = (0.15, 0.10) if n == 8192 else (None, None)
        yield Case(
            "loss",
            f"loss+gradient n={n} d=128",
            swift("loss", n=n),
            "f32",
            (
                peer("torch, SupContrast's form", "loss", n=n, form="supcontrast"),
                peer("pytorch-metric-learning", "loss", n=n, form="metric-learning"),
            ),
            goal,
            aim,
        )
    for n in (16384, 32768, 65536):  # the peers' matrices of n × n do not fit
        yield Case("loss", f"loss+gradient n={n} d=128", swift("loss", n=n), "f32", rounds=1)


# ---------------------------------------------------------------------------------------------
# inference
def embeddings():
    for architecture, batch in (
        ("resnet18", 1),
        ("resnet18", 16),
        ("resnet18", 32),
        ("resnet50", 1),
        ("resnet50", 16),
        ("resnet50", 32),
    ):
        name, shape = (
            f"embed {architecture} 224x224 batch {batch}",
            dict(architecture=architecture, batch=batch),
        )
        for precision in ("f32", "bf16"):
            engines = (
                ("onnxruntime", "openvino", "torch")
                if precision == "f32"
                else ("openvino", "torch")
            )
            yield Case(
                "embed",
                name,
                ours("embed", **shape, precision=precision),
                precision,
                tuple(
                    peer(engine, "embed", **shape, precision=precision, engine=engine)
                    for engine in engines
                ),
                1.0,
                0.9,
            )
        # Against our own bf16.
        yield Case(
            "int8",
            name,
            ours("embed", **shape, precision="int8"),
            "int8",
            (replace(ours("embed", **shape, precision="bf16"), subject="libsupcon bf16"),),
            0.6,
            0.5,
        )
        yield Case(
            "int8",
            f"{name}, both in int8",
            ours("embed", **shape, precision="int8"),
            "int8",
            (peer("openvino", "embed", **shape, precision="int8", engine="openvino"),),
            1.0,
            0.9,
        )


def startups():
    yield Case(
        "startup",
        "import, model from a file, first embedding of one image",
        ours("startup"),
        "",
        (peer("torch", "startup"),),
        0.1,
        None,
    )


# ---------------------------------------------------------------------------------------------
# images
def views():
    for source, side in ((32, 32), (400, 224)):
        shape = dict(source=source, side=side)
        yield Case(
            "augment",
            f"one view, one thread, {source}->{side}",
            swift("augment", **shape),
            "",
            tuple(
                peer(library, "augment", **shape, library=library)
                for library in ("albumentations", "torchvision")
            ),
            0.30,
            0.15,
        )


def files():
    for width, height in ((500, 375), (2000, 1500)):
        shape = dict(file=f"{{scratch}}/{width}x{height}.jpg", side=224)
        yield Case(
            "jpeg",
            f"JPEG {width}x{height} to one view of 224x224, one thread",
            swift("jpeg", **shape),
            "",
            (peer("Pillow + torchvision", "jpeg", **shape),),
            0.5,
            0.25,
        )


# ---------------------------------------------------------------------------------------------
# whole programs
def fashion_mnist():
    """To 91 % linear accuracy of the encoder. Ours is the shortest recipe found that gets there:
    one view and no augmentation, which in two epochs has nothing to prevent; and it embeds the
    70,000 images in int8.
    """
    short = dict(
        epochs=2,
        methods="linear",
        embed="int8",
        set='views=1 batch_size=128 augmentation="none"',
    )
    yield Case(
        "fashion-mnist",
        "Fashion-MNIST to 91 %, the whole program",
        ours("fashion-mnist", seeds=3, **short),
        "",
        (peer("torch f32, the reference recipe", "fashion-mnist", epochs=4),),
        0.4,
        0.2,
        rounds=1,
    )
    yield Case(
        "fashion-mnist",
        "Fashion-MNIST, the same short recipe",
        ours("fashion-mnist", **short),
        "",
        (peer("torch f32", "fashion-mnist", epochs=2, views=1, batch=128),),
        rounds=1,
    )


def photographs():
    """Fine-tuning by `supcon train photos --init WEIGHTS`, and PyTorch's five epochs."""
    yield Case(
        "photographs",
        "fine-tuning on 2,000 photographs 224x224, the whole program",
        ours("photographs"),
        "bf16",
        (peer("torch eager nhwc", "photographs", folder="{scratch}"),),
        0.30,
        0.15,
        rounds=1,
    )


# ---------------------------------------------------------------------------------------------
# ours alone: curves
def scaling():
    def step(what, precision, **shape):
        return Case(
            "scaling",
            f"scaling {what}",
            swift("train-step", **shape, precision=precision, runs=3),
            precision,
        )

    small = NETWORKS["resnet18-cifar width 16 28x28x1 512 views"]
    for precision in ("f32", "bf16"):
        for name, shape in NETWORKS.items():
            for threads in (1, 2):
                yield step(f"threads={threads}: {name}", precision, **shape, threads=threads)
        for views in (32, 64, 128, 256, 512, 1024, 2048, 4096):
            yield step(
                f"batch={views}: resnet18-cifar width 16 28x28x1",
                precision,
                **{**small, "views": views},
            )
        for side in (28, 32, 48, 64, 96, 128, 160, 224):
            yield step(
                f"image={side}: resnet18 16 views",
                precision,
                architecture="resnet18",
                stem="imagenet",
                width=64,
                channels=3,
                side=side,
                views=16,
            )
        for depth in (18, 34, 50, 101, 152, 200):
            yield step(
                f"depth={depth}: 128x128 8 views",
                precision,
                architecture=f"resnet{depth}",
                stem="imagenet",
                width=64,
                channels=3,
                side=128,
                views=8,
            )


def overlaps():
    yield Case(
        "overlap",
        "overlap: the step alone, its views ready",
        swift(
            "train-step", **NETWORKS["resnet18-cifar width 16 28x28x1 512 views"], precision="bf16"
        ),
        "bf16",
    )
    for what, more in (
        ("loader", dict(augmentation="none")),
        ("loader, crops and flips", dict(augmentation="crop_flip")),
        ("loader, SimCLR's views", {}),
        ("loader, SimCLR's views, kNN monitor", dict(monitor=1)),
        ("loader, SimCLR's views, kNN monitor, checkpoints", dict(monitor=1, checkpoint=1)),
    ):
        yield Case(
            "overlap", f"overlap: with {what}", ours("overlap", precision="bf16", **more), "bf16"
        )


def ranks():
    """Two processes of one thread over MPI, one of two threads, and PyTorch's DDP over gloo; four
    beside one of one thread; two over a network of 1 Gbit/s, with and without what hides it.
    """
    for precision in ("f32", "bf16"):
        for sync in (0, 1):
            shape = dict(precision=precision, sync=sync)
            one = Contender(
                "libsupcon, one process", "ours", "ranks", dict(ranks=1, threads=2, **shape)
            )
            ddp = peer("torch DDP gloo", "ddp", ranks=2, threads=1, precision=precision)
            yield Case(
                "ranks",
                f"ranks: 2 of 1 thread, batch norm {'synchronized' if sync else 'per rank'}",
                ours("ranks", ranks=2, threads=1, **shape),
                precision,
                (one,) if sync else (one, ddp),
                1.05,
            )
    slow = dict(ranks=2, threads=1, precision="bf16", width=64, batch=64, gigabits=1)
    waits = Contender("libsupcon, no overlap", "ours", "ranks", dict(overlap=0, **slow))
    for gradients in ("f32", "bf16"):
        yield Case(
            "ranks",
            f"ranks: 2 of 1 thread, as over 1 Gbit/s, gradients in {gradients}",
            ours("ranks", gradients=gradients, **slow),
            "bf16",
            (waits,),
            1.0,
        )
    yield Case(
        "ranks",
        "ranks: 4 of 1 thread",
        ours("ranks", ranks=4, threads=1, precision="bf16"),
        "bf16",
        (
            Contender(
                "libsupcon, one process",
                "ours",
                "ranks",
                dict(ranks=1, threads=1, precision="bf16"),
            ),
        ),
    )


LONG = ("fashion-mnist", "photographs")  # groups that run by their names alone


def all_cases() -> "list[Case]":
    makers = (
        limits,
        train_steps,
        frozen_steps,
        cached_epochs,
        busy,
        losses,
        embeddings,
        views,
        files,
        startups,
        overlaps,
        scaling,
        ranks,
        layers,
        fashion_mnist,
        photographs,
    )
    return [case for make in makers for case in make()]


def chosen(groups) -> "list[Case]":
    """The cases of these groups; of a name that is no group, those whose name holds it; without
    any, all.
    """
    everything = all_cases()
    known = {case.group for case in everything}
    return [
        case
        for case in everything
        if not groups
        or any(word == case.group or (word not in known and word in case.name) for word in groups)
    ]
