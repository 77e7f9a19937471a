#include "sync.h"

#include <assert.h>

uint32_t rep_sync_choose(const struct rep_sync *s,
                         const struct rep_signers *signers, uint32_t me) {
  const uint32_t skip = s->tries > 0 || s->peer == me ? 1 : 0;

  for (uint32_t i = skip; i < REP_N_MAX + skip; i++) {
    const uint32_t peer = (s->peer + i) % REP_N_MAX;

    if (peer != me && rep_signers_has(signers, peer)) {
      return peer;
    }
  }
  assert(false && "a quorum has a signer besides me");
  return me;
}

void rep_sync_asked(struct rep_sync *s, uint32_t peer,
                    const struct rep_hash *want, hs2n_time deadline) {
  s->open = true;
  s->want = *want;
  s->peer = peer;
  s->deadline = deadline;
}

void rep_sync_helped(struct rep_sync *s, uint64_t height) {
  s->open = false;
  s->tries = 0;
  s->next_height = height + 1;
}

void rep_sync_failed(struct rep_sync *s) {
  s->open = false;
  s->next_height = 0; /* what was got may have been another branch */
  if (s->tries < UINT32_MAX) {
    s->tries++;
  }
}
