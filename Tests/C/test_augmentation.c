/* Views: in range, the same again for the same key, others for another; and what is refused. */
#include "test.h"

void test_augmentation(void) {
  enum { VIEW = 12, NUMBERS = IMAGES * VIEW * VIEW };
  static float views[NUMBERS], again[NUMBERS];
  supcon_images images = all_images();
  supcon_augmentation_options options;
  supcon_augmentation_options_init(&options);
  EXPECT(options.struct_size == sizeof options && options.kind == SUPCON_AUGMENTATION_SIMCLR,
         "the default is SimCLR's");
  WORKS(supcon_augment(NULL, &images, &options, 5, 1, 0, VIEW, VIEW, views));
  int outside = 0;
  for (int i = 0; i < NUMBERS; ++i) outside += !(views[i] >= 0 && views[i] <= 1);
  EXPECT(outside == 0, "%d numbers outside 0…1", outside);
  WORKS(supcon_augment(NULL, &images, NULL, 5, 1, 0, VIEW, VIEW, again));
  EXPECT(memcmp(views, again, sizeof views) == 0, "the same key gave other views");
  WORKS(supcon_augment(NULL, &images, &options, 5, 1, 1, VIEW, VIEW, again));
  EXPECT(memcmp(views, again, sizeof views) != 0, "another view is the same");

  const unsigned sizes = ARGUMENT | SHAPE;
  views[0] = 42;
#define REFUSES_VIEW(change, statuses, word)                                                      \
  do {                                                                                            \
    supcon_augmentation_options_init(&options);                                                   \
    change;                                                                                       \
    REFUSES(supcon_augment(NULL, &images, &options, 5, 1, 0, VIEW, VIEW, views), statuses, word); \
  } while (0)
  REFUSES_VIEW(options.kind = 9, ARGUMENT, "9");
  REFUSES_VIEW(options.crop_scale_min = -1, ARGUMENT, "crop_scale");
  REFUSES_VIEW((options.crop_scale_min = 0.9f, options.crop_scale_max = 0.5f), ARGUMENT,
               "crop_scale");
  REFUSES_VIEW(options.crop_ratio_min = 0, ARGUMENT, "crop_ratio");
  REFUSES_VIEW(options.flip_probability = 2, ARGUMENT, "flip_probability");
  REFUSES_VIEW(options.jitter_probability = NAN, ARGUMENT, "jitter_probability");
  REFUSES_VIEW(options.hue = 0.6f, ARGUMENT, "hue");
  for (uint32_t size = 0; size < sizeof options; size += 4)
    REFUSES_VIEW(options.struct_size = size, ARGUMENT, "struct_size");
  REFUSES(supcon_augment(NULL, NULL, NULL, 5, 1, 0, VIEW, VIEW, views), ARGUMENT, "images");
  REFUSES(supcon_augment(NULL, &images, NULL, 5, 1, 0, VIEW, VIEW, NULL), ARGUMENT, "views");
  REFUSES(supcon_augment(NULL, &images, NULL, 5, 1, 0, 0, VIEW, views), sizes, "0");
  REFUSES(supcon_augment(NULL, &images, NULL, 5, 1, 0, VIEW, -3, views), sizes, "-3");
  REFUSES(supcon_augment(NULL, &images, NULL, 5, 1, 0, INT64_MAX, INT64_MAX, views), sizes | MEMORY,
          "");
  REFUSES(supcon_augment(NULL, &images, NULL, 5, -1, 0, VIEW, VIEW, views), ARGUMENT, "-1");
  images.element_type = 7;
  REFUSES(supcon_augment(NULL, &images, NULL, 5, 1, 0, VIEW, VIEW, views), TYPE, "7");
  EXPECT(views[0] == 42, "a failed call changed the views");
}
