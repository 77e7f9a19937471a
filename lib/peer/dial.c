#include "base/addr.h"
#include "peer/inside.h"

#include <assert.h>
#include <string.h>

static struct hs2ni_env *env_of(const struct hs2ni_peer *p) {
  return p->peers->env;
}

static void apply_slot(struct hs2ni_peer *p, enum hs2ni_pair_event_kind kind,
                       int slot, enum hs2n_reason reason) {
  hs2ni_peer_apply(p, &(struct hs2ni_pair_event){
                          .kind = kind, .slot = slot, .reason = reason});
}

/* ---- timers -------------------------------------------------------------- */

static void pause_over(struct hs2ni_timer *timer) {
  struct hs2ni_peer *p = HS2NI_CONTAINER(timer, struct hs2ni_peer, timer);

  hs2ni_peer_apply(p, &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_TIMER});
}

static void slot_late(struct hs2ni_timer *timer) {
  struct hs2ni_peer_slot *s =
      HS2NI_CONTAINER(timer, struct hs2ni_peer_slot, timer);

  hs2ni_peer_abort(s->peer, (int)(s - s->peer->slots),
                   s->established ? HS2N_REASON_HELLO_TIMEOUT
                                  : HS2N_REASON_HANDSHAKE_TIMEOUT);
}

void hs2ni_peer_timers_init(struct hs2ni_peer *peer) {
  peer->timer.fire = pause_over;
  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    peer->slots[i].timer.fire = slot_late;
    peer->slots[i].peer = peer;
  }
}

/* Doubles with each failure, and is up to a quarter shorter by chance, so
 * that a committee that fell apart at once does not come back at once. */
static hs2n_time pause_length(const struct hs2ni_peer *p, bool at_once,
                              bool yield) {
  struct hs2ni_env *env = env_of(p);
  const hs2n_time longest = HS2N_MS(env->limits.backoff_max_ms);
  hs2n_time t = HS2N_MS(env->limits.backoff_min_ms);

  for (uint32_t i = 0; i < p->pair.failures && t < longest; i++) {
    t *= 2;
  }
  t = t < longest ? t : longest;
  t = at_once ? 0 : t - hs2ni_rng_below(&env->rng, t / 4 + 1);
  return t + (yield ? HS2N_MS(HS2NI_PEER_YIELD_MS) : 0);
}

/* ---- slots --------------------------------------------------------------- */

static void slot_fill(struct hs2ni_peer *p, int slot, struct hs2ni_conn *conn,
                      void *session, const struct hs2n_addr *remote) {
  struct hs2ni_peer_slot *s = &p->slots[slot];

  assert(s->conn == NULL);
  s->conn = conn;
  s->session = session;
  s->remote = *remote;
  s->established = false;
  hs2ni_timer_set(&p->peers->timers, &s->timer,
                  env_of(p)->now + HS2N_MS(env_of(p)->limits.handshake_ms));
}

static void slot_clear(struct hs2ni_peer *p, int slot) {
  struct hs2ni_peer_slot *s = &p->slots[slot];
  void *session = s->session;

  hs2ni_timer_cancel(&p->peers->timers, &s->timer);
  s->conn = NULL;
  s->session = NULL;
  if (session != NULL) {
    p->peers->user->session_free(session);
  }
}

/* What the other end is told: our own reasons have no code on the wire. */
static enum hs2n_reason wire_reason(enum hs2n_reason reason) {
  switch (reason) {
  case HS2N_REASON_LOCAL:
    return HS2N_REASON_SHUTDOWN;
  case HS2N_REASON_REMOVED:
    return HS2N_REASON_NOT_MEMBER;
  default:
    return reason;
  }
}

static void slot_close(struct hs2ni_peer *p, int slot,
                       enum hs2n_reason reason) {
  struct hs2ni_conn *conn = p->slots[slot].conn;

  if (reason == HS2N_REASON_DUPLICATE) {
    env_of(p)->stats.duplicate_connections++;
  }
  conn->ops->conn_close(conn, wire_reason(reason));
  slot_clear(p, slot);
}

/* ---- dialling ------------------------------------------------------------ */

static bool addr_own(const struct hs2ni_peer *p, uint32_t i) {
  return ((p->addrs_own >> i) & 1u) != 0;
}

/* The pair has an address, or it would not dial. */
static const struct hs2n_addr *next_addr(struct hs2ni_peer *p) {
  assert(p->addrs_n > 0);
  for (uint32_t i = 0; addr_own(p, p->addr_next) && i < p->addrs_n; i++) {
    p->addr_next = (p->addr_next + 1) % p->addrs_n;
  }
  return &p->addrs[p->addr_next];
}

static int dial(struct hs2ni_peer *p, int slot) {
  struct hs2ni_peers *peers = p->peers;
  const struct hs2n_addr *addr = next_addr(p);
  struct hs2ni_conn *conn;
  void *session;
  int err;

  p->remote = *addr;
  session = peers->user->session_new(peers->user_ctx, p, slot);
  if (session == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  err = peers->link->ops->dial(peers->link, addr, &p->key, session, &conn);
  if (err != HS2N_OK) {
    peers->user->session_free(session);
    return err;
  }
  slot_fill(p, slot, conn, session, addr);
  p->dial_attempts++;
  return HS2N_OK;
}

static void dial_or_fail(struct hs2ni_peer *p, int slot) {
  const int err = dial(p, slot);

  if (err != HS2N_OK) {
    hs2ni_log(env_of(p), HS2N_LOG_WARN, "peer.dial", "error=%s",
              hs2n_err_name(err));
    p->addr_next = (p->addr_next + 1) % p->addrs_n;
    apply_slot(p, HS2NI_PAIR_ON_CLOSED, slot, HS2N_REASON_INTERNAL);
  }
}

/* Of an own dial that did not come as far as READY: the next one goes to the
 * next address, unless the members were set anew meanwhile. */
static void dial_failed(struct hs2ni_peer *p, int slot, bool own) {
  if (p->addrs_n == 0 ||
      !hs2ni_addr_equal(&p->addrs[p->addr_next], &p->slots[slot].remote)) {
    return;
  }
  if (own) {
    p->addrs_own |= UINT32_C(1) << p->addr_next;
  }
  p->addr_next = (p->addr_next + 1) % p->addrs_n;
}

static bool all_own(const struct hs2ni_peer *p) {
  return p->addrs_n > 0 && p->addrs_own == (UINT32_C(1) << p->addrs_n) - 1;
}

/* ---- the machine --------------------------------------------------------- */

static void act(struct hs2ni_peer *p, const struct hs2ni_pair_action *a) {
  struct hs2ni_peers *peers = p->peers;

  switch (a->kind) {
  case HS2NI_PAIR_DO_DIAL:
    dial_or_fail(p, a->slot);
    return;
  case HS2NI_PAIR_DO_TAKE:
  case HS2NI_PAIR_DO_REFUSE:
    return; /* hs2ni_peers_accept looks at these */
  case HS2NI_PAIR_DO_CLOSE:
    slot_close(p, a->slot, a->reason);
    return;
  case HS2NI_PAIR_DO_ATTACH:
    peers->user->attach(p->slots[a->slot].session);
    return;
  case HS2NI_PAIR_DO_DETACH:
    peers->user->detach(p->slots[a->slot].session);
    return;
  case HS2NI_PAIR_DO_PAUSE:
    hs2ni_timer_set(&peers->timers, &p->timer,
                    peers->env->now + pause_length(p, a->at_once, a->yield));
    return;
  case HS2NI_PAIR_DO_NO_PAUSE:
    hs2ni_timer_cancel(&peers->timers, &p->timer);
    return;
  case HS2NI_PAIR_DO_UP:
    p->dial_attempts = 0;
    p->remote = p->slots[a->slot].remote;
    hs2ni_peer_tell_up(p, a->slot);
    return;
  case HS2NI_PAIR_DO_DOWN:
    hs2ni_peer_tell_down(p, a->reason);
    return;
  }
}

void hs2ni_peer_apply(struct hs2ni_peer *peer,
                      const struct hs2ni_pair_event *event) {
  struct hs2ni_pair_actions out;

  hs2ni_pair_step(&peer->pair, event, &out);
  for (unsigned i = 0; i < out.count; i++) {
    act(peer, &out.list[i]);
  }
}

void hs2ni_peer_end(struct hs2ni_peer *peer, enum hs2n_reason reason) {
  apply_slot(peer, HS2NI_PAIR_ON_END, HS2NI_PAIR_NO_SLOT, reason);
}

/* ---- what sessions report ------------------------------------------------ */

static enum hs2n_reason admit(struct hs2ni_peer *p, int *out_slot) {
  const struct hs2ni_pair_event event = {.kind = HS2NI_PAIR_ON_ACCEPTED};
  struct hs2ni_pair_actions out;

  hs2ni_pair_step(&p->pair, &event, &out);
  assert(out.count == 1); /* TAKE or REFUSE */
  *out_slot = out.list[0].slot;
  return out.list[0].kind == HS2NI_PAIR_DO_TAKE ? HS2N_REASON_NONE
                                                : out.list[0].reason;
}

static enum hs2n_reason accept_member(struct hs2ni_peer *p,
                                      struct hs2ni_conn *conn,
                                      const struct hs2n_addr *remote,
                                      int *out_slot) {
  struct hs2ni_peers *peers = p->peers;
  const enum hs2n_reason refused = admit(p, out_slot);
  void *session;

  if (refused != HS2N_REASON_NONE) {
    return refused;
  }
  session = peers->user->session_new(peers->user_ctx, p, *out_slot);
  if (session == NULL) {
    apply_slot(p, HS2NI_PAIR_ON_CLOSED, *out_slot, HS2N_REASON_INTERNAL);
    return HS2N_REASON_INTERNAL;
  }
  slot_fill(p, *out_slot, conn, session, remote);
  p->slots[*out_slot].established = true;
  return HS2N_REASON_NONE;
}

static enum hs2n_reason
accept_key(struct hs2ni_peers *peers, struct hs2ni_conn *conn,
           const struct hs2n_key *key, const struct hs2n_addr *remote,
           struct hs2ni_peer **out_peer, int *out_slot) {
  const struct hs2n_peer_id id = hs2n_key_peer_id(key);

  if (peers->stopped) {
    return HS2N_REASON_SHUTDOWN;
  }
  if (memcmp(&id, &peers->id, sizeof(id)) == 0) {
    return HS2N_REASON_SELF;
  }
  *out_peer = hs2ni_peers_find(peers, &id);
  if (*out_peer == NULL) {
    peers->env->stats.refused_not_member++;
    return HS2N_REASON_NOT_MEMBER;
  }
  return accept_member(*out_peer, conn, remote, out_slot);
}

enum hs2n_reason
hs2ni_peers_accept(struct hs2ni_peers *peers, struct hs2ni_conn *conn,
                   const struct hs2n_key *key, const struct hs2n_addr *remote,
                   struct hs2ni_peer **out_peer, int *out_slot) {
  const enum hs2n_reason reason =
      accept_key(peers, conn, key, remote, out_peer, out_slot);

  if (reason != HS2N_REASON_NONE) {
    hs2ni_peers_log_refused(peers, remote, key, reason);
  }
  return reason;
}

void hs2ni_peer_unaccept(struct hs2ni_peer *peer, int slot,
                         enum hs2n_reason reason) {
  apply_slot(peer, HS2NI_PAIR_ON_CLOSED, slot, reason);
  slot_clear(peer, slot);
}

void hs2ni_peer_connected(struct hs2ni_peer *peer, int slot) {
  peer->slots[slot].established = true;
  apply_slot(peer, HS2NI_PAIR_ON_CONNECTED, slot, HS2N_REASON_NONE);
}

bool hs2ni_peer_ready(struct hs2ni_peer *peer, int slot, uint64_t incarnation) {
  hs2ni_timer_cancel(&peer->peers->timers, &peer->slots[slot].timer);
  hs2ni_peer_apply(peer,
                   &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_READY,
                                              .slot = slot,
                                              .incarnation = incarnation});
  return peer->pair.chosen == slot + 1;
}

static bool is_failed_dial(const struct hs2ni_peer *p, int slot) {
  const struct hs2ni_slot *s = &p->pair.slots[slot];

  return s->dialled && s->state != HS2NI_SLOT_READY;
}

void hs2ni_peer_closed(struct hs2ni_peer *peer, int slot,
                       const struct hs2ni_close *why) {
  const bool own = why->reason == HS2N_REASON_WRONG_KEY && !why->by_peer &&
                   memcmp(&why->key, &peer->peers->key, sizeof(why->key)) == 0;

  if (why->reason == HS2N_REASON_WRONG_KEY && !why->by_peer) {
    hs2ni_peer_log_wrong_key(peer, &peer->slots[slot].remote, &why->key);
  }
  if (is_failed_dial(peer, slot)) {
    dial_failed(peer, slot, own);
  }
  apply_slot(peer, HS2NI_PAIR_ON_CLOSED, slot,
             own ? HS2N_REASON_SELF : why->reason);
  slot_clear(peer, slot);
  if (own && all_own(peer)) {
    hs2ni_peer_apply(
        peer, &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_NO_ADDRESS});
  }
}

void hs2ni_peer_abort(struct hs2ni_peer *peer, int slot,
                      enum hs2n_reason reason) {
  if (is_failed_dial(peer, slot)) {
    dial_failed(peer, slot, false);
  }
  apply_slot(peer, HS2NI_PAIR_ON_ABORT, slot, reason);
}

struct hs2ni_conn *hs2ni_peer_conn(const struct hs2ni_peer *peer) {
  return hs2ni_peer_up(peer) ? peer->slots[peer->pair.chosen - 1].conn : NULL;
}
