"""include/supcon.h in ctypes: every enumeration, struct and function. A test compares this file
with the header.
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
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)

from . import _generated
from ._generated import (
    AugmentationOptions,
    CalibrationOptions,
    ClassifierOptions,
    ContextOptions,
    DatasetOptions,
    EmbedOptions,
    EvaluateOptions,
    LoadOptions,
    LossOptions,
    ModelOptions,
    NearestOptions,
    OodOptions,
    TrainOptions,
)
from ._schema import Choice, ProgressCallback

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


# enumeration → the prefix of its names in the header (SUPCON_OK is the one without)
PREFIXES = _generated.PREFIXES | {
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
    """Opaque."""


class supcon_dataset(Structure):
    """Opaque."""


class supcon_model(Structure):
    """Opaque."""


class supcon_trainer(Structure):
    """Opaque."""


ContextHandle, DatasetHandle, ModelHandle, TrainerHandle = (
    POINTER(it) for it in (supcon_context, supcon_dataset, supcon_model, supcon_trainer)
)
HANDLES = (supcon_context, supcon_dataset, supcon_model, supcon_trainer)

# ------------------------------------------------------------------------------------------------
# structs
_size = ("struct_size", c_uint32)


class Images(Structure):
    _fields_ = [_size, ("element_type", c_int32), ("data", c_void_p)] + [
        (name, c_int64)
        for name in (
            "count",
            "height",
            "width",
            "channels",
            "image_stride",
            "row_stride",
            "column_stride",
            "channel_stride",
        )
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
    _fields_ = [_size, ("labeled", c_int32)] + [
        (name, c_int64)
        for name in (
            "count",
            "classes",
            "height",
            "width",
            "channels",
            "skipped",
            "target_dimension",
        )
    ]


class ModelInfo(Structure):
    _fields_ = (
        [_size, ("stem", c_int32), ("architecture", c_char_p)]
        + [
            (name, c_int32)
            for name in (
                "width",
                "channels",
                "image_height",
                "image_width",
                "head",
                "head_hidden",
                "projection_dim",
                "classes",
                "precision",
                "embedding_dim",
            )
        ]
        + [
            ("parameters", c_int64),
            ("mean", c_float * 4),
            ("std", c_float * 4),
            ("int8", c_int32),
            ("normalize_features", c_int32),
            ("resize", c_int32),
            ("reserved", c_int32),
        ]
    )


class EventStruct(Structure):
    _fields_ = (
        [
            _size,
            ("kind", c_int32),
            ("epoch", c_int64),
            ("epochs", c_int64),
            ("step", c_int64),
            ("steps", c_int64),
        ]
        + [
            (name, c_double)
            for name in (
                "loss",
                "learning_rate",
                "images_per_second",
                "seconds_left",
                "knn_accuracy",
                "alignment",
                "uniformity",
                "train_accuracy",
            )
        ]
        + [("anchors_without_positive", c_int64), ("message", c_char_p)]
    )


class Scores(Structure):
    _fields_ = [
        _size,
        ("reserved", c_int32),
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
    _fields_ = [_size, ("reserved", c_int32)] + [
        (name, c_double)
        for name in (
            "expected_calibration_error",
            "maximum_calibration_error",
            "accuracy",
            "confidence",
            "negative_log_likelihood",
            "brier_score",
        )
    ]


class CorruptionScores(Structure):
    _fields_ = [_size, ("reserved", c_int32), ("mean", c_double), ("relative_mean", c_double)]


class DetectionScores(Structure):
    _fields_ = [
        _size,
        ("reserved", c_int32),
        ("auroc", c_double),
        ("fpr95", c_double),
        ("threshold", c_double),
    ]


# struct → its name in the header; each but the last two has a <name>_init_sized()
STRUCTS = _generated.STRUCTS | {
    LossResult: "supcon_loss_result",
    DatasetInfo: "supcon_dataset_info",
    ModelInfo: "supcon_model_info",
    Scores: "supcon_scores",
    RetrievalScores: "supcon_retrieval_scores",
    CalibrationScores: "supcon_calibration_scores",
    CorruptionScores: "supcon_corruption_scores",
    DetectionScores: "supcon_detection_scores",
    Images: "supcon_images",
    EventStruct: "supcon_event",
}

# ------------------------------------------------------------------------------------------------
# functions
LogCallback = CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
BatchCallback = CFUNCTYPE(c_int, POINTER(c_int64), c_int64, POINTER(c_uint8), c_void_p)
TrainCallback = CFUNCTYPE(c_int, POINTER(EventStruct), c_void_p)
CALLBACKS = {
    "supcon_log_callback": LogCallback,
    "supcon_batch_callback": BatchCallback,
    "supcon_train_callback": TrainCallback,
    "supcon_progress_callback": ProgressCallback,
}

status = c_int32
_floats, _integers, _paths, _doubles = (
    POINTER(c_float),
    POINTER(c_int64),
    POINTER(c_char_p),
    POINTER(c_double),
)
_contexts, _datasets, _models, _trainers = (
    POINTER(it) for it in (ContextHandle, DatasetHandle, ModelHandle, TrainerHandle)
)

# name → (what it returns, what it takes)
FUNCTIONS = {
    "supcon_version": (c_char_p, []),
    "supcon_abi_version": (c_int32, []),
    "supcon_build_info": (c_char_p, []),
    "supcon_status_name": (c_char_p, [status]),
    "supcon_last_error": (c_char_p, []),
    "supcon_set_log_callback": (status, [LogCallback, c_int32, c_void_p]),
    "supcon_context_create": (status, [POINTER(ContextOptions), _contexts]),
    "supcon_context_free": (None, [ContextHandle]),
    "supcon_context_threads": (c_int32, [ContextHandle]),
    "supcon_context_cancel": (None, [ContextHandle]),
    "supcon_images_init_sized": (
        None,
        [POINTER(Images), c_size_t, c_void_p, c_int32, c_int32, c_int64, c_int64, c_int64, c_int64],
    ),
    "supcon_loss_options_copy_sized": (
        None,
        [POINTER(LossOptions), c_size_t, POINTER(LossOptions)],
    ),
    "supcon_augmentation_options_copy_sized": (
        None,
        [POINTER(AugmentationOptions), c_size_t, POINTER(AugmentationOptions)],
    ),
    "supcon_loss": (
        status,
        [
            ContextHandle,
            _floats,
            c_int64,
            c_int64,
            c_int64,
            _integers,
            _floats,
            POINTER(LossOptions),
            POINTER(LossResult),
            _floats,
            _floats,
        ],
    ),
    "supcon_loss_weighted": (
        status,
        [
            ContextHandle,
            _floats,
            c_int64,
            c_int64,
            c_int64,
            _integers,
            _floats,
            _floats,
            POINTER(LossOptions),
            POINTER(LossResult),
            _floats,
            _floats,
        ],
    ),
    "supcon_loss_queue": (
        status,
        [
            ContextHandle,
            _floats,
            c_int64,
            c_int64,
            _floats,
            c_int64,
            _integers,
            _floats,
            c_int64,
            _integers,
            c_int32,
            POINTER(LossOptions),
            POINTER(LossResult),
            _floats,
            _floats,
        ],
    ),
    "supcon_mask_from_multilabel": (
        status,
        [ContextHandle, POINTER(c_uint8), c_int64, c_int64, c_int32, _floats],
    ),
    "supcon_mask_from_values": (
        status,
        [ContextHandle, POINTER(c_double), c_int64, c_int64, c_double, _floats],
    ),
    "supcon_dataset_from_images": (
        status,
        [POINTER(Images), _integers, POINTER(DatasetOptions), _datasets],
    ),
    "supcon_dataset_from_folder": (status, [c_char_p, POINTER(DatasetOptions), _datasets]),
    "supcon_dataset_from_files": (
        status,
        [_paths, c_int64, _integers, POINTER(DatasetOptions), _datasets],
    ),
    "supcon_dataset_from_encoded": (
        status,
        [
            POINTER(c_void_p),
            _integers,
            _paths,
            c_int64,
            _integers,
            POINTER(DatasetOptions),
            _datasets,
        ],
    ),
    "supcon_dataset_from_idx": (status, [c_char_p, c_char_p, POINTER(DatasetOptions), _datasets]),
    "supcon_dataset_from_cifar": (
        status,
        [_paths, c_int64, c_int32, POINTER(DatasetOptions), _datasets],
    ),
    "supcon_dataset_from_callback": (
        status,
        [BatchCallback, c_void_p, c_int64, c_int64, c_int64, c_int64, _integers, _datasets],
    ),
    "supcon_dataset_free": (None, [DatasetHandle]),
    "supcon_dataset_get_info": (status, [DatasetHandle, POINTER(DatasetInfo)]),
    "supcon_dataset_class_name": (c_char_p, [DatasetHandle, c_int64]),
    "supcon_dataset_skipped": (c_char_p, [DatasetHandle, c_int64]),
    "supcon_dataset_path": (c_char_p, [DatasetHandle, c_int64]),
    "supcon_dataset_get_labels": (status, [DatasetHandle, _integers, c_int64]),
    "supcon_dataset_get_targets": (status, [DatasetHandle, _doubles, c_int64]),
    "supcon_dataset_subset": (status, [DatasetHandle, _integers, c_int64, _datasets]),
    "supcon_dataset_split": (status, [DatasetHandle, c_double, c_uint64, _datasets, _datasets]),
    "supcon_dataset_with_labels": (status, [DatasetHandle, _integers, _datasets]),
    "supcon_dataset_with_targets": (status, [DatasetHandle, _doubles, c_int64, _datasets]),
    "supcon_dataset_with_weights": (status, [DatasetHandle, _floats, _datasets]),
    "supcon_dataset_get_class_labels": (status, [DatasetHandle, _integers, c_int64]),
    "supcon_dataset_with_classes": (status, [DatasetHandle, _paths, c_int64, _datasets]),
    "supcon_dataset_with_class_names": (status, [DatasetHandle, _paths, c_int64, _datasets]),
    "supcon_dataset_with_label_noise": (status, [DatasetHandle, c_double, c_uint64, _datasets]),
    "supcon_dataset_per_class": (status, [DatasetHandle, c_int64, c_uint64, _datasets]),
    "supcon_dataset_long_tailed": (status, [DatasetHandle, c_double, c_uint64, _datasets]),
    "supcon_augment": (
        status,
        [
            ContextHandle,
            POINTER(Images),
            POINTER(AugmentationOptions),
            c_uint64,
            c_int64,
            c_int64,
            c_int64,
            c_int64,
            _floats,
        ],
    ),
    "supcon_augment_dataset": (
        status,
        [
            ContextHandle,
            DatasetHandle,
            _integers,
            c_int64,
            POINTER(AugmentationOptions),
            c_uint64,
            c_int64,
            c_int64,
            c_int64,
            c_int64,
            _floats,
        ],
    ),
    "supcon_corrupt": (
        status,
        [ContextHandle, POINTER(Images), c_int32, c_int32, c_uint64, POINTER(c_uint8)],
    ),
    "supcon_dataset_corrupt": (
        status,
        [DatasetHandle, c_int32, c_int32, c_uint64, c_int64, c_int64, _datasets],
    ),
    "supcon_model_create": (status, [ContextHandle, POINTER(ModelOptions), _models]),
    "supcon_model_load": (status, [ContextHandle, c_char_p, POINTER(LoadOptions), _models]),
    "supcon_model_save": (status, [ModelHandle, c_char_p]),
    "supcon_model_free": (None, [ModelHandle]),
    "supcon_model_get_info": (status, [ModelHandle, POINTER(ModelInfo)]),
    "supcon_model_class_name": (c_char_p, [ModelHandle, c_int64]),
    "supcon_model_output_dimension": (c_int64, [ModelHandle, c_int32]),
    "supcon_model_embed": (
        status,
        [ModelHandle, POINTER(Images), POINTER(EmbedOptions), _floats, c_int64],
    ),
    "supcon_model_embed_dataset": (
        status,
        [ModelHandle, DatasetHandle, POINTER(EmbedOptions), _floats, c_int64],
    ),
    "supcon_model_quantize": (status, [ModelHandle, DatasetHandle]),
    "supcon_model_fit_classifier": (
        status,
        [ModelHandle, DatasetHandle, POINTER(ClassifierOptions)],
    ),
    "supcon_model_reset_classifier": (status, [ModelHandle, c_int32]),
    "supcon_preset_count": (c_int64, []),
    "supcon_preset_name": (c_char_p, [c_int64]),
    "supcon_preset_description": (c_char_p, [c_char_p]),
    "supcon_preset": (status, [c_char_p, POINTER(ModelOptions), POINTER(TrainOptions)]),
    "supcon_trainer_create": (
        status,
        [ContextHandle, ModelHandle, DatasetHandle, POINTER(TrainOptions), _trainers],
    ),
    "supcon_trainer_run": (status, [TrainerHandle, TrainCallback, c_void_p]),
    "supcon_trainer_cancel": (None, [TrainerHandle]),
    "supcon_trainer_memory": (c_int64, [TrainerHandle]),
    "supcon_trainer_scale_rate": (status, [TrainerHandle, c_double]),
    "supcon_trainer_save": (status, [TrainerHandle, c_char_p]),
    "supcon_trainer_keep": (status, [TrainerHandle]),
    "supcon_trainer_free": (None, [TrainerHandle]),
    "supcon_evaluate": (
        status,
        [
            ContextHandle,
            _floats,
            _integers,
            c_int64,
            _floats,
            _integers,
            c_int64,
            c_int64,
            POINTER(EvaluateOptions),
            POINTER(Scores),
            _integers,
            _floats,
            c_int64,
            _integers,
            c_int64,
        ],
    ),
    "supcon_retrieval": (
        status,
        [
            ContextHandle,
            _floats,
            _integers,
            c_int64,
            _floats,
            _integers,
            c_int64,
            c_int64,
            POINTER(RetrievalScores),
        ],
    ),
    "supcon_calibration": (
        status,
        [
            _floats,
            _integers,
            c_int64,
            c_int64,
            POINTER(CalibrationOptions),
            POINTER(CalibrationScores),
            _integers,
            _doubles,
            _doubles,
        ],
    ),
    "supcon_corruption_error": (
        status,
        [
            _doubles,
            _doubles,
            c_int64,
            c_int64,
            c_double,
            c_double,
            POINTER(CorruptionScores),
            _doubles,
            _doubles,
        ],
    ),
    "supcon_alignment": (status, [ContextHandle, _floats, _integers, c_int64, c_int64, _doubles]),
    "supcon_uniformity": (status, [ContextHandle, _floats, c_int64, c_int64, _doubles]),
    "supcon_ood_scores": (
        status,
        [ContextHandle, _floats, c_int64, _floats, c_int64, c_int64, POINTER(OodOptions), _floats],
    ),
    "supcon_nearest": (
        status,
        [
            ContextHandle,
            _floats,
            c_int64,
            _floats,
            c_int64,
            c_int64,
            POINTER(NearestOptions),
            _integers,
            _floats,
        ],
    ),
    "supcon_detection": (status, [_floats, c_int64, _floats, c_int64, POINTER(DetectionScores)]),
} | {
    f"{name}_init_sized": (None, [POINTER(struct), c_size_t])
    for struct, name in STRUCTS.items()
    if struct not in (Images, EventStruct)
}
