/* line: a link of the world with a rate, a queue, a delay and losses by
 * chance, each way, as lib/sim has it. */
#ifndef LINE_H
#define LINE_H

#include "link_world.h"

struct line {
  uint64_t bytes_per_s;
  uint32_t queue_bytes; /* what does not fit is dropped */
  hs2n_time delay;      /* one way */
  uint32_t loss_ppm;
  hs2n_time busy[2];   /* until then a way has what to carry; 0: from node 0 */
  hs2n_time queued[2]; /* how long the last packet waited for those before it */
  uint64_t dropped[2]; /* by the queue */
};

/* Packets of w go through l, which may be changed on the way. */
void line_lay(struct world *w, struct line *l);
/* Half a round trip's worth of bytes. */
uint32_t line_half_trip(uint64_t bytes_per_s, hs2n_time delay);
/* Runs for length, with more queued on c all the time than is sent. */
void line_fill(struct world_conn *c, uint64_t rank, hs2n_time length);

#endif /* LINE_H */
