/* delay: how long a peer's application takes to acknowledge, by the last
 * HS2NI_DELAY_SAMPLES messages.
 *
 * A ring of the newest samples and no decay: when the network changes, half
 * the ring says so after as many messages.  Fixed size, never allocates. */
#ifndef HS2NI_MSG_DELAY_H
#define HS2NI_MSG_DELAY_H

#include <hs2net/types.h>

#define HS2NI_DELAY_SAMPLES 64u

/* All zero is valid and empty. */
struct hs2ni_delay {
  uint32_t us[HS2NI_DELAY_SAMPLES];
  uint32_t n;    /* samples held */
  uint32_t next; /* the place of the next one */
};

void hs2ni_delay_add(struct hs2ni_delay *d, uint32_t us);
/* The least sample that permille of a thousand samples are not above, in ns;
 * 0 when there is none.  permille <= 1000. */
hs2n_time hs2ni_delay_quantile(const struct hs2ni_delay *d, uint32_t permille);

#endif /* HS2NI_MSG_DELAY_H */
