/* A host with a mistake that a sanitizer must see from within the library.
 *   sees address     features that are shorter than their counts say
 *   sees thread      two threads that embed into the same rows */
#include <pthread.h>

#include "../Soak/soak.h"

static supcon_model *model;
static float rows[COUNT * 16];

static void *embed(void *images) {
  /* Often: between two calls the library's own locks put one after the other. */
  for (int i = 0; i < 50; ++i) WORKS(supcon_model_embed(model, images, NULL, rows, COUNT * 16));
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  if (!strcmp(argv[1], "address")) {
    float *features = calloc(COUNT * 16 - 1, sizeof *features);
    for (int i = 0; i < COUNT * 16 - 1; ++i) features[i] = (float)(i % 7);
    (void)small_images();
    WORKS(supcon_loss(NULL, features, COUNT, 1, 16, labels, NULL, NULL, NULL, NULL, NULL));
    free(features);
  } else {
    model = small_model(NULL);
    supcon_images images = small_images();
    pthread_t other;
    if (pthread_create(&other, NULL, embed, &images) != 0) return 2;
    (void)embed(&images);
    pthread_join(other, NULL);
    supcon_model_free(model);
  }
  return 0;
}
