/* A host that opens the library and closes it, while a thread that had an error lives on; three
 * times. unload LIBRARY       (not linked with it) */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t barrier;

static void *fail_once(void *library) {
  int (*save)(const void *, const char *) =
      (int (*)(const void *, const char *))dlsym(library, "supcon_model_save");
  const int status = save ? save(NULL, NULL) : -1;
  pthread_barrier_wait(&barrier); /* now it is closed */
  pthread_barrier_wait(&barrier);
  return status == 1 ? NULL : library;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  pthread_barrier_init(&barrier, NULL, 2);
  for (int i = 0; i < 3; ++i) {
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL), *again = dlopen(argv[1], RTLD_NOW);
    if (!library || library != again) return puts("it cannot be opened twice"), 1;
    pthread_t thread;
    void *wrong = library;
    if (pthread_create(&thread, NULL, fail_once, library)) return 1;
    pthread_barrier_wait(&barrier);
    dlclose(again);
    dlclose(library);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, &wrong);
    if (wrong) return puts("no error came"), 1;
  }
  puts("unload: fine");
  return 0;
}
