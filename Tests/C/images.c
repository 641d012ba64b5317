/* The images of the tests, and of the IDX files that make_data writes. */
#include "test.h"

uint8_t pixels[IMAGES * SIDE * SIDE];
int64_t labels[IMAGES];

void make_images(void) {
  uint32_t noise = 1;
  for (int i = 0; i < IMAGES; ++i) {
    labels[i] = i % CLASSES;
    for (int y = 0; y < SIDE; ++y)
      for (int x = 0; x < SIDE; ++x) {
        noise = noise * 1664525u + 1013904223u;
        const int ramp = labels[i] == 0 ? 12 * x : labels[i] == 1 ? 12 * (SIDE - 1 - x) : 96;
        pixels[(i * SIDE + y) * SIDE + x] = (uint8_t)(ramp + (int)(noise >> 27));
      }
  }
}
