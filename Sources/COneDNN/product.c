#include "signals.h"

#include "onednn_product.h"

#ifdef SUPCON_ONEDNN
#include <oneapi/dnnl/dnnl.h>

void scd_matrix_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                        float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                        float beta, float *c, int64_t ldc) {
  const scd_signals former = scd_hold_signals();
  /* It can only fail on sizes and pointers, which the caller has checked. */
  (void)dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb,
                   beta, c, ldc);
  scd_release_signals(former);
}

int scd_version(void) {
  const dnnl_version_t *v = dnnl_version();
  return v->major * 10000 + v->minor * 100 + v->patch;
}
#else
typedef int supcon_no_onednn;
#endif
