/* The loops that have to be fast, in C: Swift cannot yet choose instructions at run time. Every
 * function works on plain memory, checks nothing, allocates nothing, and runs on the calling
 * thread. Most are compiled three times (AVX-512, AVX2, baseline x86-64), of which kernel.h chooses
 * one; those of ckernels_pairs.h need instructions that few CPUs have. */
#ifndef SUPCON_CKERNELS_H
#define SUPCON_CKERNELS_H
#include "ckernels_convert.h"
#include "ckernels_evaluation.h"
#include "ckernels_files.h"
#include "ckernels_filter.h"
#include "ckernels_image.h"
#include "ckernels_int8.h"
#include "ckernels_last_error.h"
#include "ckernels_loss.h"
#include "ckernels_machine.h"
#include "ckernels_nearest.h"
#include "ckernels_norm.h"
#include "ckernels_normal.h"
#include "ckernels_optimizer.h"
#include "ckernels_pack.h"
#include "ckernels_pairs.h"
#include "ckernels_pixels.h"
#include "ckernels_policy.h"
#include "ckernels_pool.h"
#include "ckernels_winograd.h"
#include "ckernels_workers.h"
#endif
