/* A steady training step allocates no buffer: this program's malloc counts what the training thread
 * asks for between two steps. What is left are argument lists and closures of some 50 bytes, and
 * the space that oneDNN's matrix product packs into (at page boundaries, less than 100 kB, from
 * malloc at each call), which is not ours to plan. */
#define _GNU_SOURCE
#include "test.h"

/* A sanitizer has an allocator of its own, which cannot be replaced by this one. */
#ifdef SANITIZED
void test_allocations(void) {}
#else

#include <errno.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

static _Thread_local struct {
  int64_t calls, bytes, largest;
} asked;

static void *count(void *memory, size_t bytes) {
  asked.calls++;
  asked.bytes += (int64_t)bytes;
  if ((int64_t)bytes > asked.largest) asked.largest = (int64_t)bytes;
  return memory;
}
void *malloc(size_t bytes) { return count(__libc_malloc(bytes), bytes); }
void *calloc(size_t n, size_t bytes) { return count(__libc_calloc(n, bytes), n * bytes); }
void *realloc(void *memory, size_t bytes) { return count(__libc_realloc(memory, bytes), bytes); }
void *memalign(size_t alignment, size_t bytes) {
  void *memory = __libc_memalign(alignment, bytes);
  return alignment == 4096 && bytes < 100000 ? memory : count(memory, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  return (*memory = memalign(alignment, bytes)) ? 0 : ENOMEM;
}

struct seen {
  int steps;
  int64_t calls, bytes, largest;
};

static int on_event(const supcon_event *event, void *user_data) {
  struct seen *seen = user_data;
  if (event->kind == SUPCON_EVENT_STEP && ++seen->steps > 2 && event->step > 1) {
    seen->calls += asked.calls;
    seen->bytes += asked.bytes;
    if (asked.largest > seen->largest) seen->largest = asked.largest;
  }
  memset(&asked, 0, sizeof asked);
  return 0;
}

void test_allocations(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.epochs = 4;
  options.batch_size = 16;
  options.validation_fraction = 0;
  options.stop_on_collapse = 0;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  struct seen seen = {0};
  WORKS(supcon_trainer_run(trainer, on_event, &seen));
  EXPECT(seen.steps == 24 && seen.calls > 0, "%d steps, %lld allocations", seen.steps,
         (long long)seen.calls);
  EXPECT(seen.largest < 1024, "a step allocated %lld bytes at once", (long long)seen.largest);
  EXPECT(seen.bytes / seen.steps < 65536, "a step allocated %lld bytes",
         (long long)(seen.bytes / seen.steps));
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}
#endif
