/* screen: what a run shows while it goes on: on a terminal a table that is
 * redrawn in place, else one line a second. */
#ifndef CLUSTER_SCREEN_H
#define CLUSTER_SCREEN_H

#include <hs2net/types.h>
#include <stdbool.h>

struct cluster;

struct screen {
  bool terminal;
  uint32_t lines; /* of the table that is on the screen */
  hs2n_time next; /* when to draw again */
  hs2n_time drawn;
  uint64_t txs_drawn; /* committed then */
};

void screen_init(struct screen *s);

/* Draws if it is time. */
void screen_draw(struct cluster *c, hs2n_time now);

/* A line that stays, above the table. */
void screen_say(struct cluster *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes the table away. */
void screen_clear(struct cluster *c);

/* "1 234 567" into out. */
const char *screen_count(uint64_t value, char out[32]);
/* "340 us", "2.31 ms", "1.20 s" into out. */
const char *screen_time(uint64_t ns, char out[32]);
/* "1.2 MB" into out. */
const char *screen_bytes(double bytes, char out[32]);

#endif /* CLUSTER_SCREEN_H */
