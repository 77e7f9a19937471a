/* settings: the words that change lines, on the command line and at run time.
 *
 * Words that name lines choose those that the words behind them change; at
 * first all are chosen.
 *
 *   all         every line            3      from and to node 3
 *   0-1         both ways             0:1    from 0 to 1 only
 *
 *   delay=80ms jitter=5ms loss=1% burst=0.5%,20% duplicate=1% corrupt=0.1%
 *   reorder=2% rate=10M queue=64k mtu=1280 cut heal
 *
 * Times want ns, us, ms or s; rate is in bits a second, queue in bytes; k, M
 * and G are 1000 of each other.  burst: the chance to begin one, and of each
 * of its packets to end it. */
#ifndef IMPAIR_SETTINGS_H
#define IMPAIR_SETTINGS_H

#include "line.h"

#define IMPAIR_NODES_MAX 64

struct settings_target {
  struct line *lines; /* nodes * nodes; [from * nodes + to] */
  uint32_t nodes;
  bool chosen[IMPAIR_NODES_MAX * IMPAIR_NODES_MAX];
};

/* With all lines chosen. */
void settings_init(struct settings_target *t, struct line *lines,
                   uint32_t nodes);

/* Does what one word says; false, with nothing changed, when it makes no
 * sense. */
bool settings_word(struct settings_target *t, const char *word);

/* The words of a text, with spaces between them, up to the first that makes
 * no sense, which is returned; NULL: all do. */
const char *settings_text(struct settings_target *t, char *text);

/* "80ms" in ns. */
bool settings_time(const char *text, uint64_t *out);

#endif /* IMPAIR_SETTINGS_H */
