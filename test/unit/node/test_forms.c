/* Compressed and signed messages from node to node, over real QUIC. */
#include "netsim.h"
#include "tap.h"

static const struct hs2n_type types[HS2N_LANES] = {
    {.id = 0, .lane = HS2N_LANE_CONTROL, .size_max = 1000},
    {.id = 1,
     .lane = HS2N_LANE_VOTE,
     .size_max = 1000,
     .flags = HS2N_TYPE_SIGNED},
    {.id = 2, .lane = HS2N_LANE_CERT, .size_max = 1000},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 1u << 20,
     .compression = HS2N_COMPRESSION_LZ4,
     .flags = HS2N_TYPE_SIGNED},
    {.id = 4, .lane = HS2N_LANE_SYNC, .size_max = 1u << 20},
    {.id = 5,
     .lane = HS2N_LANE_BULK,
     .size_max = 1u << 20,
     .compression = HS2N_COMPRESSION_LZ4},
};

static uint32_t good, bad;

/* Shows each signed message to somebody else. */
static enum hs2n_verdict show(struct netsim_node *n, size_t from,
                              struct hs2n_msg_id id,
                              const struct hs2n_msg *msg) {
  const struct hs2n_evidence evidence = {
      .struct_size = sizeof(evidence),
      .chain_id = "sim",
      .signer = netsim_node(n->sim, from)->key,
      .type = msg->type,
      .flags = msg->flags,
      .view = msg->view,
      .body = hs2n_buf_span(msg->body),
      .signature = msg->signature,
  };

  (void)id;
  n->seen.messages++;
  if (msg->signature.len > 0) {
    if (hs2n_evidence_verify(&evidence) == HS2N_OK) {
      good++;
    } else {
      bad++;
    }
  }
  return HS2N_ACCEPT;
}

static bool all_seen(struct netsim *sim) {
  return netsim_node(sim, 1)->seen.messages >= 3 &&
         netsim_node(sim, 2)->seen.messages >= 3;
}

/* Body bytes that compress. */
static void broadcast(struct netsim *sim, uint8_t type, size_t len) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = NETSIM_EPOCH};
  struct hs2n_msg msg = {.type = type, .view = 4};
  uint8_t *data;

  CHECK_EQ(hs2n_buf_alloc(&msg.body, hs2n_mem_libc(), len, &data), HS2N_OK);
  memset(data, 'a', len);
  CHECK_EQ(hs2n_send(netsim_node(sim, 0)->node, &dst, &msg, NULL), HS2N_OK);
  hs2n_buf_unref(msg.body);
}

/* covers: H17, H55 */
static void forms_are_made_once_and_understood_by_all(void) {
  struct netsim_config c = netsim_config(3, 1);
  struct netsim *sim;
  uint64_t before;

  good = bad = 0;
  c.types = types;
  c.types_n = HS2N_LANES;
  sim = netsim_new(&c);
  netsim_start_all(sim);
  REQUIRE(netsim_until(sim, netsim_meshed, HS2N_S(5)));
  netsim_node(sim, 1)->judge = show;
  netsim_node(sim, 2)->judge = show;
  before = netsim_stats(sim, 0).udp_bytes_sent;
  broadcast(sim, 1, 150);
  broadcast(sim, 3, 1u << 20);
  broadcast(sim, 5, 100000);
  CHECK(netsim_until(sim, all_seen, HS2N_S(10)));
  CHECK_EQ(good, 4);
  CHECK_EQ(bad, 0);
  CHECK_EQ(netsim_stats(sim, 0).messages_signed, 2);
  CHECK_EQ(netsim_stats(sim, 0).bodies_compressed, 2);
  if (netsim_link == NETSIM_WIRE) { /* in memory there are no datagrams */
    CHECK(netsim_stats(sim, 0).udp_bytes_sent - before < 100000);
  }
  CHECK_EQ(netsim_stats(sim, 1).message_bytes_received,
           150 + (1u << 20) + 100000);
  CHECK_EQ(netsim_stats(sim, 1).refused_signature, 0);
  netsim_free(sim);
}

int main(void) {
  NETSIM_RUN_OVER_ALL(forms_are_made_once_and_understood_by_all);
  return tap_done();
}
