/* When a member is dialled, and what becomes of its connections. */
#include "peer/inside.h"
#include "tap.h"
#include "unit/peer/peer_world.h"

/* Two keys in the order of their peer ids. */
static void keys(uint8_t *out_small, uint8_t *out_large) {
  const struct hs2n_key a = world_key(1);
  const struct hs2n_key b = world_key(2);
  const struct hs2n_peer_id x = hs2n_key_peer_id(&a);
  const struct hs2n_peer_id y = hs2n_key_peer_id(&b);
  const bool in_order = memcmp(&x, &y, sizeof(x)) < 0;

  *out_small = in_order ? 1 : 2;
  *out_large = in_order ? 2 : 1;
}

/* A world of the smaller or larger id whose one member is the other. */
static struct hs2ni_peer *begin(struct world *w, bool first, size_t addrs_n) {
  const struct hs2n_addr addrs[3] = {world_addr(1), world_addr(2),
                                     world_addr(3)};
  struct hs2n_member m = {.weight = 1, .addrs = addrs, .addrs_n = addrs_n};
  uint8_t small;
  uint8_t large;

  keys(&small, &large);
  CHECK_EQ(world_init(w, 0, first ? small : large), HS2N_OK);
  m.key = world_key(first ? large : small);
  CHECK_EQ(hs2ni_peers_set(w->peers, 1, &m, 1, 0), HS2N_OK);
  return world_peer(w, first ? large : small);
}

static void close_slot(struct hs2ni_peer *p, int slot, enum hs2n_reason why) {
  HS2NI_CONTAINER(p->slots[slot].conn, struct world_conn, base)->open = false;
  hs2ni_peer_closed(p, slot, &(struct hs2ni_close){.reason = why});
}

/* Nothing else is due while a pause runs. */
static void next_dial(struct world *w) {
  world_run(w, hs2ni_peers_deadline(w->peers) - w->t.env.now);
}

static void make_ready(struct hs2ni_peer *p, int slot) {
  hs2ni_peer_connected(p, slot);
  CHECK(hs2ni_peer_ready(p, slot, 7));
}

static void the_smaller_id_dials_at_once(void) {
  struct world w;

  (void)begin(&w, true, 1);
  CHECK_EQ(w.dials, 0); /* not from inside a call from above */
  world_run(&w, 0);
  CHECK_EQ(w.dials, 1);
  world_fini(&w);
}

static void the_larger_id_leaves_the_first_dial_to_the_other(void) {
  struct world w;

  (void)begin(&w, false, 1);
  world_run(&w, HS2N_MS(299));
  CHECK_EQ(w.dials, 0);
  world_run(&w, HS2N_MS(2));
  CHECK_EQ(w.dials, 1);
  world_fini(&w);
}

/* covers: N09, D12 */
static void pauses_double_up_to_the_longest_and_end_with_up(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 1);
  hs2n_time step = HS2N_MS(w.t.env.limits.backoff_min_ms) * 2;
  const hs2n_time longest = HS2N_MS(w.t.env.limits.backoff_max_ms);

  world_run(&w, 0);
  for (int i = 0; i < 20; i++) {
    const hs2n_time begun = w.t.env.now;
    hs2n_time pause;

    close_slot(p, 0, HS2N_REASON_TRANSPORT);
    pause = hs2ni_peers_deadline(w.peers) - begun;
    CHECK(pause <= step && pause >= step - step / 4);
    world_run(&w, pause);
    step = step * 2 < longest ? step * 2 : longest;
  }
  CHECK_EQ(w.dials, 21);
  make_ready(p, 0);
  CHECK_EQ(p->dial_attempts, 0);
  close_slot(p, 0, HS2N_REASON_IDLE_TIMEOUT);
  CHECK(hs2ni_peers_deadline(w.peers) - w.t.env.now <=
        HS2N_MS(w.t.env.limits.backoff_min_ms));
  world_fini(&w);
}

static void addresses_take_turns_and_one_that_worked_is_kept(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 3);

  world_run(&w, 0);
  for (uint8_t i = 0; i < 7; i++) {
    CHECK_EQ(w.dialled.ip[3], i % 3 + 1);
    close_slot(p, 0, HS2N_REASON_TRANSPORT);
    next_dial(&w);
  }
  CHECK_EQ(w.dialled.ip[3], 2);
  make_ready(p, 0);
  close_slot(p, 0, HS2N_REASON_IDLE_TIMEOUT);
  next_dial(&w);
  CHECK_EQ(w.dialled.ip[3], 2);
  world_fini(&w);
}

static void our_own_address_is_left_out(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 2);
  struct hs2ni_close why = {.reason = HS2N_REASON_WRONG_KEY,
                            .key = w.peers->key};

  world_run(&w, 0);
  for (int i = 0; i < 6; i++) {
    if (w.dialled.ip[3] == 1) {
      CHECK_EQ(i, 0);
      hs2ni_peer_closed(p, 0, &why);
      CHECK_EQ(p->down_reason, HS2N_REASON_SELF);
    } else {
      close_slot(p, 0, HS2N_REASON_TRANSPORT);
    }
    next_dial(&w);
  }
  hs2ni_peer_closed(p, 0, &why); /* now both lead home */
  CHECK_EQ(hs2ni_peers_deadline(w.peers), HS2N_TIME_NEVER);
  world_fini(&w);
}

/* covers: N08 */
static void a_dial_or_a_hello_that_takes_too_long_is_closed(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 1);
  const hs2n_time limit = HS2N_MS(w.t.env.limits.handshake_ms);

  world_run(&w, limit - 1);
  CHECK(w.conns[0].open);
  world_run(&w, 1);
  CHECK(!w.conns[0].open);
  CHECK_EQ(p->down_reason, HS2N_REASON_HANDSHAKE_TIMEOUT);
  world_run(&w, HS2N_S(1));
  hs2ni_peer_connected(p, 0);
  world_run(&w, limit);
  CHECK_EQ(p->down_reason, HS2N_REASON_HELLO_TIMEOUT);
  CHECK_EQ(w.conns[1].closed_with, HS2N_REASON_HELLO_TIMEOUT);
  world_fini(&w);
  CHECK_EQ(w.sessions, 0);
}

static void a_dial_that_can_not_begin_is_tried_again(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 1);

  w.dial_fails = HS2N_ERR_NO_MEMORY;
  world_run(&w, HS2N_S(5));
  CHECK(w.dials >= 3);
  CHECK_EQ(p->down_reason, HS2N_REASON_INTERNAL);
  w.dial_fails = HS2N_OK;
  w.no_session = true;
  world_run(&w, HS2N_S(30));
  w.no_session = false;
  next_dial(&w);
  CHECK_EQ(hs2ni_pair_state(&p->pair), HS2NI_PAIR_TRYING);
  CHECK_EQ(w.sessions, 1);
  world_fini(&w);
}

static enum hs2n_reason accept_from(struct world *w, const struct hs2n_key *key,
                                    struct world_conn *conn,
                                    struct hs2ni_peer **out_peer,
                                    int *out_slot) {
  const struct hs2n_addr from = world_addr(9);

  *conn = (struct world_conn){.base = {.ops = &w->ops}, .open = true};
  return hs2ni_peers_accept(w->peers, &conn->base, key, &from, out_peer,
                            out_slot);
}

/* covers: D02 */
static void strangers_ourselves_and_a_third_connection_are_refused(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 1);
  const struct hs2n_key stranger = world_key(99);
  struct world_conn conn[3];
  struct hs2ni_peer *peer;
  int slot;

  CHECK_EQ(accept_from(&w, &stranger, &conn[0], &peer, &slot),
           HS2N_REASON_NOT_MEMBER);
  CHECK_EQ(w.t.env.stats.refused_not_member, 1);
  CHECK_EQ(accept_from(&w, &w.peers->key, &conn[0], &peer, &slot),
           HS2N_REASON_SELF);
  CHECK_EQ(accept_from(&w, &p->key, &conn[0], &peer, &slot), HS2N_REASON_NONE);
  CHECK(peer == p && slot == 0);
  CHECK_EQ(accept_from(&w, &p->key, &conn[1], &peer, &slot), HS2N_REASON_NONE);
  CHECK_EQ(accept_from(&w, &p->key, &conn[2], &peer, &slot), HS2N_REASON_BUSY);
  hs2ni_peer_unaccept(p, 1, HS2N_REASON_INTERNAL);
  CHECK(hs2ni_peer_ready(p, 0, 3));
  CHECK_EQ(w.attached, 1);
  hs2ni_peers_stop(w.peers);
  CHECK_EQ(conn[0].closed_with, HS2N_REASON_SHUTDOWN);
  CHECK_EQ(accept_from(&w, &p->key, &conn[2], &peer, &slot),
           HS2N_REASON_SHUTDOWN);
  CHECK_EQ(w.sessions, 0);
  CHECK_EQ(w.attached, 0);
  world_fini(&w);
}

static void our_dial_gives_way_to_a_ready_connection_of_the_peer(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 1);
  struct world_conn conn;
  struct hs2ni_peer *peer;
  int slot;

  world_run(&w, 0);
  CHECK_EQ(accept_from(&w, &p->key, &conn, &peer, &slot), HS2N_REASON_NONE);
  CHECK_EQ(slot, 1);
  CHECK(hs2ni_peer_ready(p, 1, 3));
  CHECK_EQ(w.conns[0].closed_with, HS2N_REASON_DUPLICATE);
  CHECK_EQ(w.t.env.stats.duplicate_connections, 1);
  CHECK_EQ(hs2ni_peer_conn(p) == &conn.base, 1);
  world_fini(&w);
}

/* covers: H27 */
static void what_happened_is_told_in_order_and_never_twice(void) {
  struct world w;
  struct hs2ni_peer *p = begin(&w, true, 1);
  struct hs2ni_peer_news news;

  world_run(&w, 0);
  make_ready(p, 0);
  CHECK(hs2ni_peers_next(w.peers, &news));
  CHECK_EQ(news.state, HS2N_PEER_UP);
  CHECK(!hs2ni_peers_next(w.peers, &news));

  /* DOWN and UP before anybody looked: both are told. */
  close_slot(p, 0, HS2N_REASON_RESET);
  world_run(&w, HS2N_S(1));
  make_ready(p, 0);
  CHECK(hs2ni_peers_next(w.peers, &news));
  CHECK_EQ(news.state, HS2N_PEER_DOWN);
  CHECK_EQ(news.reason, HS2N_REASON_RESET);
  CHECK(hs2ni_peers_next(w.peers, &news));
  CHECK_EQ(news.state, HS2N_PEER_UP);

  /* UP that ended before anybody looked is one DOWN. */
  close_slot(p, 0, HS2N_REASON_RESET);
  CHECK(hs2ni_peers_next(w.peers, &news));
  world_run(&w, HS2N_S(1));
  make_ready(p, 0);
  close_slot(p, 0, HS2N_REASON_SHUTDOWN);
  CHECK(hs2ni_peers_next(w.peers, &news));
  CHECK_EQ(news.state, HS2N_PEER_DOWN);
  CHECK_EQ(news.reason, HS2N_REASON_SHUTDOWN);
  CHECK(!hs2ni_peers_next(w.peers, &news));
  world_fini(&w);
}

int main(void) {
  RUN(the_smaller_id_dials_at_once);
  RUN(the_larger_id_leaves_the_first_dial_to_the_other);
  RUN(pauses_double_up_to_the_longest_and_end_with_up);
  RUN(addresses_take_turns_and_one_that_worked_is_kept);
  RUN(our_own_address_is_left_out);
  RUN(a_dial_or_a_hello_that_takes_too_long_is_closed);
  RUN(a_dial_that_can_not_begin_is_tried_again);
  RUN(strangers_ourselves_and_a_third_connection_are_refused);
  RUN(our_dial_gives_way_to_a_ready_connection_of_the_peer);
  RUN(what_happened_is_told_in_order_and_never_twice);
  return tap_done();
}
