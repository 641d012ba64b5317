/* clang-format off */
/* supcon.h: supervised contrastive learning on a CPU, from C, C++ and whatever can call C.
 *
 * libsupcon trains image encoders with the loss of Khosla et al., "Supervised Contrastive Learning"
 * (arXiv:2004.11362), and turns images into embeddings. This header is the whole interface; it is
 * C11 and C++17.
 *
 * RULES FOR EVERY FUNCTION
 *
 *  Errors    A function that can fail returns a supcon_status; SUPCON_OK is 0. After a failure,
 *            supcon_last_error() returns a sentence that names the value and what was expected.
 *            Outputs are then unchanged, except handles, which are NULL, and rows and pixels: of a
 *            call that is canceled, or meets an unreadable image, some may have been written.
 *            Nothing half-written is left on disk. No input makes the library abort, exit or print.
 *  Memory    A refused allocation is SUPCON_STATUS_MEMORY, with one exception: like every Swift
 *            program, the library aborts when the system refuses a small one. Pixels, weights,
 *            activations, embeddings and files are never among these. Lists with an entry for each
 *            image, row or class are, but above 1,024 entries the library asks the system for their
 *            memory first, and for 32 MiB to spare: it then aborts only if another thread takes
 *            that memory in between. libgomp, which oneDNN uses, exits for want of small ones too.
 *  Handles   Every supcon_..._create, _load and _from_... function returns a handle that the caller
 *            frees with the matching _free function. Freeing NULL is legal. An object keeps alive
 *            what it was made from: a data set may be freed while a trainer still uses it.
 *  Options   Structs begin with struct_size. Call supcon_..._init(&options), which sets every field
 *            to its default, then change what you need. NULL in place of options means the
 *            defaults. A choice in small letters, such as cosine for a schedule, is the enumerator
 *            that ends so, SUPCON_SCHEDULE_COSINE. Fields are only ever appended; programs that
 *            were compiled against an older header keep working (docs/versioning.md).
 *  Buffers   The caller owns every buffer, and asks for its size before: supcon_dataset_get_info,
 *            supcon_model_output_dimension and the shapes below tell. NULL is
 *            SUPCON_STATUS_ARGUMENT, whatever the capacity, unless the parameter says "or NULL",
 *            which stands for "not wanted". A capacity that is too small is SUPCON_STATUS_SHAPE,
 *            and the message says what is needed. Counts, dimensions included, are at most 2^31;
 *            larger ones are SUPCON_STATUS_ARGUMENT.
 *  Strings   Strings are UTF-8 and end in NUL; those that the library is given have at most 32,768
 *            bytes. Returned strings are valid until the object is freed, unless stated otherwise.
 *  Threads   Callbacks run on the thread that called the library, with no lock held, except the log
 *            callback, which may be called from any thread.
 *
 *              object              allowed
 *              ------------------  ------------------------------------------------------------
 *              distinct handles    independent of each other, from any threads
 *              supcon_context      any number of threads
 *              supcon_dataset      any number of threads (its contents never change); a data set
 *                                  of a callback: one thread
 *              supcon_model        any number of threads may embed, save and query it at once;
 *                                  supcon_trainer_run(), supcon_model_fit_classifier(),
 *                                  _reset_classifier() and _quantize() are exclusive: other calls
 *                                  get SUPCON_STATUS_STATE
 *              supcon_trainer      one thread, but supcon_trainer_cancel() from any thread;
 *                                  supcon_collectives are called on that thread, unless any_thread
 *              loss, evaluation    any number of threads
 *
 *  fork()    A process that has used the library and forks must not use it in the child, where its
 *            threads are gone: every call there that can fail returns SUPCON_STATUS_FORK. fork
 *            followed by exec is fine.
 *  BLAS      A library built without oneDNN sets the process's OpenBLAS to one thread while a call
 *            computes, and restores the former number afterwards.
 */
/* clang-format on */
#ifndef SUPCON_H
#define SUPCON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define SUPCON_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SUPCON_MUST_CHECK
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * versions */

#define SUPCON_VERSION_MAJOR 0
#define SUPCON_VERSION_MINOR 2
#define SUPCON_VERSION_PATCH 0
/* Grows when a field, function or enumerator is added; programs built for a smaller number keep
 * working with this SONAME (docs/versioning.md). */
#define SUPCON_ABI_VERSION 1

/* Returns the version of the library that is loaded, "major.minor.patch". Static. */
const char *supcon_version(void);
/* Returns SUPCON_ABI_VERSION of the library that is loaded. */
int32_t supcon_abi_version(void);
/* Returns one line for bug reports: the version, the engines with their versions, and the CPU
 * features found. Static. */
const char *supcon_build_info(void);

/* --------------------------------------------------------------------------------------------------------------------
 * status */

typedef int32_t supcon_status;
enum {
  SUPCON_OK = 0,
  SUPCON_STATUS_ARGUMENT = 1,    /* a value is out of its range, or a needed pointer is NULL */
  SUPCON_STATUS_SHAPE = 2,       /* sizes do not fit each other */
  SUPCON_STATUS_TYPE = 3,        /* an element type that is not accepted there */
  SUPCON_STATUS_IO = 4,          /* the system could not read or write */
  SUPCON_STATUS_FORMAT = 5,      /* a file is not what it should be */
  SUPCON_STATUS_MEMORY = 6,      /* more memory than there is, or than the context's limit */
  SUPCON_STATUS_CANCELED = 7,    /* a callback or supcon_trainer_cancel() stopped it */
  SUPCON_STATUS_UNSUPPORTED = 8, /* right, but this build or CPU cannot */
  SUPCON_STATUS_STATE = 9,       /* not now: the object is in use, or lacks what this needs */
  SUPCON_STATUS_FORK = 10,       /* called in a forked child */
  SUPCON_STATUS_INTERNAL = 11    /* a bug of ours; please report it */
};

/* Returns "OK", "argument", "shape" and so on; "unknown" for other numbers. Static. */
const char *supcon_status_name(supcon_status status);
/* Returns what went wrong in this thread's last failed call, in full, or "" if none failed. It
 * is valid until this thread's next failed call. */
const char *supcon_last_error(void);
/* Returns the rank at which that occurred, where all ranks of a run have ended their call with it
 * (0 where all have found it alike); -1: no other process knows of it. */
int32_t supcon_last_error_rank(void);

/* -----------------------------------------------------------------------------------------------------------------------
 * log */

enum { SUPCON_LOG_DEBUG = 0, SUPCON_LOG_INFO = 1, SUPCON_LOG_WARNING = 2 };
/* A function that receives a message, which is valid during the call. It may be called from any
 * thread, one call at a time. */
typedef void (*supcon_log_callback)(int32_t level, const char *message, void *user_data);
/* Sends the library's messages of this level and above to callback, for the whole process; NULL:
 * silence, the default. Errors: argument (a level other than those above). */
SUPCON_MUST_CHECK supcon_status supcon_set_log_callback(supcon_log_callback callback, int32_t level,
                                                        void *user_data);

/* -------------------------------------------------------------------------------------------------------------------
 * context */

typedef struct supcon_context supcon_context;

/* generated from Sources/Options/context.toml (make generate) */
/* The resources that computations may use. */
typedef struct supcon_context_options {
  uint32_t struct_size;
  /* The number of threads that compute. Set it to get the same bytes whatever the number of
   * CPUs: training, and embeddings in f32, round differently with another number of threads
   * (docs/reliability.md). Default 0: as many as the CPUs that this process may run on; 0 to
   * 1024. */
  int32_t threads;
  /* The most bytes that anything may take whose size depends on the data or the model. Each is
   * compared with it by itself: parameters, the plan of a training step or an inference, a
   * decoded image (large ones are decoded one at a time), copies of rows, and the lists and
   * tiles of a loss or a measure; what would take more is refused (memory). What does not grow
   * with the data is not counted: about 10 MB, and 20 MB of code that oneDNN generates. Data
   * sets are made without a context, and have no limit but the machine's memory and max_pixels.
   * Default 0: what the machine has free at that moment; 0 or more. */
  int64_t memory_limit;
} supcon_context_options;
/* end of generated */

void supcon_context_options_init_sized(supcon_context_options *options, size_t size);
#define supcon_context_options_init(options) \
  supcon_context_options_init_sized((options), sizeof *(options))
/* Creates a context, which sets the resources that computations use. Wherever a function takes a
 * context, NULL means one with the defaults. Errors: argument, memory. */
SUPCON_MUST_CHECK supcon_status supcon_context_create(const supcon_context_options *options,
                                                      supcon_context **context);
void supcon_context_free(supcon_context *context);
/* Returns the number of threads that a context computes with; the context may be NULL. */
int32_t supcon_context_threads(const supcon_context *context);
/* Stops the calls that are running with this context (NULL: with the default one), including those
 * of models and trainers made with it: each returns SUPCON_STATUS_CANCELED, usually within a
 * second. Later calls run normally. It may be called from any thread or a signal handler, and does
 * not wait. */
void supcon_context_cancel(supcon_context *context);

/* --------------------------------------------------------------------------------------------------------------------
 * images */

enum { SUPCON_ELEMENT_U8 = 0, SUPCON_ELEMENT_F32 = 1 };
enum { SUPCON_LAYOUT_HWC = 0, SUPCON_LAYOUT_CHW = 1 };

/* A batch of images of one size in the caller's memory. u8: 0 to 255; f32: 0 to 1 (the model
 * normalizes by mean and deviation). Strides count elements, not bytes, and may be negative; they
 * allow HWC, CHW, crops and flips without a copy. */
typedef struct supcon_images {
  uint32_t struct_size;
  int32_t element_type; /* SUPCON_ELEMENT_... */
  const void *data;
  int64_t count;
  int64_t height;
  int64_t width;
  int64_t channels; /* 1 to 4 */
  int64_t image_stride;
  int64_t row_stride;
  int64_t column_stride;
  int64_t channel_stride;
} supcon_images;

/* Fills *images for dense memory in a layout, SUPCON_LAYOUT_.... It checks nothing; the functions
 * that take images do. */
void supcon_images_init_sized(supcon_images *images, size_t size, const void *data,
                              int32_t element_type, int32_t layout, int64_t count, int64_t height,
                              int64_t width, int64_t channels);
#define supcon_images_init(images, data, element_type, layout, count, height, width, channels)    \
  supcon_images_init_sized((images), sizeof *(images), (data), (element_type), (layout), (count), \
                           (height), (width), (channels))

/* ----------------------------------------------------------------------------------------------------------------------
 * loss */

/* generated from Sources/Options/loss.toml (make generate) */
/* The position of the mean over an anchor's positives. */
enum {
  /* Outside the logarithm: L_out, equation 2 of arXiv:2004.11362; the one to use. */
  SUPCON_FORM_OUT = 0,
  /* Inside the logarithm: L_in, equation 3. */
  SUPCON_FORM_IN = 1
};
/* The views that the denominator sums over. */
enum {
  /* Every other view, as in the paper. */
  SUPCON_DENOMINATOR_ALL = 0,
  /* The positive in question and the negatives: SINCERE (arXiv:2309.14277); with form out only. */
  SUPCON_DENOMINATOR_ONE_POSITIVE = 1,
  /* The negatives alone: decoupled contrastive learning, DCL (arXiv:2110.06848). */
  SUPCON_DENOMINATOR_NEGATIVES = 2
};
/* The views that are anchors. */
enum {
  /* Every view of every image. */
  SUPCON_ANCHORS_ALL = 0,
  /* The first view of each image; all views are contrasts. */
  SUPCON_ANCHORS_FIRST = 1
};
/* The way in which the losses of the anchors become one number. */
enum {
  /* The mean over the anchors that have a positive. */
  SUPCON_REDUCTION_MEAN = 0,
  /* The mean over all anchors. */
  SUPCON_REDUCTION_MEAN_ALL = 1,
  /* The sum. */
  SUPCON_REDUCTION_SUM = 2,
  /* A loss per anchor; the gradient is that of the sum. */
  SUPCON_REDUCTION_NONE = 3
};

/* The member of the contrastive family, and the way in which its terms are combined. */
typedef struct supcon_loss_options {
  uint32_t struct_size;
  /* The temperature tau of the similarities, above 0. Default 0.1. */
  float temperature;
  /* The position of the mean over an anchor's positives. Default SUPCON_FORM_OUT. */
  int32_t form;
  /* The views that the denominator sums over. Default SUPCON_DENOMINATOR_ALL. */
  int32_t denominator;
  /* The views that are anchors. Default SUPCON_ANCHORS_ALL. */
  int32_t anchors;
  /* The way in which the losses of the anchors become one number. Default SUPCON_REDUCTION_MEAN. */
  int32_t reduction;
  /* The factor of the loss. SupContrast's loss uses temperature / 0.07, google-research's uses
   * temperature. Default 1. */
  float scale;
  /* Whether each row is first divided by its length, and the gradient taken through it;
   * otherwise rows must have length 1 already. Training always normalizes. Default 0; 0 or 1. */
  int32_t normalize;
  /* The largest number of positives that count for an anchor: the other views of its own image
   * first, then others at random, redrawn in every step. Positives that are not chosen are
   * ignored, in every denominator too. With 1 on one view per sample and temperature 1 the loss
   * is N-pairs' as arXiv:2004.11362 has it, with 2(N - 1) negatives; with Sohn's own N - 1 (NIPS
   * 2016) it is supcon_loss_queue's of anchors and, as keys, their positives, which get no
   * gradient. Default 0: all; 0 to 2147483647. */
  int32_t positives_cap;
  /* Must be 0. */
  int32_t reserved;
  /* The seed of the choice among more positives than positives_cap. In training it is the run's
   * seed together with the step's number. Default 0. */
  uint64_t seed;
} supcon_loss_options;
/* end of generated */

typedef struct supcon_loss_result {
  uint32_t struct_size; /* in: sizeof; set by supcon_loss_result_init */
  int32_t reserved;
  double loss;                      /* reduced; for SUPCON_REDUCTION_NONE the sum */
  int64_t anchors;                  /* how many */
  int64_t anchors_without_positive; /* they contribute nothing, and are never NaN */
} supcon_loss_result;

void supcon_loss_options_init_sized(supcon_loss_options *options, size_t size);
#define supcon_loss_options_init(options) \
  supcon_loss_options_init_sized((options), sizeof *(options))
/* Copies options that a later library may have made (supcon_preset). What *to has no field for
 * is left out. */
void supcon_loss_options_copy_sized(supcon_loss_options *to, size_t size,
                                    const supcon_loss_options *from);
#define supcon_loss_options_copy(to, from) \
  supcon_loss_options_copy_sized((to), sizeof *(to), (from))
void supcon_loss_result_init_sized(supcon_loss_result *result, size_t size);
#define supcon_loss_result_init(result) supcon_loss_result_init_sized((result), sizeof *(result))

/* Computes the contrastive loss of samples * views embeddings and its gradient, in O(samples *
 * views * dimension) memory, in f32 with sums in f64.
 *  features    [samples, views, dimension], dense
 *  labels      [samples], or NULL: only the views of one sample are positives of each other
 *              (SimCLR)
 *  mask        [samples, samples], or NULL: mask[i][j] weighs j as a positive of i, 0 makes it a
 *              negative. It may be asymmetric, and excludes labels; the entry [i][i] concerns the
 *              other views of i
 *  result      may be NULL
 *  per_anchor  [samples * views], or [samples] with anchors first, in the order of the features, or
 *              NULL: multiplied by options.scale, not reduced
 *  gradient    like features, or NULL: of the reduced loss with respect to features as passed
 * Errors: argument (temperature, enumerations, features that are not finite, a negative mask entry,
 * both labels and mask), shape (sizes), memory. */
SUPCON_MUST_CHECK supcon_status supcon_loss(supcon_context *context, const float *features,
                                            int64_t samples, int64_t views, int64_t dimension,
                                            const int64_t *labels, const float *mask,
                                            const supcon_loss_options *options,
                                            supcon_loss_result *result, float *per_anchor,
                                            float *gradient);

/* Computes supcon_loss with sample_weights [samples], finite and 0 or more (NULL: 1 each): the
 * losses of a sample's anchors, including those in per_anchor, are multiplied by its weight. A mean
 * is still taken over anchors, so weights of mean 1 keep its size. Errors: as supcon_loss; argument
 * (a weight below 0 or not finite, all 0). */
SUPCON_MUST_CHECK supcon_status supcon_loss_weighted(supcon_context *context, const float *features,
                                                     int64_t samples, int64_t views,
                                                     int64_t dimension, const int64_t *labels,
                                                     const float *mask, const float *sample_weights,
                                                     const supcon_loss_options *options,
                                                     supcon_loss_result *result, float *per_anchor,
                                                     float *gradient);

/* Computes the loss of queries against keys and a queue of earlier keys, as MoCo does
 * (arXiv:1911.05722, and with labels arXiv:2004.11362). All rows have length 1; keys and queue
 * get no gradient. The positives of a query are its own keys and, with labels, the keys of its
 * label; it is contrasted with all keys and the queue.
 *  queries          [samples, dimension]
 *  keys             [samples, keys_per_query, dimension]
 *  labels           [samples], any values, or NULL: only its own keys are a query's positives, and
 *                   queue_labels is ignored
 *  queue            [queue_count, dimension]; may be NULL if queue_count is 0
 *  queue_labels     [queue_count], or NULL: the queue holds negatives alone, as does an entry of
 *                   a label that no query has, such as -1
 *  queue_positives  1: entries with a query's label are also its positives; 0: the query ignores
 *                   them
 *  options          anchors and normalize do not apply, and must be ALL and 0
 *  per_query        [samples], or NULL: like supcon_loss's per_anchor
 *  gradient         like queries, or NULL: of the reduced loss with respect to queries
 * Errors: as supcon_loss. */
SUPCON_MUST_CHECK supcon_status
supcon_loss_queue(supcon_context *context, const float *queries, int64_t samples, int64_t dimension,
                  const float *keys, int64_t keys_per_query, const int64_t *labels,
                  const float *queue, int64_t queue_count, const int64_t *queue_labels,
                  int32_t queue_positives, const supcon_loss_options *options,
                  supcon_loss_result *result, float *per_query, float *gradient);

enum {
  SUPCON_RULE_ANY = 0,    /* 1 if two samples share a label */
  SUPCON_RULE_ALL = 1,    /* 1 if they have the same labels */
  SUPCON_RULE_JACCARD = 2 /* the number of shared labels over the number of all their labels */
};
/* Makes a mask for supcon_loss from samples with any number of labels. A sample without a label
 * has no positives but its own views; mask[i][i] is 1.
 *  labels  [samples, label_count], 0 or 1
 *  rule    SUPCON_RULE_...
 *  mask    [samples, samples]
 * Errors: argument (a label other than 0 and 1), shape (sizes), memory. */
SUPCON_MUST_CHECK supcon_status supcon_mask_from_multilabel(supcon_context *context,
                                                            const uint8_t *labels, int64_t samples,
                                                            int64_t label_count, int32_t rule,
                                                            float *mask);
/* Makes a mask for supcon_loss from samples whose labels are real numbers or vectors, by a
 * Gaussian kernel as in arXiv:2106.08808: mask[i][j] = exp(-|y_i - y_j|^2 / (2 bandwidth^2)),
 * and 0, a negative, beyond 13 bandwidths.
 *  values  [samples, dimension]
 *  mask    [samples, samples]
 * Errors: argument (bandwidth, values that are not finite), shape. */
SUPCON_MUST_CHECK supcon_status supcon_mask_from_values(supcon_context *context,
                                                        const double *values, int64_t samples,
                                                        int64_t dimension, double bandwidth,
                                                        float *mask);

/* ------------------------------------------------------------------------------------------------------------------
 * data sets */

typedef struct supcon_dataset supcon_dataset;

/* generated from Sources/Options/dataset.toml (make generate) */
/* The treatment of a file that is not a readable image. */
enum {
  /* The file is left out and reported (supcon_dataset_skipped); a file that becomes unreadable
   * later is replaced during a run by another image of its class, chosen by (seed, epoch,
   * image), with a warning event, and left out when a classifier is fitted. */
  SUPCON_ON_ERROR_SKIP = 0,
  /* The first such file, in the data set's order, is an error. */
  SUPCON_ON_ERROR_REFUSE = 1
};
/* The order of class folders by their names. */
enum {
  /* By their bytes: "class 10" before "class 2". */
  SUPCON_CLASS_ORDER_BYTES = 0,
  /* Runs of digits count as numbers: "class 2" before "class 10". */
  SUPCON_CLASS_ORDER_NATURAL = 1
};

/* The options of a data set. */
typedef struct supcon_dataset_options {
  uint32_t struct_size;
  /* The treatment of a file that is not a readable image. Default SUPCON_ON_ERROR_SKIP. */
  int32_t on_error;
  /* The number of channels of the images: 1 (gray) or 3 (RGB); 0 (default): 3 for files, as
   * stored otherwise. Default 0. */
  int32_t channels;
  /* Whether images in memory, including encoded ones, are copied; otherwise the memory remains
   * the caller's, and must stay valid and unchanged until the data set, and everything derived
   * from it, has been freed. Default 0; 0 or 1. */
  int32_t copy;
  /* The largest number of pixels of an image in a file; a file that claims more counts as
   * unreadable. The default is what Pillow takes for an attack; the limit is two sides of 65536.
   * Default 178956970; 1 to 4294967296. */
  int64_t max_pixels;
  /* Whether a view of a JPEG is made from all of its pixels, like that of an array. Otherwise it
   * is made from 1/2 or 1/4 of them along each side if at least 2.5 times the view's own remain,
   * which is faster and differs by less than half a level of 255 on average. Default 0; 0 or 1. */
  int32_t exact_decoding;
  /* The order of a folder's classes. Default SUPCON_CLASS_ORDER_BYTES. */
  int32_t class_order;
  /* Whether a folder or a list of files, or of encoded images, of which none can be read is a
   * data set without images, which has the skipped files and the classes; otherwise it is an
   * error. Default 0; 0 or 1. */
  int32_t allow_empty;
  /* Must be 0. */
  int32_t reserved;
} supcon_dataset_options;
/* end of generated */
void supcon_dataset_options_init_sized(supcon_dataset_options *options, size_t size);
#define supcon_dataset_options_init(options) \
  supcon_dataset_options_init_sized((options), sizeof *(options))

/* A label is any int64, such as an id or a number; no value means "none". The classes of a data set
 * are its distinct labels in ascending order: class c, 0 to classes - 1, has the label of index c
 * (supcon_dataset_get_class_labels), which is its name until it gets another. A data set made from
 * another one keeps its classes, including those without images. A classifier has an output for
 * each class, in this order, and keeps the names. */

/* Makes a data set of images in memory.
 *  labels  [images->count], or NULL: none
 * Errors: argument (also an f32 pixel that is not finite), shape, type, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_images(const supcon_images *images,
                                                           const int64_t *labels,
                                                           const supcon_dataset_options *options,
                                                           supcon_dataset **dataset);
/* Makes a data set of a folder that has one folder per class (in the order of their names, see
 * class_order). JPEG, PNG and WebP files are found by their content, at any depth; links are
 * followed. A folder that holds only files is a data set without labels. Names that begin with a
 * dot, and __MACOSX, are ignored, and so are files that are no image by content or name. Every file
 * is opened once to check that it is a complete image, and decoded when it is used. The orientation
 * in Exif, XMP or ImageMagick's raw profile is applied; alpha is dropped. A sequential JPEG without
 * restart markers is decoded only as far down as its views reach: damage below is not noticed, and
 * elsewhere is logged. Errors: argument, io, format (no image, or a bad one with REFUSE), memory.
 */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_folder(const char *path,
                                                           const supcon_dataset_options *options,
                                                           supcon_dataset **dataset);
/* Makes a data set of JPEG, PNG or WebP files, in the given order; labels: [count] or NULL. Errors:
 * as from_folder. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_files(const char *const *paths, int64_t count,
                                                          const int64_t *labels,
                                                          const supcon_dataset_options *options,
                                                          supcon_dataset **dataset);
/* Makes a data set of MNIST's IDX files, gzipped or not; labels_path may be NULL. Errors: argument,
 * io, format, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_idx(const char *images_path,
                                                        const char *labels_path,
                                                        const supcon_dataset_options *options,
                                                        supcon_dataset **dataset);
/* Makes a data set of CIFAR's binary files (data_batch_1.bin …, train.bin), concatenated in the
 * given order. classes: 10, or 100 (the fine labels). Errors: argument, io, format, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_cifar(const char *const *paths, int64_t count,
                                                          int32_t classes,
                                                          const supcon_dataset_options *options,
                                                          supcon_dataset **dataset);
/* A function that receives [count] indices and fills pixels [count, height, width, channels] u8. If
 * it returns non-zero, the library's call returns SUPCON_STATUS_CANCELED. It is called on the
 * thread that called the library, ahead of the step that needs the batch. */
typedef int (*supcon_batch_callback)(const int64_t *indices, int64_t count, uint8_t *pixels,
                                     void *user_data);
/* Makes a data set of images that the caller produces on demand. labels: [count] (copied) or NULL.
 * Errors: argument, shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_callback(
    supcon_batch_callback callback, void *user_data, int64_t count, int64_t height, int64_t width,
    int64_t channels, const int64_t *labels, supcon_dataset **dataset);
/* Makes a data set of encoded images (JPEG, PNG, WebP) in memory: data [count], and sizes [count]
 * in bytes. If data[i] is NULL, the image is in the file paths[i]; otherwise paths[i] is a name for
 * messages and supcon_dataset_path, or NULL. paths may be NULL. Unless options->copy is 1, the
 * bytes remain the caller's, and must stay valid and unchanged until the data set, and everything
 * made from it, has been freed. labels: [count] or NULL. To embed a single image, make a data set
 * with count 1 and call supcon_model_embed_dataset. Errors: as from_folder. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_encoded(
    const void *const *data, const int64_t *sizes, const char *const *paths, int64_t count,
    const int64_t *labels, const supcon_dataset_options *options, supcon_dataset **dataset);
void supcon_dataset_free(supcon_dataset *dataset);

typedef struct supcon_dataset_info {
  uint32_t struct_size; /* in: sizeof; set by supcon_dataset_info_init */
  int32_t labeled;      /* 1 if there are labels */
  int64_t count;
  int64_t classes; /* different labels (folders: number of class folders; CIFAR: 10 or 100; a
                      subset: its parent's); 0 without labels */
  int64_t height;  /* 0: the images differ in size */
  int64_t width;
  int64_t channels;
  int64_t skipped;          /* files left out as unreadable */
  int64_t target_dimension; /* numbers per image as targets; 0: there are none */
  int64_t median_height;    /* the median of up to 10,000 images; of a joined data set, of the first
                               rank's; 0 without images */
  int64_t median_width;     /* likewise */
} supcon_dataset_info;
void supcon_dataset_info_init_sized(supcon_dataset_info *info, size_t size);
#define supcon_dataset_info_init(info) supcon_dataset_info_init_sized((info), sizeof *(info))
SUPCON_MUST_CHECK supcon_status supcon_dataset_get_info(const supcon_dataset *dataset,
                                                        supcon_dataset_info *info);
/* Returns the name of a class: its folder, or its label; NULL if there is no such class. It is
 * valid until the data set is freed. */
const char *supcon_dataset_class_name(const supcon_dataset *dataset, int64_t class_index);
/* Returns "path: reason" of a file that was left out, or NULL if there is no such file. It is
 * valid until the data set is freed. */
const char *supcon_dataset_skipped(const supcon_dataset *dataset, int64_t index);
/* Returns the file of an image, or NULL for images that are not files. It is valid until the
 * data set is freed. */
const char *supcon_dataset_path(const supcon_dataset *dataset, int64_t index);
/* Copies the labels, [count]. Errors: shape (capacity < count), state (no labels). */
SUPCON_MUST_CHECK supcon_status supcon_dataset_get_labels(const supcon_dataset *dataset,
                                                          int64_t *labels, int64_t capacity);
/* Copies the label of each class, [classes], ascending. Errors: shape (capacity < classes). */
SUPCON_MUST_CHECK supcon_status supcon_dataset_get_class_labels(const supcon_dataset *dataset,
                                                                int64_t *labels, int64_t capacity);
/* Makes a data set of the images at indices, in that order. Errors: argument (an index outside),
 * memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_subset(const supcon_dataset *dataset,
                                                      const int64_t *indices, int64_t count,
                                                      supcon_dataset **subset);
/* Splits a data set at random, class by class: second gets about a fraction of the images, above
 * 0 and below 1. Each class with two images or more gives at least one to each part; without
 * labels all images are one class. Errors: argument, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_split(const supcon_dataset *dataset, double fraction,
                                                     uint64_t seed, supcon_dataset **first,
                                                     supcon_dataset **second);

/* Makes a data set of the same images with other labels, and the classes that follow from them.
 *  labels  [count of the data set], or NULL: none
 * Errors: argument, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_labels(const supcon_dataset *dataset,
                                                           const int64_t *labels,
                                                           supcon_dataset **changed);
/* Makes a data set of the same images with other targets, which define how similar images are,
 * besides classes or instead of them. A run uses them through its option positives; every data set
 * made from this one keeps them.
 *  targets  [count of the data set, dimension], copied: 0 and 1 for several labels an image, or
 *           real values; NULL: none
 * Errors: argument (dimension, targets that are not finite), shape (more than can be addressed),
 * memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_targets(const supcon_dataset *dataset,
                                                            const double *targets,
                                                            int64_t dimension,
                                                            supcon_dataset **changed);
/* Makes a data set of the same images with other weights [count], the contribution of each image to
 * a loss, finite and 0 or more; NULL: all weigh the same. They may be sample weights, or the
 * weights of classes, image by image.
 *
 * supcon_trainer scales the weights to a mean of 1 over the training images. The losses of an
 * image's anchors (supcon, simclr), or of its views (classifiers), are multiplied by its weight,
 * and a batch's loss remains the mean over anchors or views. An image of weight 0 still serves as a
 * contrast. MixUp and CutMix multiply the loss of each of the two labels by the weight of its own
 * image. supcon_model_fit_classifier uses the weighted mean of the rows' losses, so that an image
 * of weight 2 counts as two images. Nothing else uses weights; subsets keep them. Errors: argument
 * (a weight below 0 or not finite, all 0), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_weights(const supcon_dataset *dataset,
                                                            const float *weights,
                                                            supcon_dataset **changed);
/* Copies the targets, [count, target_dimension]. Errors: shape (capacity), state (no targets). */
SUPCON_MUST_CHECK supcon_status supcon_dataset_get_targets(const supcon_dataset *dataset,
                                                           double *targets, int64_t capacity);
/* Makes a data set with names for its classes, which a model fitted on it keeps.
 *  names  one for each class, in order; or more, and then labels are indices into the names, and
 *         there are as many classes
 * Errors: argument, shape (fewer names than classes; a label that is no index into more), state
 * (no labels), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_class_names(const supcon_dataset *dataset,
                                                                const char *const *names,
                                                                int64_t count,
                                                                supcon_dataset **changed);
/* Makes a data set of these classes only, in this order: labels are renumbered, images of other
 * classes are left out, and a name that no class has becomes a class without images. Errors:
 * argument (a name twice), state (no labels, no image left), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_classes(const supcon_dataset *dataset,
                                                            const char *const *names, int64_t count,
                                                            supcon_dataset **changed);
/* Makes a data set with symmetric label noise: a fraction of the images, rate from 0 to 1, chosen
 * at random, get one of the other classes that have images, with equal probability. Errors:
 * argument, state (no labels, fewer than two classes), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_label_noise(const supcon_dataset *dataset,
                                                                double rate, uint64_t seed,
                                                                supcon_dataset **changed);
/* Makes a data set of at most `images` images of each class, chosen at random, in their order. With
 * equal seeds a smaller choice is a subset of a larger one. Errors: argument, state (no labels),
 * memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_per_class(const supcon_dataset *dataset,
                                                         int64_t images, uint64_t seed,
                                                         supcon_dataset **subset);
/* Makes a long-tailed data set (arXiv:1901.05555, section 5.1). Of the C classes with images, the
 * one of index r, from 0, keeps floor(n * factor^(-r / (C - 1))) of its images at random, at least
 * 1 and at most all; n is the size of the largest class, and factor, at least 1, the first class's
 * size over the last's. Errors: argument, state (no labels), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_long_tailed(const supcon_dataset *dataset,
                                                           double factor, uint64_t seed,
                                                           supcon_dataset **subset);

/* --------------------------------------------------------------------------------------------------------------
 * augmentation */

/* The operations of AutoAugment and RandAugment have torchvision's magnitudes: shears up to 0.3,
 * translations up to 150/331 of the side, rotations up to 30 degrees, factors of brightness, color,
 * contrast and sharpness within 1 ± 0.9, 8 to 4 bits, solarize from 1 to 0 on. Geometric operations
 * use the nearest pixel, as the policies' own programs do, and `fill` outside the image. The warp
 * is a thin-plate spline over 2×2 control points, bilinear, with the border extended. */

/* generated from Sources/Options/augmentation.toml (make generate) */
/* The operations that make a view of an image. */
enum {
  /* The whole image, resized. */
  SUPCON_AUGMENTATION_NONE = 0,
  /* Random resized crop, horizontal flip. */
  SUPCON_AUGMENTATION_CROP_FLIP = 1,
  /* Crop, flip, color jitter, gray, and from 128 pixels on Gaussian blur (arXiv:2002.05709,
   * appendix A). */
  SUPCON_AUGMENTATION_SIMCLR = 2,
  /* Crop, flip, one of the 25 sub-policies found for ImageNet (arXiv:1805.09501). */
  SUPCON_AUGMENTATION_AUTOAUGMENT_IMAGENET = 3,
  /* Crop, flip, one of the 25 sub-policies found for CIFAR-10 (arXiv:1805.09501). */
  SUPCON_AUGMENTATION_AUTOAUGMENT_CIFAR10 = 4,
  /* Crop, flip, some operations drawn at one magnitude (arXiv:1909.13719). */
  SUPCON_AUGMENTATION_RANDAUGMENT = 5,
  /* Crop, flip, color jitter, gray, random warp, blur (arXiv:2004.11362,
   * google-research/supcon). */
  SUPCON_AUGMENTATION_SIMAUGMENT = 6,
  /* Crop, flip, color jitter, RandAugment, gray, random warp, blur (arXiv:2004.11362,
   * arXiv:2005.10243). */
  SUPCON_AUGMENTATION_STACKED_RANDAUGMENT = 7
};

/* The way in which views of an image are made. Fields that a kind does not use are checked and
 * otherwise ignored. */
typedef struct supcon_augmentation_options {
  uint32_t struct_size;
  /* The operations that make a view. Default SUPCON_AUGMENTATION_SIMCLR. */
  int32_t kind;
  /* The smallest fraction of the area that a crop keeps. Applies to all kinds but none. Default
   * 0.2; a number above 0, at most 1. */
  float crop_scale_min;
  /* The largest fraction of the area that a crop keeps. Applies to all kinds but none. Default
   * 1; a number above 0, at most 1. */
  float crop_scale_max;
  /* The smallest ratio width / height of a crop. Applies to all kinds but none. Default 3 / 4; a
   * number above 0. */
  float crop_ratio_min;
  /* The largest ratio width / height of a crop. Applies to all kinds but none. Default 4 / 3; a
   * number above 0. */
  float crop_ratio_max;
  /* The probability of a horizontal flip. Applies to all kinds but none. Default 0.5; 0 to 1. */
  float flip_probability;
  /* The probability of color jitter. Applies to simclr, simaugment and stacked_randaugment.
   * Default 0.8; 0 to 1. */
  float jitter_probability;
  /* The range of the brightness factor of color jitter: within 1 +- this, not below 0. Default
   * 0.4; 0 or more. */
  float brightness;
  /* The range of the contrast factor of color jitter: within 1 +- this, not below 0. Default
   * 0.4; 0 or more. */
  float contrast;
  /* The range of the saturation factor of color jitter: within 1 +- this, not below 0. Applies
   * to color images. Default 0.4; 0 or more. */
  float saturation;
  /* The range of the hue shift of color jitter: within +- this, as a fraction of the color
   * circle. Applies to color images. Default 0.1; 0 to 0.5. */
  float hue;
  /* The probability of turning gray. Applies to color images. Default 0.2; 0 to 1. */
  float gray_probability;
  /* The probability of Gaussian blur. Default -1: 0.5 if the view's smaller side is 128 pixels
   * or more, else 0; 0 to 1. */
  float blur_probability;
  /* The smallest standard deviation of the blur, in pixels. Default 0.1; a number above 0. */
  float blur_sigma_min;
  /* The largest standard deviation of the blur, in pixels. Default 2; a number above 0. */
  float blur_sigma_max;
  /* The number of operations that RandAugment draws. Applies to randaugment and
   * stacked_randaugment. Default 2; 0 to 16. */
  int32_t randaugment_operations;
  /* The magnitude of RandAugment's operations. Applies to randaugment and stacked_randaugment.
   * Default 9; 0 to 30. */
  float randaugment_magnitude;
  /* The probability of a random warp. Applies to simaugment and stacked_randaugment. Default
   * 0.5; 0 to 1. */
  float warp_probability;
  /* The largest spread of the warp's control points, as a fraction of the smaller side. Each
   * coordinate moves by a normal variate times a length of up to that. Applies to simaugment and
   * stacked_randaugment. Default 23 / 224; 0 to 1. */
  float warp_strength;
  /* The gray level with which shears, translations, rotations and cutout fill empty areas.
   * Default 0.5; 0 to 1. */
  float fill;
  /* The side of a square of fill, as a fraction of the smaller side; it is painted last. Applies
   * to autoaugment_imagenet, autoaugment_cifar10 and randaugment. Default 0: none; 0 to 1. */
  float cutout;
} supcon_augmentation_options;
/* end of generated */
void supcon_augmentation_options_init_sized(supcon_augmentation_options *options, size_t size);
#define supcon_augmentation_options_init(options) \
  supcon_augmentation_options_init_sized((options), sizeof *(options))
/* Copies options that a later library may have made (supcon_preset). What *to has no field for
 * is left out. */
void supcon_augmentation_options_copy_sized(supcon_augmentation_options *to, size_t size,
                                            const supcon_augmentation_options *from);
#define supcon_augmentation_options_copy(to, from) \
  supcon_augmentation_options_copy_sized((to), sizeof *(to), (from))

/* Makes the views that training would make of images: view `view` in `epoch` of a run with `seed`,
 * where image i is sample i.
 *  views  [images->count, height, width, channels] f32, 0 to 1, not normalized
 * Errors: argument, shape, type, memory. */
SUPCON_MUST_CHECK supcon_status supcon_augment(supcon_context *context, const supcon_images *images,
                                               const supcon_augmentation_options *options,
                                               uint64_t seed, int64_t epoch, int64_t view,
                                               int64_t height, int64_t width, float *views);
/* Makes the views that training would make of the images at indices of a data set, each identified
 * by its own index; with kind none they are the images, resized.
 *  views  [index_count, height, width, channels of the data set] f32, 0 to 1, not normalized
 * Errors: argument, io, format (a file that has become unreadable), canceled, memory. */
SUPCON_MUST_CHECK supcon_status supcon_augment_dataset(supcon_context *context,
                                                       const supcon_dataset *dataset,
                                                       const int64_t *indices, int64_t index_count,
                                                       const supcon_augmentation_options *options,
                                                       uint64_t seed, int64_t epoch, int64_t view,
                                                       int64_t height, int64_t width, float *views);

/* ----------------------------------------------------------------------------------------------------------------
 * corruptions */

/* The fifteen corruptions of ImageNet-C (Hendrycks and Dietterich, arXiv:1903.12261), at severities
 * 1 to 5 with the published parameters: CIFAR-10-C's for images whose smaller side is at most 64
 * pixels, ImageNet-C's for larger ones. Lengths are in pixels, so corrupt images at the size that
 * the model sees. Two corruptions differ: frost overlays a computed texture, not photographs of
 * ice, and motion blur (also that of snow) is that of the imagecorruptions package, not
 * ImageMagick's. As published, the parameters of elastic (and CIFAR-10-C's of glass blur) do not
 * grow steadily with the severity. */
enum {
  SUPCON_CORRUPTION_GAUSSIAN_NOISE = 0,
  SUPCON_CORRUPTION_SHOT_NOISE = 1,
  SUPCON_CORRUPTION_IMPULSE_NOISE = 2,
  SUPCON_CORRUPTION_DEFOCUS_BLUR = 3,
  SUPCON_CORRUPTION_GLASS_BLUR = 4,
  SUPCON_CORRUPTION_MOTION_BLUR = 5,
  SUPCON_CORRUPTION_ZOOM_BLUR = 6,
  SUPCON_CORRUPTION_SNOW = 7,
  SUPCON_CORRUPTION_FROST = 8,
  SUPCON_CORRUPTION_FOG = 9,
  SUPCON_CORRUPTION_BRIGHTNESS = 10,
  SUPCON_CORRUPTION_CONTRAST = 11,
  SUPCON_CORRUPTION_ELASTIC_TRANSFORM = 12,
  SUPCON_CORRUPTION_PIXELATE = 13,
  SUPCON_CORRUPTION_JPEG_COMPRESSION = 14
};
/* Corrupts images, where image i is sample i. The random numbers depend on (seed, corruption,
 * sample) alone, so that the severities of one image differ in strength only.
 *  corrupted  [images->count, height, width, channels] u8
 * Errors: argument (corruption, severity), shape, type, memory. */
SUPCON_MUST_CHECK supcon_status supcon_corrupt(supcon_context *context, const supcon_images *images,
                                               int32_t corruption, int32_t severity, uint64_t seed,
                                               uint8_t *corrupted);
/* Makes a data set of the same images, labels, targets and names, in which images are corrupted
 * when they are used; the sample number of an image is its index.
 *  height  and width: the size that images are resized to before (bilinear, antialiased), or
 *          both 0: no resizing
 * Errors: argument, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_corrupt(const supcon_dataset *dataset,
                                                       int32_t corruption, int32_t severity,
                                                       uint64_t seed, int64_t height, int64_t width,
                                                       supcon_dataset **corrupted);

/* --------------------------------------------------------------------------------------------------------------------
 * models */

typedef struct supcon_model supcon_model;

/* generated from Sources/Options/model.toml (make generate) */
/* The first layers. */
enum {
  /* cifar up to 64 pixels, imagenet above. */
  SUPCON_STEM_AUTO = 0,
  /* 7x7 convolution of stride 2, 3x3 max pool of stride 2. */
  SUPCON_STEM_IMAGENET = 1,
  /* 3x3 convolution of stride 1. */
  SUPCON_STEM_CIFAR = 2
};
/* Whether residual blocks begin as the identity. */
enum {
  /* on for bottleneck blocks, off for basic ones. */
  SUPCON_ZERO_INIT_AUTO = 0,
  /* The last gamma of each block begins at 0. */
  SUPCON_ZERO_INIT_ON = 1,
  /* It begins at 1. */
  SUPCON_ZERO_INIT_OFF = 2
};
/* The projection head after the encoder during training. */
enum {
  /* No head. */
  SUPCON_HEAD_NONE = 0,
  /* A linear layer. */
  SUPCON_HEAD_LINEAR = 1,
  /* linear, ReLU, linear. */
  SUPCON_HEAD_MLP = 2,
  /* linear, batch norm, ReLU, linear. */
  SUPCON_HEAD_MLP_BN = 3,
  /* linear, ReLU, linear, ReLU, linear. */
  SUPCON_HEAD_MLP3 = 4,
  /* linear, batch norm, ReLU, linear, batch norm, ReLU, linear. */
  SUPCON_HEAD_MLP3_BN = 5
};
/* The precision that the network computes in. */
enum {
  /* bf16 where the CPU has bf16 instructions (AVX512-BF16 or AMX), else f32. */
  SUPCON_PRECISION_AUTO = 0,
  /* f32 throughout. */
  SUPCON_PRECISION_F32 = 1,
  /* Activations in bf16; weights, statistics, loss and optimizer in f32. */
  SUPCON_PRECISION_BF16 = 2
};
/* The way in which embedding, and a run's views of kind none, bring images of another shape to
 * the model's size. */
enum {
  /* squash; for a file, as its metadata says. */
  SUPCON_RESIZE_AUTO = 0,
  /* Both sides are resized independently: the whole image is used, but its proportions change. */
  SUPCON_RESIZE_SQUASH = 1,
  /* The image is resized in proportion until it covers the size, and its center is cut out:
   * torchvision's Resize(side) and CenterCrop(side). */
  SUPCON_RESIZE_CROP = 2
};

/* The options of a new model: the encoder, its head, and the images that it takes. */
typedef struct supcon_model_options {
  uint32_t struct_size;
  /* The first layers of the network. Default SUPCON_STEM_AUTO. */
  int32_t stem;
  /* The name of the network in torchvision or timm. resnet18, resnet34, resnet50, resnet101,
   * resnet152, resnet200; resnext50_32x4d, resnext101_32x8d, resnext101_64x4d
   * (arXiv:1611.05431); wide_resnet50_2, wide_resnet101_2 (arXiv:1605.07146); timm's resnet26,
   * and with deep stems resnet10t, 14t, 26t, 18d, 26d, 34d, 50d, 101d, 152d, 200d. Default
   * resnet18. */
  const char *architecture;
  /* The channels of the first stage. Default 64; 1 to 1024. */
  int32_t width;
  /* The channels of the images. Default 3; 1 to 4. */
  int32_t channels;
  /* The height of the images that the model takes, in pixels; images of another size are
   * resized. Default 32; 1 to 65536. */
  int32_t image_height;
  /* The width of the images that the model takes, in pixels. Default 32; 1 to 65536. */
  int32_t image_width;
  /* Whether each residual block begins as the identity (arXiv:1706.02677, section 5.1). This
   * helps networks of bottleneck blocks (ResNet-50 and deeper) that are trained from scratch,
   * and costs those of basic blocks up to four points of a linear probe and two of kNN
   * (docs/accuracy.md). Loaded weights replace the initial ones. A preset sets on or off, as its
   * publication does. Default SUPCON_ZERO_INIT_AUTO. */
  int32_t zero_init_last_gamma;
  /* The projection head after the encoder during training. Default SUPCON_HEAD_MLP. */
  int32_t head;
  /* The width of the head's hidden layers. Default 0: as wide as the encoder's output; 0 to
   * 65536. */
  int32_t head_hidden;
  /* The dimension of the projection z. Default 128; 1 to 65536. */
  int32_t projection_dim;
  /* The number of classes of the linear classifier. Default 0: none yet; 0 to 1000000. */
  int32_t classes;
  /* The precision that the network computes in. Default SUPCON_PRECISION_AUTO. */
  int32_t precision;
  /* The mean of each channel, of pixels scaled to 0 to 1. Default 0.5. */
  float mean[4];
  /* The standard deviation of each channel, of pixels scaled to 0 to 1. Default 0.25. */
  float std[4];
  /* The seed of the initial weights. Default 0. */
  uint64_t seed;
  /* Whether head and classifier take the encoder's output at length 1, as in the paper, instead
   * of as it is, as in SupContrast. Default 0; 0 or 1. */
  int32_t normalize_features;
  /* The way in which images of another shape are brought to the model's size. Default
   * SUPCON_RESIZE_SQUASH. */
  int32_t resize;
} supcon_model_options;
/* end of generated */
void supcon_model_options_init_sized(supcon_model_options *options, size_t size);
#define supcon_model_options_init(options) \
  supcon_model_options_init_sized((options), sizeof *(options))
/* Creates a model with random weights (He, fan-out). Errors: argument, memory, unsupported (bf16
 * in a build without oneDNN, or on a CPU that lacks it). */
SUPCON_MUST_CHECK supcon_status supcon_model_create(supcon_context *context,
                                                    const supcon_model_options *options,
                                                    supcon_model **model);

/* These options are for files without the library's metadata; fields that are set must agree with
 * the metadata if there are any. */
/* generated from Sources/Options/load.toml (make generate) */
/* The way in which a model's file is loaded. Options that are set must agree with the file's own
 * metadata, if there are any; the precision overrides it. */
typedef struct supcon_load_options {
  uint32_t struct_size;
  /* The first layers of the network; auto: inferred from the first convolution's shape. Default
   * SUPCON_STEM_AUTO. */
  int32_t stem;
  /* The name of the network; NULL (default): inferred from the parameters' names and shapes. */
  const char *architecture;
  /* The precision to compute in; auto: that of the file, including int8. Default
   * SUPCON_PRECISION_AUTO. */
  int32_t precision;
  /* The height of the images that the model takes, in pixels. Default 0: that of the metadata,
   * else 32 for a CIFAR stem and 224 for ImageNet's; 1 to 65536. */
  int32_t image_height;
  /* The width of the images that the model takes, in pixels. Default 0: as for image_height; 1
   * to 65536. */
  int32_t image_width;
  /* Whether mean and std are set; otherwise those of the metadata apply, or else ImageNet's.
   * Default 0; 0 or 1. */
  int32_t has_mean_std;
  /* The mean of each channel, of pixels scaled to 0 to 1. Default 0. */
  float mean[4];
  /* The standard deviation of each channel, of pixels scaled to 0 to 1. Default 0. */
  float std[4];
  /* The way in which images of another shape are brought to the model's size. Default
   * SUPCON_RESIZE_AUTO. */
  int32_t resize;
  /* Must be 0. */
  int32_t reserved;
} supcon_load_options;
/* end of generated */
void supcon_load_options_init_sized(supcon_load_options *options, size_t size);
#define supcon_load_options_init(options) \
  supcon_load_options_init_sized((options), sizeof *(options))
/* Loads a safetensors file: one that this library has written, or one with the parameter names of
 * torchvision, timm or SupContrast ("encoder.", "module." prefixes). "fc" becomes the classifier.
 * timm's variants d and t are exact for images whose sides are multiples of 32. Its anti-aliased
 * ResNets (resnetaa50, resnetblur50) have resnet50's parameters and would embed wrongly: they are
 * refused where timm's config.json lies beside the file, and cannot be told otherwise.
 * Errors: argument, io, format (the message names the tensor), memory, unsupported. */
SUPCON_MUST_CHECK supcon_status supcon_model_load(supcon_context *context, const char *path,
                                                  const supcon_load_options *options,
                                                  supcon_model **model);
/* Writes a safetensors file with torchvision's parameter names and the configuration as metadata.
 * It is written under a temporary name, synced, and renamed. Errors: io, state. */
SUPCON_MUST_CHECK supcon_status supcon_model_save(const supcon_model *model, const char *path);
void supcon_model_free(supcon_model *model);

typedef struct supcon_model_info {
  uint32_t struct_size;     /* in: sizeof; set by supcon_model_info_init */
  int32_t stem;             /* IMAGENET or CIFAR */
  const char *architecture; /* static */
  int32_t width;
  int32_t channels;
  int32_t image_height;
  int32_t image_width;
  int32_t head;
  int32_t head_hidden;
  int32_t projection_dim; /* 0 without a head */
  int32_t classes;        /* 0 without a classifier */
  int32_t precision;      /* F32 or BF16 */
  int32_t embedding_dim;  /* dimension of r */
  int64_t parameters;     /* trainable elements */
  float mean[4];
  float std[4];
  int32_t int8; /* 1: the encoder embeds in int8, after supcon_model_quantize */
  int32_t normalize_features;
  int32_t resize;               /* SQUASH or CROP */
  int32_t zero_init_last_gamma; /* ON or OFF */
} supcon_model_info;
void supcon_model_info_init_sized(supcon_model_info *info, size_t size);
#define supcon_model_info_init(info) supcon_model_info_init_sized((info), sizeof *(info))
SUPCON_MUST_CHECK supcon_status supcon_model_get_info(const supcon_model *model,
                                                      supcon_model_info *info);
/* Returns the name of a class in the data set that the classifier was fitted on, or NULL if there
 * is none. It is valid until the model is freed. */
const char *supcon_model_class_name(const supcon_model *model, int64_t class_index);

/* generated from Sources/Options/embed.toml (make generate) */
/* The output of the network that is returned. */
enum {
  /* R, the encoder's pooled output: the one to use. */
  SUPCON_OUTPUT_ENCODER = 0,
  /* Z, after the projection head. */
  SUPCON_OUTPUT_PROJECTION = 1,
  /* The classifier's logits. */
  SUPCON_OUTPUT_LOGITS = 2,
  /* The classifier's probabilities. */
  SUPCON_OUTPUT_PROBABILITIES = 3
};

/* The options of an embedding. */
typedef struct supcon_embed_options {
  uint32_t struct_size;
  /* The output of the network that is returned. Default SUPCON_OUTPUT_ENCODER. */
  int32_t output;
  /* Whether each row is scaled to length 1. Applies to encoder and projection. Default 1; 0 or
   * 1. */
  int32_t normalize;
  /* The number of images per pass. Default 0: chosen by the library; 0 to 65536. */
  int32_t batch_size;
  /* Whether each image is flipped left to right before it is embedded. With features it must be
   * 0. Default 0; 0 or 1. */
  int32_t flip;
} supcon_embed_options;
/* end of generated */
void supcon_embed_options_init_sized(supcon_embed_options *options, size_t size);
#define supcon_embed_options_init(options) \
  supcon_embed_options_init_sized((options), sizeof *(options))
/* Returns the dimension of one row of an output; 0 if the model does not have it. */
int64_t supcon_model_output_dimension(const supcon_model *model, int32_t output);
/* Embeds images. embeddings: [images->count, dimension] f32; capacity is in floats. Images whose
 * size differs from the model's are resized (bilinear, antialiased). Errors: argument, shape, type,
 * state (no such output), memory. */
SUPCON_MUST_CHECK supcon_status supcon_model_embed(const supcon_model *model,
                                                   const supcon_images *images,
                                                   const supcon_embed_options *options,
                                                   float *embeddings, int64_t capacity);
/* Embeds all images of a data set. Errors: as supcon_model_embed; io and format (a file that has
 * become unreadable). */
SUPCON_MUST_CHECK supcon_status supcon_model_embed_dataset(const supcon_model *model,
                                                           const supcon_dataset *dataset,
                                                           const supcon_embed_options *options,
                                                           float *embeddings, int64_t capacity);
/* Computes an output from features that were kept, without the images: what supcon_model_embed
 * would return for these. It serves to project or to classify what is embedded already.
 *  features   [rows, dimension] f32: the encoder's output, embedded with normalize 0; dimension is
 *             supcon_model_output_dimension(model, SUPCON_OUTPUT_ENCODER)
 *  outputs    [rows, dimension of the output]; capacity is in floats
 * Errors: argument (a feature that is not finite, or flip), shape, state (no such output), memory,
 * canceled. */
SUPCON_MUST_CHECK supcon_status supcon_model_forward_head(const supcon_model *model,
                                                          const float *features, int64_t rows,
                                                          int64_t dimension,
                                                          const supcon_embed_options *options,
                                                          float *outputs, int64_t capacity);

/* Makes the encoder embed in int8, in about half of bf16's time, or of f32's on a CPU without
 * bf16: weights and activations are bytes, in ranges that are calibrated on dataset, some hundreds
 * of images similar to those to be embedded (of more than 512, 512 evenly spaced ones are used).
 * The calibration is saved with the model, and ends when the encoder is trained or a file is
 * loaded with a precision. dataset NULL: back to the model's precision. The call has exclusive use
 * of the model. Errors: argument (no image), shape, state (in use), unsupported (a build without
 * oneDNN, or a CPU without AVX2), memory, io, format, canceled. */
SUPCON_MUST_CHECK supcon_status supcon_model_quantize(supcon_model *model,
                                                      const supcon_dataset *dataset);
enum {
  SUPCON_PHASE_EMBED = 0, /* done and total are images; with flip, the flipped ones count too */
  SUPCON_PHASE_FIT = 1    /* iterations, those of choosing l2 included; it may end before total */
};
/* A function that receives progress. If it returns non-zero, the call returns
 * SUPCON_STATUS_CANCELED. */
typedef int (*supcon_progress_callback)(int32_t phase, int64_t done, int64_t total,
                                        void *user_data);

/* generated from Sources/Options/classifier.toml (make generate) */
/* The options for fitting a linear classifier. */
typedef struct supcon_classifier_options {
  uint32_t struct_size;
  /* The largest number of iterations of L-BFGS when the linear classifier is fitted. Default
   * 200; 1 or more. */
  int32_t iterations;
  /* The weight of the squared weights of the linear classifier, beside the mean loss of the
   * rows. The default is chosen by cross-validation on up to five random fifths of the rows (of
   * at most 10,000; rows of weight 0 are left aside): it is 5 over the number of rows, unless
   * 0.05, 0.5 or 50 over it predicts the held-out rows better by more than a standard error.
   * With fewer than 100 rows, not counting the only row of a class, it is always 5 over their
   * number. With flip, rows are the images and their flipped copies; the 100 and the 10,000
   * count images alone, and copies do not judge. Default -1: 5 over the number of rows, or 0.05,
   * 0.5 or 50 over it where that predicts held-out rows better; 0 or more. */
  float l2;
  /* Whether the classifier is also fitted on the images flipped left to right. It suits images
   * whose class a flip does not change; each image is then embedded twice. Default 0; 0 or 1. */
  int32_t flip;
  /* A function that is called with the progress, after some hundreds of images and after each
   * iteration; NULL (default): none. */
  supcon_progress_callback progress;
  /* The pointer that is passed to progress. */
  void *user_data;
} supcon_classifier_options;
/* end of generated */
void supcon_classifier_options_init_sized(supcon_classifier_options *options, size_t size);
#define supcon_classifier_options_init(options) \
  supcon_classifier_options_init_sized((options), sizeof *(options))
/* Fits the linear classifier "fc" on the frozen, unaugmented embeddings of a labeled data set, and
 * stores it in the model with its class names. The model is unchanged after a failure.
 *  l2  receives the l2 of the fit: the option, or what was chosen; or NULL
 * Errors: argument, state (no labels, or in use), memory, canceled, io, format. */
SUPCON_MUST_CHECK supcon_status
supcon_model_fit_classifier(supcon_model *model, const supcon_dataset *dataset,
                            const supcon_classifier_options *options, float *l2);
/* Fits the linear classifier as supcon_model_fit_classifier does, but on features that were kept.
 *  dataset   gives labels, class names and weights; its images are not read
 *  features  [rows, dimension] f32: a row for each image in the data set's order, the encoder's
 *            output, embedded with normalize 0; with options->flip, behind these as many rows for
 *            the flipped images
 * Errors: argument (a feature that is not finite), shape, state (no labels, or in use), memory,
 * canceled. */
SUPCON_MUST_CHECK supcon_status supcon_model_fit_classifier_on_features(
    supcon_model *model, const supcon_dataset *dataset, const float *features, int64_t rows,
    int64_t dimension, const supcon_classifier_options *options, float *l2);
/* Replaces the projection head by a new random one. Files of torchvision and timm have no head, so
 * that a run contrasts the encoder's output itself; why a head is used: arXiv:2002.05709, section
 * 4.2.
 *  head            supcon_head; SUPCON_HEAD_NONE removes it
 *  head_hidden     the width of the hidden layers; 0: as wide as the encoder's output
 *  projection_dim  the dimension of Z, 1 to 65536
 *  seed            with the same seed it is the head that supcon_model_create makes
 * Errors: argument, state (in use), memory. */
SUPCON_MUST_CHECK supcon_status supcon_model_reset_head(supcon_model *model, int32_t head,
                                                        int32_t head_hidden, int32_t projection_dim,
                                                        uint64_t seed);
/* Replaces the classifier by a new random one for classes classes without names: a run then uses
 * labels, 0 to classes - 1, as outputs. With 0 it is removed, and a run that trains a classifier
 * makes one with the data set's classes and names. If a classifier has names, a run matches the
 * data set's classes by name, and a class that the classifier lacks is a shape error. To transfer
 * to other classes, load a model, reset to 0, then train with CROSS_ENTROPY at a small rate (full
 * fine-tuning) or LINEAR (a probe), or call supcon_model_fit_classifier, which needs no reset.
 * Errors: argument, state (in use), memory. */
SUPCON_MUST_CHECK supcon_status supcon_model_reset_classifier(supcon_model *model, int32_t classes);

/* ------------------------------------------------------------------------------------------------------------------
 * training */

typedef struct supcon_trainer supcon_trainer;

/* generated from Sources/Options/train.toml (make generate) */
/* The quantity that a run minimizes. */
enum {
  /* The contrastive loss with labels (the paper's stage 1). */
  SUPCON_OBJECTIVE_SUPCON = 0,
  /* The contrastive loss without labels. */
  SUPCON_OBJECTIVE_SIMCLR = 1,
  /* A baseline: encoder and classifier together, by cross-entropy. */
  SUPCON_OBJECTIVE_CROSS_ENTROPY = 2,
  /* The classifier alone, on the frozen encoder (the paper's stage 2). */
  SUPCON_OBJECTIVE_LINEAR = 3,
  /* A baseline: encoder and classifier together, by the large-margin softmax (arXiv:1612.02295). */
  SUPCON_OBJECTIVE_MAX_MARGIN = 4
};
/* The rule that makes two images positives of each other. */
enum {
  /* Images of one class. */
  SUPCON_POSITIVES_CLASSES = 0,
  /* Images whose targets of 0 and 1 share a label. */
  SUPCON_POSITIVES_ANY = 1,
  /* Images whose targets of 0 and 1 are the same. */
  SUPCON_POSITIVES_ALL = 2,
  /* all images, weighted by the Jaccard index of their targets of 0 and 1. */
  SUPCON_POSITIVES_JACCARD = 3,
  /* all images, weighted by exp(-|difference|^2 / (2 label_bandwidth^2)) of their real targets. */
  SUPCON_POSITIVES_KERNEL = 4
};
/* The role of a queue of earlier keys. */
enum {
  /* There is no queue. */
  SUPCON_QUEUE_OFF = 0,
  /* Entries with other labels are negatives; those with the query's own label are ignored. */
  SUPCON_QUEUE_NEGATIVES = 1,
  /* Entries with the query's label are also positives. */
  SUPCON_QUEUE_POSITIVES_AND_NEGATIVES = 2
};
/* The course of the learning rate. */
enum {
  /* The rate is constant. */
  SUPCON_SCHEDULE_CONSTANT = 0,
  /* The rate falls to min_lr along half a cosine (arXiv:1608.03983, without restarts). */
  SUPCON_SCHEDULE_COSINE = 1,
  /* The rate is multiplied by gamma after each of the milestones. */
  SUPCON_SCHEDULE_STEP = 2,
  /* The rate is multiplied by exponential_factor after each exponential_epochs. */
  SUPCON_SCHEDULE_EXPONENTIAL = 3
};
/* The rule that updates the weights. */
enum {
  /* Stochastic gradient descent with momentum, in PyTorch's form. */
  SUPCON_OPTIMIZER_SGD = 0,
  /* Layer-wise rates (arXiv:1708.03888); batch norm and biases have neither weight decay nor a
   * rate of their own. */
  SUPCON_OPTIMIZER_LARS = 1,
  /* TensorFlow's form: epsilon inside the root, mean squares begin at 1; with momentum. */
  SUPCON_OPTIMIZER_RMSPROP = 2,
  /* Decoupled weight decay (arXiv:1711.05101), in PyTorch's form; a learning_rate of 1e-3 and
   * reference_batch 0 are usual. */
  SUPCON_OPTIMIZER_ADAMW = 3
};
/* The type in which ranks exchange gradients. */
enum {
  /* Unrounded. */
  SUPCON_GRADIENT_PRECISION_F32 = 0,
  /* Rounded, added in f32, and the sum rounded: half of the bytes. */
  SUPCON_GRADIENT_PRECISION_BF16 = 1
};

/* The options of a training run. */
typedef struct supcon_train_options {
  uint32_t struct_size;

  /* --- Objective --- */
  /* The quantity that the run minimizes. Default SUPCON_OBJECTIVE_SUPCON. */
  int32_t objective;
  /* Whether the classifier is trained in the same run, behind a stop-gradient. Applies to supcon
   * and simclr. Default 0; 0 or 1. */
  int32_t joint_classifier;
  /* The number of augmented views per image. With the other objectives it is always 1. Applies
   * to supcon and simclr. Default 2; 1 to 64. */
  int32_t views;
  /* The rule that makes two images positives of each other. All rules except classes need
   * targets instead of labels (supcon_dataset_with_targets), and exclude a queue. The kNN
   * accuracy of validation is then the mean weight, as a positive, of each validation image's
   * nearest training image. Applies to supcon. Default SUPCON_POSITIVES_CLASSES. */
  int32_t positives;
  /* The factor of the angle to the true class's weights; 1 is cross-entropy. Applies to
   * max_margin. Default 2; 1 to 8. */
  int32_t margin;
  /* The standard deviation of the kernel, in the unit of the targets. Applies to positives
   * kernel, which needs a number above 0. Default 0; 0 or more. */
  double label_bandwidth;
  /* The probability mass that the classifier's targets spread over all classes. Applies to runs
   * that train a classifier. Default 0; 0 to below 1. */
  double label_smoothing;
  /* The parameter of MixUp, which blends each image of a batch with another; the fraction is
   * drawn from Beta(alpha, alpha) once per batch (arXiv:1710.09412). With cutmix_alpha as well,
   * each batch uses one of the two. Applies to cross_entropy and linear. Default 0: no mixup;
   * 0.001 to 1000. */
  double mixup_alpha;
  /* The parameter of CutMix, which pastes a box of another image of the batch; the fraction of
   * its area is drawn from Beta(alpha, alpha) once per batch (arXiv:1905.04899). Applies to
   * cross_entropy and linear. Default 0: no CutMix; 0.001 to 1000. */
  double cutmix_alpha;
  /* The options of the contrastive loss. The reduction must be mean or mean_all; rows are always
   * normalized. Applies to supcon and simclr. NULL: the defaults. */
  const supcon_loss_options *loss;

  /* --- Batches --- */
  /* The number of passes over the training images. Default 100; 1 to 1000000. */
  int32_t epochs;
  /* The number of images per step, before views. The last, smaller batch of an epoch is left
   * out. Default 0: 256, or fewer: all training images, or images_per_class of every class; 2 to
   * 1000000. */
  int32_t batch_size;
  /* The number of images of each class in a batch, which then holds batch_size /
   * images_per_class classes. Default 0: a plain shuffle; 0 to 1000000. */
  int32_t images_per_class;
  /* The number of images that are in the network at a time, for exact gradients of large batches
   * in little memory. It divides batch_size. Gradient caching (arXiv:2101.06983) embeds chunk by
   * chunk, computes the loss and its gradient over the whole batch, and processes the chunks
   * once more with the same views, for about 4/3 of the work. Batch norm uses the statistics of
   * each chunk, of chunk_size * views rows, and updates its running statistics once per chunk.
   * Default 0: batch_size; 0 to 1000000. */
  int32_t chunk_size;
  /* The role of the queue in the contrastive loss, as in MoCo, with the keys of a momentum
   * encoder. The first view of an image is the query; the momentum encoder, in evaluation mode
   * with averaged batch-norm statistics (arXiv:2101.08482), computes keys of the other views
   * (arXiv:1911.05722, and with labels arXiv:2004.11362). Applies to supcon and simclr. Default
   * SUPCON_QUEUE_OFF. */
  int32_t queue_mode;
  /* The number of keys in the queue, at least that of a batch. Applies to runs with a queue.
   * Default 8192; 1 to 268435456. */
  int32_t queue_size;
  /* The momentum m of the key encoder: key = m * key + (1 - m) * query after each step. The
   * default suits runs of many thousand steps; 0.99 suits some hundred, and much smaller values
   * let the run collapse. Applies to runs with a queue. Default 0.999; 0 to below 1. */
  double key_momentum;
  /* The augmentation that makes the views of an image. NULL: the defaults. */
  const supcon_augmentation_options *augmentation;
  /* The augmentation of the views after an image's first; NULL (default): that of the first. */
  const supcon_augmentation_options *augmentation_second;
  /* The seed of sampling, augmentation and the validation split. Default 0. */
  uint64_t seed;
  /* The number of threads that decode and augment ahead of the step. Default 0: as many as
   * compute; 0 to 1024. */
  int32_t loader_threads;

  /* --- Optimizer --- */
  /* The rule that updates the weights. Default SUPCON_OPTIMIZER_SGD. */
  int32_t optimizer;
  /* The momentum of the updates. Applies to sgd, lars and rmsprop. Default 0.9; 0 to 0.9999. */
  double momentum;
  /* The weight decay; that of adamw is decoupled. Default 0.0001; 0 to 10. */
  double weight_decay;
  /* Whether Nesterov's form of momentum is used. Applies to sgd and lars. Default 0; 0 or 1. */
  int32_t nesterov;
  /* Whether weight decay also applies to batch norms and biases, as in the reference code; never
   * with lars. Default 1; 0 or 1. */
  int32_t decay_norm_and_bias;
  /* The factor of a weight's rate, together with |weight| / |gradient + weight_decay * weight|.
   * Applies to lars. Default 0.001; a number above 0, at most 1000. */
  double trust_coefficient;
  /* The decay of the mean of squared gradients. Applies to rmsprop. Default 0.9; 0 to 0.999999. */
  double rmsprop_decay;
  /* The decay of the mean of gradients. Applies to adamw. Default 0.9; 0 to 0.999999. */
  double beta1;
  /* The decay of the mean of squared gradients. Applies to adamw. Default 0.999; 0 to 0.999999. */
  double beta2;
  /* The term that keeps the denominator of an update above 0. Applies to adamw and rmsprop.
   * Default -1: 1e-8 with adamw (PyTorch's), 1e-3 with rmsprop (google-research's linear stage);
   * 0 to 10. */
  double epsilon;
  /* The decay d of a moving average of the weights, which validation, best.safetensors and the
   * final model then use. After each step a += (1 - min(d, (1 + step) / (10 + step))) (w - a),
   * including running statistics; a checkpoint keeps both. Default 0: no average; 0 to
   * 0.9999999. */
  double ema_decay;

  /* --- Learning rate --- */
  /* The learning rate of a batch of reference_batch images. Default 0.1; a number above 0, at
   * most 1e6. */
  double learning_rate;
  /* The learning rate at the end of the cosine schedule, in the unit of learning_rate and not
   * above it. Applies to schedule cosine. Default 0; 0 to 1e6. */
  double min_lr;
  /* The batch size to which learning_rate refers: the rate of a run is learning_rate *
   * batch_size / reference_batch. Default 256; 0 to 1000000; 0: learning_rate as it is. */
  int32_t reference_batch;
  /* The course of the learning rate after warm-up. Default SUPCON_SCHEDULE_COSINE. */
  int32_t schedule;
  /* The number of epochs of linear warm-up (arXiv:1706.02677), rounded to steps. Default -1: 10,
   * but at most a tenth of the run; 0 to 1e6. */
  double warmup_epochs;
  /* The number of steps of linear warm-up. Default -1: as many as warmup_epochs says; 0 to
   * 1000000000. */
  int32_t warmup_steps;
  /* Whether the schedule begins when warm-up has ended, as in google-research's code, instead of
   * with the run, as in SupContrast's. Default 0; 0 or 1. */
  int32_t schedule_after_warmup;
  /* The fraction of the rate at which warm-up begins. Default 0.01; 0 to 1. */
  double warmup_start;
  /* The epochs after which the rate is multiplied by gamma, in ascending order. Applies to
   * schedule step. NULL (default): none. [milestone_count] */
  const int32_t *milestones;
  int64_t milestone_count;
  /* The factor of the rate at each milestone. Applies to schedule step. Default 0.1; 1e-6 to 1. */
  double gamma;
  /* The factor of the rate after each exponential_epochs, a staircase. Applies to schedule
   * exponential. Default 0.97; 1e-6 to 1. */
  double exponential_factor;
  /* The number of epochs between two steps of the staircase. Applies to schedule exponential.
   * Default 0.5; 0.001 to 1e6. */
  double exponential_epochs;

  /* --- Fine-tuning --- */
  /* The number of stages of the encoder, beginning with the stem, that are not trained; 4 is the
   * whole encoder. Their parameters and running statistics keep every bit, and they run in
   * inference form, in int8 with freeze_int8 or if the model embeds in int8
   * (supcon_model_quantize) when the trainer is made. Applies to all objectives but linear.
   * Default 0; 0 to 4. */
  int32_t freeze_stages;
  /* Whether the encoder's batch norms use their running statistics and leave them unchanged;
   * gamma and beta are trained. Applies to all objectives but linear; it suits small batches
   * from given weights. Default 0; 0 or 1. */
  int32_t freeze_norm;
  /* The epochs after each of which another frozen stage is trained, the last stage first. They
   * ascend. Applies to freeze_stages above 0. NULL (default): none. [unfreeze_epoch_count] */
  const int32_t *unfreeze_epochs;
  int64_t unfreeze_epoch_count;
  /* The ratio of a stage's learning rate to that of the next stage. Head and classifier have the
   * full rate, the last stage has this fraction of it, and the stem has its 5th power. Applies
   * to all objectives but linear. Default 1; 0.001 to 1. */
  double layer_decay;
  /* The heights of the views over the run, 1 to 65536, each for an equal part of the epochs; the
   * width changes in proportion. There are at most as many as epochs; none: the model's size
   * throughout. The model keeps its own size. NULL (default): none. [image_size_schedule_count] */
  const int32_t *image_size_schedule;
  int64_t image_size_schedule_count;
  /* Whether each epoch's size is drawn from image_size_schedule instead of taken in order. With
   * n sizes, every n epochs have each of them once, in an order that seed decides. Applies to an
   * image_size_schedule of at least two sizes, and no feature_cache. Default 0; 0 or 1. */
  int32_t random_image_size;
  /* The number of rounds of views of each image for which the frozen stages' output is computed
   * once and stored. It is stored in the type that they compute in. Epoch e uses the views of
   * epoch (e - 1) mod feature_cache + 1: with as many rounds as epochs a run gives the same
   * bytes as without the cache, except for images that images_per_class repeats within an epoch.
   * Applies to freeze_stages above 0. Default 0: no cache; 0 to 1000000. */
  int32_t feature_cache;
  /* The folder of the nameless file that stores the feature cache and disappears with the
   * trainer; without one the cache is in memory, within the context's limit. NULL (default):
   * none. */
  const char *feature_cache_folder;
  /* Whether the frozen stages run in int8, in ranges that are calibrated on the training images
   * when the run begins. It does to them what supcon_model_quantize does to the whole encoder,
   * and the model itself keeps its precision. It needs a build with oneDNN and a CPU with AVX2.
   * Applies to freeze_stages above 0. Default 0; 0 or 1. */
  int32_t freeze_int8;

  /* --- Validation and checkpoints --- */
  /* The number of epochs between two validations. Default 1; 1 to 1000000. */
  int32_t validation_every;
  /* The fraction of the images that is held out for kNN@1 and early stopping. Default 0.05; 0 to
   * 0.9; 0: none. */
  double validation_fraction;
  /* The folder that receives last.supcon after each epoch, and best.safetensors, the model with
   * the best kNN@1. NULL (default): none. */
  const char *checkpoint_folder;
  /* Whether the run continues from last.supcon in checkpoint_folder, if it exists; it must be of
   * a run with the same options, labels and targets. docs/options.md says which options may
   * differ. Default 0; 0 or 1. */
  int32_t resume;
  /* The number of validations without a better kNN@1 after which the run stops. Default 0:
   * never; 0 to 1000000. */
  int32_t patience;
  /* Whether the model at the end is the one with the best kNN@1 instead of the last. Default 0;
   * 0 or 1. */
  int32_t restore_best;
  /* Whether a collapsed or diverged run stops with an error that names the likely remedy;
   * otherwise it only warns. A run counts as collapsed after 300 steps in which all embeddings
   * are equal; one that ends before that in such a state warns. A loss that is not a number
   * always stops it. Default 1; 0 or 1. */
  int32_t stop_on_collapse;

  /* --- Several processes --- */
  /* Whether, over several ranks, batch norm's statistics are those of all ranks' images;
   * otherwise they are of each rank's own, as in the paper. It changes nothing in a run of one
   * process. Default 0; 0 or 1. */
  int32_t sync_batch_norm;
  /* Type in which ranks exchange gradients. It changes nothing in a run of one process. Default
   * SUPCON_GRADIENT_PRECISION_F32. */
  int32_t gradient_precision;
} supcon_train_options;
/* end of generated */
void supcon_train_options_init_sized(supcon_train_options *options, size_t size);
#define supcon_train_options_init(options) \
  supcon_train_options_init_sized((options), sizeof *(options))

/* Returns the number of published recipes: cifar-pytorch, cifar-linear, cifar-cross-entropy,
 * cifar-simclr, cifar-simclr-linear (HobbitLong/SupContrast); imagenet-r50, imagenet-r50-linear,
 * imagenet-r200, imagenet-r200-linear (google-research/supcon); memory-r50 (the momentum encoder
 * with a queue of arXiv:2004.11362). The description says where values are this library's own,
 * because none are published, and where it differs. */
int64_t supcon_preset_count(void);
/* Returns the name of the preset of an index, from 0, or NULL beyond the last. Static. */
const char *supcon_preset_name(int64_t index);
/* Returns a description of a preset: its purpose, its publication, and the differences from it;
 * NULL for an unknown name. Static. */
const char *supcon_preset_description(const char *name);
/* Sets every field of model and train, which their _init functions have initialized, to the recipe;
 * either may be NULL. Then change what you need, such as classes and channels. The structs that
 * train points to are static and must not be written to; for another temperature:
 * supcon_loss_options loss; supcon_loss_options_copy(&loss, train.loss); loss.temperature = 0.2f;
 * train.loss = &loss; Errors: argument (an unknown name, where the message lists the known ones;
 * struct_size). */
SUPCON_MUST_CHECK supcon_status supcon_preset(const char *name, supcon_model_options *model,
                                              supcon_train_options *train);

enum { SUPCON_EVENT_STEP = 0, SUPCON_EVENT_EPOCH = 1, SUPCON_EVENT_WARNING = 2 };

typedef struct supcon_event {
  uint32_t struct_size;
  int32_t kind;  /* SUPCON_EVENT_... */
  int64_t epoch; /* from 1 */
  int64_t epochs;
  int64_t step;  /* in this epoch, from 1 */
  int64_t steps; /* per epoch */
  double loss;   /* STEP: of this step; EPOCH: the epoch's mean; WARNING: NaN if the run ends for
                    it, because the loss became NaN */
  double learning_rate;
  double images_per_second; /* images before views; STEP: recently; EPOCH: over the epoch */
  double seconds_left;      /* of the whole run, estimated */
  double knn_accuracy;      /* EPOCH: kNN@1 on the validation split, 0 to 1 (by targets: see
                               `positives`); NaN if not measured */
  double alignment;  /* EPOCH: mean squared distance of positives among the projections of its last
                        batch (arXiv:2005.10242); NaN if not measured */
  double uniformity; /* EPOCH: log mean exp(-2 |difference|^2) of the same (same paper); NaN if not
                        measured */
  double train_accuracy; /* EPOCH: of the classifier on the training batches; NaN without one */
  int64_t anchors_without_positive; /* in this step, or the epoch */
  const char *message;              /* WARNING: in words; "" otherwise; valid during the call */
} supcon_event;
/* A function that receives the events of a run. If it returns non-zero, the run stops after this
 * step: supcon_trainer_run returns SUPCON_STATUS_CANCELED, and the model and the last checkpoint
 * keep their current state. */
typedef int (*supcon_train_callback)(const supcon_event *event, void *user_data);

/* Plans a run of model on dataset and checks the options and the memory; nothing is trained yet.
 * For LINEAR, CROSS_ENTROPY, MAX_MARGIN and joint_classifier the model gets a classifier with the
 * data set's classes if it has none (supcon_model_reset_classifier removes one). Errors: argument,
 * shape (channels), state (no labels, or targets, that the options need, too few images or classes,
 * in use, a checkpoint of another run), memory, io (of checkpoint_folder), format (of a checkpoint
 * to resume). */
SUPCON_MUST_CHECK supcon_status supcon_trainer_create(supcon_context *context, supcon_model *model,
                                                      const supcon_dataset *dataset,
                                                      const supcon_train_options *options,
                                                      supcon_trainer **trainer);
/* SEVERAL PROCESSES
 *
 * The processes of a run, its ranks, share each batch: batch_size is that of all together, and
 * options, data, seeds and losses mean what they mean in one process. Every rank embeds its part of
 * the batch, the embeddings are gathered, the loss is the whole batch's, and the gradients are
 * summed; with sync_batch_norm the run is that of one process up to rounding, without it that of
 * one process which normalizes the ranks' parts one by one. The ranks exchange data through
 * functions of the host (MPI's, gloo's, its own): this library opens no connection.
 *
 * All ranks call the same functions here, with the same model, data and options, on machines of one
 * instruction set; before the first step these are compared, and rank 0's weights (or its
 * checkpoint) become those of all. Rank 0 alone calls the training callback, writes to the log, and
 * reads and writes checkpoint_folder. A failure on one rank (a file, memory, a full disk, a cancel)
 * ends the call on all ranks with the same status and a message that names the rank. */

/* Replaces values[count] by their sums over the ranks. */
typedef int (*supcon_all_reduce_sum)(float *values, int64_t count, void *user_data);
/* Writes the byte_count bytes of every rank, in the order of the ranks, to gathered (world *
 * byte_count bytes, apart from bytes). */
typedef int (*supcon_all_gather)(const void *bytes, int64_t byte_count, void *gathered,
                                 void *user_data);
/* Sends rank r the byte_count bytes of bytes that begin at r * byte_count, and writes what each
 * rank sends to this one, in the order of the ranks, to received. Both are of world * byte_count
 * bytes, apart from each other. */
typedef int (*supcon_all_to_all)(const void *bytes, int64_t byte_count, void *received,
                                 void *user_data);
/* Replaces bytes by those of rank root. */
typedef int (*supcon_broadcast)(void *bytes, int64_t byte_count, int32_t root, void *user_data);
/* Waits until all ranks have called it. */
typedef int (*supcon_barrier)(void *user_data);
/* Writes a description of the last failure, which ends in NUL, to text. */
typedef int (*supcon_describe_failure)(char *text, int64_t capacity, void *user_data);

/* The functions by which this process exchanges data with the others. They return 0, or another
 * number after a failure, after which none is called again. They are called one at a time, on the
 * thread that calls supcon_trainer_create_distributed or supcon_trainer_run, with the same sizes in
 * the same order on all ranks; they must give all ranks the same bytes, and the same bytes each
 * time. They must have a deadline, so that they fail rather than wait forever if a rank does not
 * arrive. Counts may exceed an int.
 *
 * With any_thread they may also be called on a thread of the library, still one at a time and in
 * the same order: gradients are then summed while the backward pass goes on. */
typedef struct supcon_collectives {
  uint32_t struct_size;
  int32_t rank;       /* this process, from 0 */
  int32_t world;      /* the number of processes */
  int32_t any_thread; /* 1: any thread may call the functions; 0: the caller's alone */
  supcon_all_reduce_sum all_reduce_sum;
  supcon_all_gather all_gather;
  supcon_broadcast broadcast;
  supcon_barrier barrier;
  /* May be NULL, at all ranks: gradients in bf16 are gathered then, which takes more bytes. */
  supcon_all_to_all all_to_all;
  supcon_describe_failure describe_failure; /* may be NULL */
  void *user_data;
} supcon_collectives;
/* Sets everything but the size to 0. */
void supcon_collectives_init_sized(supcon_collectives *collectives, size_t size);
#define supcon_collectives_init(collectives) \
  supcon_collectives_init_sized((collectives), sizeof *(collectives))

/* Makes a trainer on one of several ranks, all of which call this and then supcon_trainer_run.
 * collectives is copied, and its functions are used until the trainer is freed; NULL: one process.
 * Errors: as supcon_trainer_create, on every rank; argument (ranks whose options, data, model or
 * version differ, a batch_size below the number of ranks), io (of the collectives). */
SUPCON_MUST_CHECK supcon_status supcon_trainer_create_distributed(
    supcon_context *context, supcon_model *model, const supcon_dataset *dataset,
    const supcon_train_options *options, const supcon_collectives *collectives,
    supcon_trainer **trainer);
/* Tells the other ranks, which are in supcon_trainer_create_distributed or supcon_dataset_join, or
 * come to it, that this one cannot follow: their calls end at once with the status `reason`, one of
 * SUPCON_STATUS_*, and a message that names this rank, followed by `message`. For what fails
 * between the collectives and the trainer, such as a data set; nothing else is called after it.
 * message: may be NULL. Errors: argument, memory, io (they could not be told). */
SUPCON_MUST_CHECK supcon_status supcon_collectives_fail(const supcon_collectives *collectives,
                                                        supcon_status reason, const char *message);

/* Joins the parts of all ranks, each of which has images of its own: every rank calls this with its
 * part, before it makes a trainer, and gets a data set of all images, those of rank 0 first. A rank
 * reads its own images alone; what needs the pixels of others is an argument error, except a run
 * over the same ranks. There each batch has images of all ranks, as many of each as its part of the
 * images to train on. Parts may differ in size and in classes: classes of one name are one, in the
 * byte order of names if the parts' classes differ; without names, those of one label. Channels,
 * and whether there are labels, weights and targets, must be the same. Errors: argument (parts that
 * do not fit), memory, io (of the collectives), on every rank; see supcon_last_error_rank. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_join(const supcon_dataset *part,
                                                    const supcon_collectives *collectives,
                                                    supcon_dataset **joined);
/* Makes a data set of those images of a joined data set, or of a subset of it, that this rank has,
 * with the classes of all; without ranks, of all images. Errors: argument, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_own_part(const supcon_dataset *joined,
                                                        supcon_dataset **part);

/* Trains the model; callback may be NULL. A trainer runs once (state). With resume it continues
 * from checkpoint_folder/last.supcon. After a NaN the model is restored to the end of the previous
 * epoch. Errors: canceled, state (collapse, divergence, in use, a checkpoint of another run),
 * memory, io, format (of the checkpoint). */
SUPCON_MUST_CHECK supcon_status supcon_trainer_run(supcon_trainer *trainer,
                                                   supcon_train_callback callback, void *user_data);
/* Asks a run to stop after the current step. It may be called from any thread or a signal handler.
 */
void supcon_trainer_cancel(supcon_trainer *trainer);
/* Returns the bytes that one training step needs: activations, gradients and workspaces, without
 * the weights and the data set. */
int64_t supcon_trainer_memory(const supcon_trainer *trainer);
/* Returns the number of images per step, over all ranks: batch_size, or what it is by default for
 * these images. */
int64_t supcon_trainer_batch_size(const supcon_trainer *trainer);
/* The three below are for the callback of supcon_trainer_run, on its thread; outside a run they are
 * SUPCON_STATUS_STATE.
 *
 * Multiplies the learning rate of all later steps by factor, such as 0.1 when the loss has stopped
 * falling. Checkpoints keep it, so that a resumed run continues with the same rates. Errors:
 * argument (factor, or the product of all of them, not within 1e-12 to 1e12), io (of the
 * checkpoint), state. */
SUPCON_MUST_CHECK supcon_status supcon_trainer_scale_rate(supcon_trainer *trainer, double factor);
/* Writes the model in its current state, with ema_decay the average of its weights, as
 * supcon_model_save does. Errors: argument, io, state. */
SUPCON_MUST_CHECK supcon_status supcon_trainer_save(supcon_trainer *trainer, const char *path);
/* Keeps the current model as the result of the run, however the run ends; the last call counts.
 * Errors: memory, state. */
SUPCON_MUST_CHECK supcon_status supcon_trainer_keep(supcon_trainer *trainer);
void supcon_trainer_free(supcon_trainer *trainer);

/* A trial of a search for a learning rate: a short run with one rate. */
typedef struct supcon_trial {
  uint32_t struct_size;
  int32_t reserved;
  double learning_rate;
  double score;    /* the mean probability that its model gives the class of a held-out image, or
                      minus the loss of the last epoch (judges 0); -INFINITY: it diverged */
  double accuracy; /* the fraction of the held-out images whose class it names; NaN without them */
  double seconds;  /* that it took */
  int64_t steps;
  int64_t judges; /* held-out images that judged it; 0: the loss did */
} supcon_trial;
/* A function that receives a trial. If it returns non-zero, the search ends with
 * SUPCON_STATUS_CANCELED. */
typedef int (*supcon_trial_callback)(const supcon_trial *trial, void *user_data);

/* generated from Sources/Options/search.toml (make generate) */
/* The options of a search for a learning rate. */
typedef struct supcon_search_options {
  uint32_t struct_size;
  /* Must be 0. */
  int32_t reserved;
  /* The time after which trials end, in seconds; the best rate so far is then chosen. Default
   * 600; a number above 0. */
  double seconds;
  /* A function that is called after each trial, at every rank; NULL (default): none. */
  supcon_trial_callback trial;
  /* The pointer that is passed to trial. */
  void *user_data;
} supcon_search_options;
/* end of generated */
void supcon_search_options_init_sized(supcon_search_options *options, size_t size);
#define supcon_search_options_init(options) \
  supcon_search_options_init_sized((options), sizeof *(options))
/* Finds the learning rate of a run of model on dataset by short runs, its trials, on at most 2,000
 * of the images that the run would train on (more if fewer make no eight batches), and writes it to
 * *learning_rate: put it into options, and make the trainer.
 *
 * A trial trains a copy of the model for a twentieth of the run's steps, within 20 to about 60. The
 * rates are a decade apart: options->learning_rate and those beside it, further to a side for as
 * long as that is better, and last half a decade to either side of the best, eight in all at most.
 * A trial is judged by a fifth of the images, on which it has not trained: by the nearest neighbors
 * of their embeddings (of their projections, if all four stages are frozen), or by the classifier
 * where the objective trains one; without labels, or with fewer than 20 images to judge by, by the
 * loss of its last epoch. Of the rates that are not clearly worse than the best, by more than twice
 * the standard error of the difference, the one nearest to options->learning_rate is chosen. The
 * same arguments give the same rate, unless search->seconds run out.
 *
 * model stays as it is, and may embed meanwhile. options: those of the run; the options of a whole
 * run's course do not matter (schedule, warm-up, unfreeze_epochs, image sizes, validation,
 * checkpoints). Images that the run holds out for validation are not looked at.
 * collectives: all ranks call this, rank 0 tries rates, of joined images with its own, and all get
 * its choice; NULL: one process. search: NULL for the defaults. supcon_context_cancel(context) ends
 * it after the step at hand. The call may be made from any thread.
 *
 * Errors: as supcon_trainer_create and _create_distributed; canceled; state, if no trial came to
 * its end without diverging before the time was over. */
SUPCON_MUST_CHECK supcon_status supcon_find_learning_rate(
    supcon_context *context, const supcon_model *model, const supcon_dataset *dataset,
    const supcon_train_options *options, const supcon_collectives *collectives,
    const supcon_search_options *search, double *learning_rate);

/* ----------------------------------------------------------------------------------------------------------------
 * evaluation */

/* generated from Sources/Options/evaluate.toml (make generate) */
/* The classifier that is fitted on the training rows. */
enum {
  /* Softmax regression, by L-BFGS. */
  SUPCON_METHOD_LINEAR = 0,
  /* The vote of the k nearest by cosine, weighted by exp(cosine / temperature)
   * (arXiv:1805.01978). */
  SUPCON_METHOD_KNN = 1,
  /* The nearest class mean by cosine. */
  SUPCON_METHOD_PROTOTYPES = 2
};

/* The way in which embeddings are evaluated. */
typedef struct supcon_evaluate_options {
  uint32_t struct_size;
  /* The classifier that is fitted on the training rows. Default SUPCON_METHOD_LINEAR. */
  int32_t method;
  /* The number of neighbors that vote. Applies to knn. Default 0: 20, or all training rows if
   * there are fewer; 1 or more. */
  int32_t k;
  /* The temperature: a neighbor's vote weighs exp(cosine / temperature), and the probabilities
   * of prototypes are the softmax of cosine / temperature. Applies to knn and prototypes.
   * Default 0.1; a number above 0. */
  float temperature;
  /* The largest number of iterations of L-BFGS. Applies to linear. Default 200; 1 or more. */
  int32_t iterations;
  /* The weight of the squared weights, beside the mean loss of the rows. The default is chosen
   * by cross-validation on up to five random fifths of the rows (of at most 10,000): it is 5
   * over the number of rows, unless 0.05, 0.5 or 50 over it predicts the held-out rows better by
   * more than a standard error. With fewer than 100 rows, not counting the only row of a class,
   * it is always 5 over their number. Applies to linear. Default -1: 5 over the number of
   * training rows, or 0.05, 0.5 or 50 over it where that predicts held-out rows better; 0 or
   * more. */
  float l2;
} supcon_evaluate_options;
/* end of generated */
void supcon_evaluate_options_init_sized(supcon_evaluate_options *options, size_t size);
#define supcon_evaluate_options_init(options) \
  supcon_evaluate_options_init_sized((options), sizeof *(options))
typedef struct supcon_scores {
  uint32_t struct_size; /* in: sizeof; set by supcon_scores_init */
  float l2;    /* that of the linear method: the option, or what was chosen; -1: another method */
  double top1; /* fraction of the test rows whose label is the first guess */
  double top5; /* the same for the first five guesses (all, if there are fewer classes) */
  int64_t classes; /* different labels of train and test rows together */
} supcon_scores;
void supcon_scores_init_sized(supcon_scores *scores, size_t size);
#define supcon_scores_init(scores) supcon_scores_init_sized((scores), sizeof *(scores))
/* Evaluates embeddings: fits a classifier on train rows and predicts test rows. Rows are normalized
 * to length 1 first.
 *  train                 [train_count, dimension] f32, and test likewise
 *  train_labels          [train_count], and test_labels likewise
 *  predictions           [test_count], or NULL
 *  probabilities         [test_count, classes], or NULL: softmax of the logits (linear),
 *                        fraction of the votes (knn), softmax of cosine / temperature
 *                        (prototypes); a class without train rows gets 0
 *  probability_capacity  elements of probabilities
 *  confusion             [classes, classes], or NULL: rows are the truth, columns the prediction
 *  confusion_capacity    elements of confusion
 * Errors: argument (rows that are not finite, k), shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_evaluate(supcon_context *context, const float *train,
                                                const int64_t *train_labels, int64_t train_count,
                                                const float *test, const int64_t *test_labels,
                                                int64_t test_count, int64_t dimension,
                                                const supcon_evaluate_options *options,
                                                supcon_scores *scores, int64_t *predictions,
                                                float *probabilities, int64_t probability_capacity,
                                                int64_t *confusion, int64_t confusion_capacity);

typedef struct supcon_retrieval_scores {
  uint32_t struct_size; /* in: sizeof; set by supcon_retrieval_scores_init */
  int32_t reserved;
  double precision_at_1; /* fraction of the queries whose nearest row has their label */
  double r_precision;    /* mean fraction of the query's label among its R nearest rows, R being the
                            number of rows with that label */
  double map_at_r; /* mean over queries of 1/R times the sum, over ranks i up to R with the label,
                      of the precision among the first i */
  int64_t queries; /* the number of queries in the means */
  int64_t queries_without_match; /* queries left out because no row has their label */
} supcon_retrieval_scores;
void supcon_retrieval_scores_init_sized(supcon_retrieval_scores *scores, size_t size);
#define supcon_retrieval_scores_init(scores) \
  supcon_retrieval_scores_init_sized((scores), sizeof *(scores))
/* Measures how well rows find others of their label by cosine (arXiv:2003.08505, section 3.2). Rows
 * are normalized to length 1 first. No table of all similarities is stored.
 *  gallery  [gallery_count, dimension], with labels of any value
 *  queries  [query_count, dimension], or NULL: each of the gallery's rows is compared with the
 *           others; query_labels and query_count are then ignored
 * Errors: argument (rows that are not finite; no query has a row of its label), shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_retrieval(supcon_context *context, const float *gallery,
                                                 const int64_t *gallery_labels,
                                                 int64_t gallery_count, const float *queries,
                                                 const int64_t *query_labels, int64_t query_count,
                                                 int64_t dimension,
                                                 supcon_retrieval_scores *scores);

/* generated from Sources/Options/calibration.toml (make generate) */
/* The way in which a classifier's confidence is measured. */
typedef struct supcon_calibration_options {
  uint32_t struct_size;
  /* The number of bins of confidence, of equal width. Default 15; 1 to 1000000. */
  int32_t bins;
} supcon_calibration_options;
/* end of generated */
void supcon_calibration_options_init_sized(supcon_calibration_options *options, size_t size);
#define supcon_calibration_options_init(options) \
  supcon_calibration_options_init_sized((options), sizeof *(options))
typedef struct supcon_calibration_scores {
  uint32_t struct_size; /* in: sizeof; set by supcon_calibration_scores_init */
  int32_t reserved;
  double expected_calibration_error; /* ECE: sum over bins of count/n |accuracy - confidence| */
  double maximum_calibration_error;  /* MCE: the largest |accuracy - confidence| of a bin */
  double accuracy;
  double confidence;              /* mean of the largest probability */
  double negative_log_likelihood; /* mean of -log of the label's probability (FLT_MIN's where it is
                                     0) */
  double brier_score; /* mean squared distance of the probabilities from the label's one-hot row */
} supcon_calibration_scores;
void supcon_calibration_scores_init_sized(supcon_calibration_scores *scores, size_t size);
#define supcon_calibration_scores_init(scores) \
  supcon_calibration_scores_init_sized((scores), sizeof *(scores))
/* Measures how far a classifier's confidence is from its accuracy (arXiv:1706.04599). Bin b
 * holds the rows whose largest probability lies in (b / bins, (b + 1) / bins].
 *  probabilities  [count, classes] f32, rows of sum 1
 *  labels         [count], 0 to classes - 1
 *  bin_counts, bin_confidences, bin_accuracies
 *                 [bins], or NULL: the reliability diagram; means are 0 in a bin without rows
 * Errors: argument (numbers that are no probabilities, labels, bins), shape. */
SUPCON_MUST_CHECK supcon_status supcon_calibration(
    const float *probabilities, const int64_t *labels, int64_t count, int64_t classes,
    const supcon_calibration_options *options, supcon_calibration_scores *scores,
    int64_t *bin_counts, double *bin_confidences, double *bin_accuracies);

typedef struct supcon_corruption_scores {
  uint32_t struct_size; /* in: sizeof; set by supcon_corruption_scores_init */
  int32_t reserved;
  double mean; /* mCE: mean over corruptions of the ratio of summed errors to the baseline's; 1: as
                  bad as it (papers print it times 100) */
  double relative_mean; /* the same for the increase over clean errors; NaN without these */
} supcon_corruption_scores;
void supcon_corruption_scores_init_sized(supcon_corruption_scores *scores, size_t size);
#define supcon_corruption_scores_init(scores) \
  supcon_corruption_scores_init_sized((scores), sizeof *(scores))
/* Measures robustness to corruptions against a baseline's (arXiv:1903.12261, section 4; papers use
 * AlexNet as the baseline).
 *  errors  [corruptions, severities], fractions of the images, 0 to 1; baseline likewise
 *  clean   and clean_baseline: errors on clean images; both NaN: no relative ones
 *  ratios  and relative_ratios: [corruptions], or NULL: of each corruption
 * Errors: argument (a number outside 0 to 1; a baseline without errors, or one that loses
 * nothing to a corruption), shape. */
SUPCON_MUST_CHECK supcon_status supcon_corruption_error(const double *errors,
                                                        const double *baseline, int64_t corruptions,
                                                        int64_t severities, double clean,
                                                        double clean_baseline,
                                                        supcon_corruption_scores *scores,
                                                        double *ratios, double *relative_ratios);

/* Computes the mean squared distance of two rows of one label, normalized to length 1
 * (arXiv:2005.10242): 0 at best, 2 for unrelated rows, NaN if no two rows share a label.
 *  rows    [count, dimension]
 *  labels  [count] of any value
 * Errors: argument, shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_alignment(supcon_context *context, const float *rows,
                                                 const int64_t *labels, int64_t count,
                                                 int64_t dimension, double *value);
/* Computes the log of the mean of exp(-2 |difference|^2) over pairs of rows at length 1
 * (arXiv:2005.10242): 0 if all are equal, about -4 if they are spread evenly, NaN for one row. Only
 * the first 4096 rows are used.
 *  rows  [count, dimension]
 * Errors: argument, shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_uniformity(supcon_context *context, const float *rows,
                                                  int64_t count, int64_t dimension, double *value);

/* generated from Sources/Options/ood.toml (make generate) */
/* The way in which the strangeness of a query is measured. */
typedef struct supcon_ood_options {
  uint32_t struct_size;
  /* The rank of the neighbor whose distance counts. Default 0: 50, which Sun et al.
   * (arXiv:2204.06507) use for CIFAR, or the farthest if there are fewer training rows; 1 or
   * more. */
  int32_t k;
} supcon_ood_options;
/* end of generated */
void supcon_ood_options_init_sized(supcon_ood_options *options, size_t size);
#define supcon_ood_options_init(options) supcon_ood_options_init_sized((options), sizeof *(options))
/* Scores how strange each query is: its distance to the k-th nearest training row, both at
 * length 1, 0 to 2; the larger, the more likely out of distribution (arXiv:2204.06507).
 *  train    [train_count, dimension]
 *  queries  [query_count, dimension], or NULL: each training row is compared with the others;
 *           query_count is then ignored
 *  scores   [query_count], or [train_count]
 * Errors: argument (rows that are not finite, k), shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_ood_scores(supcon_context *context, const float *train,
                                                  int64_t train_count, const float *queries,
                                                  int64_t query_count, int64_t dimension,
                                                  const supcon_ood_options *options, float *scores);
typedef struct supcon_detection_scores {
  uint32_t struct_size; /* in: sizeof; set by supcon_detection_scores_init */
  int32_t reserved;
  double auroc; /* probability that a row from outside scores higher than one from inside, half for
                   equals */
  double
      fpr95; /* fraction of the rows from outside that are accepted when 95 % of those inside are */
  double threshold; /* the score up to which rows are then accepted */
} supcon_detection_scores;
void supcon_detection_scores_init_sized(supcon_detection_scores *scores, size_t size);
#define supcon_detection_scores_init(scores) \
  supcon_detection_scores_init_sized((scores), sizeof *(scores))
/* Measures how well such scores separate outside from inside. Errors: argument (NaN), shape,
 * memory. */
SUPCON_MUST_CHECK supcon_status supcon_detection(const float *inside, int64_t inside_count,
                                                 const float *outside, int64_t outside_count,
                                                 supcon_detection_scores *scores);

/* generated from Sources/Options/nearest.toml (make generate) */
/* The way in which nearest neighbors are found. */
typedef struct supcon_nearest_options {
  uint32_t struct_size;
  /* The number of neighbors of a query. Default 10; 1 or more. */
  int32_t k;
  /* Whether rows are divided by their lengths, so that similarities are cosines; otherwise they
   * are products of the rows as they are. Without it, rows that already have length 1 need no
   * copy of the gallery. Default 1; 0 or 1. */
  int32_t normalize;
} supcon_nearest_options;
/* end of generated */
void supcon_nearest_options_init_sized(supcon_nearest_options *options, size_t size);
#define supcon_nearest_options_init(options) \
  supcon_nearest_options_init_sized((options), sizeof *(options))
/* Finds the k nearest rows of a gallery for each query, nearest first, by comparing it with every
 * row. The similarities of the rows found are computed in f64 and rounded; among equals the lower
 * index comes first. The result does not depend on the number of threads. To search one gallery
 * often, embed with supcon_embed_options.normalize and pass normalize = 0 here.
 *  gallery       [gallery_count, dimension]
 *  queries       [query_count, dimension]; NULL: each of the gallery's rows is compared with the
 *                others; query_count is then ignored
 *  indices       int64 [query_count, k]
 *  similarities  f32 [query_count, k]
 * Errors: argument (rows or products that are not finite, k above the number of rows), shape,
 * memory, canceled. */
SUPCON_MUST_CHECK supcon_status supcon_nearest(supcon_context *context, const float *gallery,
                                               int64_t gallery_count, const float *queries,
                                               int64_t query_count, int64_t dimension,
                                               const supcon_nearest_options *options,
                                               int64_t *indices, float *similarities);

#ifdef __cplusplus
}
#endif
#endif
