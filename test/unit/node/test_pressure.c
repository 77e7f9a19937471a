/* Applications that are slow, or stop. */
#include "netsim.h"
#include "tap.h"

#include <stdlib.h>

static struct netsim *start(const struct netsim_config *c) {
  struct netsim *s = netsim_new(c);

  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  return s;
}

/* A method that takes five seconds, while the others go on. */
static void a_handler_of_five_seconds_costs_no_connection(void) {
  const struct netsim_config c = netsim_config(4, 1);
  struct netsim *s = start(&c);

  for (int i = 0; i < 100; i++) {
    if (i == 20) {
      netsim_stall(s, 0, HS2N_S(5));
    }
    for (size_t from = 1; from < 4; from++) {
      CHECK_EQ(netsim_send(s, from, 0, HS2N_LANE_VOTE, 200, NULL), HS2N_OK);
      CHECK_EQ(netsim_send(s, from, 0, HS2N_LANE_PROPOSAL, 30000, NULL),
               HS2N_OK);
      netsim_flush(s, from);
    }
    netsim_run(s, HS2N_MS(100));
    CHECK(i < 21 || i > 68 || netsim_node(s, 0)->seen.messages == 6 * 20);
  }
  netsim_run(s, HS2N_S(5));
  CHECK_EQ(netsim_node(s, 0)->seen.messages, 600);
  for (size_t i = 0; i < 4; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.downs, 0);
    CHECK_EQ(netsim_stats(s, i).connections_opened, 3);
  }
  netsim_free(s);
}

enum { HELD_MAX = 4096 };

struct keeper {
  struct hs2n_buf *held[HELD_MAX];
  size_t n;
};

/* Takes all it gets, and lets go of nothing. */
static enum hs2n_verdict keep(struct netsim_node *n, size_t from,
                              struct hs2n_msg_id id,
                              const struct hs2n_msg *msg) {
  struct keeper *k = n->test;

  (void)from, (void)id;
  CHECK(k->n < HELD_MAX);
  k->held[k->n++] = hs2n_buf_ref(msg->body);
  return HS2N_ACCEPT;
}

/* Fills every lane up; the number of messages that were taken. */
static size_t fill(struct netsim *s) {
  size_t taken = 0;

  for (int lane = 0; lane < HS2N_LANES; lane++) {
    while (netsim_send(s, 0, 1, (enum hs2n_lane)lane, 20000, NULL) == HS2N_OK) {
      taken++;
    }
  }
  netsim_flush(s, 0);
  return taken;
}

/* covers: H11 */
static void who_stops_reading_holds_its_budget_and_no_more(void) {
  struct netsim_config c = netsim_config(3, 2);
  struct keeper *k = calloc(1, sizeof(*k));
  struct netsim *s;
  size_t sent = 0;
  uint32_t writables;
  int64_t live[2] = {0};

  c.limits.rx_held_bytes = 300000;
  c.limits.rx_window_bytes = 200000;
  c.limits.rx_stream_window_bytes = 100000;
  c.limits.rx_shared_bytes = 500000; /* a fifth of which one may get */
  c.limits.tx_queue_bytes_max = 400000;
  s = start(&c);
  netsim_node(s, 1)->judge = keep;
  netsim_node(s, 1)->test = k;
  for (int second = 0; second < 600; second++) {
    sent += fill(s);
    netsim_run(s, HS2N_S(1));
    CHECK(netsim_info(s, 0, 1).queued_bytes <= 400000);
    CHECK(netsim_info(s, 1, 0).rx_held_bytes <= 300000 + 200000 + 500000 / 5);
    for (size_t i = 0; i < 2 && second >= 10; i++) {
      if (second == 10) {
        live[i] = netsim_node(s, i)->mem.live_bytes;
      }
      CHECK(netsim_node(s, i)->mem.live_bytes <= live[i] + 65536);
    }
  }
  CHECK(netsim_stats(s, 0).tx_full > 0);
  CHECK_EQ(netsim_node(s, 0)->seen.downs, 0);
  CHECK_EQ(netsim_node(s, 0)->seen.last_message_at, 0); /* nobody wrote to it */
  /* Others are not in its way. */
  CHECK_EQ(netsim_send(s, 0, 2, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  CHECK_EQ(netsim_send(s, 2, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  netsim_flush(s, 0);
  netsim_flush(s, 2);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.messages, 1);
  /* It reads on: room comes back, is told of, and all that was taken comes. */
  writables = netsim_node(s, 0)->seen.writables;
  for (int i = 0; i < 50; i++) {
    while (k->n > 0) {
      hs2n_buf_unref(k->held[--k->n]);
    }
    netsim_flush(s, 1);
    netsim_run(s, HS2N_MS(100));
  }
  CHECK(netsim_node(s, 0)->seen.writables > writables);
  CHECK_EQ(netsim_info(s, 0, 1).queued_bytes, 0);
  CHECK(sent > 0);
  CHECK_EQ(netsim_info(s, 1, 0).judged_msgs, sent);
  CHECK_EQ(netsim_node(s, 0)->seen.downs, 0);
  netsim_free(s);
  free(k);
}

int main(void) {
  RUN_OVER(a_handler_of_five_seconds_costs_no_connection);
  RUN_OVER(who_stops_reading_holds_its_budget_and_no_more);
  return tap_done();
}
