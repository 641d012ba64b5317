#include "ckernels_pool.h"
#include "bf16.h"
#include "kernel.h"

#include <string.h>

#define T float
#define LOAD(v) (v)
#define STORE(v) (v)
#define NAME(f) f##_f32
#include "pool_kernels.h"
#undef T
#undef LOAD
#undef STORE
#undef NAME

#define T uint16_t
#define LOAD(v) bf16_to_f32(v)
#define STORE(v) f32_to_bf16(v)
#define NAME(f) f##_bf16
#include "pool_kernels.h"
