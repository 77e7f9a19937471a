/* Signed messages: signed once, verified before they are delivered, and good
 * evidence afterwards. */
#include "raw.h"
#include "world.h"

#include "msg/signature.h"

#define LANE_STREAM 3
#define SIGNED_LANE HS2N_LANE_CERT

static void start(struct world *w, uint32_t places) {
  world_init(w, &(struct world_options){.places = places,
                                        .net = {.seed = 1, .whole = true},
                                        .types = world_packed_types});
  for (uint32_t to = 1; to < places; to++) {
    world_join(w, 0, to);
  }
}

static int broadcast(struct world *w, uint8_t type, uint64_t view,
                     struct hs2n_buf *body, struct hs2n_tag *out_tag) {
  struct hs2ni_target targets[WORLD_PLACES_MAX];
  const struct hs2n_msg msg = {.type = type,
                               .flags = HS2N_MSG_VIEW_BOUND |
                                        (out_tag != NULL ? HS2N_MSG_ACK : 0),
                               .view = view,
                               .body = body};
  size_t n = 0;

  for (uint32_t to = 1; to < w->n; to++) {
    targets[n++] = (struct hs2ni_target){
        .chan = w->places[0].ends[to].chan, .peer = {to}, .weight = 1};
  }
  return hs2ni_msgs_send(w->places[0].msgs, targets, n, &msg, out_tag);
}

static struct hs2n_evidence evidence_of(const struct hs2n_msg *msg,
                                        const struct hs2n_key *signer) {
  return (struct hs2n_evidence){
      .struct_size = sizeof(struct hs2n_evidence),
      .chain_id = WORLD_CHAIN,
      .signer = *signer,
      .type = msg->type,
      .flags = msg->flags,
      .view = msg->view,
      .body = msg->body == NULL ? (struct hs2n_span){NULL, 0}
                                : hs2n_buf_span(msg->body),
      .signature = msg->signature,
  };
}

static void check_evidence(const struct hs2n_evidence *good) {
  static const uint8_t other_body[] = "another";
  struct hs2n_evidence e = *good;
  struct hs2n_identity *stranger = world_identity(3);
  uint8_t bad[HS2N_SIGNATURE_LEN];

  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_OK);
  e.chain_id = "world2";
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  e = *good;
  e.signer = hs2n_identity_key(stranger);
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  e = *good;
  e.type++;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  e = *good;
  e.flags ^= HS2N_MSG_VIEW_BOUND;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  e = *good;
  e.view++;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  e = *good;
  e.body = (struct hs2n_span){other_body, sizeof(other_body)};
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  e = *good;
  memcpy(bad, e.signature.data, sizeof(bad));
  bad[40] ^= 1;
  e.signature.data = bad;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  hs2n_identity_free(stranger);
}

/* covers: H55 */
static void a_broadcast_is_signed_once_and_convinces_others(void) {
  struct world w;
  struct hs2n_buf *body;
  struct hs2ni_event event;
  uint8_t first[HS2N_SIGNATURE_LEN] = {0};

  start(&w, 4);
  body = world_body(&w, 0, 5000, 7);
  CHECK_EQ(broadcast(&w, SIGNED_LANE, 9, body, NULL), HS2N_OK);
  hs2n_buf_unref(body);
  CHECK_EQ(w.places[0].env.stats.messages_signed, 1);
  CHECK_EQ(w.places[0].env.stats.bodies_compressed, 1);
  world_settle(&w);
  for (uint32_t to = 1; to < 4; to++) {
    struct hs2n_evidence e;

    REQUIRE(hs2ni_msgs_next(w.places[to].msgs, &event));
    CHECK_EQ(event.msg.signature.len, HS2N_SIGNATURE_LEN);
    e = evidence_of(&event.msg, &w.places[0].key);
    CHECK_EQ(hs2n_evidence_verify(&e), HS2N_OK);
    if (to == 1) {
      memcpy(first, event.msg.signature.data, sizeof(first));
      check_evidence(&e);
    }
    CHECK_MEM(event.msg.signature.data, first, sizeof(first));
    CHECK_EQ(hs2ni_msgs_verdict(w.places[to].msgs, w.places[to].ends[0].chan,
                                event.id, HS2N_ACCEPT),
             HS2N_OK);
  }
  world_fini(&w);
}

static void what_no_node_would_sign_is_invalid_evidence(void) {
  uint8_t signature[HS2N_SIGNATURE_LEN] = {0};
  const struct hs2n_evidence good = {
      .struct_size = sizeof(good),
      .chain_id = WORLD_CHAIN,
      .signature = {signature, sizeof(signature)},
  };
  char chain[HS2N_CHAIN_ID_MAX + 2] = {0};
  struct hs2n_evidence e = good;

  memset(chain, 'a', HS2N_CHAIN_ID_MAX + 1);
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_BAD_SIGNATURE);
  e.chain_id = chain;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_INVALID);
  e.chain_id = "";
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_INVALID);
  e.chain_id = NULL;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_INVALID);
  e = good;
  e.type = HS2N_TYPES_MAX;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_INVALID);
  e = good;
  e.flags = HS2N_MSG_ACK;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_INVALID);
  e = good;
  e.signature.len--;
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_ERR_INVALID);
  e = good;
  e.struct_size = 1;
  CHECK(hs2n_evidence_verify(&e) < 0);
}

/* ---- what a peer may try --------------------------------------------------
 */

/* A record with 3 bytes of body, signed by whom, for what the arguments say. */
static void put_signed(struct bytes *b, const struct hs2n_identity *identity,
                       uint64_t seq, uint64_t view, uint64_t signed_view) {
  const struct hs2n_key key = hs2n_identity_key(identity);
  const struct hs2ni_signer signer = {
      .identity = identity,
      .id = hs2n_key_peer_id(&key),
      .chain_id = {(const uint8_t *)WORLD_CHAIN, strlen(WORLD_CHAIN)}};
  struct hs2n_msg msg = {.type = SIGNED_LANE, .view = signed_view};
  uint8_t signature[HS2N_SIGNATURE_LEN];
  struct hs2ni_record record = {
      .kind = HS2NI_RECORD_MSG,
      .seq = seq,
      .type = SIGNED_LANE,
      .flags = HS2NI_FLAG_SIGNED,
      .view = view,
      .body_len = 3,
      .signature = {signature, sizeof(signature)},
  };

  CHECK_EQ(hs2n_buf_new(&msg.body, hs2n_mem_libc(),
                        (struct hs2n_span){(const uint8_t *)"xxx", 3}),
           HS2N_OK);
  CHECK_EQ(hs2ni_signature_make(&signer, &msg, signature), HS2N_OK);
  hs2n_buf_unref(msg.body);
  bytes_record(b, &record);
  bytes_fill(b, 3);
}

static uint32_t first_nack(const struct raw *r) {
  struct hs2ni_list_node *n = r->chan->rx.nacks_pending.head;

  return n == NULL ? 0 : HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node)->code;
}

/* covers: H55 */
static void a_wrong_signature_is_refused_and_nothing_else_is(void) {
  struct hs2n_identity *stranger = world_identity(2);
  struct bytes b = {0};
  struct raw r;

  raw_init_types(&r, NULL, world_packed_types);
  raw_attach(&r, 5);
  bytes_head(&b, HS2NI_STREAM_LANE, SIGNED_LANE, 0, 0);
  put_signed(&b, r.identity, 1, 4, 4);
  put_signed(&b, stranger, 2, 4, 4);
  put_signed(&b, r.identity, 3, 5, 4);
  bytes_msg(&b, 4, SIGNED_LANE, 3); /* not signed at all */
  put_signed(&b, r.identity, 5, 6, 6);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(r.env.stats.refused_signature, 1);
  CHECK_EQ(first_nack(&r), HS2N_REASON_BAD_SIGNATURE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 5);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
  CHECK_EQ(r.env.stats.refused_signature, 3);
  CHECK_EQ(r.env.stats.messages_refused, 3);
  CHECK_EQ(r.chan->rx.nacks_pending.count, 3);
  CHECK_EQ(r.env.stats.messages_received, 2);
  raw_fini(&r);
  hs2n_identity_free(stranger);
}

/* It is not looked at, so it is not shown either. */
static void a_signature_that_was_not_asked_for_is_passed_over(void) {
  uint8_t signature[HS2N_SIGNATURE_LEN] = {1};
  struct hs2ni_event event;
  struct bytes b = {0};
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  bytes_head(&b, HS2NI_STREAM_LANE, 1, 0, 0);
  bytes_record(
      &b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                 .seq = 1,
                                 .type = 1,
                                 .flags = HS2NI_FLAG_SIGNED,
                                 .signature = {signature, sizeof(signature)}});
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  REQUIRE(hs2ni_msgs_next(r.msgs, &event));
  CHECK_EQ(event.msg.signature.len, 0);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, event.id, HS2N_ACCEPT), HS2N_OK);
  CHECK_EQ(r.env.stats.refused_signature, 0);
  raw_fini(&r);
}

static void a_peer_that_can_t_read_signatures_is_told_of_none(void) {
  struct world w;
  struct hs2n_buf *body;
  struct hs2ni_event event;
  struct hs2n_tag tag;

  start(&w, 2);
  w.places[0].ends[1].chan->peer_caps = 0;
  body = world_body(&w, 0, 50, 7);
  CHECK_EQ(broadcast(&w, SIGNED_LANE, 9, body, &tag), HS2N_OK);
  hs2n_buf_unref(body);
  world_settle(&w);
  REQUIRE(hs2ni_msgs_next(w.places[0].msgs, &event));
  CHECK_EQ(event.kind, HS2NI_EVENT_DONE);
  CHECK_EQ(event.done.outcome, HS2N_DONE_REFUSED);
  CHECK_EQ(event.done.reason, HS2N_REASON_UNSUPPORTED);
  CHECK(!hs2ni_msgs_next(w.places[1].msgs, &event));
  world_fini(&w);
}

/* ---- life ------------------------------------------------------------------
 */

static void it_is_good_on_the_next_connection_too(void) {
  struct world w;
  struct hs2n_buf *body;
  struct hs2n_tag tag;

  start(&w, 2);
  body = world_body(&w, 0, 60000, 7);
  CHECK_EQ(broadcast(&w, SIGNED_LANE, 9, body, &tag), HS2N_OK);
  CHECK(world_step(&w));
  world_cut(&w, 0, 1);
  world_settle(&w);
  world_join(&w, 0, 1);
  CHECK_EQ(world_run(&w, 1), 1);
  CHECK_EQ(w.places[0].env.stats.completions, 1);
  CHECK_EQ(w.places[0].env.stats.messages_signed, 1);
  hs2n_buf_unref(body);
  world_fini(&w);
}

/* The application may drop the peer from inside, and go on reading. */
static void it_can_be_read_though_its_channel_goes(void) {
  struct world w;
  struct hs2n_buf *body;
  struct hs2ni_event event;
  struct hs2n_evidence e;

  start(&w, 2);
  body = world_body(&w, 0, 100, 7);
  CHECK_EQ(broadcast(&w, SIGNED_LANE, 9, body, NULL), HS2N_OK);
  hs2n_buf_unref(body);
  world_settle(&w);
  REQUIRE(hs2ni_msgs_next(w.places[1].msgs, &event));
  hs2ni_deliver_forget(w.places[1].ends[0].chan);
  e = evidence_of(&event.msg, &w.places[0].key);
  CHECK_EQ(hs2n_evidence_verify(&e), HS2N_OK);
  world_fini(&w);
}

static void who_does_not_sign_pays_nothing(void) {
  struct world w;
  uint64_t before = 0;

  CHECK_EQ(hs2ni_frame_size(true),
           hs2ni_frame_size(false) + HS2NI_FRAME_SIGNATURE);
  start(&w, 2);
  for (int i = 0; i < 200; i++) {
    if (i == 100) {
      before = w.places[0].mem.requests + w.places[1].mem.requests;
    }
    CHECK_EQ(world_send(&w, 0, 1, SIGNED_LANE, 100, 1, NULL), HS2N_OK);
    CHECK_EQ(world_run(&w, 1), 1);
  }
  /* Who does pays no allocation: world_body's is the only one. */
  CHECK_EQ(w.places[0].mem.requests + w.places[1].mem.requests - before, 100);
  CHECK_EQ(w.places[0].env.stats.messages_signed, 200);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 100, 1, NULL), HS2N_OK);
  CHECK_EQ(world_run(&w, 1), 1);
  CHECK_EQ(w.places[0].env.stats.messages_signed, 200);
  world_fini(&w);
}

int main(void) {
  RUN(a_broadcast_is_signed_once_and_convinces_others);
  RUN(what_no_node_would_sign_is_invalid_evidence);
  RUN(a_wrong_signature_is_refused_and_nothing_else_is);
  RUN(a_signature_that_was_not_asked_for_is_passed_over);
  RUN(a_peer_that_can_t_read_signatures_is_told_of_none);
  RUN(it_is_good_on_the_next_connection_too);
  RUN(it_can_be_read_though_its_channel_goes);
  RUN(who_does_not_sign_pays_nothing);
  return tap_done();
}
