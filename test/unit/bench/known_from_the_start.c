/* For programs that are linked with known.h and do not know it. */
#include "known.h"

__attribute__((constructor)) static void begin(void) {
  known_begin();
}
