#include "msg/delay.h"

#include <assert.h>
#include <string.h>

void hs2ni_delay_add(struct hs2ni_delay *d, uint32_t us) {
  d->us[d->next] = us > 0 ? us : 1; /* 0 would say: none */
  d->next = (d->next + 1) % HS2NI_DELAY_SAMPLES;
  if (d->n < HS2NI_DELAY_SAMPLES) {
    d->n++;
  }
}

/* Insertion sort: few samples, and mostly near each other. */
static void sort(uint32_t *v, uint32_t n) {
  for (uint32_t i = 1; i < n; i++) {
    const uint32_t x = v[i];
    uint32_t at = i;

    for (; at > 0 && v[at - 1] > x; at--) {
      v[at] = v[at - 1];
    }
    v[at] = x;
  }
}

hs2n_time hs2ni_delay_quantile(const struct hs2ni_delay *d, uint32_t permille) {
  uint32_t sorted[HS2NI_DELAY_SAMPLES];
  uint32_t rank;

  assert(permille <= 1000);
  if (d->n == 0) {
    return 0;
  }
  memcpy(sorted, d->us, d->n * sizeof(sorted[0]));
  sort(sorted, d->n);
  rank = (d->n * permille + 999) / 1000; /* how many are to be covered */
  return HS2N_US(sorted[rank > 0 ? rank - 1 : 0]);
}
