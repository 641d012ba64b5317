/* A run that is killed again and again ends with the bytes of one that was not.
 *   kill CASE THREADS PRECISION FOLDER KILLS [SEED]
 * CASE: sgd, adamw, ema, queue, chunks, joint, rmsprop, lars. A child trains and keeps checkpoints;
 * it is killed at a random moment and started again with resume, KILLS times, and then runs to its
 * end. */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

static int run(int argc, char **argv) {
  (void)argc;
  const char *name = argv[2];
  supcon_context_options how;
  supcon_context_options_init(&how);
  how.threads = atoi(argv[3]);
  supcon_context *context = NULL;
  WORKS(supcon_context_create(&how, &context));
  supcon_model_options options = small_model_options();
  options.precision = !strcmp(argv[4], "bf16") ? SUPCON_PRECISION_BF16 : SUPCON_PRECISION_F32;
  supcon_model *model = NULL;
  const supcon_status made = supcon_model_create(context, &options, &model);
  if (made == SUPCON_STATUS_UNSUPPORTED) return 77; /* this CPU has no bf16 */
  WORKS(made);
  supcon_train_options train = small_train_options();
  train.epochs = atoi(argv[7]);
  train.resume = 1;
  train.checkpoint_folder = argv[5];
  if (!strcmp(name, "adamw")) train.optimizer = SUPCON_OPTIMIZER_ADAMW;
  if (!strcmp(name, "rmsprop")) train.optimizer = SUPCON_OPTIMIZER_RMSPROP;
  if (!strcmp(name, "lars")) train.optimizer = SUPCON_OPTIMIZER_LARS;
  if (!strcmp(name, "ema")) train.ema_decay = 0.9;
  if (!strcmp(name, "chunks")) train.chunk_size = 4;
  if (!strcmp(name, "joint")) train.joint_classifier = 1;
  if (!strcmp(name, "queue")) {
    train.queue_mode = SUPCON_QUEUE_POSITIVES_AND_NEGATIVES;
    train.queue_size = 32;
  }
  supcon_dataset *dataset = small_dataset();
  supcon_trainer *trainer = NULL;
  WORKS(supcon_trainer_create(context, model, dataset, &train, &trainer));
  WORKS(supcon_trainer_run(trainer, NULL, NULL));
  WORKS(supcon_model_save(model, argv[6]));
  supcon_trainer_free(trainer);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
  supcon_context_free(context);
  return 0;
}

static const char *self;
static pid_t start(char **argv, const char *folder, const char *model, const char *epochs) {
  const pid_t child = fork();
  if (child == 0) {
    execl(self, self, "--run", argv[1], argv[2], argv[3], folder, model, epochs, (char *)NULL);
    _exit(127);
  }
  return child;
}

static int temporary_files(const char *folder) {
  int found = 0;
  DIR *stream = opendir(folder);
  for (struct dirent *entry; stream && (entry = readdir(stream));)
    found += !strncmp(entry->d_name, ".supcon-", 8);
  if (stream) closedir(stream);
  return found;
}

int main(int argc, char **argv) {
  if (argc > 7 && !strcmp(argv[1], "--run")) return run(argc, argv);
  if (argc < 6) return 2;
  self = argv[0];
  const int kills = atoi(argv[5]);
  uint64_t random = argc > 6 ? strtoull(argv[6], NULL, 10) : 1;
  char straight[4200], killed[4200], first[4200], second[4200];
  mkdir(argv[4], 0777);
  snprintf(straight, sizeof straight, "%.4000s/straight", argv[4]);
  snprintf(killed, sizeof killed, "%.4000s/killed", argv[4]);
  snprintf(first, sizeof first, "%.4000s/first.safetensors", argv[4]);
  snprintf(second, sizeof second, "%.4000s/second.safetensors", argv[4]);
  const char *epochs = "12";
  int status = 0, hits = 0, left = 0;
  const double before = seconds();
  waitpid(start(argv, straight, first, epochs), &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    printf("%s %s threads %s: not on this CPU\n", argv[1], argv[2], argv[3]);
    return 0;
  }
  DEMAND(status == 0, "the straight run ended with %d", status);
  const double whole = seconds() - before;
  for (int i = 0; i < kills; ++i) {
    const pid_t child = start(argv, killed, second, epochs);
    usleep((useconds_t)(whole * 1e6 * (double)below(&random, 1000) / 1000));
    if (below(&random, 10) == 0) { /* from the start again now and then, or it is soon over */
      char last[4300];
      snprintf(last, sizeof last, "%s/last.supcon", killed);
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      unlink(last);
    } else {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
    }
    hits += WIFSIGNALED(status);
    DEMAND(WIFSIGNALED(status) || status == 0, "a resumed run ended with %d", status);
    const int found = temporary_files(killed);
    if (found > left) left = found;
  }
  waitpid(start(argv, killed, second, epochs), &status, 0);
  DEMAND(status == 0, "the last run ended with %d", status);
  size_t sizes[2] = {0, 0};
  uint8_t *bytes[2] = {read_file(first, &sizes[0]), read_file(second, &sizes[1])};
  DEMAND(sizes[0] == sizes[1] && sizes[0] > 0 && !memcmp(bytes[0], bytes[1], sizes[0]),
         "the models differ");
  printf(
      "%s %s threads %s: %d kills, the same bytes; at most %d temporary files at a time, %d at "
      "the end\n",
      argv[1], argv[3], argv[2], hits, left, temporary_files(killed));
  DEMAND(temporary_files(killed) == 0, "temporary files are left");
  return 0;
}
