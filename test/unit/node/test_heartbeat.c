/* Heartbeats between nodes: proofs of life, and what silence means. */
#include "meshed.h"

enum { NODES = 4, INTERVAL_MS = 200 };

static const char chain[] = "sim";

static struct netsim *beating(uint64_t seed, uint32_t heartbeat_ms) {
  struct netsim_config c = netsim_config(NODES, seed);

  c.limits.heartbeat_ms = heartbeat_ms;
  return start(&c);
}

static struct hs2n_heartbeat of(struct netsim *s, size_t at, size_t peer) {
  struct hs2n_heartbeat h = {.struct_size = sizeof(h)};

  CHECK_EQ(hs2n_peer_heartbeat(node(s, at), netsim_peer(s, at, peer), &h),
           HS2N_OK);
  return h;
}

/* All that a third party gets is h. */
static void check_lies(const struct hs2n_heartbeat *h,
                       const struct hs2n_key *other) {
  struct hs2n_heartbeat lie = *h;

  CHECK_EQ(hs2n_heartbeat_verify(h, chain), HS2N_OK);
  CHECK_EQ(hs2n_heartbeat_verify(h, "other"), HS2N_ERR_BAD_SIGNATURE);
  CHECK_EQ(hs2n_heartbeat_verify(h, ""), HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_heartbeat_verify(h, NULL), HS2N_ERR_INVALID);
  lie.view++;
  CHECK_EQ(hs2n_heartbeat_verify(&lie, chain), HS2N_ERR_BAD_SIGNATURE);
  lie = *h;
  lie.unix_ms++;
  CHECK_EQ(hs2n_heartbeat_verify(&lie, chain), HS2N_ERR_BAD_SIGNATURE);
  lie = *h;
  lie.incarnation++;
  CHECK_EQ(hs2n_heartbeat_verify(&lie, chain), HS2N_ERR_BAD_SIGNATURE);
  lie.incarnation = 0;
  CHECK_EQ(hs2n_heartbeat_verify(&lie, chain), HS2N_ERR_INVALID);
  lie = *h;
  lie.signer = *other;
  CHECK_EQ(hs2n_heartbeat_verify(&lie, chain), HS2N_ERR_BAD_SIGNATURE);
  lie = *h;
  lie.signature[63] ^= 1;
  CHECK_EQ(hs2n_heartbeat_verify(&lie, chain), HS2N_ERR_BAD_SIGNATURE);
  lie = *h;
  lie.struct_size = 1;
  CHECK(hs2n_heartbeat_verify(&lie, chain) < 0);
  lie = *h;
  lie.heard++; /* the receiver's own word */
  CHECK_EQ(hs2n_heartbeat_verify(&lie, chain), HS2N_OK);
}

/* covers: H20 */
static void a_heartbeat_carries_view_and_time_for_a_third_party(void) {
  struct netsim *s = beating(1, INTERVAL_MS);
  struct hs2n_heartbeat first, h;

  CHECK_EQ(hs2n_enter_view(node(s, 1), 7, NULL, 0), HS2N_OK);
  netsim_run(s, HS2N_S(1));
  first = of(s, 0, 1);
  CHECK_EQ(first.view, 7);
  CHECK_EQ(first.incarnation, netsim_node(s, 1)->incarnation);
  CHECK_MEM(&first.signer, &netsim_node(s, 1)->key, sizeof(first.signer));
  CHECK(netsim_now(s) - first.heard <= HS2N_MS(INTERVAL_MS + 50));
  check_lies(&first, &netsim_node(s, 2)->key);
  CHECK_EQ(of(s, 0, 2).view, 0);
  CHECK_EQ(hs2n_enter_view(node(s, 1), 9, NULL, 0), HS2N_OK);
  netsim_run(s, HS2N_S(10));
  h = of(s, 0, 1);
  CHECK_EQ(h.view, 9);
  CHECK(h.unix_ms >= first.unix_ms + 10000 - INTERVAL_MS);
  CHECK(h.unix_ms <= first.unix_ms + 10000 + INTERVAL_MS);
  CHECK_EQ(hs2n_heartbeat_verify(&h, chain), HS2N_OK);
  /* One signature serves all. */
  CHECK_MEM(h.signature, of(s, 2, 1).signature, sizeof(h.signature));
  for (size_t i = 0; i < NODES; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.downs, 0);
    CHECK_EQ(netsim_stats(s, i).heartbeats_refused, 0);
  }
  netsim_free(s);
}

/* The time from when node 3 does nothing more until all know. */
static void check_silence(uint64_t seed, bool stalled) {
  struct netsim *s = beating(seed, INTERVAL_MS);

  netsim_run(s, HS2N_S(1) + HS2N_MS(seed * 37 % INTERVAL_MS));
  if (stalled) {
    netsim_stall(s, 3, HS2N_S(5));
  } else {
    for (size_t i = 0; i < 3; i++) { /* the whole machine: nobody refuses */
      netsim_cut_both(s, 3, i, true);
    }
    netsim_kill(s, 3);
  }
  netsim_run(s, HS2N_MS(INTERVAL_MS));
  for (size_t i = 0; i < 3; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.downs, 0);
  }
  netsim_run(s, HS2N_MS(2 * INTERVAL_MS));
  for (size_t i = 0; i < 3; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.downs, 1);
    CHECK_EQ(netsim_node(s, i)->seen.last_down, HS2N_REASON_SILENT);
    CHECK_EQ(netsim_stats(s, i).peers_silent, 1);
    CHECK_EQ(netsim_info(s, i, 3).state, HS2N_PEER_DOWN);
    CHECK_EQ(netsim_info(s, i, (i + 1) % 3).state, HS2N_PEER_UP);
  }
  if (stalled) { /* it comes back, and is taken back */
    CHECK(!netsim_meshed(s));
    CHECK(netsim_until(s, netsim_meshed, HS2N_S(60)));
  }
  netsim_free(s);
}

/* covers: H20 */
static void a_silent_peer_is_down_within_three_intervals(void) {
  for (uint64_t seed = 1; seed <= 8; seed++) {
    check_silence(seed, seed % 2 == 0);
  }
}

static void a_short_pause_is_no_silence(void) {
  struct netsim *s = beating(3, INTERVAL_MS);

  for (int i = 0; i < 20; i++) {
    netsim_stall(s, 3, HS2N_MS(INTERVAL_MS));
    netsim_run(s, HS2N_MS(617));
  }
  for (size_t i = 0; i < NODES; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.downs, 0);
    CHECK_EQ(netsim_stats(s, i).peers_silent, 0);
  }
  netsim_free(s);
}

static uint64_t idle_bytes(struct netsim *s, hs2n_time length) {
  const uint64_t before = netsim_bytes(s, 0);

  netsim_run(s, HS2N_S(5));
  netsim_run(s, length);
  return netsim_bytes(s, 0) - before;
}

static void none_are_sent_unless_asked_for(void) {
  struct netsim *s = beating(1, 0);
  struct hs2n_heartbeat h = {.struct_size = sizeof(h)};
  uint64_t off, on;

  off = idle_bytes(s, HS2N_S(60));
  CHECK_EQ(hs2n_peer_heartbeat(node(s, 0), netsim_peer(s, 0, 1), &h),
           HS2N_ERR_STATE);
  CHECK_EQ(hs2n_peer_heartbeat(node(s, 0), (struct hs2n_peer){999}, &h),
           HS2N_ERR_NO_PEER);
  CHECK_EQ(netsim_stats(s, 0).heartbeats_sent, 0);
  netsim_free(s);
  s = beating(1, 1000);
  on = idle_bytes(s, HS2N_S(60));
  CHECK(netsim_stats(s, 0).heartbeats_sent >= 3 * 64);
  /* A heartbeat, and the ack of the peer's. */
  CHECK(on - off < UINT64_C(3) * 66 * 250);
  printf("# idle, 65 s, 3 peers: %" PRIu64 " bytes off, %" PRIu64
         " bytes at 1 s\n",
         off, on);
  netsim_free(s);
}

int main(void) {
  RUN_OVER(a_heartbeat_carries_view_and_time_for_a_third_party);
  RUN_OVER(a_silent_peer_is_down_within_three_intervals);
  RUN_OVER(a_short_pause_is_no_silence);
  RUN_OVER(none_are_sent_unless_asked_for);
  return tap_done();
}
