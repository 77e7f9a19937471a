/* sync: whom to ask for missing blocks, and when to ask somebody else.
 *
 * One question is open at a time.  It goes to the signers of the certificate
 * that names the missing block, one after the other: f+1 of them are honest,
 * had the block when they voted, and keep it until a later one is certified. */
#ifndef REP_SYNC_H
#define REP_SYNC_H

#include "common.h"

struct rep_sync {
  uint64_t id;   /* of the open or last question */
  uint32_t peer; /* who is asked */
  bool open;
  uint32_t tries;       /* in a row without an answer of use */
  struct rep_hash want; /* of which the asker held the certificate */
  hs2n_time deadline;   /* when another one is asked */
  uint64_t next_height; /* where the last answer ended, + 1; 0: none */
};

/* The signer to ask: the one after the last asked, or again the last one
 * while it answers.  Never me.  signers has another member than me. */
uint32_t rep_sync_choose(const struct rep_sync *s,
                         const struct rep_signers *signers, uint32_t me);

/* A question for the blocks up to want was sent. */
void rep_sync_asked(struct rep_sync *s, uint32_t peer,
                    const struct rep_hash *want, hs2n_time deadline);

/* An answer was of use, and ended at this height. */
void rep_sync_helped(struct rep_sync *s, uint64_t height);

/* No answer of use came: the next question goes to another. */
void rep_sync_failed(struct rep_sync *s);

#endif /* REP_SYNC_H */
