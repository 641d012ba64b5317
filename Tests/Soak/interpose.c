/* For LD_PRELOAD: lets the system say no. FAULT names what fails: malloc (pieces of FAULT_BYTES or
 * more: what is smaller ends any Swift program, and the library promises that no such piece grows
 * with the caller's data), write, fsync, rename, open (for writing), thread. FAULT_AT: the number
 * of the call that fails, from 1; 0: none, and the count is all that is wanted. FAULT_FROM=1: all
 * later ones fail too. At the end it writes the number of calls to the file FAULT_COUNT. Counting
 * begins when the program calls fault_begin(). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

enum fault { NONE, MALLOC, WRITE, FSYNC, RENAME, OPEN, THREAD };
static enum fault kind;
static atomic_long calls;
static long at, from, bytes;

void fault_begin(void) {
  static const char *const names[] = {"", "malloc", "write", "fsync", "rename", "open", "thread"};
  const char *name = getenv("FAULT"), *number = getenv("FAULT_AT"), *size = getenv("FAULT_BYTES");
  at = number ? atol(number) : 0;
  from = getenv("FAULT_FROM") != NULL;
  bytes = size ? atol(size) : 65536;
  for (int i = 1; name && i < 7; ++i)
    if (!strcmp(name, names[i])) kind = (enum fault)i;
}
long fault_end(void) {
  kind = NONE;
  return atomic_load(&calls);
}

static int fails(enum fault which) {
  if (kind != which) return 0;
  const long number = atomic_fetch_add(&calls, 1) + 1;
  return at > 0 && (number == at || (from && number > at));
}
static int large(size_t size) { return kind == MALLOC && (long)size >= bytes && fails(MALLOC); }

void *malloc(size_t size) { return large(size) ? (errno = ENOMEM, NULL) : __libc_malloc(size); }
void *calloc(size_t n, size_t size) {
  return large(n * size) ? (errno = ENOMEM, NULL) : __libc_calloc(n, size);
}
void *realloc(void *memory, size_t size) {
  return large(size) ? (errno = ENOMEM, NULL) : __libc_realloc(memory, size);
}
void *memalign(size_t alignment, size_t size) {
  return large(size) ? (errno = ENOMEM, NULL) : __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **memory, size_t alignment, size_t size) {
  void *found = memalign(alignment, size);
  if (!found) return ENOMEM;
  *memory = found;
  return 0;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int descriptor, const void *from_memory, size_t count) {
  REAL(write);
  return descriptor > 2 && fails(WRITE) ? (errno = ENOSPC, -1)
                                        : real(descriptor, from_memory, count);
}
int fsync(int descriptor) {
  REAL(fsync);
  return fails(FSYNC) ? (errno = EIO, -1) : real(descriptor);
}
int rename(const char *old, const char *new) {
  REAL(rename);
  return fails(RENAME) ? (errno = EACCES, -1) : real(old, new);
}
int open(const char *path, int flags, ...) {
  REAL(open);
  va_list more;
  va_start(more, flags);
  const int mode = va_arg(more, int);
  va_end(more);
  return (flags & O_CREAT) && fails(OPEN) ? (errno = EACCES, -1) : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  REAL(open64);
  va_list more;
  va_start(more, flags);
  const int mode = va_arg(more, int);
  va_end(more);
  return (flags & O_CREAT) && fails(OPEN) ? (errno = EACCES, -1) : real(path, flags, mode);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
  REAL(pthread_create);
  return fails(THREAD) ? EAGAIN : real(thread, attributes, run, argument);
}
