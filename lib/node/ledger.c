#include "node/ledger.h"

#include <assert.h>

static void *ledger_alloc(void *user_data, size_t len) {
  struct hs2ni_ledger *l = user_data;
  void *ptr;

  if (len > l->max_bytes - l->live_bytes) {
    l->refused++;
    return NULL;
  }
  ptr = l->inner->alloc(l->inner->user_data, len);
  l->asked++;
  if (ptr == NULL) {
    hs2ni_record_pair(l->recorder, HS2N_RECORD_NO_MEMORY, l->asked - 1, 0);
  } else {
    l->live_bytes += len;
    if (l->live_bytes > l->peak_bytes) {
      l->peak_bytes = l->live_bytes;
    }
  }
  return ptr;
}

static void ledger_release(void *user_data, void *ptr, size_t len) {
  struct hs2ni_ledger *l = user_data;

  if (ptr != NULL) {
    assert(len <= l->live_bytes);
    l->live_bytes -= len;
    l->inner->release(l->inner->user_data, ptr, len);
  }
}

void hs2ni_ledger_init(struct hs2ni_ledger *ledger,
                       const struct hs2n_mem *inner, uint64_t max_bytes) {
  *ledger = (struct hs2ni_ledger){
      .mem = {.user_data = ledger,
              .alloc = ledger_alloc,
              .release = ledger_release},
      .inner = inner,
      .max_bytes = max_bytes,
  };
}
