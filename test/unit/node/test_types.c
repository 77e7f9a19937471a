/* Message types are the application's: the layers below carry what they have
 * never heard of, in the lanes that it declares. */
#include "netsim.h"
#include "tap.h"

enum { MANY = HS2N_TYPES_MAX };

/* What a receiver was given, in order. */
static uint8_t arrived[2 * MANY];
static size_t arrived_n;

static enum hs2n_verdict note(struct netsim_node *n, size_t from,
                              struct hs2n_msg_id id,
                              const struct hs2n_msg *msg) {
  (void)n;
  (void)from;
  (void)id;
  if (arrived_n < sizeof(arrived)) {
    arrived[arrived_n++] = msg->type;
  }
  return HS2N_ACCEPT;
}

static struct netsim *start(const struct hs2n_type *types, size_t types_n,
                            uint64_t seed) {
  struct netsim_config c = netsim_config(2, seed);
  struct netsim *s;

  c.types = types;
  c.types_n = types_n;
  s = netsim_new(&c);
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  netsim_node(s, 1)->judge = note;
  arrived_n = 0;
  return s;
}

static int say(struct netsim *s, uint8_t type, size_t len) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = netsim_peer(s, 0, 1)};
  struct hs2n_msg msg = {.type = type, .body = netsim_body(s, len)};
  const int err = hs2n_send(netsim_node(s, 0)->node, &dst, &msg, NULL);

  hs2n_buf_unref(msg.body);
  return err;
}

/* As many as there can be, with the lanes dealt out in turn.  No file of the
 * library names one of them. */
/* covers: N02, P11 */
static void types_that_no_layer_has_heard_of_are_carried(void) {
  struct hs2n_type types[MANY];
  uint64_t seen = 0;
  struct netsim *s;

  for (uint8_t i = 0; i < MANY; i++) {
    types[i] = (struct hs2n_type){.id = i,
                                  .lane = (enum hs2n_lane)(i % HS2N_LANES),
                                  .size_max = 100u + i};
  }
  s = start(types, MANY, 1);
  for (uint8_t i = 0; i < MANY; i++) {
    CHECK_EQ(say(s, i, types[i].size_max), HS2N_OK);
    CHECK_EQ(say(s, i, types[i].size_max + 1), HS2N_ERR_TOO_BIG);
  }
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(arrived_n, MANY);
  for (size_t i = 0; i < arrived_n; i++) {
    seen |= UINT64_C(1) << arrived[i];
  }
  CHECK_EQ(seen, UINT64_MAX);
  netsim_free(s);
}

static void a_type_that_was_not_declared_can_not_be_sent(void) {
  static const struct hs2n_type one = {.id = 9, .size_max = 10};
  struct netsim *s = start(&one, 1, 2);

  CHECK_EQ(say(s, 9, 10), HS2N_OK);
  CHECK_EQ(say(s, 8, 10), HS2N_ERR_INVALID);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(arrived_n, 1);
  netsim_free(s);
}

/* What of 5 and 7 arrives first, when 5 is large and was sent first. */
static uint8_t first_of(enum hs2n_lane lane_of_7) {
  const struct hs2n_type types[] = {
      {.id = 5, .lane = HS2N_LANE_BULK, .size_max = 1u << 20},
      {.id = 7, .lane = lane_of_7, .size_max = 100},
  };
  struct netsim *s = start(types, 2, 3);

  CHECK_EQ(say(s, 5, 1u << 20), HS2N_OK);
  CHECK_EQ(say(s, 7, 100), HS2N_OK);
  netsim_run(s, HS2N_S(5));
  CHECK_EQ(arrived_n, 2);
  netsim_free(s);
  return arrived[0];
}

/* covers: P11 */
static void the_lane_of_a_type_is_what_the_application_declares(void) {
  CHECK_EQ(first_of(HS2N_LANE_VOTE), 7);
  CHECK_EQ(first_of(HS2N_LANE_CONTROL), 7);
  CHECK_EQ(first_of(HS2N_LANE_BULK), 5); /* FIFO in one lane */
}

int main(void) {
  NETSIM_RUN_OVER_ALL(types_that_no_layer_has_heard_of_are_carried);
  NETSIM_RUN_OVER_ALL(a_type_that_was_not_declared_can_not_be_sent);
  NETSIM_RUN_OVER_ALL(the_lane_of_a_type_is_what_the_application_declares);
  return tap_done();
}
