/* Matrix products by oneDNN: its AVX-512 kernels need no table of known CPUs, and its threads are
 * the calling thread's own team. */
#ifndef SUPCON_ONEDNN_PRODUCT_H
#define SUPCON_ONEDNN_PRODUCT_H
#include <stdint.h>

/* C <- alpha op(A) op(B) + beta C, row-major f32: op(A) [m, k], op(B) [k, n], C [m, n];
 * transpose_a, transpose_b: 0 or 1; lda, ldb, ldc: row strides as stored. */
void scd_matrix_product(int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                        float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                        float beta, float *c, int64_t ldc);

/* Has oneDNN generate the code of its products, which takes 20 MB, does not fail, and ends the
 * process where there is no memory. */
void scd_prepare_products(void);

/* Returns the version of the loaded oneDNN: major * 10000 + minor * 100 + patch. */
int scd_version(void);
#endif
