"""The enumerations, handles, structs and callbacks of include/supcon.h that have no options; those
of options are in `_generated`. A test compares this file with the header.
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_uint8,
    c_uint32,
    c_void_p,
)
from typing import TYPE_CHECKING

from . import _generated
from ._schema import Choice, ProgressCallback, TrialCallback, TrialStruct

ABI_VERSION = 1


# ------------------------------------------------------------------------------------------------
# enumerations
class Status(Choice):
    OK, ARGUMENT, SHAPE, TYPE, IO, FORMAT, MEMORY, CANCELED, UNSUPPORTED, STATE, FORK, INTERNAL = (
        range(12)
    )


class Log(Choice):
    DEBUG, INFO, WARNING = range(3)


class Element(Choice):
    U8, F32 = range(2)


class Layout(Choice):
    HWC, CHW = range(2)


class Rule(Choice):
    ANY, ALL, JACCARD = range(3)


class Corruption(Choice):
    (
        GAUSSIAN_NOISE,
        SHOT_NOISE,
        IMPULSE_NOISE,
        DEFOCUS_BLUR,
        GLASS_BLUR,
        MOTION_BLUR,
        ZOOM_BLUR,
        SNOW,
        FROST,
        FOG,
        BRIGHTNESS,
        CONTRAST,
        ELASTIC_TRANSFORM,
        PIXELATE,
        JPEG_COMPRESSION,
    ) = range(15)


class EventKind(Choice):
    STEP, EPOCH, WARNING = range(3)


class Phase(Choice):
    EMBED, FIT = range(2)


# enumeration → the prefix of its names in the header (SUPCON_OK alone has none)
PREFIXES: dict[type[Choice], str] = _generated.PREFIXES | {
    Status: "SUPCON_STATUS_",
    Log: "SUPCON_LOG_",
    Element: "SUPCON_ELEMENT_",
    Layout: "SUPCON_LAYOUT_",
    Rule: "SUPCON_RULE_",
    Corruption: "SUPCON_CORRUPTION_",
    EventKind: "SUPCON_EVENT_",
    Phase: "SUPCON_PHASE_",
}


# ------------------------------------------------------------------------------------------------
# handles
class supcon_context(Structure):
    """A context, opaque."""


class supcon_dataset(Structure):
    """A data set, opaque."""


class supcon_model(Structure):
    """A model, opaque."""


class supcon_trainer(Structure):
    """A trainer, opaque."""


ContextHandle, DatasetHandle, ModelHandle, TrainerHandle = (
    POINTER(it) for it in (supcon_context, supcon_dataset, supcon_model, supcon_trainer)
)
if TYPE_CHECKING:
    from ctypes import _Pointer

    Handle = _Pointer[Structure]

HANDLES = (supcon_context, supcon_dataset, supcon_model, supcon_trainer)

# ------------------------------------------------------------------------------------------------
# structs
_size = ("struct_size", c_uint32)


class Images(Structure):
    _fields_ = [
        _size,
        ("element_type", c_int32),
        ("data", c_void_p),
        ("count", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("channels", c_int64),
        ("image_stride", c_int64),
        ("row_stride", c_int64),
        ("column_stride", c_int64),
        ("channel_stride", c_int64),
    ]


class LossResult(Structure):
    _fields_ = [
        _size,
        ("reserved", c_int32),
        ("loss", c_double),
        ("anchors", c_int64),
        ("anchors_without_positive", c_int64),
    ]


class DatasetInfo(Structure):
    _fields_ = [
        _size,
        ("labeled", c_int32),
        ("count", c_int64),
        ("classes", c_int64),
        ("height", c_int64),
        ("width", c_int64),
        ("channels", c_int64),
        ("skipped", c_int64),
        ("target_dimension", c_int64),
        ("median_height", c_int64),
        ("median_width", c_int64),
    ]


class ModelInfo(Structure):
    _fields_ = [
        _size,
        ("stem", c_int32),
        ("architecture", c_char_p),
        ("width", c_int32),
        ("channels", c_int32),
        ("image_height", c_int32),
        ("image_width", c_int32),
        ("head", c_int32),
        ("head_hidden", c_int32),
        ("projection_dim", c_int32),
        ("classes", c_int32),
        ("precision", c_int32),
        ("embedding_dim", c_int32),
        ("parameters", c_int64),
        ("mean", c_float * 4),
        ("std", c_float * 4),
        ("int8", c_int32),
        ("normalize_features", c_int32),
        ("resize", c_int32),
        ("zero_init_last_gamma", c_int32),
    ]


class EventStruct(Structure):
    _fields_ = [
        _size,
        ("kind", c_int32),
        ("epoch", c_int64),
        ("epochs", c_int64),
        ("step", c_int64),
        ("steps", c_int64),
        ("loss", c_double),
        ("learning_rate", c_double),
        ("images_per_second", c_double),
        ("seconds_left", c_double),
        ("knn_accuracy", c_double),
        ("alignment", c_double),
        ("uniformity", c_double),
        ("train_accuracy", c_double),
        ("anchors_without_positive", c_int64),
        ("message", c_char_p),
    ]


class Scores(Structure):
    _fields_ = [
        _size,
        ("l2", c_float),
        ("top1", c_double),
        ("top5", c_double),
        ("classes", c_int64),
    ]


class RetrievalScores(Structure):
    _fields_ = [
        _size,
        ("reserved", c_int32),
        ("precision_at_1", c_double),
        ("r_precision", c_double),
        ("map_at_r", c_double),
        ("queries", c_int64),
        ("queries_without_match", c_int64),
    ]


class CalibrationScores(Structure):
    _fields_ = [
        _size,
        ("reserved", c_int32),
        ("expected_calibration_error", c_double),
        ("maximum_calibration_error", c_double),
        ("accuracy", c_double),
        ("confidence", c_double),
        ("negative_log_likelihood", c_double),
        ("brier_score", c_double),
    ]


class CorruptionScores(Structure):
    _fields_ = [
        _size,
        ("reserved", c_int32),
        ("mean", c_double),
        ("relative_mean", c_double),
    ]


class DetectionScores(Structure):
    _fields_ = [
        _size,
        ("reserved", c_int32),
        ("auroc", c_double),
        ("fpr95", c_double),
        ("threshold", c_double),
    ]


AllReduceSum = CFUNCTYPE(c_int, POINTER(c_float), c_int64, c_void_p)
AllGather = CFUNCTYPE(c_int, c_void_p, c_int64, c_void_p, c_void_p)
AllToAll = CFUNCTYPE(c_int, c_void_p, c_int64, c_void_p, c_void_p)
Broadcast = CFUNCTYPE(c_int, c_void_p, c_int64, c_int32, c_void_p)
Barrier = CFUNCTYPE(c_int, c_void_p)
# an address, to write to
DescribeFailure = CFUNCTYPE(c_int, c_void_p, c_int64, c_void_p)


class CollectivesStruct(Structure):
    _fields_ = [
        _size,
        ("rank", c_int32),
        ("world", c_int32),
        ("any_thread", c_int32),
        ("all_reduce_sum", AllReduceSum),
        ("all_gather", AllGather),
        ("broadcast", Broadcast),
        ("barrier", Barrier),
        ("all_to_all", AllToAll),
        ("describe_failure", DescribeFailure),
        ("user_data", c_void_p),
    ]


# struct → its name in the header; all but the last three have <name>_init_sized()
STRUCTS: dict[type[Structure], str] = _generated.STRUCTS | {
    LossResult: "supcon_loss_result",
    DatasetInfo: "supcon_dataset_info",
    ModelInfo: "supcon_model_info",
    Scores: "supcon_scores",
    RetrievalScores: "supcon_retrieval_scores",
    CalibrationScores: "supcon_calibration_scores",
    CorruptionScores: "supcon_corruption_scores",
    DetectionScores: "supcon_detection_scores",
    CollectivesStruct: "supcon_collectives",
    Images: "supcon_images",
    EventStruct: "supcon_event",
    TrialStruct: "supcon_trial",
}

# ------------------------------------------------------------------------------------------------
# callbacks
LogCallback = CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
BatchCallback = CFUNCTYPE(c_int, POINTER(c_int64), c_int64, POINTER(c_uint8), c_void_p)
TrainCallback = CFUNCTYPE(c_int, POINTER(EventStruct), c_void_p)
CALLBACKS = {
    "supcon_log_callback": LogCallback,
    "supcon_batch_callback": BatchCallback,
    "supcon_train_callback": TrainCallback,
    "supcon_all_reduce_sum": AllReduceSum,
    "supcon_all_gather": AllGather,
    "supcon_all_to_all": AllToAll,
    "supcon_broadcast": Broadcast,
    "supcon_barrier": Barrier,
    "supcon_describe_failure": DescribeFailure,
    "supcon_progress_callback": ProgressCallback,
    "supcon_trial_callback": TrialCallback,
}
