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
 *            Outputs are then unchanged, except handles, which are NULL, and nothing half-written
 *            is left on disk. No input makes the library abort, exit or print. One thing does: like
 *            every Swift program, the library aborts when the system refuses a small allocation of
 *            fixed size, or a list of a few numbers for each image, row or class. Before it makes a
 *            list of more than a million entries it looks whether the system has memory for it, and
 *            returns SUPCON_STATUS_MEMORY if not. Pixels, weights, activations, embeddings and
 *            files are never among these.
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
 *            and the message says what is needed. Counts are at most 2^31.
 *  Strings   Strings are UTF-8 and end in NUL. Returned strings are valid until the object is
 *            freed, unless stated otherwise.
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
 *                                  supcon_collectives are called on that thread
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
/* Grows when a field, function or enumerator is added; programs built for a smaller number go on
 * working with this SONAME (docs/versioning.md). */
#define SUPCON_ABI_VERSION 1

/* Returns the version of the library that is loaded, "major.minor.patch". Static. */
const char *supcon_version(void);
/* Returns SUPCON_ABI_VERSION of the library that is loaded. */
int32_t supcon_abi_version(void);
/* Returns one line for bug reports: version, engines and theirs, CPU features found. Static. */
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

/* -----------------------------------------------------------------------------------------------------------------------
 * log */

enum { SUPCON_LOG_DEBUG = 0, SUPCON_LOG_INFO = 1, SUPCON_LOG_WARNING = 2 };
/* message: valid during the call. May be called from any thread, one call at a time. */
typedef void (*supcon_log_callback)(int32_t level, const char *message, void *user_data);
/* Sends the library's messages of this level and above to callback; NULL: silence, the default. For
 * the whole process. Errors: argument (a level other than those above). */
SUPCON_MUST_CHECK supcon_status supcon_set_log_callback(supcon_log_callback callback, int32_t level,
                                                        void *user_data);

/* -------------------------------------------------------------------------------------------------------------------
 * context */

typedef struct supcon_context supcon_context;

/* generated from Sources/Options/context.toml (make generate) */
/* How to compute. */
typedef struct supcon_context_options {
  uint32_t struct_size;
  /* Threads that compute. Set it to get the same bytes whatever the number of CPUs: training,
   * and embeddings in f32, round differently with another number of threads
   * (docs/reliability.md). Default 0: as many as the CPUs that this process may run on; 0 to
   * 1024. */
  int32_t threads;
  /* Bytes that one plan, of a training step or an inference, may take, and that decoding an
   * image may. Large images are decoded one at a time. A run looks at it before it makes lists
   * of more than a million images. Default 0: what the machine has free then; 0 or more. */
  int64_t memory_limit;
} supcon_context_options;
/* end of generated */

void supcon_context_options_init_sized(supcon_context_options *options, size_t size);
#define supcon_context_options_init(options) \
  supcon_context_options_init_sized((options), sizeof *(options))
/* Creates a context, which says how to compute. Wherever a context is asked for, NULL means one
 * with the defaults. Errors: argument, memory. */
SUPCON_MUST_CHECK supcon_status supcon_context_create(const supcon_context_options *options,
                                                      supcon_context **context);
void supcon_context_free(supcon_context *context);
/* Returns the number of threads that a context computes with; the context may be NULL. */
int32_t supcon_context_threads(const supcon_context *context);
/* Stops the calls that run with this context at the moment (NULL: with the default one), those of
 * models and trainers made with it too: each returns SUPCON_STATUS_CANCELED, as a rule within a
 * second. Calls that begin later run. From any thread, or a signal handler; it waits for nothing.
 */
void supcon_context_cancel(supcon_context *context);

/* --------------------------------------------------------------------------------------------------------------------
 * images */

enum { SUPCON_ELEMENT_U8 = 0, SUPCON_ELEMENT_F32 = 1 };
enum { SUPCON_LAYOUT_HWC = 0, SUPCON_LAYOUT_CHW = 1 };

/* A batch of images of one size in the caller's memory. u8: 0 to 255; f32: 0 to 1 (normalization by
 * mean and deviation is the model's). Strides count elements, not bytes, and may be negative; they
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

/* Fills *images for dense memory in a layout, SUPCON_LAYOUT_.... It checks nothing: the
 * functions that take images do. */
void supcon_images_init_sized(supcon_images *images, size_t size, const void *data,
                              int32_t element_type, int32_t layout, int64_t count, int64_t height,
                              int64_t width, int64_t channels);
#define supcon_images_init(images, data, element_type, layout, count, height, width, channels)    \
  supcon_images_init_sized((images), sizeof *(images), (data), (element_type), (layout), (count), \
                           (height), (width), (channels))

/* ----------------------------------------------------------------------------------------------------------------------
 * loss */

/* generated from Sources/Options/loss.toml (make generate) */
/* Where the mean over an anchor's positives is taken. */
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
  /* The positive at hand and the negatives: SINCERE (arXiv:2309.14277); with form out only. */
  SUPCON_DENOMINATOR_ONE_POSITIVE = 1,
  /* The negatives alone: decoupled contrastive learning, DCL (arXiv:2110.06848). */
  SUPCON_DENOMINATOR_NEGATIVES = 2
};
/* The views that are anchors. */
enum {
  /* Every view of every image. */
  SUPCON_ANCHORS_ALL = 0,
  /* The first view of each image; all views are contrasted with. */
  SUPCON_ANCHORS_FIRST = 1
};
/* How the losses of the anchors become one number. */
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

/* The member of the contrastive family, and how its terms are put together. */
typedef struct supcon_loss_options {
  uint32_t struct_size;
  /* Temperature tau of the similarities, above 0. Default 0.1. */
  float temperature;
  /* Where the mean over an anchor's positives is taken. Default SUPCON_FORM_OUT. */
  int32_t form;
  /* Views that the denominator sums over. Default SUPCON_DENOMINATOR_ALL. */
  int32_t denominator;
  /* Views that are anchors. Default SUPCON_ANCHORS_ALL. */
  int32_t anchors;
  /* How the losses of the anchors become one number. Default SUPCON_REDUCTION_MEAN. */
  int32_t reduction;
  /* Factor on the loss. SupContrast's loss has temperature / 0.07, google-research's has
   * temperature. Default 1. */
  float scale;
  /* Divides each row by its length first, and differentiates through it; otherwise rows have
   * length 1 already. Training always normalizes. Default 0; 0 or 1. */
  int32_t normalize;
  /* Most positives that count for an anchor: the other views of its own image first, then others
   * at random, anew in every step. Those that are not chosen take no part at all, in no
   * denominator. With 1 on one view per sample and temperature 1 the loss is N-pairs' as
   * arXiv:2004.11362 has it, with 2(N - 1) negatives; with Sohn's own N - 1 (NIPS 2016) it is
   * supcon_loss_queue's of anchors and, as keys, their positives, which get no gradient. Default
   * 0: all; 0 to 2147483647. */
  int32_t positives_cap;
  /* Must be 0. */
  int32_t reserved;
  /* Seed of the choice among more positives than positives_cap. In training the run's seed and
   * the step's number name it. Default 0. */
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
 *              negative. It may be asymmetric, and excludes labels; the entry [i][i] speaks of
 *              the other views of i
 *  result      may be NULL
 *  per_anchor  [samples * views], or [samples] with anchors first, in the order of the features,
 *              or NULL: multiplied by options.scale, not reduced
 *  gradient    like features, or NULL: of the reduced loss with respect to features as passed
 * Errors: argument (temperature, enumerations, features that are not finite, a negative mask
 * entry, both labels and mask), shape (sizes), memory. */
SUPCON_MUST_CHECK supcon_status supcon_loss(supcon_context *context, const float *features,
                                            int64_t samples, int64_t views, int64_t dimension,
                                            const int64_t *labels, const float *mask,
                                            const supcon_loss_options *options,
                                            supcon_loss_result *result, float *per_anchor,
                                            float *gradient);

/* supcon_loss with sample_weights [samples], finite and 0 or more (NULL: 1 each): the losses of a
 * sample's anchors are multiplied by its weight, per_anchor's too. A mean stays one over anchors:
 * weights of mean 1 keep its size. Errors: as supcon_loss; argument (a weight below 0 or not
 * finite, all 0). */
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
 *  labels           [samples], any values, or NULL: only its own keys are a query's positives,
 *                   and queue_labels is not looked at
 *  queue            [queue_count, dimension]; may be NULL if queue_count is 0
 *  queue_labels     [queue_count], or NULL: the queue holds negatives alone, as does an entry of
 *                   a label that no query has, such as -1
 *  queue_positives  1: entries of a query's label are its positives too; 0: they take no part
 *                   for it
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
  SUPCON_RULE_JACCARD = 2 /* how many labels they share, over how many either has */
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
/* What happens to a file that is no readable image. */
enum {
  /* It is left out and reported (supcon_dataset_skipped); one that turns unreadable later is
   * replaced in a run by another image of its class, chosen by (seed, epoch, image), with a
   * warning event, and left out where a classifier is fitted. */
  SUPCON_ON_ERROR_SKIP = 0,
  /* The first one, in the data set's order, is an error. */
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
  /* What happens to a file that is no readable image. Default SUPCON_ON_ERROR_SKIP. */
  int32_t on_error;
  /* Channels of the images that come out: 1 (gray) or 3 (RGB); 0 (default): 3 for files, as
   * stored elsewhere. Default 0. */
  int32_t channels;
  /* Copies images in memory, encoded ones too; otherwise the memory stays the caller's, valid
   * and unchanged until the data set, and what was made from it, is freed. Default 0; 0 or 1. */
  int32_t copy;
  /* Pixels that an image in a file may have; one that claims more counts as unreadable. The
   * default is what Pillow takes for an attack; the limit is two sides of 65536. Default
   * 178956970; 1 to 4294967296. */
  int64_t max_pixels;
  /* Makes a view of a JPEG from all of its pixels, as that of an array would be. Otherwise it is
   * made from 1/2 or 1/4 of them along each side where it has 2.5 times fewer still, which is
   * faster and differs by less than half a level of 255 on average. Default 0; 0 or 1. */
  int32_t exact_decoding;
  /* Order of a folder's classes. Default SUPCON_CLASS_ORDER_BYTES. */
  int32_t class_order;
} supcon_dataset_options;
/* end of generated */
void supcon_dataset_options_init_sized(supcon_dataset_options *options, size_t size);
#define supcon_dataset_options_init(options) \
  supcon_dataset_options_init_sized((options), sizeof *(options))

/* Labels and classes: a label is any int64, an id as well as a number; no value means "none". The
 * classes of a data set are the labels that occur, in ascending order: class c, 0 to classes - 1,
 * is the c-th (supcon_dataset_get_class_labels), and is called by its label until it gets a name.
 * What is made from a data set keeps its classes, those without images too. A classifier has an
 * output for each class, in this order, and keeps the names. */

/* Makes a data set of images in memory.
 *  labels  [images->count], or NULL: none
 * Errors: argument (also an f32 pixel that is not finite), shape, type, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_images(const supcon_images *images,
                                                           const int64_t *labels,
                                                           const supcon_dataset_options *options,
                                                           supcon_dataset **dataset);
/* A folder with a folder per class (classes in the order of their names, see class_order), JPEG,
 * PNG and WebP files found by their content, to any depth, links followed. A folder that holds
 * files alone is a data set without labels. Names that begin with a dot, and __MACOSX, are not
 * looked at; files that are no image by content nor name are ignored. Every file is opened once to
 * learn that it is a whole image, decoded when it is used; the orientation that Exif, XMP or
 * ImageMagick's raw profile speaks of is applied, alpha is dropped. Errors: argument, io, format
 * (no image, or a bad one with REFUSE), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_folder(const char *path,
                                                           const supcon_dataset_options *options,
                                                           supcon_dataset **dataset);
/* The given JPEG, PNG or WebP files, in that order; labels: [count] or NULL. Errors: as
 * from_folder. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_files(const char *const *paths, int64_t count,
                                                          const int64_t *labels,
                                                          const supcon_dataset_options *options,
                                                          supcon_dataset **dataset);
/* MNIST's IDX files, gzipped or not; labels_path may be NULL. Errors: argument, io, format, memory.
 */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_idx(const char *images_path,
                                                        const char *labels_path,
                                                        const supcon_dataset_options *options,
                                                        supcon_dataset **dataset);
/* CIFAR's binary files (data_batch_1.bin …, train.bin), put together in that order. classes: 10, or
 * 100 (the fine labels). Errors: argument, io, format, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_cifar(const char *const *paths, int64_t count,
                                                          int32_t classes,
                                                          const supcon_dataset_options *options,
                                                          supcon_dataset **dataset);
/* Called with [count] indices; fills pixels [count, height, width, channels] u8. Non-zero stops:
 * the library's call returns SUPCON_STATUS_CANCELED. Runs on the thread that called the library,
 * ahead of the step that needs the batch. */
typedef int (*supcon_batch_callback)(const int64_t *indices, int64_t count, uint8_t *pixels,
                                     void *user_data);
/* Images that the caller makes on demand. labels: [count] (copied) or NULL. Errors: argument,
 * shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_from_callback(
    supcon_batch_callback callback, void *user_data, int64_t count, int64_t height, int64_t width,
    int64_t channels, const int64_t *labels, supcon_dataset **dataset);
/* Encoded images (JPEG, PNG, WebP) in memory: data [count], and sizes [count] in bytes. Where
 * data[i] is NULL the image is in the file paths[i]; elsewhere paths[i] is a name for messages and
 * supcon_dataset_path, or NULL; paths may be NULL. The bytes stay the caller's, valid and unchanged
 * until the data set, and what was made from it, is freed, unless options->copy is 1. labels:
 * [count] or NULL. An image alone: count 1, then supcon_model_embed_dataset. Errors: as
 * from_folder. */
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
  int64_t target_dimension; /* numbers that an image has as targets; 0: there are none */
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

/* Makes a data set of the same images with other labels, and the classes that they make.
 *  labels  [count of the data set], or NULL: none
 * Errors: argument, memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_labels(const supcon_dataset *dataset,
                                                           const int64_t *labels,
                                                           supcon_dataset **changed);
/* Makes a data set of the same images with other targets, which say how alike images are where
 * classes do not, or do not alone. A run uses them by its option positives; every data set made
 * from this one keeps them.
 *  targets  [count of the data set, dimension], copied: 0 and 1 for several labels an image, or
 *           real values; NULL: none
 * Errors: argument (dimension, targets that are not finite), shape (more than can be addressed),
 * memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_targets(const supcon_dataset *dataset,
                                                            const double *targets,
                                                            int64_t dimension,
                                                            supcon_dataset **changed);
/* The same images with these weights instead: [count], what each image counts in a loss, finite and
 * 0 or more; NULL: all count the same. Sample weights, or the weights of classes, image by image.
 *
 * supcon_trainer: weights are scaled to a mean of 1 over the images that are trained on; the losses
 * of an image's anchors (supcon, simclr), or of its views (classifiers), are multiplied by its
 * weight, and a batch's loss stays the mean over anchors or views. An image of weight 0 is still
 * contrasted with. MixUp and CutMix multiply each of the two labels' losses by its own image's.
 * supcon_model_fit_classifier: the mean of the rows' losses is the weighted one, so that an image
 * of weight 2 is as good as two images. Nothing else looks at weights; subsets keep them. Errors:
 * argument (a weight below 0 or not finite, all 0), memory. */
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
/* With these classes alone, in this order: labels are counted anew, images of other classes are
 * left out, and a name that no class has is a class without images. Errors: argument (a name
 * twice), state (no labels, no image left), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_classes(const supcon_dataset *dataset,
                                                            const char *const *names, int64_t count,
                                                            supcon_dataset **changed);
/* Makes a data set with symmetric label noise: a fraction of the images, rate from 0 to 1,
 * chosen at random, get one of the other classes that have images, each as likely. Errors:
 * argument, state (no labels, fewer than two classes), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_with_label_noise(const supcon_dataset *dataset,
                                                                double rate, uint64_t seed,
                                                                supcon_dataset **changed);
/* Makes a data set of at most so many images of each class, chosen at random and in the order
 * they have. Those of a smaller number are among those of a larger one with the same seed.
 * Errors: argument, state (no labels), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_per_class(const supcon_dataset *dataset,
                                                         int64_t images, uint64_t seed,
                                                         supcon_dataset **subset);
/* Makes a long-tailed data set (arXiv:1901.05555, section 5.1). Of the C classes with images,
 * class number r, from 0, keeps floor(n * factor^(-r / (C - 1))) of its images at random, at
 * least 1 and at most all; n is the size of the largest class, and factor, at least 1, the first
 * class's size over the last's. Errors: argument, state (no labels), memory. */
SUPCON_MUST_CHECK supcon_status supcon_dataset_long_tailed(const supcon_dataset *dataset,
                                                           double factor, uint64_t seed,
                                                           supcon_dataset **subset);

/* --------------------------------------------------------------------------------------------------------------
 * augmentation */

/* The operations of AutoAugment and RandAugment have torchvision's magnitudes: shears up to 0.3,
 * translations up to 150/331 of the side, rotations up to 30 degrees, factors of brightness,
 * color, contrast and sharpness within 1 ± 0.9, 8 to 4 bits, solarize from 1 to 0 on. Geometry
 * takes the nearest pixel, as the policies' own programs do, and `fill` outside the image; the warp
 * is a thin-plate spline over 2×2 control points, bilinear, the border carried on. */

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

/* How views are made of an image. Fields that a kind does not use are checked and otherwise
 * ignored. */
typedef struct supcon_augmentation_options {
  uint32_t struct_size;
  /* Operations that make a view. Default SUPCON_AUGMENTATION_SIMCLR. */
  int32_t kind;
  /* Smallest fraction of the area that a crop keeps. Applies to all kinds but none. Default 0.2;
   * a number above 0, at most 1. */
  float crop_scale_min;
  /* Largest fraction of the area that a crop keeps. Applies to all kinds but none. Default 1; a
   * number above 0, at most 1. */
  float crop_scale_max;
  /* Smallest width / height of a crop. Applies to all kinds but none. Default 3 / 4; a number
   * above 0. */
  float crop_ratio_min;
  /* Largest width / height of a crop. Applies to all kinds but none. Default 4 / 3; a number
   * above 0. */
  float crop_ratio_max;
  /* Probability of a horizontal flip. Applies to all kinds but none. Default 0.5; 0 to 1. */
  float flip_probability;
  /* Probability of color jitter. Applies to simclr, simaugment and stacked_randaugment. Default
   * 0.8; 0 to 1. */
  float jitter_probability;
  /* Color jitter multiplies the brightness by a factor within 1 +- this, not below 0. Default
   * 0.4; 0 or more. */
  float brightness;
  /* Color jitter multiplies the contrast by a factor within 1 +- this, not below 0. Default 0.4;
   * 0 or more. */
  float contrast;
  /* Color jitter multiplies the saturation by a factor within 1 +- this, not below 0. Applies to
   * color images. Default 0.4; 0 or more. */
  float saturation;
  /* Color jitter shifts the hue within +- this, as a fraction of the color circle. Applies to
   * color images. Default 0.1; 0 to 0.5. */
  float hue;
  /* Probability of turning gray. Applies to color images. Default 0.2; 0 to 1. */
  float gray_probability;
  /* Probability of Gaussian blur. Default -1: 0.5 if the view's smaller side is 128 pixels or
   * more, else 0; 0 to 1. */
  float blur_probability;
  /* Smallest standard deviation of the blur, in pixels. Default 0.1; a number above 0. */
  float blur_sigma_min;
  /* Largest standard deviation of the blur, in pixels. Default 2; a number above 0. */
  float blur_sigma_max;
  /* Number of operations that RandAugment draws. Applies to randaugment and stacked_randaugment.
   * Default 2; 0 to 16. */
  int32_t randaugment_operations;
  /* Magnitude of RandAugment's operations. Applies to randaugment and stacked_randaugment.
   * Default 9; 0 to 30. */
  float randaugment_magnitude;
  /* Probability of a random warp. Applies to simaugment and stacked_randaugment. Default 0.5; 0
   * to 1. */
  float warp_probability;
  /* Largest spread of the warp's control points, as a fraction of the smaller side. Each
   * coordinate moves by a normal variate times a length of up to that. Applies to simaugment and
   * stacked_randaugment. Default 23 / 224; 0 to 1. */
  float warp_strength;
  /* Gray level that shears, translations, rotations and cutout put where there is no image.
   * Default 0.5; 0 to 1. */
  float fill;
  /* Side of a square of fill, as a fraction of the smaller side; the last operation. Applies to
   * autoaugment_imagenet, autoaugment_cifar10 and randaugment. Default 0: none; 0 to 1. */
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

/* Makes the views that training would make of images: view number `view` in `epoch` of a run
 * with `seed`, image i being sample number i.
 *  views  [images->count, height, width, channels] f32, 0 to 1, not normalized
 * Errors: argument, shape, type, memory. */
SUPCON_MUST_CHECK supcon_status supcon_augment(supcon_context *context, const supcon_images *images,
                                               const supcon_augmentation_options *options,
                                               uint64_t seed, int64_t epoch, int64_t view,
                                               int64_t height, int64_t width, float *views);
/* Makes the views that training would make of the images at indices of a data set, each under
 * its own number; with kind none they are the images, resized.
 *  views  [index_count, height, width, channels of the data set] f32, 0 to 1, not normalized
 * Errors: argument, io, format (a file that has become unreadable), canceled (by a callback),
 * memory. */
SUPCON_MUST_CHECK supcon_status supcon_augment_dataset(supcon_context *context,
                                                       const supcon_dataset *dataset,
                                                       const int64_t *indices, int64_t index_count,
                                                       const supcon_augmentation_options *options,
                                                       uint64_t seed, int64_t epoch, int64_t view,
                                                       int64_t height, int64_t width, float *views);

/* ----------------------------------------------------------------------------------------------------------------
 * corruptions */

/* The fifteen of ImageNet-C (Hendrycks and Dietterich, arXiv:1903.12261), computed here, at
 * severities 1 to 5 with the published numbers: CIFAR-10-C's for images whose smaller side is at
 * most 64 pixels, ImageNet-C's for larger ones. These count pixels: corrupt images of the size that
 * the model sees. What differs: frost overlays a texture made by computation, not photographs of
 * ice; motion blur (snow's too) is that of the imagecorruptions package, not ImageMagick's. As
 * published, elastic's numbers (and CIFAR-10-C's for glass blur) do not grow steadily with the
 * severity. */
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
/* Corrupts images; image i is sample number i. The random numbers depend on (seed, corruption,
 * sample) alone: severities of one image differ in strength only.
 *  corrupted  [images->count, height, width, channels] u8
 * Errors: argument (corruption, severity), shape, type, memory. */
SUPCON_MUST_CHECK supcon_status supcon_corrupt(supcon_context *context, const supcon_images *images,
                                               int32_t corruption, int32_t severity, uint64_t seed,
                                               uint8_t *corrupted);
/* Makes a data set of the same images, labels, targets and names, corrupted when they are used;
 * the sample number of an image is its index.
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
/* The projection head behind the encoder while training. */
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
/* How images of another shape are brought to the size that a model is made for, by embedding and
 * by a run's views of kind none. */
enum {
  /* squash; of a file: by the metadata. */
  SUPCON_RESIZE_AUTO = 0,
  /* Each side by itself: all is seen, proportions change. */
  SUPCON_RESIZE_SQUASH = 1,
  /* The shorter side to its length, the other in proportion, and of that the middle:
   * torchvision's Resize(side) and CenterCrop(side). */
  SUPCON_RESIZE_CROP = 2
};

/* The options of a new model: the encoder, its head, and the images that it is made for. */
typedef struct supcon_model_options {
  uint32_t struct_size;
  /* First layers of the network. Default SUPCON_STEM_AUTO. */
  int32_t stem;
  /* Name of the network, as torchvision and timm call it. resnet18, resnet34, resnet50,
   * resnet101, resnet152, resnet200; resnext50_32x4d, resnext101_32x8d, resnext101_64x4d
   * (arXiv:1611.05431); wide_resnet50_2, wide_resnet101_2 (arXiv:1605.07146); timm's resnet26,
   * and with deep stems resnet10t, 14t, 26t, 18d, 26d, 34d, 50d, 101d, 152d, 200d. Default
   * resnet18. */
  const char *architecture;
  /* Channels of the first stage. Default 64; 1 to 1024. */
  int32_t width;
  /* Channels of the images. Default 3; 1 to 4. */
  int32_t channels;
  /* Height that the model is made for, in pixels; images of another size are resized. Default
   * 32; 1 to 65536. */
  int32_t image_height;
  /* Width that the model is made for, in pixels. Default 32; 1 to 65536. */
  int32_t image_width;
  /* Begins each residual block as the identity (arXiv:1706.02677, section 5.1). This helps
   * networks of bottleneck blocks (ResNet-50 and deeper) that are trained from nothing, and
   * costs those of basic blocks up to four points of a linear probe (docs/accuracy.md). Given
   * weights replace the initial ones. A preset says on or off, as its publication does. Default
   * SUPCON_ZERO_INIT_AUTO. */
  int32_t zero_init_last_gamma;
  /* Projection head behind the encoder while training. Default SUPCON_HEAD_MLP. */
  int32_t head;
  /* Width of the head's hidden layers. Default 0: as wide as the encoder's output; 0 to 65536. */
  int32_t head_hidden;
  /* Dimension of the projection z. Default 128; 1 to 65536. */
  int32_t projection_dim;
  /* Classes of the linear classifier. Default 0: none yet; 0 to 1000000. */
  int32_t classes;
  /* Precision that the network computes in. Default SUPCON_PRECISION_AUTO. */
  int32_t precision;
  /* Mean of each channel, of pixels scaled to 0 to 1. Default 0.5. */
  float mean[4];
  /* Standard deviation of each channel, of pixels scaled to 0 to 1. Default 0.25. */
  float std[4];
  /* Seed of the initial weights. Default 0. */
  uint64_t seed;
  /* Head and classifier take the encoder's output at length 1, as in the paper, instead of as it
   * is, as in SupContrast. Default 0; 0 or 1. */
  int32_t normalize_features;
  /* How images of another shape are brought to the model's size. Default SUPCON_RESIZE_SQUASH. */
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

/* For files without our metadata; a field that is set must agree with the metadata where there is
 * some. */
/* generated from Sources/Options/load.toml (make generate) */
/* How a model's file is loaded. What is set must agree with the file's own metadata where there
 * is some; the precision overrules it. */
typedef struct supcon_load_options {
  uint32_t struct_size;
  /* First layers of the network; auto goes by the first convolution's shape. Default
   * SUPCON_STEM_AUTO. */
  int32_t stem;
  /* Name of the network; NULL (default): by the parameters' names and shapes. */
  const char *architecture;
  /* Precision to compute in; auto is the file's, int8 too. Default SUPCON_PRECISION_AUTO. */
  int32_t precision;
  /* Height that the model is made for, in pixels. Default 0: by the metadata, else 32 for a
   * CIFAR stem and 224 for ImageNet's; 1 to 65536. */
  int32_t image_height;
  /* Width that the model is made for, in pixels. Default 0: like image_height; 1 to 65536. */
  int32_t image_width;
  /* mean and std are meant; otherwise the metadata's count, or else ImageNet's. Default 0; 0 or
   * 1. */
  int32_t has_mean_std;
  /* Mean of each channel, of pixels scaled to 0 to 1. Default 0. */
  float mean[4];
  /* Standard deviation of each channel, of pixels scaled to 0 to 1. Default 0. */
  float std[4];
  /* How images of another shape are brought to the model's size. Default SUPCON_RESIZE_AUTO. */
  int32_t resize;
  /* Must be 0. */
  int32_t reserved;
} supcon_load_options;
/* end of generated */
void supcon_load_options_init_sized(supcon_load_options *options, size_t size);
#define supcon_load_options_init(options) \
  supcon_load_options_init_sized((options), sizeof *(options))
/* A safetensors file: ours, or one with the parameter names of torchvision, timm or SupContrast
 * ("encoder.", "module." prefixes). "fc" becomes the classifier. Errors: argument, io, format (says
 * which tensor), memory, unsupported. */
SUPCON_MUST_CHECK supcon_status supcon_model_load(supcon_context *context, const char *path,
                                                  const supcon_load_options *options,
                                                  supcon_model **model);
/* Writes a safetensors file with torchvision's parameter names and the configuration as metadata:
 * under a temporary name first, synced, renamed. Errors: io, state. */
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
  int64_t parameters;     /* trainable numbers */
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
/* Returns the name of a class, as the data set that the classifier was fitted on called it, or
 * NULL if there is none. It is valid until the model is freed. */
const char *supcon_model_class_name(const supcon_model *model, int64_t class_index);

/* generated from Sources/Options/embed.toml (make generate) */
/* The output that is taken of the network. */
enum {
  /* R, the encoder's pooled output: what to use. */
  SUPCON_OUTPUT_ENCODER = 0,
  /* Z, behind the projection head. */
  SUPCON_OUTPUT_PROJECTION = 1,
  /* The classifier's logits. */
  SUPCON_OUTPUT_LOGITS = 2,
  /* The classifier's probabilities. */
  SUPCON_OUTPUT_PROBABILITIES = 3
};

/* The options of an embedding. */
typedef struct supcon_embed_options {
  uint32_t struct_size;
  /* Output that is taken of the network. Default SUPCON_OUTPUT_ENCODER. */
  int32_t output;
  /* Scales each row to length 1. Applies to encoder and projection. Default 1; 0 or 1. */
  int32_t normalize;
  /* Images per pass. Default 0: chosen by the library; 0 to 65536. */
  int32_t batch_size;
} supcon_embed_options;
/* end of generated */
void supcon_embed_options_init_sized(supcon_embed_options *options, size_t size);
#define supcon_embed_options_init(options) \
  supcon_embed_options_init_sized((options), sizeof *(options))
/* Returns the dimension of one row of an output; 0 if the model does not have it. */
int64_t supcon_model_output_dimension(const supcon_model *model, int32_t output);
/* embeddings: [images->count, dimension] f32; capacity in floats. Images of another size than the
 * model's are resized (bilinear, antialiased). Errors: argument, shape, type, state (no such
 * output), memory. */
SUPCON_MUST_CHECK supcon_status supcon_model_embed(const supcon_model *model,
                                                   const supcon_images *images,
                                                   const supcon_embed_options *options,
                                                   float *embeddings, int64_t capacity);
/* The same for all images of a data set. Errors: also io and format: a file that has become
 * unreadable. */
SUPCON_MUST_CHECK supcon_status supcon_model_embed_dataset(const supcon_model *model,
                                                           const supcon_dataset *dataset,
                                                           const supcon_embed_options *options,
                                                           float *embeddings, int64_t capacity);

/* From here on the encoder embeds in int8, in about half of bf16's time: weights and activations in
 * bytes, in ranges that are calibrated on dataset, some hundreds of images such as will be embedded
 * (of more than 512, 512 from first to last are taken). Saved with the model; ends when the encoder
 * is trained or a file is loaded with a precision. dataset NULL: back to the model's precision. The
 * model is this call's alone meanwhile. Errors: argument (no image), shape, state (in use),
 * unsupported (a build without oneDNN, or a CPU without AVX512-VNNI or AVX-VNNI), memory, io,
 * format, canceled. */
SUPCON_MUST_CHECK supcon_status supcon_model_quantize(supcon_model *model,
                                                      const supcon_dataset *dataset);
enum {
  SUPCON_PHASE_EMBED = 0, /* done and total are images */
  SUPCON_PHASE_FIT = 1    /* iterations; it may end before total */
};
/* Non-zero stops: the call returns SUPCON_STATUS_CANCELED. */
typedef int (*supcon_progress_callback)(int32_t phase, int64_t done, int64_t total,
                                        void *user_data);

/* generated from Sources/Options/classifier.toml (make generate) */
/* How a linear classifier is fitted. */
typedef struct supcon_classifier_options {
  uint32_t struct_size;
  /* Iterations of L-BFGS at most, when the linear classifier is fitted. Default 200; 1 or more. */
  int32_t iterations;
  /* Weight of the squared weights of the linear classifier. Default 0.0001; 0 or more. */
  float l2;
  /* Must be 0. */
  int32_t reserved;
  /* Hears of the progress, after some hundreds of images and each iteration; NULL (default):
   * nobody does. */
  supcon_progress_callback progress;
  /* Passed to progress. */
  void *user_data;
} supcon_classifier_options;
/* end of generated */
void supcon_classifier_options_init_sized(supcon_classifier_options *options, size_t size);
#define supcon_classifier_options_init(options) \
  supcon_classifier_options_init_sized((options), sizeof *(options))
/* Fits the linear classifier "fc" on the frozen, unaugmented embeddings of a labeled data set and
 * keeps it in the model (its class names too). The model is unchanged after a failure. Errors:
 * argument, state (no labels, or in use), memory, canceled, io, format. */
SUPCON_MUST_CHECK supcon_status supcon_model_fit_classifier(
    supcon_model *model, const supcon_dataset *dataset, const supcon_classifier_options *options);
/* Replaces the classifier by a new random one for classes classes without names: a run then takes
 * labels, 0 to classes - 1, for outputs. 0: takes it away; a run that trains one then makes it,
 * with the data set's classes and names. A run on a classifier with names goes by them: a data
 * set's class is trained where the classifier has that name, and one that it lacks is a shape
 * error. Transfer to other classes is: load, reset to 0, then train with CROSS_ENTROPY at a small
 * rate (full fine-tuning) or LINEAR (a probe), or supcon_model_fit_classifier, which needs no
 * reset. Errors: argument, state (in use), memory. */
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
/* The part that a queue of earlier keys takes. */
enum {
  /* There is no queue. */
  SUPCON_QUEUE_OFF = 0,
  /* Entries of other labels are negatives; those of the query's own take no part. */
  SUPCON_QUEUE_NEGATIVES = 1,
  /* Entries of the query's label are positives too. */
  SUPCON_QUEUE_POSITIVES_AND_NEGATIVES = 2
};
/* The course of the learning rate. */
enum {
  /* The rate stays. */
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

/* The options of a training run. */
typedef struct supcon_train_options {
  uint32_t struct_size;

  /* --- Objective --- */
  /* Quantity that the run minimizes. Default SUPCON_OBJECTIVE_SUPCON. */
  int32_t objective;
  /* Trains the classifier in the same run, behind a stop-gradient. Applies to supcon and simclr.
   * Default 0; 0 or 1. */
  int32_t joint_classifier;
  /* Augmented views per image. With the other objectives it is always 1. Applies to supcon and
   * simclr. Default 2; 1 to 64. */
  int32_t views;
  /* Rule that makes two images positives of each other. All rules but classes need targets
   * instead of labels (supcon_dataset_with_targets), and no queue. The kNN accuracy of
   * validation is then the mean, over the validation images, of how much of a positive the
   * nearest training image is. Applies to supcon. Default SUPCON_POSITIVES_CLASSES. */
  int32_t positives;
  /* Factor on the angle to the true class's weights; 1 is cross-entropy. Applies to max_margin.
   * Default 2; 1 to 8. */
  int32_t margin;
  /* Standard deviation of the kernel, in the targets' unit. Applies to positives kernel, which
   * needs a number above 0. Default 0; 0 or more. */
  double label_bandwidth;
  /* Probability mass that the classifier's targets spread over all classes. Applies to runs that
   * train a classifier. Default 0; 0 to below 1. */
  double label_smoothing;
  /* Blends each image of a batch with another, the fraction drawn from Beta(alpha, alpha) once
   * per batch (arXiv:1710.09412). With cutmix_alpha too, a batch gets one of the two. Applies to
   * cross_entropy and linear. Default 0: no mixup; 0.001 to 1000. */
  double mixup_alpha;
  /* Pastes a box of another image of the batch, its area drawn by Beta(alpha, alpha)
   * (arXiv:1905.04899). Applies to cross_entropy and linear. Default 0: no CutMix; 0.001 to
   * 1000. */
  double cutmix_alpha;
  /* Options of the contrastive loss. The reduction must be mean or mean_all; rows are always
   * normalized. Applies to supcon and simclr. NULL: the defaults. */
  const supcon_loss_options *loss;

  /* --- Batches --- */
  /* Passes over the training images. Default 100; 1 to 1000000. */
  int32_t epochs;
  /* Images per step, before views. The last, smaller batch of an epoch is left out. Default 0:
   * 256, or all images that are trained on where they are fewer; 2 to 1000000. */
  int32_t batch_size;
  /* Images of each class in a batch, which then holds batch_size / images_per_class classes.
   * Default 0: a plain shuffle; 0 to 1000000. */
  int32_t images_per_class;
  /* Images that are in the network at a time, for exact gradients of large batches in little
   * memory. It divides batch_size. Gradient caching (arXiv:2101.06983) embeds chunk by chunk,
   * takes the loss and its gradient over the whole batch, and goes through the chunks once more
   * with the same views, for about 4/3 of the work. Batch norm sees chunks: its statistics are
   * those of chunk_size * views rows, and its running statistics move once per chunk. Default 0:
   * batch_size; 0 to 1000000. */
  int32_t chunk_size;
  /* Contrasts with the keys of a momentum encoder and a queue of earlier ones, as MoCo does. The
   * first view of an image is the query; the momentum encoder, in evaluation mode with averaged
   * batch-norm statistics (arXiv:2101.08482), makes keys of the other views (arXiv:1911.05722,
   * and with labels arXiv:2004.11362). Applies to supcon and simclr. Default SUPCON_QUEUE_OFF. */
  int32_t queue_mode;
  /* Keys that the queue holds, at least those of a batch. Applies to runs with a queue. Default
   * 8192; 1 to 268435456. */
  int32_t queue_size;
  /* Momentum m of the key encoder: key = m * key + (1 - m) * query after each step. The default
   * is for runs of many thousand steps: 0.99 suits some hundred, and much smaller ones let the
   * run collapse. Applies to runs with a queue. Default 0.999; 0 to below 1. */
  double key_momentum;
  /* How views are made of an image. NULL: the defaults. */
  const supcon_augmentation_options *augmentation;
  /* How the views after an image's first are made; NULL (default): as the first. */
  const supcon_augmentation_options *augmentation_second;
  /* Seed of sampling, augmentation and the validation split. Default 0. */
  uint64_t seed;
  /* Threads that decode and augment ahead of the step. Default 0: as many as compute; 0 to 1024. */
  int32_t loader_threads;

  /* --- Optimizer --- */
  /* Rule that updates the weights. Default SUPCON_OPTIMIZER_SGD. */
  int32_t optimizer;
  /* Momentum of the updates. Applies to sgd, lars and rmsprop. Default 0.9; 0 to 0.9999. */
  double momentum;
  /* Weight decay; that of adamw is decoupled. Default 0.0001; 0 to 10. */
  double weight_decay;
  /* Takes Nesterov's form of momentum. Applies to sgd and lars. Default 0; 0 or 1. */
  int32_t nesterov;
  /* Weight decay acts on batch norm and biases too, as in the reference code; never with lars.
   * Default 1; 0 or 1. */
  int32_t decay_norm_and_bias;
  /* Multiplies a weight's rate, together with |weight| / |gradient + weight_decay * weight|.
   * Applies to lars. Default 0.001; a number above 0, at most 1000. */
  double trust_coefficient;
  /* Decay of the mean of squared gradients. Applies to rmsprop. Default 0.9; 0 to 0.999999. */
  double rmsprop_decay;
  /* Decay of the mean of gradients. Applies to adamw. Default 0.9; 0 to 0.999999. */
  double beta1;
  /* Decay of the mean of squared gradients. Applies to adamw. Default 0.999; 0 to 0.999999. */
  double beta2;
  /* Term that keeps the denominator of an update above 0. Applies to adamw and rmsprop. Default
   * -1: 1e-8 with adamw (PyTorch's), 1e-3 with rmsprop (google-research's linear stage); 0 to
   * 10. */
  double epsilon;
  /* Decay d of a moving average of the weights, which validation, best.safetensors and the final
   * model then have. After each step a += (1 - min(d, (1 + step) / (10 + step))) (w - a),
   * running statistics included; a checkpoint keeps both. Default 0: no average; 0 to 0.9999999. */
  double ema_decay;

  /* --- Learning rate --- */
  /* Learning rate of a batch of reference_batch images. Default 0.1; a number above 0, at most
   * 1e6. */
  double learning_rate;
  /* Learning rate that the cosine schedule ends with, in the unit of learning_rate and not above
   * it. Applies to schedule cosine. Default 0; 0 to 1e6. */
  double min_lr;
  /* Batch size that learning_rate is for: the rate of a run is learning_rate * batch_size /
   * reference_batch. Default 256; 0 to 1000000; 0: learning_rate as it is. */
  int32_t reference_batch;
  /* Course of the learning rate after warm-up. Default SUPCON_SCHEDULE_COSINE. */
  int32_t schedule;
  /* Epochs of linear warm-up (arXiv:1706.02677), rounded to steps. Default -1: 10, but at most a
   * tenth of the run; 0 to 1e6. */
  double warmup_epochs;
  /* Steps of linear warm-up. Default -1: as many as warmup_epochs says; 0 to 1000000000. */
  int32_t warmup_steps;
  /* The schedule begins when warm-up has ended, as google-research's does, instead of with the
   * run, as SupContrast's does. Default 0; 0 or 1. */
  int32_t schedule_after_warmup;
  /* Fraction of the rate that warm-up begins with. Default 0.01; 0 to 1. */
  double warmup_start;
  /* Epochs after which the rate is multiplied by gamma, each larger than the one before. Applies
   * to schedule step. NULL (default): none. [milestone_count] */
  const int32_t *milestones;
  int64_t milestone_count;
  /* Factor on the rate at each milestone. Applies to schedule step. Default 0.1; 1e-6 to 1. */
  double gamma;
  /* Factor on the rate after each exponential_epochs, a staircase. Applies to schedule
   * exponential. Default 0.97; 1e-6 to 1. */
  double exponential_factor;
  /* Epochs between two steps of the staircase. Applies to schedule exponential. Default 0.5;
   * 0.001 to 1e6. */
  double exponential_epochs;

  /* --- Fine-tuning --- */
  /* Stages of the encoder, and with them the stem, that are not trained; 4 is the whole encoder.
   * Their parameters and running statistics keep every bit, and they run in inference form, in
   * int8 if the model embeds in int8 (supcon_model_quantize) when the trainer is made. Applies
   * to all objectives but linear. Default 0; 0 to 4. */
  int32_t freeze_stages;
  /* The encoder's batch norms use their running statistics and leave them as they are; gamma and
   * beta are trained. Applies to all objectives but linear; it suits small batches from given
   * weights. Default 0; 0 or 1. */
  int32_t freeze_norm;
  /* Epochs after which one more of the frozen stages is trained, the last one first. Applies to
   * freeze_stages above 0. NULL (default): none. [unfreeze_epoch_count] */
  const int32_t *unfreeze_epochs;
  int64_t unfreeze_epoch_count;
  /* Learning rate of a stage over that of the one behind it. Head and classifier have the full
   * rate, the last stage this fraction of it, the stem its 5th power. Applies to all objectives
   * but linear. Default 1; 0.001 to 1. */
  double layer_decay;
  /* Rounds of views of each image for which what the frozen stages make of them is computed once
   * and kept. It is kept in the type that they compute in. Epoch e takes the views of epoch (e -
   * 1) mod feature_cache + 1: with as many rounds as epochs a run comes to the same bytes as
   * without, but for images that images_per_class takes twice in an epoch. Applies to
   * freeze_stages above 0. Default 0: no cache; 0 to 1000000. */
  int32_t feature_cache;
  /* Must be 0. */
  int32_t feature_cache_reserved;
  /* Folder for a file without a name that keeps the feature cache, gone with the trainer;
   * without one it is in memory, within the context's limit. NULL (default): none. */
  const char *feature_cache_folder;
  /* Heights of the views over the run, 1 to 65536, each for an equal part of the epochs; the
   * width goes with them. At most epochs of them; none: the model's size throughout. The model
   * keeps its own size. NULL (default): none. [image_size_schedule_count] */
  const int32_t *image_size_schedule;
  int64_t image_size_schedule_count;

  /* --- Validation and checkpoints --- */
  /* Fraction of the images that is held out for kNN@1 and early stopping. Default 0.05; 0 to
   * 0.9; 0: none. */
  double validation_fraction;
  /* Epochs between two validations. Default 1; 1 to 1000000. */
  int32_t validation_every;
  /* Stops the run after so many validations without a better kNN@1. Default 0: never; 0 to
   * 1000000. */
  int32_t patience;
  /* Folder that gets last.supcon after each epoch, and best.safetensors, the model with the best
   * kNN@1. NULL (default): none. */
  const char *checkpoint_folder;
  /* Goes on from last.supcon in checkpoint_folder, if it is there, of a run with the same
   * options, labels and targets. docs/options.md says which options may differ. Default 0; 0 or
   * 1. */
  int32_t resume;
  /* The model at the end is the one with the best kNN@1 instead of the last. Default 0; 0 or 1. */
  int32_t restore_best;
  /* A collapsed or diverged run stops with an error that names the likely remedy; otherwise it
   * only warns. A loss that is not a number always stops it. Default 1; 0 or 1. */
  int32_t stop_on_collapse;

  /* --- Several processes --- */
  /* Over several ranks, batch norm's statistics are those of all ranks' images; otherwise of
   * each rank's own, as in the paper. It changes nothing in a run of one process. Default 0; 0
   * or 1. */
  int32_t sync_batch_norm;
} supcon_train_options;
/* end of generated */
void supcon_train_options_init_sized(supcon_train_options *options, size_t size);
#define supcon_train_options_init(options) \
  supcon_train_options_init_sized((options), sizeof *(options))

/* Returns the number of published recipes: cifar-pytorch, cifar-linear, cifar-cross-entropy,
 * cifar-simclr, cifar-simclr-linear (HobbitLong/SupContrast); imagenet-r50, imagenet-r50-linear,
 * imagenet-r200, imagenet-r200-linear (google-research/supcon); memory-r50 (the momentum encoder
 * with a queue of arXiv:2004.11362). Where numbers are ours, because none are published, and
 * where this library differs, the description says so. */
int64_t supcon_preset_count(void);
/* Returns the name of the preset of an index, from 0, or NULL beyond the last. Static. */
const char *supcon_preset_name(int64_t index);
/* Returns sentences: what a preset is, whose, and what differs; NULL for a name that is none.
 * Static. */
const char *supcon_preset_description(const char *name);
/* Sets every field of model and train, which their _init functions have made, to the recipe; either
 * may be NULL. Change what you need then: classes and channels are the data's. What train points to
 * is static and not to be written to; for another temperature: supcon_loss_options loss;
 * supcon_loss_options_copy(&loss, train.loss); loss.temperature = 0.2f; train.loss = &loss;
 * Errors: argument (another name: the sentence has those that are; struct_size). */
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
  double images_per_second; /* images before views; STEP: lately; EPOCH: over the epoch */
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
/* Non-zero stops the run after this step: supcon_trainer_run returns SUPCON_STATUS_CANCELED, the
 * model keeps what it learned, the last checkpoint is kept. */
typedef int (*supcon_train_callback)(const supcon_event *event, void *user_data);

/* Plans a run of model on dataset; checks the options and the memory, trains nothing. For LINEAR,
 * CROSS_ENTROPY, MAX_MARGIN and joint_classifier the model gets a classifier with the data set's
 * classes if it has none (supcon_model_reset_classifier takes one away). Errors: argument, shape
 * (channels), state (no labels, or targets, that the options need, too few images or classes, in
 * use, a checkpoint of another run), memory, io (of checkpoint_folder), format (of a checkpoint to
 * resume). */
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
 * one process which normalizes the ranks' parts one by one. What the ranks exchange goes through
 * functions of the host (MPI's, gloo's, its own): this library opens no connection.
 *
 * All ranks call the same functions here, with the same model, data and options, on machines of one
 * instruction set; before the first step these are compared, and rank 0's weights (or its
 * checkpoint) become those of all. Rank 0 alone calls the training callback, writes to the log, and
 * reads and writes checkpoint_folder. What fails at one rank (a file, memory, a full disk, a
 * cancel) ends the call at all ranks with the same status and a sentence that names the rank. */

/* Replaces values[count] by their sums over the ranks. */
typedef int (*supcon_all_reduce_sum)(float *values, int64_t count, void *user_data);
/* Writes the byte_count bytes of every rank, in the order of the ranks, to gathered (world *
 * byte_count bytes, apart from bytes). */
typedef int (*supcon_all_gather)(const void *bytes, int64_t byte_count, void *gathered,
                                 void *user_data);
/* Replaces bytes by those of rank root. */
typedef int (*supcon_broadcast)(void *bytes, int64_t byte_count, int32_t root, void *user_data);
/* Waits until all ranks are here. */
typedef int (*supcon_barrier)(void *user_data);
/* Writes a sentence about the last failure, which ends in NUL, to text. */
typedef int (*supcon_describe_failure)(char *text, int64_t capacity, void *user_data);

/* How this process exchanges data with the others. The functions return 0, or another number after
 * a failure, and nothing is called after that. They are called one at a time, on the thread that
 * calls supcon_trainer_create_distributed or supcon_trainer_run, with the same sizes in the same
 * order at all ranks; they give all ranks the same bytes, and the same ones each time. They have a
 * deadline: where a rank does not come they fail, rather than wait for ever. Counts may be larger
 * than an int. */
typedef struct supcon_collectives {
  uint32_t struct_size;
  int32_t rank;     /* this process, from 0 */
  int32_t world;    /* how many there are */
  int32_t reserved; /* must be 0 */
  supcon_all_reduce_sum all_reduce_sum;
  supcon_all_gather all_gather;
  supcon_broadcast broadcast;
  supcon_barrier barrier;
  supcon_describe_failure describe_failure; /* may be NULL */
  void *user_data;
} supcon_collectives;
/* Sets everything but the size to 0. */
void supcon_collectives_init_sized(supcon_collectives *collectives, size_t size);
#define supcon_collectives_init(collectives) \
  supcon_collectives_init_sized((collectives), sizeof *(collectives))

/* supcon_trainer_create at one of several ranks, all of which call it, and supcon_trainer_run after
 * it. collectives: is copied, and used until the trainer is freed; NULL: one process. Errors: as
 * there, at every rank; argument (ranks whose options, data, model or version differ, a batch_size
 * below the number of ranks), io (of the collectives). */
SUPCON_MUST_CHECK supcon_status supcon_trainer_create_distributed(
    supcon_context *context, supcon_model *model, const supcon_dataset *dataset,
    const supcon_train_options *options, const supcon_collectives *collectives,
    supcon_trainer **trainer);

/* Trains; callback may be NULL. A run that ended is not run again (state). With resume it first
 * takes up checkpoint_folder/last.supcon. After a NaN the model is what it was at the end of the
 * epoch before. Errors: canceled, state (collapse, divergence, in use, a checkpoint of another
 * run), memory, io, format (of the checkpoint). */
SUPCON_MUST_CHECK supcon_status supcon_trainer_run(supcon_trainer *trainer,
                                                   supcon_train_callback callback, void *user_data);
/* Asks a run to stop after the step at hand, from any thread or a signal handler. */
void supcon_trainer_cancel(supcon_trainer *trainer);
/* Returns the bytes that one training step takes: activations, gradients and workspaces, without
 * the weights and the data set. */
int64_t supcon_trainer_memory(const supcon_trainer *trainer);
/* The three below are for the callback of supcon_trainer_run, on its thread; outside a run they are
 * SUPCON_STATUS_STATE.
 *
 * Multiplies the learning rate of the steps to come by factor, such as 0.1 where the loss has
 * stopped falling. Checkpoints keep it: a resumed run goes on with the same rates. Errors: argument
 * (factor, or the product of all of them, not within 1e-12 to 1e12), io (of the checkpoint), state.
 */
SUPCON_MUST_CHECK supcon_status supcon_trainer_scale_rate(supcon_trainer *trainer, double factor);
/* Writes the model as it is now, with ema_decay the average of its weights, as supcon_model_save
 * does. Errors: argument, io, state. */
SUPCON_MUST_CHECK supcon_status supcon_trainer_save(supcon_trainer *trainer, const char *path);
/* Takes the model as it is now for what the run leaves behind, however the run ends; the last call
 * counts. Errors: memory, state. */
SUPCON_MUST_CHECK supcon_status supcon_trainer_keep(supcon_trainer *trainer);
void supcon_trainer_free(supcon_trainer *trainer);

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

/* How embeddings are judged. */
typedef struct supcon_evaluate_options {
  uint32_t struct_size;
  /* Classifier that is fitted on the training rows. Default SUPCON_METHOD_LINEAR. */
  int32_t method;
  /* Neighbors that vote. Applies to knn. Default 0: 20, or all training rows if there are fewer;
   * 1 or more. */
  int32_t k;
  /* A neighbor's vote weighs exp(cosine / temperature); the probabilities of prototypes are the
   * softmax of cosine / temperature. Applies to knn and prototypes. Default 0.1; a number above
   * 0. */
  float temperature;
  /* Iterations of L-BFGS at most. Applies to linear. Default 200; 1 or more. */
  int32_t iterations;
  /* Weight of the squared weights. Applies to linear. Default 0.0001; 0 or more. */
  float l2;
} supcon_evaluate_options;
/* end of generated */
void supcon_evaluate_options_init_sized(supcon_evaluate_options *options, size_t size);
#define supcon_evaluate_options_init(options) \
  supcon_evaluate_options_init_sized((options), sizeof *(options))
typedef struct supcon_scores {
  uint32_t struct_size; /* in: sizeof; set by supcon_scores_init */
  int32_t reserved;
  double top1;     /* share of the test rows whose label is the first guess */
  double top5;     /* … among the first five (all, if there are fewer classes) */
  int64_t classes; /* different labels of train and test rows together */
} supcon_scores;
void supcon_scores_init_sized(supcon_scores *scores, size_t size);
#define supcon_scores_init(scores) supcon_scores_init_sized((scores), sizeof *(scores))
/* Judges embeddings: fits a classifier on train rows and predicts test rows. Rows are normalized
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
  double precision_at_1; /* share of the queries whose nearest row has their label */
  double r_precision;    /* mean share of the query's label among its R nearest rows, R being the
                            number of rows with that label */
  double map_at_r; /* mean over queries of 1/R times the sum, over ranks i up to R with the label,
                      of the precision among the first i */
  int64_t queries; /* that the means are over */
  int64_t queries_without_match; /* no row has their label: left out */
} supcon_retrieval_scores;
void supcon_retrieval_scores_init_sized(supcon_retrieval_scores *scores, size_t size);
#define supcon_retrieval_scores_init(scores) \
  supcon_retrieval_scores_init_sized((scores), sizeof *(scores))
/* Measures how well rows find those of their label by cosine (arXiv:2003.08505, section 3.2).
 * Rows are normalized to length 1 first. No table of all similarities is made.
 *  gallery  [gallery_count, dimension], with labels of any value
 *  queries  [query_count, dimension], or NULL: the gallery's rows, each of which looks for the
 *           others; query_labels and query_count are not looked at then
 * Errors: argument (rows that are not finite; no query has a row of its label), shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_retrieval(supcon_context *context, const float *gallery,
                                                 const int64_t *gallery_labels,
                                                 int64_t gallery_count, const float *queries,
                                                 const int64_t *query_labels, int64_t query_count,
                                                 int64_t dimension,
                                                 supcon_retrieval_scores *scores);

/* generated from Sources/Options/calibration.toml (make generate) */
/* How a classifier's confidence is measured. */
typedef struct supcon_calibration_options {
  uint32_t struct_size;
  /* Bins of confidence, of equal width. Default 15; 1 to 1000000. */
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
 *  bin_counts     bin_confidences, bin_accuracies: [bins], or NULL: the reliability diagram;
 *                 means are 0 in a bin without rows
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
  double
      relative_mean; /* the same of what is lost against clean images; NaN without clean errors */
} supcon_corruption_scores;
void supcon_corruption_scores_init_sized(supcon_corruption_scores *scores, size_t size);
#define supcon_corruption_scores_init(scores) \
  supcon_corruption_scores_init_sized((scores), sizeof *(scores))
/* Measures robustness to corruptions against a baseline's (arXiv:1903.12261, section 4; papers
 * take AlexNet for the baseline).
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

/* Computes the mean squared distance of two rows of one label, at length 1 (arXiv:2005.10242): 0
 * at best, 2 for unrelated rows, NaN if no two rows share a label.
 *  rows    [count, dimension]
 *  labels  [count] of any value
 * Errors: argument, shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_alignment(supcon_context *context, const float *rows,
                                                 const int64_t *labels, int64_t count,
                                                 int64_t dimension, double *value);
/* Computes the log of the mean of exp(-2 |difference|^2) over pairs of rows at length 1
 * (arXiv:2005.10242): 0 if all are the same, about -4 if they are spread evenly, NaN for one
 * row. Of more than 4096 rows it takes the first.
 *  rows  [count, dimension]
 * Errors: argument, shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_uniformity(supcon_context *context, const float *rows,
                                                  int64_t count, int64_t dimension, double *value);

/* generated from Sources/Options/ood.toml (make generate) */
/* How strange a query is. */
typedef struct supcon_ood_options {
  uint32_t struct_size;
  /* Rank of the neighbor whose distance counts. Default 0: 50, which Sun et al.
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
 *  queries  [query_count, dimension], or NULL: the training rows, each without itself;
 *           query_count is not looked at then
 *  scores   [query_count], or [train_count]
 * Errors: argument (rows that are not finite, k), shape, memory. */
SUPCON_MUST_CHECK supcon_status supcon_ood_scores(supcon_context *context, const float *train,
                                                  int64_t train_count, const float *queries,
                                                  int64_t query_count, int64_t dimension,
                                                  const supcon_ood_options *options, float *scores);
typedef struct supcon_detection_scores {
  uint32_t struct_size; /* in: sizeof; set by supcon_detection_scores_init */
  int32_t reserved;
  double auroc; /* chance that a row from outside scores higher than one from inside, half of it for
                   equals */
  double fpr95; /* share of the rows from outside that are let in where 95 % of those inside are */
  double threshold; /* the score up to which rows are let in for that */
} supcon_detection_scores;
void supcon_detection_scores_init_sized(supcon_detection_scores *scores, size_t size);
#define supcon_detection_scores_init(scores) \
  supcon_detection_scores_init_sized((scores), sizeof *(scores))
/* Measures how well such scores tell outside from inside. Errors: argument (NaN), shape. */
SUPCON_MUST_CHECK supcon_status supcon_detection(const float *inside, int64_t inside_count,
                                                 const float *outside, int64_t outside_count,
                                                 supcon_detection_scores *scores);

/* generated from Sources/Options/nearest.toml (make generate) */
/* How nearest neighbors are found. */
typedef struct supcon_nearest_options {
  uint32_t struct_size;
  /* Neighbors of a query. Default 10; 1 or more. */
  int32_t k;
  /* Divides rows by their lengths, so that similarities are cosines; otherwise they are products
   * of the rows as they are. Rows that have length 1 already need no copy of the gallery without
   * it. Default 1; 0 or 1. */
  int32_t normalize;
} supcon_nearest_options;
/* end of generated */
void supcon_nearest_options_init_sized(supcon_nearest_options *options, size_t size);
#define supcon_nearest_options_init(options) \
  supcon_nearest_options_init_sized((options), sizeof *(options))
/* The k nearest rows of a gallery for each query, the nearest first, by comparing it with every
 * row. Similarities of what is found are computed in f64 and rounded; among equals the lower index
 * comes first. The same for any number of threads. To search one gallery often, embed with
 * supcon_embed_options.normalize and pass normalize = 0 here.
 *  gallery       [gallery_count, dimension]
 *  queries       [query_count, dimension]; NULL: the gallery's rows, each of which looks for the
 *                others; query_count is not looked at then
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
