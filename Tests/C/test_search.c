/* The search for a learning rate. */
#include <math.h>
#include <string.h>

#include "test.h"

struct trials {
  int count, stop_at;
  double rates[16], scores[16];
};
static int on_trial(const supcon_trial *trial, void *user_data) {
  struct trials *trials = user_data;
  EXPECT(trial->struct_size >= sizeof *trial && trial->steps >= 20 && trial->judges == 0 &&
             trial->seconds > 0 && isnan(trial->accuracy),
         "%u, %lld steps, %lld judges", trial->struct_size, (long long)trial->steps,
         (long long)trial->judges);
  if (trials->count < 16) {
    trials->rates[trials->count] = trial->learning_rate;
    trials->scores[trials->count] = trial->score;
  }
  return ++trials->count == trials->stop_at ? 7 : 0;
}

/* The rate that short runs find. Of so few images none is held out, and the loss judges. */
void test_search(void) {
  supcon_model *model = small_model();
  supcon_dataset *dataset = small_dataset();
  supcon_train_options options = small_train_options();
  supcon_search_options limits;
  supcon_search_options_init(&limits);
  EXPECT(limits.seconds == 600 && !limits.trial && !limits.user_data, "%g", limits.seconds);
  struct trials trials[2] = {{0}};
  double rates[2] = {0};
  const supcon_images images = all_images();
  float before[IMAGES * 64], after[IMAGES * 64];
  WORKS(supcon_model_embed(model, &images, NULL, before, IMAGES * 64));
  limits.trial = on_trial;
  for (int i = 0; i < 2; ++i) {
    limits.user_data = &trials[i];
    WORKS(supcon_find_learning_rate(NULL, model, dataset, &options, NULL, &limits, &rates[i]));
  }
  int found = -1;
  for (int i = 0; i < trials[0].count; ++i) {
    if (trials[0].rates[i] == rates[0]) found = i;
    EXPECT(trials[0].rates[i] == trials[1].rates[i] && trials[0].scores[i] == trials[1].scores[i],
           "trial %d differs: %g, %g", i, trials[0].scores[i], trials[1].scores[i]);
  }
  EXPECT(found >= 0 && rates[0] == rates[1] && trials[0].count == trials[1].count &&
             trials[0].count >= 5 && trials[0].count <= 8,
         "%g and %g of %d trials", rates[0], rates[1], trials[0].count);
  for (int i = 0; found >= 0 && i < trials[0].count; ++i)
    EXPECT(trials[0].scores[i] <= trials[0].scores[found], "rate %g is better than %g",
           trials[0].rates[i], rates[0]);
  WORKS(supcon_model_embed(model, &images, NULL, after, IMAGES * 64));
  EXPECT(memcmp(before, after, sizeof before) == 0, "the search has changed the model");

  double rate = -1;
  struct trials stopped = {.stop_at = 2};
  limits.user_data = &stopped;
#define REFUSES_SEARCH(statuses, word)                                                     \
  REFUSES(supcon_find_learning_rate(NULL, model, dataset, &options, NULL, &limits, &rate), \
          statuses, word)
  REFUSES_SEARCH(BIT(SUPCON_STATUS_CANCELED), "learning rate 0.01");
  EXPECT(stopped.count == 2, "%d trials", stopped.count);
  limits.trial = NULL;
  limits.seconds = 1e-9;
  REFUSES_SEARCH(STATE, "more seconds");
  limits.seconds = -1;
  REFUSES_SEARCH(ARGUMENT, "seconds is -1.0; expected a number above 0");
  limits.seconds = 600;
  limits.reserved = 1;
  REFUSES_SEARCH(ARGUMENT, "reserved");
  limits.reserved = 0;
  limits.struct_size = 9;
  REFUSES_SEARCH(ARGUMENT, "struct_size");
  supcon_search_options_init(&limits);
  options.batch_size = 3 * IMAGES;
  REFUSES_SEARCH(STATE, "fewer than one batch");
  options.batch_size = 32;
  supcon_collectives none;
  supcon_collectives_init(&none);
  REFUSES(supcon_find_learning_rate(NULL, model, dataset, &options, &none, NULL, &rate), ARGUMENT,
          "all_reduce_sum is NULL");
  REFUSES(supcon_find_learning_rate(NULL, NULL, dataset, &options, NULL, NULL, &rate), ARGUMENT,
          "model");
  REFUSES(supcon_find_learning_rate(NULL, model, NULL, &options, NULL, NULL, &rate), ARGUMENT,
          "dataset");
  REFUSES(supcon_find_learning_rate(NULL, model, dataset, &options, NULL, NULL, NULL), ARGUMENT,
          "learning_rate");
  EXPECT(rate == -1, "a failed search has written %g", rate);
  supcon_dataset_free(dataset);
  supcon_model_free(model);
}
