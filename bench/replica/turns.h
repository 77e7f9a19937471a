/* turns: who leads which view.
 *
 * A view that is entered by a time-out certificate is led in round robin, by
 * rep_leader.  A view that is entered by the certificate of a block is led, as
 * long as views follow each other without a gap, by one of those who signed
 * the certificate inside that block: they were alive two views ago.  So a dead
 * replica loses its turns with the first view that it spoils, and has them
 * again when it signs again.  (The idea is that of Carousel: Cohen et al.,
 * "Be Aware of Your Leaders", FC 2022.)
 *
 * Safety does not depend on turns at all: a replica votes once in a view and
 * never below its lock, whoever proposes, so that no view has two certified
 * blocks even if every replica took another one for its leader.
 *
 * Agreement.  The choice is a function of the block and its ancestors, which
 * everybody who votes for it has: all votes go to one replica, and it knows.
 *
 * Liveness.  The choice by signers begins at the third block of consecutive
 * views, which itself commits the first.  Up to there turns are round robin,
 * and among n > 3f replicas some three in a row are correct: after a failed
 * view at least one block is committed within n further ones, as with round
 * robin alone, even if the adversary spoils every view that signers lead.
 *
 * Fairness.  A leader picks the signers, so f liars could pass the turn among
 * themselves.  Hence the proposers of the last f blocks are left out: of f+1
 * blocks in a row one is from a correct replica.  f+1 candidates remain. */
#ifndef REP_TURNS_H
#define REP_TURNS_H

#include "block.h"

#define REP_TURNS_RUN 3
#define REP_AUTHORS_MAX ((REP_N_MAX - 1) / 3)

/* What turns depend on besides a block itself: its ancestors, and it.  The
 * zero value is that of genesis. */
struct rep_line {
  uint8_t run; /* blocks of consecutive views up to it, at most REP_TURNS_RUN */
  uint8_t authors_count;            /* the last f at most */
  uint8_t authors[REP_AUTHORS_MAX]; /* newest first */
};

/* Makes the line of a block from that of its parent. */
void rep_line_extend(struct rep_line *line, const struct rep_committee *c,
                     bool consecutive, uint32_t author);

/* Who leads the view after a block of this line, which carries the
 * certificate justify, when it is entered by the certificate of the block. */
uint32_t rep_line_leader(const struct rep_line *line,
                         const struct rep_committee *c,
                         const struct rep_cert *justify, uint64_t view);

static inline bool rep_is_consecutive(const struct rep_block *block) {
  return block->justify->view + 1 == block->view;
}

#endif /* REP_TURNS_H */
