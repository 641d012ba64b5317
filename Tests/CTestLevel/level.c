#include "ctestlevel.h"

#include "ckernels_machine.h"
#include "onednn_level.h"

#include <stdio.h>
#include <stdlib.h>

static int requested = -1;

int ctl_requested_level(void) { return requested; }

/* Before main, for nothing of the library may have run. Whoever asks for a level and gets another
 * would test what he did not mean to: the process ends. */
__attribute__((constructor)) static void set_level(void) {
  const char *text = getenv("SUPCON_TEST_LEVEL");
  if (!text || !*text) return;
  if (text[0] < '0' || text[0] > '2' || text[1]) {
    fprintf(stderr, "SUPCON_TEST_LEVEL is \"%s\"; 0, 1 or 2 was expected\n", text);
    exit(2);
  }
  requested = text[0] - '0';
  sc_limit_instruction_set(requested);
  if (sc_instruction_level() != requested) {
    fprintf(stderr, "SUPCON_TEST_LEVEL is %d, but this CPU lacks that level\n", requested);
    exit(2);
  }
  if (scd_limit_instruction_set(requested)) {
    fprintf(stderr, "oneDNN refuses to be limited to SUPCON_TEST_LEVEL=%d\n", requested);
    exit(2);
  }
}
