"""Figure 4 and section 4.4: the effect of the temperature."""

from ._study import Arm, Claim, Settings, Study, sgd

TEMPERATURES = (0.03, 0.07, 0.1, 0.2, 0.5, 1.0)


def arms(settings: Settings) -> list[Arm]:
    # The gradient grows as 1/temperature: the scale keeps it as large as at temperature 0.1.
    return [
        Arm(f"temperature {it:g}", sgd(settings, temperature=it, scale=it / 0.1), x=it)
        for it in TEMPERATURES
    ]


def claims(settings: Settings) -> list[Claim]:
    return [
        Claim(f"0.1 is better than {it:g}", "temperature 0.1", f"temperature {it:g}")
        for it in (0.03, 0.5, 1.0)
    ]


STUDY = Study(
    "temperature",
    "Temperature of the loss",
    "The paper (section 4.4, ImageNet, ResNet-50) finds a temperature of "
    "0.1 the best of those it tried, and the right one worth nearly 3 "
    "points of top-1 "
    "accuracy: smaller ones are harder to optimize, larger ones tell hard "
    "and easy examples apart less.",
    arms,
    claims,
    axis="temperature",
    logarithmic=True,
    notes="The loss is multiplied by temperature / 0.1, so that one learning "
    "rate suits all (google-research's loss is multiplied by the "
    "temperature, too).",
    full="ImageNet, for each TEMPERATURE:\n\n    supcon train imagenet/train -o "
    "m.safetensors --architecture resnet50 --image-size 224 --epochs 350 "
    "--batch-size 6144 --temperature TEMPERATURE\n    supcon evaluate "
    "m.safetensors imagenet/train imagenet/val",
)
