/* Convolutions by oneDNN, 2.x or 3.x: no other file includes dnnl.h. Activations are plain NHWC;
 * weights are kept in the engine's own order ("packed"), in memory that the caller owns. A
 * primitive is used by one thread at a time and computes on the calling thread's OpenMP team. */
#ifndef SUPCON_ONEDNN_CONVOLUTION_H
#define SUPCON_ONEDNN_CONVOLUTION_H
#include <stddef.h>
#include <stdint.h>

enum { SCD_F32 = 0, SCD_BF16 = 1 };

typedef struct scd_convolution_shape {
  int64_t images, height, width, inputs;  /* x [images, height, width, inputs] */
  int64_t out_height, out_width, outputs; /* y [images, out_height, out_width, outputs] */
  int64_t kernel, stride, padding;        /* weights [outputs, inputs / groups, kernel, kernel] */
  int64_t groups;
  int type; /* of x, y and their gradients: SCD_F32 or SCD_BF16 */
} scd_convolution_shape;

enum {
  SCD_FORWARD = 0,         /* y = conv(x, w) */
  SCD_INPUT_GRADIENT = 1,  /* dx from dy and w */
  SCD_WEIGHT_GRADIENT = 2, /* dw (f32) from x and dy */
  SCD_INFERENCE = 3        /* y = conv(x, w) + bias */
};
enum { SCD_RELU = 1, SCD_ADD_TO_OUTPUT = 2 }; /* INFERENCE: y = relu?(conv(x, w) + bias + y?) */

/* INFERENCE in int8, of integers in bytes: y = saturate(round(relu?(scales[o] conv(x, w) + bias[o]
 * + residual_scale y?))), w from -127 to 127. */
typedef struct scd_quantization {
  int x_signed, y_signed; /* 1: -128 to 127; 0: 0 to 255 */
  int residual_signed;    /* of the previous contents of y, with ADD_TO_OUTPUT */
  float residual_scale;
  const float *scales; /* [outputs], not 0 */
} scd_quantization;

typedef struct scd_convolution scd_convolution;

/* Returns 0, or oneDNN's status with *convolution NULL. quantization: NULL except for int8, where
 * shape->type is not used. threads: the team size that it is planned for. like: NULL, or a
 * convolution for another number of images, whose packed weights it must accept, or produce. */
int scd_convolution_create(const scd_convolution_shape *shape, int what, int fused,
                           const scd_quantization *quantization, int threads,
                           const scd_convolution *like, scd_convolution **convolution);
/* Makes another convolution for another thread, which computes the same to the last bit: oneDNN may
 * choose another implementation for one that is created with `like`. Returns as
 * scd_convolution_create. */
int scd_convolution_copy(const scd_convolution *of, scd_convolution **convolution);
void scd_convolution_free(scd_convolution *convolution);
size_t scd_convolution_packed_bytes(const scd_convolution *convolution); /* of w, or of dw */
size_t scd_convolution_scratch_bytes(const scd_convolution *convolution);
/* Returns 1 if different threads may pack parts of w; else there is one part. */
int scd_convolution_packs_parts(const scd_convolution *convolution);
/* Packs part number `part` of `parts` of w [outputs, inputs / groups, kernel, kernel] f32; for int8
 * the values are integers. */
int scd_convolution_pack(scd_convolution *convolution, const float *weights, void *packed, int part,
                         int parts);
/* Converts the bias [outputs] of an int8 convolution to the form that run takes. */
void scd_convolution_prepare_bias(const scd_convolution *convolution, float *bias);
/* Unpacks dw to [outputs, inputs / groups, kernel, kernel] f32. */
int scd_convolution_unpack(scd_convolution *convolution, const void *packed, float *weights);
/* FORWARD: (x, w, -, y). INPUT_GRADIENT: (dx, w, -, dy). WEIGHT_GRADIENT: (x, dw, -, dy).
 * INFERENCE: (x, w, bias, y). */
int scd_convolution_run(scd_convolution *convolution, void *x, void *weights, const float *bias,
                        void *y, void *scratch);

/* Sets the calling thread's OpenMP team for the following calls and returns the previous setting,
 * to be passed to scd_leave. */
int scd_enter(int threads);
void scd_leave(int former);
#endif
