/* What the library asks of the system: no network, no other program, and no variable of the
 * environment but those of the engines in it. This program's own functions take the system's place
 * and note who calls. And folders that go away, or cannot be written to, in the middle of a run. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

/* A sanitizer has functions of its own in their place. */
#ifndef SANITIZED

static int watching, asked;
static char forbidden[1024];

static void note(const char *what, const char *name) {
  const size_t used = strlen(forbidden);
  if (watching) snprintf(forbidden + used, sizeof forbidden - used, "%s(%s) ", what, name);
}

char *getenv(const char *name) {
  static char *(*real)(const char *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "getenv");
  /* oneDNN's (and those of the tracing in it), OpenMP's, OpenBLAS's and the Swift runtime's. */
  static const char *const known[] = {"DNNL_", "ONEDNN_",   "INTEL_", "VS_PROFILER",
                                      "OMP_",  "OPENBLAS_", "SWIFT_"};
  int is_known = 0;
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
    is_known |= strncmp(name, known[i], strlen(known[i])) == 0;
  if (!is_known) note("getenv", name);
  ++asked;
  return real(name);
}
int socket(int domain, int type, int protocol) {
  (void)domain, (void)type, (void)protocol;
  note("socket", "");
  return -1;
}
int socketpair(int domain, int type, int protocol, int pair[2]) {
  (void)domain, (void)type, (void)protocol, (void)pair;
  note("socketpair", "");
  return -1;
}
int execvpe(const char *file, char *const arguments[], char *const environment[]) {
  (void)arguments, (void)environment;
  note("execvpe", file);
  return -1;
}

static void asks_for_nothing(void) {
  watching = 1;
  const int before = asked;
  (void)getenv("HOME");
  EXPECT(strcmp(forbidden, "getenv(HOME) ") == 0 && asked == before + 1, "%s", forbidden);
  forbidden[0] = '\0';
  supcon_model *model = small_model(), *loaded = NULL;
  supcon_dataset *dataset = small_dataset(), *folder = NULL;
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.epochs = 1;
  options.batch_size = 16;
  options.stop_on_collapse = 0;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  const char *path = data_path("isolated.safetensors");
  WORKS(supcon_model_save(model, path));
  WORKS(supcon_model_load(NULL, path, NULL, &loaded));
  WORKS(supcon_dataset_from_folder(data_path("folder"), NULL, &folder));
  supcon_dataset_info info;
  supcon_dataset_info_init(&info);
  WORKS(supcon_dataset_get_info(folder, &info));
  watching = 0;
  EXPECT(!forbidden[0], "the library called %s", forbidden);
  supcon_trainer_free(trainer);
  supcon_dataset_free(folder);
  supcon_dataset_free(dataset);
  supcon_model_free(loaded);
  supcon_model_free(model);
}
#endif

/* Where the checkpoints of a run go, and where they have gone. */
struct place {
  const char *folder, *elsewhere;
  int epochs;
};

static int move_away(const supcon_event *event, void *user_data) {
  struct place *place = user_data;
  if (event->kind != SUPCON_EVENT_EPOCH) return 0;
  if (++place->epochs == 2)
    EXPECT(rename(place->folder, place->elsewhere) == 0, "%s cannot be moved", place->folder);
  return 0;
}

static void a_folder_that_vanishes(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_images images = all_images();
  images.count = 1;
  float before[64], after[64];
  WORKS(supcon_model_embed(model, &images, NULL, before, 64));
  struct place place = {data_path("leaves"), data_path("left"), 0};
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.epochs = 5;
  options.batch_size = 16;
  options.stop_on_collapse = 0;
  options.checkpoint_folder = place.folder;
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  REFUSES(supcon_trainer_run(trainer, move_away, &place), IO, "leaves");
  EXPECT(place.epochs == 2, "%d epochs", place.epochs);
  supcon_trainer_free(trainer);
  WORKS(supcon_model_embed(model, &images, NULL, after, 64));
  EXPECT(memcmp(before, after, sizeof before) != 0, "what was learned is lost");
  /* The last checkpoint is whole. */
  options.checkpoint_folder = place.elsewhere;
  options.resume = 1;
  WORKS(supcon_trainer_create(NULL, model, dataset, &options, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}

/* A file system that nobody can write to, whatever the user. */
static void a_folder_that_cannot_be_written(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  REFUSES(supcon_model_save(model, "/proc/self/model.safetensors"), IO, "/proc/self");
  supcon_train_options options;
  supcon_train_options_init(&options);
  options.batch_size = 16;
  supcon_trainer *trainer = NULL;
  const char *folders[] = {"/proc/self/checkpoints", "/proc/self"};
  for (int i = 0; i < 2; ++i) {
    options.checkpoint_folder = folders[i];
    options.epochs = 1;
    forget_error();
    supcon_status status = supcon_trainer_create(NULL, model, dataset, &options, &trainer);
    if (status == SUPCON_OK) status = supcon_trainer_run(trainer, NULL, NULL);
    EXPECT(status == SUPCON_STATUS_IO && strstr(supcon_last_error(), "/proc/self"), "%s (%s)",
           supcon_status_name(status), supcon_last_error());
    supcon_trainer_free(trainer);
    trainer = NULL;
  }
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}

void test_isolation(void) {
#ifndef SANITIZED
  asks_for_nothing();
#endif
  a_folder_that_vanishes();
  a_folder_that_cannot_be_written();
}
