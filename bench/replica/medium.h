/* medium: where the bytes of a log are kept: a file (file.h), or what a test
 * or simulator makes up.  Methods that can fail return 0 or an errno value. */
#ifndef REP_MEDIUM_H
#define REP_MEDIUM_H

#include "common.h"

struct rep_medium {
  void *self; /* first argument of each method */

  /* All that is there, borrowed until unmap. */
  int (*map)(void *self, struct hs2n_span *out);
  void (*unmap)(void *self, struct hs2n_span bytes);
  int (*truncate)(void *self, uint64_t len);

  /* Reads exactly len bytes. */
  int (*read)(void *self, uint64_t pos, uint8_t *out, size_t len);

  /* Writes behind the end, which is at pos, and syncs as the medium is made
   * to. */
  int (*append)(void *self, uint64_t pos, struct hs2n_span bytes);
};

#endif /* REP_MEDIUM_H */
