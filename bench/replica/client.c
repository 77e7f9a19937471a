#include "client.h"

void rep_status_write(struct rep_writer *w, const struct rep_status *status) {
#define X(field, text) rep_write_be(w, status->field, 8);
  REP_STATUS_LIST(X)
#undef X
}

bool rep_status_read(struct hs2n_span content, struct rep_status *out) {
  struct rep_reader r = rep_reader_of(content);
  struct rep_status status;

#define X(field, text) status.field = rep_read_be(&r, 8);
  REP_STATUS_LIST(X)
#undef X
  if (!rep_reader_done(&r)) {
    return false;
  }
  *out = status;
  return true;
}
