#include "cast/cast.h"

#include "cast/spread.h"

#include <hs2net/error.h>
#include <string.h>

/* Longer ones do not fit a rank together with the questions that a peer has
 * open. */
#define RTT_MAX HS2N_S(3600)

/* One receiver while the order is being made. */
struct candidate {
  struct hs2ni_target target;
  uint64_t rank;  /* low first */
  uint32_t place; /* in the destination */
};

struct hs2ni_cast {
  struct hs2ni_env *env;
  struct hs2ni_peers *peers;
  struct hs2ni_msgs *msgs;
  uint64_t view;
  struct hs2n_peer leaders[HS2NI_CAST_LEADERS_MAX];
  size_t leaders_n;
  /* Scratch of one send, limits.peers_max entries each. */
  struct candidate *candidates;
  struct hs2ni_target *targets;
};

static size_t candidates_size(const struct hs2n_limits *l) {
  return l->peers_max * sizeof(struct candidate);
}

static size_t targets_size(const struct hs2n_limits *l) {
  return l->peers_max * sizeof(struct hs2ni_target);
}

uint64_t hs2ni_cast_footprint(const struct hs2n_limits *limits) {
  return sizeof(struct hs2ni_cast) + candidates_size(limits) +
         targets_size(limits);
}

int hs2ni_cast_new(struct hs2ni_cast **out, struct hs2ni_env *env,
                   struct hs2ni_peers *peers, struct hs2ni_msgs *msgs) {
  struct hs2ni_cast *c = hs2ni_alloc(env, sizeof(*c));

  if (c == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *c = (struct hs2ni_cast){.env = env, .peers = peers, .msgs = msgs};
  c->candidates = hs2ni_alloc(env, candidates_size(&env->limits));
  c->targets = hs2ni_alloc(env, targets_size(&env->limits));
  if (c->candidates == NULL || c->targets == NULL) {
    hs2ni_cast_free(c);
    return HS2N_ERR_NO_MEMORY;
  }
  *out = c;
  return HS2N_OK;
}

void hs2ni_cast_free(struct hs2ni_cast *cast) {
  struct hs2ni_env *env;

  if (cast == NULL) {
    return;
  }
  env = cast->env;
  hs2ni_free(env, cast->candidates, candidates_size(&env->limits));
  hs2ni_free(env, cast->targets, targets_size(&env->limits));
  hs2ni_free(env, cast, sizeof(*cast));
}

/* The votes of the next views should not be the first to find out that a
 * leader's path has changed or its process is gone.  (The congestion window
 * needs no care: ngtcp2 keeps it over idle times and paces.) */
static void warm(const struct hs2ni_peer *peer) {
  struct hs2ni_conn *conn = hs2ni_peer_conn(peer);

  if (conn != NULL) {
    conn->ops->probe(conn, HS2NI_CAST_WARM_AFTER);
  }
}

int hs2ni_cast_enter_view(struct hs2ni_cast *cast, uint64_t view,
                          const struct hs2n_peer *leaders, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (hs2ni_peers_get(cast->peers, leaders[i]) == NULL) {
      return HS2N_ERR_NO_PEER;
    }
  }
  cast->view = view;
  cast->leaders_n = n < HS2NI_CAST_LEADERS_MAX ? n : HS2NI_CAST_LEADERS_MAX;
  if (cast->leaders_n > 0) {
    memcpy(cast->leaders, leaders, cast->leaders_n * sizeof(leaders[0]));
  }
  for (size_t i = 0; i < cast->leaders_n; i++) {
    warm(hs2ni_peers_get(cast->peers, leaders[i]));
  }
  return HS2N_OK;
}

/* Its place among the remembered leaders, or their number. */
static size_t leader_place(const struct hs2ni_cast *cast,
                           const struct hs2ni_peer *peer) {
  size_t i = 0;

  while (i < cast->leaders_n && cast->leaders[i].v != peer->handle.v) {
    i++;
  }
  return i;
}

/* Leaders by their turn, then connected peers by round-trip time, then those
 * that are down: for them the message only waits. */
static uint64_t send_rank(const struct hs2ni_cast *cast,
                          const struct hs2ni_peer *peer,
                          const struct hs2ni_chan *chan) {
  struct hs2ni_conn *conn = hs2ni_peer_conn(peer);
  const size_t place = leader_place(cast, peer);
  struct hs2ni_conn_stats stats;

  (void)chan;
  if (place < cast->leaders_n) {
    return place;
  }
  if (conn == NULL) {
    return UINT64_MAX;
  }
  conn->ops->conn_stats(conn, &stats);
  return HS2NI_CAST_LEADERS_MAX + stats.rtt_smoothed;
}

/* Connected peers by when an answer can be there, if each open question takes
 * a round trip; those that let one down lately behind them, then those that
 * are down. */
static uint64_t ask_rank(const struct hs2ni_cast *cast,
                         const struct hs2ni_peer *peer,
                         const struct hs2ni_chan *chan) {
  const struct hs2ni_asked asked = hs2ni_chan_asked(chan);
  struct hs2ni_conn *conn = hs2ni_peer_conn(peer);
  struct hs2ni_conn_stats stats;
  uint64_t rtt;

  (void)cast;
  if (conn == NULL) {
    return UINT64_MAX;
  }
  conn->ops->conn_stats(conn, &stats);
  rtt = stats.rtt_smoothed < RTT_MAX ? stats.rtt_smoothed : RTT_MAX;
  return (asked.trusted ? 0 : UINT64_MAX / 2) + (rtt + 1) * (1 + asked.open_n);
}

/* How long a message to this peer alone is held back: 0 unless a whole
 * committee may speak to it now. */
static hs2n_time hold(const struct hs2ni_cast *cast,
                      const struct hs2ni_peer *peer,
                      const struct hs2n_msg *msg) {
  const struct hs2ni_epoch *epoch =
      hs2ni_peers_epoch(cast->peers, peer->weight_epoch);
  struct hs2ni_conn *conn = hs2ni_peer_conn(peer);
  struct hs2ni_conn_stats stats;

  if (conn == NULL || epoch == NULL || !epoch->self ||
      leader_place(cast, peer) == cast->leaders_n) {
    return 0;
  }
  conn->ops->conn_stats(conn, &stats);
  return hs2ni_spread_slot(&cast->env->limits,
                           &(struct hs2ni_spread){
                               .members = epoch->n + 1,
                               .place = epoch->below,
                               .view = cast->view,
                               .lane = hs2ni_msgs_lane(cast->msgs, msg->type),
                               .len = hs2ni_msg_len(msg),
                               .rtt = stats.rtt_smoothed,
                           });
}

struct hs2ni_chan *hs2ni_cast_channel(struct hs2ni_cast *cast,
                                      struct hs2ni_peer *peer) {
  struct hs2ni_chan *chan = peer->channel;

  if (chan == NULL &&
      hs2ni_chan_new(&chan, cast->msgs, peer->handle) == HS2N_OK) {
    hs2ni_chan_key(chan, &peer->key);
    peer->channel = chan;
  }
  return chan;
}

/* By rank; equal ones as they were named, so that a run can be repeated. */
static bool before(const struct candidate *a, const struct candidate *b) {
  return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

/* Moves c[at] down until neither child belongs behind it. */
static void sink(struct candidate *c, size_t at, size_t n) {
  const struct candidate moving = c[at];

  for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && before(&c[child], &c[child + 1])) {
      child++;
    }
    if (!before(&moving, &c[child])) {
      break;
    }
    c[at] = c[child];
    at = child;
  }
  c[at] = moving;
}

/* Heapsort: the C library's qsort may allocate. */
static void put_in_order(struct candidate *c, size_t n) {
  for (size_t i = n / 2; i-- > 0;) {
    sink(c, i, n);
  }
  for (size_t end = n; end-- > 1;) {
    const struct candidate last = c[end];

    c[end] = c[0];
    c[0] = last;
    sink(c, 0, end);
  }
}

/* What is done with the receivers of a destination. */
struct purpose {
  uint64_t (*rank)(const struct hs2ni_cast *, const struct hs2ni_peer *,
                   const struct hs2ni_chan *);
  int (*act)(struct hs2ni_msgs *, const struct hs2ni_target *, size_t,
             const struct hs2n_msg *, struct hs2n_tag *);
  bool spread; /* to one leader, over a window */
};

static const struct purpose sending = {send_rank, hs2ni_msgs_send, true};
static const struct purpose asking = {ask_rank, hs2ni_msgs_request, false};

static struct candidate candidate_of(struct hs2ni_cast *cast,
                                     const struct purpose *purpose,
                                     struct hs2ni_peer *peer, uint64_t weight) {
  struct hs2ni_chan *chan = hs2ni_cast_channel(cast, peer);

  return (struct candidate){
      .target = {.chan = chan, .peer = peer->handle, .weight = weight},
      .rank = chan == NULL ? UINT64_MAX : purpose->rank(cast, peer, chan),
  };
}

static int act_in_order(struct hs2ni_cast *cast, const struct purpose *purpose,
                        size_t n, const struct hs2n_msg *msg,
                        struct hs2n_tag *out_tag) {
  for (size_t i = 0; i < n; i++) {
    cast->candidates[i].place = (uint32_t)i;
    if (cast->candidates[i].target.chan == NULL) {
      return HS2N_ERR_NO_MEMORY;
    }
  }
  put_in_order(cast->candidates, n);
  for (size_t i = 0; i < n; i++) {
    cast->targets[i] = cast->candidates[i].target;
  }
  return purpose->act(cast->msgs, cast->targets, n, msg, out_tag);
}

static int do_epoch(struct hs2ni_cast *cast, const struct purpose *purpose,
                    uint64_t number, const struct hs2n_msg *msg,
                    struct hs2n_tag *out_tag) {
  const struct hs2ni_epoch *epoch = hs2ni_peers_epoch(cast->peers, number);

  if (epoch == NULL || epoch->n == 0) {
    return HS2N_ERR_NO_PEER;
  }
  for (size_t i = 0; i < epoch->n; i++) {
    const struct hs2ni_member *m = &epoch->members[i];

    cast->candidates[i] = candidate_of(cast, purpose, m->peer, m->weight);
  }
  return act_in_order(cast, purpose, epoch->n, msg, out_tag);
}

static bool listed(const struct hs2n_peer *peers, size_t n,
                   struct hs2n_peer peer) {
  for (size_t i = 0; i < n; i++) {
    if (peers[i].v == peer.v) {
      return true;
    }
  }
  return false;
}

static int do_some(struct hs2ni_cast *cast, const struct purpose *purpose,
                   const struct hs2n_peer *peers, size_t n,
                   const struct hs2n_msg *msg, struct hs2n_tag *out_tag) {
  if (peers == NULL || n == 0 || n > cast->env->limits.peers_max) {
    return HS2N_ERR_INVALID;
  }
  for (size_t i = 0; i < n; i++) {
    struct hs2ni_peer *peer = hs2ni_peers_get(cast->peers, peers[i]);

    if (peer == NULL) {
      return HS2N_ERR_NO_PEER;
    }
    if (listed(peers, i, peers[i])) {
      return HS2N_ERR_INVALID;
    }
    cast->candidates[i] =
        candidate_of(cast, purpose, peer, hs2ni_peer_weight(peer));
  }
  return act_in_order(cast, purpose, n, msg, out_tag);
}

static int do_one(struct hs2ni_cast *cast, const struct purpose *purpose,
                  struct hs2n_peer handle, const struct hs2n_msg *msg,
                  struct hs2n_tag *out_tag) {
  struct hs2ni_peer *peer = hs2ni_peers_get(cast->peers, handle);
  struct candidate *c = &cast->candidates[0];

  if (peer == NULL) {
    return HS2N_ERR_NO_PEER;
  }
  *c = candidate_of(cast, purpose, peer, hs2ni_peer_weight(peer));
  c->target.hold_ns = purpose->spread ? hold(cast, peer, msg) : 0;
  return act_in_order(cast, purpose, 1, msg, out_tag);
}

static int dispatch(struct hs2ni_cast *cast, const struct purpose *purpose,
                    const struct hs2n_dst *dst, const struct hs2n_msg *msg,
                    struct hs2n_tag *out_tag) {
  switch (dst->kind) {
  case HS2N_DST_PEER:
    return do_one(cast, purpose, dst->peer, msg, out_tag);
  case HS2N_DST_SOME:
    return do_some(cast, purpose, dst->peers, dst->count, msg, out_tag);
  case HS2N_DST_EPOCH:
    return do_epoch(cast, purpose, dst->epoch, msg, out_tag);
  }
  return HS2N_ERR_INVALID;
}

int hs2ni_cast_send(struct hs2ni_cast *cast, const struct hs2n_dst *dst,
                    const struct hs2n_msg *msg, struct hs2n_tag *out_tag) {
  return dispatch(cast, &sending, dst, msg, out_tag);
}

int hs2ni_cast_request(struct hs2ni_cast *cast, const struct hs2n_dst *any_of,
                       const struct hs2n_msg *msg, struct hs2n_tag *out_tag) {
  return dispatch(cast, &asking, any_of, msg, out_tag);
}

/* HS2N_TIME_NEVER: the peer is not connected, or nothing is known of it. */
static hs2n_time delay_of(const struct hs2ni_peer *peer, uint32_t permille) {
  struct hs2ni_conn *conn = hs2ni_peer_conn(peer);
  struct hs2ni_conn_stats stats;
  hs2n_time delay;

  if (conn == NULL) {
    return HS2N_TIME_NEVER;
  }
  delay = peer->channel == NULL ? 0 : hs2ni_chan_delay(peer->channel, permille);
  if (delay == 0) {
    conn->ops->conn_stats(conn, &stats);
    delay = stats.rtt_smoothed;
  }
  return delay == 0 ? HS2N_TIME_NEVER : delay;
}

/* The member at whom the weight is reached when all answer as they do now. */
static int reach(const struct candidate *c, size_t n, uint64_t weight,
                 hs2n_time *out_ns) {
  uint64_t sum = 0;

  for (size_t i = 0; i < n && c[i].rank != HS2N_TIME_NEVER; i++) {
    sum += c[i].target.weight;
    if (sum >= weight) {
      *out_ns = c[i].rank;
      return HS2N_OK;
    }
  }
  return HS2N_ERR_STATE;
}

int hs2ni_cast_delay(struct hs2ni_cast *cast, uint64_t number, uint64_t weight,
                     uint32_t permille, hs2n_time *out_ns) {
  const struct hs2ni_epoch *epoch = hs2ni_peers_epoch(cast->peers, number);
  uint64_t sum = 0;

  if (epoch == NULL) {
    return HS2N_ERR_NO_PEER;
  }
  for (size_t i = 0; i < epoch->n; i++) {
    const struct hs2ni_member *m = &epoch->members[i];

    cast->candidates[i] = (struct candidate){
        .target = {.peer = m->peer->handle, .weight = m->weight},
        .rank = delay_of(m->peer, permille),
    };
    sum += m->weight;
  }
  if (weight == 0 || weight > sum) {
    return HS2N_ERR_INVALID;
  }
  put_in_order(cast->candidates, epoch->n);
  return reach(cast->candidates, epoch->n, weight, out_ns);
}
