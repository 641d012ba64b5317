/* Versions, statuses, the log, contexts; and NULL wherever a pointer may be passed to something
 * that cannot report an error. */
#include "test.h"

static void versions(void) {
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", SUPCON_VERSION_MAJOR, SUPCON_VERSION_MINOR,
           SUPCON_VERSION_PATCH);
  EXPECT(strcmp(supcon_version(), text) == 0, "header %s, library %s", text, supcon_version());
  EXPECT(supcon_abi_version() == SUPCON_ABI_VERSION, "header %d, library %d", SUPCON_ABI_VERSION,
         supcon_abi_version());
  EXPECT(strstr(supcon_build_info(), text) != NULL, "\"%s\"", supcon_build_info());
  EXPECT(strchr(supcon_build_info(), '\n') == NULL, "more than a line: \"%s\"",
         supcon_build_info());
}

static void status_names(void) {
  static const char *const names[] = {"OK",          "argument", "shape",  "type",
                                      "io",          "format",   "memory", "canceled",
                                      "unsupported", "state",    "fork",   "internal"};
  for (int i = 0; i < 12; ++i)
    EXPECT(strcmp(supcon_status_name(i), names[i]) == 0, "%d is called %s", i,
           supcon_status_name(i));
  EXPECT(strcmp(supcon_status_name(12), "unknown") == 0, "%s", supcon_status_name(12));
  EXPECT(strcmp(supcon_status_name(-1), "unknown") == 0, "%s", supcon_status_name(-1));
}

static int messages;
static void count_message(int32_t level, const char *message, void *user_data) {
  if (level >= SUPCON_LOG_DEBUG && message && message[0] && user_data == &messages) ++messages;
}

static void logging(void) {
  REFUSES(supcon_set_log_callback(count_message, 3, NULL), ARGUMENT, "3");
  REFUSES(supcon_set_log_callback(count_message, -1, NULL), ARGUMENT, "-1");
  WORKS(supcon_set_log_callback(count_message, SUPCON_LOG_DEBUG, &messages));
  supcon_model_free(small_model()); /* says which stem it chose */
  EXPECT(messages > 0, "making a model logged nothing");
  WORKS(supcon_set_log_callback(NULL, SUPCON_LOG_INFO, NULL));
  const int before = messages;
  supcon_model_free(small_model());
  EXPECT(messages == before, "the log still speaks after it was switched off");
}

static void contexts(void) {
  supcon_context *context = NULL;
  WORKS(supcon_context_create(NULL, &context));
  EXPECT(supcon_context_threads(context) >= 1, "%d threads", supcon_context_threads(context));
  EXPECT(supcon_context_threads(context) == supcon_context_threads(NULL),
         "NULL means the defaults");
  supcon_context_free(context);

  supcon_context_options options;
  memset(&options, 0xff, sizeof options);
  supcon_context_options_init(&options);
  EXPECT(options.struct_size == sizeof options && options.threads == 0 && options.memory_limit == 0,
         "init sets every field");
  options.threads = 3;
  WORKS(supcon_context_create(&options, &context));
  EXPECT(supcon_context_threads(context) == 3, "%d threads", supcon_context_threads(context));
  supcon_context_free(context);

  REFUSES(supcon_context_create(NULL, NULL), ARGUMENT, "");
  options.threads = -1;
  REFUSES_HANDLE(supcon_context_create(&options, &context), context, ARGUMENT, "-1");
  options.threads = 1025;
  REFUSES_HANDLE(supcon_context_create(&options, &context), context, ARGUMENT, "1025");
  supcon_context_options_init(&options);
  options.memory_limit = -5;
  REFUSES_HANDLE(supcon_context_create(&options, &context), context, ARGUMENT, "-5");
  supcon_context_options_init(&options);
  for (uint32_t size = 0; size < sizeof options; size += 4) {
    options.struct_size = size;
    REFUSES_HANDLE(supcon_context_create(&options, &context), context, ARGUMENT, "struct_size");
  }
}

/* Nothing here can report an error, so it must simply do nothing. */
static void nulls(void) {
  supcon_context_free(NULL);
  supcon_dataset_free(NULL);
  supcon_model_free(NULL);
  supcon_trainer_free(NULL);
  supcon_trainer_cancel(NULL);
  supcon_context_options_init_sized(NULL, 8);
  supcon_loss_options_init_sized(NULL, 8);
  supcon_loss_result_init_sized(NULL, 8);
  supcon_dataset_options_init_sized(NULL, 8);
  supcon_dataset_info_init_sized(NULL, 8);
  supcon_augmentation_options_init_sized(NULL, 8);
  supcon_model_options_init_sized(NULL, 8);
  supcon_load_options_init_sized(NULL, 8);
  supcon_model_info_init_sized(NULL, 8);
  supcon_embed_options_init_sized(NULL, 8);
  supcon_classifier_options_init_sized(NULL, 8);
  supcon_train_options_init_sized(NULL, 8);
  supcon_search_options_init_sized(NULL, 8);
  supcon_evaluate_options_init_sized(NULL, 8);
  supcon_scores_init_sized(NULL, 8);
  supcon_images_init_sized(NULL, 8, NULL, SUPCON_ELEMENT_U8, SUPCON_LAYOUT_HWC, 1, 1, 1, 1);
  EXPECT(supcon_dataset_class_name(NULL, 0) == NULL, "no data set, no class");
  EXPECT(supcon_dataset_path(NULL, 0) == NULL, "no data set, no path");
  EXPECT(supcon_dataset_skipped(NULL, 0) == NULL, "no data set, no skipped file");
  EXPECT(supcon_model_class_name(NULL, 0) == NULL, "no model, no class");
  EXPECT(supcon_model_output_dimension(NULL, SUPCON_OUTPUT_ENCODER) == 0, "no model, no output");
  EXPECT(supcon_trainer_memory(NULL) == 0, "no trainer, no memory");
  EXPECT(supcon_trainer_batch_size(NULL) == 0, "no trainer, no batch");
}

void test_general(void) {
  EXPECT(supcon_last_error()[0] == '\0', "an error before any call: %s", supcon_last_error());
  versions();
  status_names();
  contexts();
  nulls();
  logging();
}
