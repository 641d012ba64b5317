#include "onednn_level.h"

#ifdef SUPCON_ONEDNN
#include <oneapi/dnnl/dnnl.h>

int scd_limit_instruction_set(int level) {
  if (level >= 2) return 0;
  return dnnl_set_max_cpu_isa(level <= 0 ? dnnl_cpu_isa_sse41 : dnnl_cpu_isa_avx2) != dnnl_success;
}
#else
int scd_limit_instruction_set(int level) {
  (void)level;
  return 0;
}
#endif
