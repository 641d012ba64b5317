#include "signals.h"

#include "onednn_product.h"

#ifdef SUPCON_ONEDNN
#include <oneapi/dnnl/dnnl.h>

/* The product without memory, for when oneDNN gets none for its copies of A and B. */
static void plain_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                          float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                          float beta, float *c, int64_t ldc) {
  for (int64_t i = 0; i < m; i++) {
    float *row = c + i * ldc;
    for (int64_t j = 0; j < n; j++) row[j] = beta == 0 ? 0 : beta * row[j];
    for (int64_t l = 0; l < k; l++) {
      const float factor = alpha * (transpose_a ? a[l * lda + i] : a[i * lda + l]);
      const float *other = transpose_b ? b + l : b + l * ldb;
      const int64_t step = transpose_b ? ldb : 1;
      for (int64_t j = 0; j < n; j++) row[j] += factor * other[j * step];
    }
  }
}

void scd_prepare_products(void) {
  const float a[2] = {0}, b[2] = {0};
  float c[4] = {0};
  /* The smallest products that generate all there is: of vectors, and of matrices whose second is
   * not transposed, and is. */
  scd_matrix_product(0, 0, 1, 1, 1, 1, a, 1, b, 1, 0, c, 1);
  scd_matrix_product(0, 0, 2, 2, 1, 1, a, 1, b, 2, 0, c, 2);
  scd_matrix_product(0, 1, 2, 1, 1, 1, a, 1, b, 1, 0, c, 1);
  scd_matrix_product(1, 0, 2, 2, 1, 1, a, 2, b, 2, 1, c, 2);
}

void scd_matrix_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                        float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                        float beta, float *c, int64_t ldc) {
  const scd_signals former = scd_hold_signals();
  const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k,
                                          alpha, a, lda, b, ldb, beta, c, ldc);
  scd_release_signals(former);
  /* The caller has checked sizes and pointers: what it can lack is memory, before it begins. */
  if (status != dnnl_success)
    plain_product(transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

int scd_version(void) {
  const dnnl_version_t *v = dnnl_version();
  return v->major * 10000 + v->minor * 100 + v->patch;
}
#else
typedef int supcon_no_onednn;
#endif
