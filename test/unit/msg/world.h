/* world: message layers over memlink, with a small application on top.
 *
 * Each place is a process: memory, environment, layer, link, and a channel
 * to each other place.  Connections are made by world_join and end when a
 * side objects, or by memlink_cut. */
#ifndef WORLD_H
#define WORLD_H

#include "base/buf.h"
#include "identity.h"
#include "memlink.h"
#include "msg/chan.h"
#include "msg/msgs.h"
#include "tap.h"
#include "test_mem.h"

#include <hs2net/msg.h>
#include <stdlib.h>

#define WORLD_PLACES_MAX 4

/* Types: one a lane, id == lane; then two kinds of request and what answers
 * them. */
enum {
  WORLD_ASK = HS2N_LANES,
  WORLD_ANSWER,
  WORLD_FIND,
  WORLD_FOUND,
  WORLD_TYPES,
};
extern const struct hs2n_type world_types[WORLD_TYPES];
/* The same, those above VOTE compressed where the build can, and CERT signed.
 */
extern const struct hs2n_type world_packed_types[WORLD_TYPES];

struct world;

struct world_end { /* a place's view of another place */
  struct world *world;
  uint32_t place, other;
  struct hs2ni_chan *chan;
  struct hs2ni_conn *conn; /* NULL: none */
};

struct world_place {
  struct test_mem mem;
  struct hs2ni_env env;
  uint32_t number;
  struct hs2n_identity *identity;
  struct hs2n_key key;
  struct hs2ni_msgs *msgs;
  struct hs2ni_link *link;
  uint64_t incarnation;
  uint64_t caps_off; /* what its hellos do not say */
  struct world_end ends[WORLD_PLACES_MAX];
  int64_t peak_bytes;
};

struct world {
  struct memnet *net;
  uint32_t n;
  const struct hs2n_type *types;
  struct world_place places[WORLD_PLACES_MAX];
  uint64_t breaches;              /* connections that a side objected to */
  enum hs2n_reason last_reason;   /* of these */
  enum hs2n_reason closed_reason; /* last on_closed */
};

struct world_options {
  uint32_t places; /* 0: 2 */
  struct memnet_config net;
  const struct hs2n_limits *limits; /* NULL: the default */
  const struct hs2n_type *types;    /* NULL: world_types */
  bool limits_differ;               /* limits has one for each place */
};

void world_init(struct world *w, const struct world_options *options);
void world_fini(struct world *w);
/* Connects two places; both must have no connection to each other. */
void world_join(struct world *w, uint32_t a, uint32_t b);
void world_cut(struct world *w, uint32_t a, uint32_t b);
/* Ends a place's process and starts it again: nothing of it is left but its
 * memory counters.  Its peers still have their channels. */
void world_restart(struct world *w, uint32_t place);
/* Place b is no member for place a any more, and then one again: a forgets all
 * of it, b nothing. */
void world_part(struct world *w, uint32_t a, uint32_t b);
/* One event of the net; checks memory peaks. */
bool world_step(struct world *w);
void world_settle(struct world *w);
void world_sleep(struct world *w, hs2n_time ns);

struct hs2n_buf *world_body(struct world *w, uint32_t place, size_t len,
                            uint8_t fill);
/* Sends len bytes of fill of a lane's type to one place. */
int world_send(struct world *w, uint32_t from, uint32_t to, uint8_t lane,
               size_t len, uint8_t fill, struct hs2n_tag *out_tag);
/* Closes the connection that a layer asks to be closed. */
void world_give_up(struct world *w, uint32_t place,
                   const struct hs2ni_event *event);
/* Asks n others, in their order, for what len bytes of fill mean. */
int world_request(struct world *w, uint32_t from, const uint32_t *others,
                  size_t n, struct hs2n_msg *msg, size_t len, uint8_t fill,
                  struct hs2n_tag *out_tag);
int world_respond(struct world *w, uint32_t place, const struct hs2ni_event *e,
                  uint32_t status, size_t len, uint8_t fill);
int world_judge(struct world *w, uint32_t place, const struct hs2ni_event *e,
                enum hs2n_verdict verdict);
/* Fetches one event; messages get the verdict. */
bool world_next(struct world *w, uint32_t place, enum hs2n_verdict verdict,
                struct hs2ni_event *out);
/* Steps and fetches, accepting everything, until nothing happens.  Returns
 * the number of messages that place got. */
size_t world_run(struct world *w, uint32_t place);

/* ---- world_walk.c: for random walks over the first n places
 * ---------------------------------------------------------------- */

/* Joins whom nothing joins. */
void world_join_all(struct world *w, uint32_t n);
/* Whether a timer runs anywhere. */
bool world_waits(const struct world *w, uint32_t n);
/* A place with so many peers has never had more memory than it may. */
void world_check_memory(const struct world *w, uint32_t place, uint32_t peers);
/* Nothing is under way, queued, held or unanswered. */
void world_check_rest(const struct world *w, uint32_t n);

#endif /* WORLD_H */
