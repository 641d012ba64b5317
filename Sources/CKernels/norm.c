#include "ckernels_norm.h"
#include "bf16.h"
#include "kernel.h"

/* The number of rows of a block, of about 16,384 values. */
INLINE int64_t block_rows(int64_t channels) { return channels >= 1024 ? 16 : 16384 / channels; }

#define T float
#define LOAD(v) (v)
#define STORE(v) (v)
#define NAME(f) f##_f32
#include "norm_kernels.h"
#undef T
#undef LOAD
#undef STORE
#undef NAME

#define T uint16_t
#define LOAD(v) bf16_to_f32(v)
#define STORE(v) f32_to_bf16(v)
#define NAME(f) f##_bf16
#include "norm_kernels.h"
