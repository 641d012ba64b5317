/* A small harness: each check counts; a failed one says where and what. */
#ifndef SUPCON_TEST_H
#define SUPCON_TEST_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supcon.h"

extern int passed, failed;

#define EXPECT(condition, ...)                                        \
  do {                                                                \
    if (condition) {                                                  \
      ++passed;                                                       \
    } else {                                                          \
      ++failed;                                                       \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                   \
      fputc('\n', stderr);                                            \
    }                                                                 \
  } while (0)

/* One status as a bit, so that a check may allow for two where the header leaves it open. */
#define BIT(status) (1u << (status))
#define ARGUMENT BIT(SUPCON_STATUS_ARGUMENT)
#define SHAPE BIT(SUPCON_STATUS_SHAPE)
#define TYPE BIT(SUPCON_STATUS_TYPE)
#define IO BIT(SUPCON_STATUS_IO)
#define FORMAT BIT(SUPCON_STATUS_FORMAT)
#define MEMORY BIT(SUPCON_STATUS_MEMORY)
#define STATE BIT(SUPCON_STATUS_STATE)

/* Leaves a known message behind, so that a call that sets none is noticed. */
static inline void forget_error(void) {
  supcon_status status = supcon_set_log_callback(NULL, 12345, NULL);
  (void)status;
}
static inline int error_is_new(void) {
  return supcon_last_error()[0] != '\0' && strstr(supcon_last_error(), "12345") == NULL;
}

/* The call fails with one of the statuses, and with a sentence of its own that has word in it (""
 * for any). */
#define REFUSES(call, statuses, word)                                                         \
  do {                                                                                        \
    forget_error();                                                                           \
    const supcon_status status_ = (call);                                                     \
    EXPECT(status_ > 0 && status_ < 32 && (BIT(status_) & (statuses)), "got %s (%s)",         \
           supcon_status_name(status_), supcon_last_error());                                 \
    EXPECT(status_ == SUPCON_OK || error_is_new(), "%s without a message of its own: \"%s\"", \
           #call, supcon_last_error());                                                       \
    EXPECT(status_ == SUPCON_OK || strstr(supcon_last_error(), (word)),                       \
           "\"%s\" does not say \"%s\"", supcon_last_error(), (word));                        \
  } while (0)

/* The same for calls that give a handle: it begins as rubbish and must be NULL afterwards. */
#define REFUSES_HANDLE(call, handle, statuses, word)                 \
  do {                                                               \
    (handle) = (void *)(uintptr_t)0x10;                              \
    REFUSES(call, statuses, word);                                   \
    EXPECT((handle) == NULL, "%s left its handle as it was", #call); \
    (handle) = NULL;                                                 \
  } while (0)

#define WORKS(call)                                                                            \
  do {                                                                                         \
    const supcon_status status_ = (call);                                                      \
    EXPECT(status_ == SUPCON_OK, "%s (%s)", supcon_status_name(status_), supcon_last_error()); \
  } while (0)

/* The folder that make_data filled. */
extern const char *data_folder;
/* data_folder/name; valid until the sixteenth next call. */
const char *data_path(const char *name);
/* Writes a file of the given bytes into the data folder, and gives its path. */
const char *write_file(const char *name, const void *bytes, size_t count);

/* 16×16 gray images of three classes: rising, falling and level ramps, with some noise. */
enum { IMAGES = 96, SIDE = 16, CLASSES = 3 };
extern uint8_t pixels[IMAGES * SIDE * SIDE];
extern int64_t labels[IMAGES];
void make_images(void);
supcon_images all_images(void);
supcon_dataset *small_dataset(void);
/* ResNet-18 of width 8, 16×16 gray, f32; small enough to train in a moment. */
supcon_model_options small_model_options(void);
supcon_train_options small_train_options(void);
supcon_model *small_model(void);

void test_general(void);
void test_sizes(void);
void test_buffers(void);
void test_messages(void);
void test_loss(void);
void test_datasets(void);
void test_files(void);
void test_augmentation(void);
void test_models(void);
void test_model_files(void);
void test_training(void);
void test_search(void);
void test_presets(void);
void test_allocations(void);
void test_evaluation(void);
void test_measures(void);
void test_threads(void);
void test_process(void);
void test_isolation(void);
void test_fork(void);

#endif
