#ifndef SUPCON_ONEDNN_SHIM_H
#define SUPCON_ONEDNN_SHIM_H
#include "onednn_convolution.h"
#include "onednn_level.h"
#include "onednn_pool.h"
#include "onednn_product.h"
#endif
