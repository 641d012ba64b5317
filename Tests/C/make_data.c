/* Writes small data sets for the tests into the folder it is given: IDX files (plain, gzipped,
 * truncated), a folder of PNG and JPEG images of two classes with two broken files among them. By
 * libpng, libjpeg-turbo and zlib, not by the library under test. */
#define _POSIX_C_SOURCE 200809L
#include <png.h>
#include <sys/stat.h>
#include <turbojpeg.h>
#include <zlib.h>

#include "test.h"

const char *data_folder;

static void must(int condition, const char *what) {
  if (condition) return;
  perror(what);
  exit(1);
}

static char *path(const char *name) {
  static char text[1024];
  snprintf(text, sizeof text, "%s/%s", data_folder, name);
  return text;
}

static void write_all(const char *name, const void *bytes, size_t count) {
  FILE *file = fopen(path(name), "wb");
  must(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0, name);
}

static void write_idx(void) {
  enum { HEADER = 16 };
  static uint8_t images[HEADER + sizeof pixels] = {0, 0, 8, 3,    0, 0, 0, IMAGES,
                                                   0, 0, 0, SIDE, 0, 0, 0, SIDE};
  uint8_t classes[8 + IMAGES] = {0, 0, 8, 1, 0, 0, 0, IMAGES};
  make_images();
  memcpy(images + HEADER, pixels, sizeof pixels);
  for (int i = 0; i < IMAGES; ++i) classes[8 + i] = (uint8_t)labels[i];
  write_all("images.idx", images, sizeof images);
  write_all("labels.idx", classes, sizeof classes);
  static uint8_t packed[2 * sizeof images];
  gzFile file = gzopen(path("images.idx.gz"), "wb");
  must(file && gzwrite(file, images, sizeof images) == (int)sizeof images && gzclose(file) == Z_OK,
       "images.idx.gz");
  FILE *plain = fopen(path("images.idx.gz"), "rb");
  must(plain != NULL, "images.idx.gz");
  const size_t count = fread(packed, 1, sizeof packed, plain);
  fclose(plain);
  write_all("truncated.idx.gz", packed, count / 2);
}

/* 20×20 (or 28×20) RGB, reddish or bluish, with some noise. */
static void write_image(const char *class_name, int red, int number) {
  uint8_t rgb[28 * 20 * 3];
  const int width = number % 3 ? 20 : 28;
  uint32_t noise = (uint32_t)(number * 2 + red + 1);
  for (int p = 0; p < width * 20 * 3; ++p) {
    noise = noise * 1664525u + 1013904223u;
    rgb[p] = (uint8_t)((p % 3 == (red ? 0 : 2) ? 180 : 40) + (int)(noise >> 26));
  }
  char name[64];
  snprintf(name, sizeof name, "folder/%s/%d.%s", class_name, number, number % 2 ? "jpg" : "png");
  if (number % 2 == 0) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = 20,
                       .format = PNG_FORMAT_RGB};
    must(png_image_write_to_file(&image, path(name), 0, rgb, 0, NULL), name);
    return;
  }
  tjhandle compressor = tjInitCompress();
  unsigned char *bytes = NULL;
  unsigned long count = 0;
  must(compressor && tjCompress2(compressor, rgb, width, 0, 20, TJPF_RGB, &bytes, &count,
                                 TJSAMP_444, 90, 0) == 0,
       name);
  write_all(name, bytes, count);
  tjFree(bytes);
  tjDestroy(compressor);
}

int main(int argc, char **argv) {
  must(argc == 2, "usage: make_data FOLDER");
  data_folder = argv[1];
  const char *const folders[] = {"", "folder", "folder/red", "folder/blue", "empty", "no_room"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i) mkdir(path(folders[i]), 0777);
  write_idx();
  for (int i = 0; i < 12; ++i) {
    write_image("red", 1, i);
    write_image("blue", 0, i);
  }
  static const char broken[] =
      "\x89PNG\r\n\x1a\n and then nothing that a decoder would like to see";
  write_all("folder/red/broken.png", broken, sizeof broken);
  write_all("folder/blue/broken.jpg", "\xff\xd8\xff\xe0\x00\x10JFIF", 10);
  return 0;
}
