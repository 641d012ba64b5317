/* The library where memory is short.
 *   memory system FOLDER FIXTURES [STEP [WORD]]   each work in a process that may take 0 to 512 MiB
 *                                           more than it has, in 26 steps (every STEPth of them)
 *   memory limit FOLDER FIXTURES [SCALE [WORD]]   each work with a context whose memory limit grows
 *                                           from 1 kB until the work goes through; rows, and the
 *                                           width of models that are trained, times SCALE
 * A work ends with OK or memory; afterwards, with all memory, it goes through. Where the system
 * refuses, the process may end only for want of a piece below 64 KiB, as the header says; such ends
 * are counted. Under a limit, what the work takes from the heap stays near the limit, apart from
 * what does not grow with the data. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "works.h"

/* What a child tells its parent. */
static struct report {
  _Atomic long refused; /* the size of the last piece that the heap refused; 0: none */
  _Atomic long held, peak;
  long limit;
  char message[200];
} *report;

/* ------------------------------------------------------------------------------------- the heap */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t), __libc_free(void *);

static void *taken(void *memory, size_t size) {
  if (!report) return memory;
  if (!memory) {
    report->refused = (long)size;
    return NULL;
  }
  const long held = report->held += (long)malloc_usable_size(memory);
  long peak = report->peak;
  while (held > peak && !atomic_compare_exchange_weak(&report->peak, &peak, held)) continue;
  return memory;
}
static void given_back(void *memory) {
  if (report && memory) report->held -= (long)malloc_usable_size(memory);
}
void *malloc(size_t size) { return taken(__libc_malloc(size), size); }
void *calloc(size_t n, size_t size) { return taken(__libc_calloc(n, size), n * size); }
void *realloc(void *memory, size_t size) {
  const long before = memory ? (long)malloc_usable_size(memory) : 0;
  void *found = __libc_realloc(memory, size);
  if (report && (found || !size)) report->held -= before;
  return size ? taken(found, size) : found;
}
void *memalign(size_t alignment, size_t size) {
  return taken(__libc_memalign(alignment, size), size);
}
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **memory, size_t alignment, size_t size) {
  void *found = memalign(alignment, size);
  if (!found) return ENOMEM;
  *memory = found;
  return 0;
}
void free(void *memory) {
  given_back(memory);
  __libc_free(memory);
}

/* --------------------------------------------------------------------------------- the children */

static const char *folder, *fixtures;
enum { ENOUGH = 10, TOO_LITTLE = 11, WRONG = 12 };

static int outcome(const char *name, supcon_status status) {
  snprintf(report->message, sizeof report->message, "%s",
           status == SUPCON_OK ? "" : supcon_last_error());
  if (status == SUPCON_OK || status == SUPCON_STATUS_MEMORY)
    return status == SUPCON_OK ? ENOUGH : TOO_LITTLE;
  fprintf(stderr, "%s: status %s: %s\n", name, supcon_status_name(status), supcon_last_error());
  return WRONG;
}

/* The work in a process that may take `more` bytes. */
static int in_little(int at, long more) {
  prepare_works(folder, fixtures);
  supcon_context *context = NULL;
  supcon_context_options how;
  supcon_context_options_init(&how);
  how.threads = 2;
  WORKS(supcon_context_create(&how, &context));
  long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  DEMAND(statm && fscanf(statm, "%ld", &pages) == 1, "no size");
  fclose(statm);
  struct rlimit all, few;
  getrlimit(RLIMIT_AS, &all);
  few = all;
  few.rlim_cur = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + more);
  report->refused = 0;
  setrlimit(RLIMIT_AS, &few);
  const supcon_status status = works[at].run(context);
  setrlimit(RLIMIT_AS, &all);
  const int found = outcome(works[at].name, status);
  if (found == TOO_LITTLE) WORKS(works[at].run(context));
  supcon_context_free(context);
  return found;
}

/* The work with one limit after the other. */
static int under_limits(int at, long times) {
  rows_count *= (int)times, scale = (int)times;
  prepare_works(folder, fixtures);
  char refusal[sizeof report->message] = "";
  for (long limit = 1000; limit < 4000000000; limit = limit * 5 / 4) {
    supcon_context *context = NULL;
    supcon_context_options how;
    supcon_context_options_init(&how);
    how.threads = 2;
    how.memory_limit = limit;
    WORKS(supcon_context_create(&how, &context));
    const long before = report->peak = report->held;
    const int found = outcome(works[at].name, works[at].run(context));
    report->peak -= before;
    report->limit = limit;
    supcon_context_free(context);
    if (found != TOO_LITTLE) {
      memcpy(report->message, refusal, sizeof refusal);
      return found;
    }
    memcpy(refusal, report->message, sizeof refusal);
  }
  return TOO_LITTLE;
}

/* Runs a child, and returns what its waitpid tells. What it writes goes to `said`. */
static int status_of(int (*run)(int, long), int at, long more, char *said, size_t room) {
  int ends[2];
  memset(report, 0, sizeof *report);
  if (pipe(ends)) exit(2);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(300);
    _exit(run(at, more));
  }
  close(ends[1]);
  size_t got = 0;
  for (ssize_t n; (n = read(ends[0], said + got, room - 1 - got)) > 0;) got += (size_t)n;
  said[got] = 0;
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) exit(2);
  return status;
}

static const int steps[] = {0,  1,  2,  4,  8,   12,  16,  20,  24,  28,  32,  40,  48,
                            56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 512};
enum { STEPS = sizeof steps / sizeof *steps };

static int system_refuses(int every, const char *word) {
  int tried = 0, enough = 0, refused = 0, small = 0, bad = 0;
  char said[4000];
  for (int at = 0; at < WORK_COUNT; ++at)
    for (int step = 0; step < STEPS && strstr(works[at].name, word); step += every) {
      const int status = status_of(in_little, at, (long)steps[step] << 20, said, sizeof said);
      const int ended = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      ++tried;
      enough += ended == ENOUGH;
      refused += ended == TOO_LITTLE;
      if (ended == ENOUGH || ended == TOO_LITTLE) continue;
      const long piece = report->refused;
      const int is_small = ended != WRONG && piece > 0 && piece < 65536;
      if (is_small) ++small;
      else ++bad;
      char *line = strchr(said, '\n');
      if (line) *line = 0;
      printf("%s with %d MiB: %s %d, after a refused piece of %ld bytes: %s\n", works[at].name,
             steps[step], WIFEXITED(status) ? "exit" : "signal",
             WIFEXITED(status) ? ended : WTERMSIG(status), piece, said);
    }
  printf("%d cases: %d OK, %d memory, %d ended for want of a piece below 64 KiB, %d otherwise\n",
         tried, enough, refused, small, bad);
  return bad + (tried == 0);
}

/* What oneDNN and the loader take whatever the data. */
enum { FIXED = 10 << 20 };

static int limit_holds(int times, const char *word) {
  int bad = 0, tried = 0;
  char said[4000];
  for (int at = 0; at < WORK_COUNT; ++at) {
    if (!works[at].heeds || !strstr(works[at].name, word)) continue;
    const int status = status_of(under_limits, at, times, said, sizeof said);
    const int found = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    const long peak = report->peak, limit = report->limit;
    const int held = found == ENOUGH && *report->message && peak <= limit + limit / 2 + FIXED;
    ++tried;
    bad += !held;
    printf("%s %-20s OK from %9ld bytes on, takes %9ld; before: %s%s\n", held ? "  " : "!!",
           works[at].name, limit, peak, report->message, said);
  }
  printf("%d kinds of work: a limit refuses each, and holds; but for %d\n", tried, bad);
  return bad + (tried == 0);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  folder = argv[2], fixtures = argv[3];
  report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (report == MAP_FAILED) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  const int number = argc > 4 ? atoi(argv[4]) : 1;
  const char *word = argc > 5 ? argv[5] : "";
  if (number < 1) return 2;
  if (!strcmp(argv[1], "system")) return system_refuses(number, word) > 0;
  if (!strcmp(argv[1], "limit")) return limit_holds(number, word) > 0;
  return 2;
}
