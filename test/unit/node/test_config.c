#include "node/config.h"
#include "node/ledger.h"
#include "tap.h"
#include "test_mem.h"

static int no_rand(void *user_data, uint8_t *out, size_t len) {
  (void)user_data;
  (void)out;
  (void)len;
  return -1;
}

static const struct hs2n_type types[] = {
    {.id = 0, .lane = HS2N_LANE_VOTE, .size_max = 128},
    {.id = 63, .lane = HS2N_LANE_BULK, .size_max = HS2N_BODY_MAX},
};

static struct hs2n_config good(void) {
  static const int identity; /* only its address is looked at */
  struct hs2n_config c;

  hs2n_config_default(&c);
  c.identity = (const struct hs2n_identity *)(const void *)&identity;
  c.chain_id = "main.net-1";
  c.incarnation = 1;
  c.types = types;
  c.types_n = 2;
  c.rand = no_rand;
  c.local = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4};
  return c;
}

static void check_bad(const struct hs2n_config *c, int err, const char *field) {
  struct hs2ni_config out;
  const char *got = "";

  CHECK_EQ(hs2ni_config_take(&out, c, &got), err);
  CHECK_TEXT(got, field);
}

static void what_the_caller_may_take_back_is_copied(void) {
  struct hs2n_config c = good();
  struct hs2n_limits limits;
  struct hs2n_consensus consensus = HS2N_CONSENSUS_INIT;
  char chain[] = "x1";
  struct hs2ni_config out;
  const char *field = "";

  hs2n_limits_default(&limits);
  limits.peers_max = 7;
  consensus.self = &c;
  c.limits = &limits;
  c.consensus = &consensus;
  c.chain_id = chain;
  CHECK_EQ(hs2ni_config_take(&out, &c, &field), HS2N_OK);
  limits.peers_max = 8;
  consensus.self = NULL;
  chain[0] = 'y';
  CHECK_EQ(out.given.limits->peers_max, 7);
  CHECK(out.given.consensus->self == &c);
  CHECK_TEXT(out.given.chain_id, "x1");
  CHECK(out.given.types != types);
  CHECK_EQ(out.given.types[1].id, 63);
}

/* covers: H40 */
static void each_bad_field_is_named(void) {
  struct hs2n_config c;
  struct hs2n_limits limits;
  char longest[HS2N_CHAIN_ID_MAX + 2];

#define BAD(change, field)                  \
  do {                                      \
    c = good();                             \
    change;                                 \
    check_bad(&c, HS2N_ERR_INVALID, field); \
  } while (0)
  BAD(c.mem = NULL, "mem");
  BAD(c.identity = NULL, "identity");
  BAD(c.incarnation = 0, "incarnation");
  BAD(c.rand = NULL, "rand");
  BAD(c.local.family = 5, "local");
  BAD(c.congestion = (enum hs2n_congestion)7, "congestion");
  BAD(c.udp_payload_max = 1199, "udp_payload_max");
  BAD(c.udp_payload_max = 65508, "udp_payload_max");
  BAD(c.transport = (enum hs2n_transport)2, "transport");
  BAD((c.transport = HS2N_TRANSPORT_TCP, c.uplink_bits_per_s = 1000000),
      "uplink_bits_per_s");
  BAD(c.chain_id = NULL, "chain_id");
  BAD(c.chain_id = "", "chain_id");
  BAD(c.chain_id = "Main", "chain_id");
  BAD(c.chain_id = "a/b", "chain_id");
  memset(longest, 'a', sizeof(longest));
  longest[HS2N_CHAIN_ID_MAX + 1] = '\0';
  BAD(c.chain_id = longest, "chain_id");
  BAD(c.types_n = HS2N_TYPES_MAX + 1, "types_n");
  BAD(c.types = NULL, "types_n");
  hs2n_limits_default(&limits);
  limits.handshake_ms = 0;
  BAD(c.limits = &limits, "handshake_ms");
#undef BAD
}

static void bad_types_are_named(void) {
  static const struct {
    struct hs2n_type types[2];
    const char *field;
  } cases[] = {
      {{{.id = 64}, {.id = 1}}, "types.id"},
      {{{.id = 1}, {.id = 1}}, "types.id"},
      {{{.id = 1, .lane = (enum hs2n_lane)HS2N_LANES}, {.id = 2}},
       "types.lane"},
      {{{.id = 1, .size_max = HS2N_BODY_MAX + 1}, {.id = 2}}, "types.size_max"},
      {{{.id = 1, .compression = (enum hs2n_compression)3}, {.id = 2}},
       "types.compression"},
      {{{.id = 1}, {.id = 2, .compression = (enum hs2n_compression) - 1}},
       "types.compression"},
      {{{.id = 1}, {.id = 2, .flags = 1u << 31}}, "types.flags"},
      {{{.id = 1}, {.id = 2, .flags = HS2N_TYPE_BY_CONTENT | HS2N_TYPE_SIGNED}},
       "types.flags"},
      {{{.id = 1, .role = HS2N_ROLE_RESPONSE, .flags = HS2N_TYPE_BY_CONTENT},
        {.id = 2}},
       "types.flags"},
      {{{.id = 1, .role = HS2N_ROLE_RESPONSE, .flags = HS2N_TYPE_SIGNED},
        {.id = 2}},
       "types.flags"},
      {{{.id = 1,
         .role = HS2N_ROLE_REQUEST,
         .response = 2,
         .flags = HS2N_TYPE_SIGNED},
        {.id = 2, .role = HS2N_ROLE_RESPONSE}},
       "types.flags"},
      {{{.id = 1, .role = (enum hs2n_type_role)3}, {.id = 2}}, "types.role"},
      {{{.id = 1, .role = (enum hs2n_type_role) - 1}, {.id = 2}}, "types.role"},
      /* no such type; itself; a plain message */
      {{{.id = 1, .role = HS2N_ROLE_REQUEST, .response = 3},
        {.id = 2, .role = HS2N_ROLE_RESPONSE}},
       "types.response"},
      {{{.id = 1, .role = HS2N_ROLE_REQUEST, .response = 1},
        {.id = 2, .role = HS2N_ROLE_RESPONSE}},
       "types.response"},
      {{{.id = 1, .role = HS2N_ROLE_REQUEST, .response = 2}, {.id = 2}},
       "types.response"},
      /* only a request has one */
      {{{.id = 1, .response = 2}, {.id = 2, .role = HS2N_ROLE_RESPONSE}},
       "types.response"},
      {{{.id = 1, .role = HS2N_ROLE_RESPONSE, .response = 2},
        {.id = 2, .role = HS2N_ROLE_RESPONSE}},
       "types.response"},
      {{{.id = 1,
         .compression = HS2N_COMPRESSION_LZ4,
         .flags = HS2N_TYPE_SECRET},
        {.id = 2}},
       "types.compression"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct hs2n_config c = good();

    c.types = cases[i].types;
    check_bad(&c, HS2N_ERR_INVALID, cases[i].field);
  }
}

/* Otherwise it could never be asked. */
static void a_request_and_its_response_fit_the_budget(void) {
  static const struct hs2n_type pair[2] = {
      {.id = 1, .size_max = 1000, .role = HS2N_ROLE_REQUEST, .response = 2},
      {.id = 2, .size_max = 70000, .role = HS2N_ROLE_RESPONSE},
  };
  struct hs2n_config c = good();
  struct hs2n_limits limits;
  struct hs2ni_config out;
  const char *field = "";

  hs2n_limits_default(&limits);
  c.types = pair;
  c.limits = &limits;
  limits.requests_bytes_max = 71000;
  CHECK_EQ(hs2ni_config_take(&out, &c, &field), HS2N_OK);
  CHECK_EQ(out.given.types[0].response, 2);
  limits.requests_bytes_max--;
  check_bad(&c, HS2N_ERR_INVALID, "limits.requests_bytes_max");
}

/* An older program's struct ends early: what it did not know is zero. */
static void older_and_newer_programs_are_told_apart(void) {
  struct {
    struct hs2n_config config;
    uint64_t unknown;
  } newer = {.config = good()};
  struct hs2ni_config out;
  const char *field = "";

  newer.config.struct_size = offsetof(struct hs2n_config, udp_payload_max);
  newer.config.udp_payload_max = 9000;
  CHECK_EQ(hs2ni_config_take(&out, &newer.config, &field), HS2N_OK);
  CHECK_EQ(out.given.udp_payload_max, 0);

  newer.config.struct_size = sizeof(newer);
  CHECK_EQ(hs2ni_config_take(&out, &newer.config, &field), HS2N_OK);
  newer.unknown = 1;
  check_bad(&newer.config, HS2N_ERR_VERSION, "struct_size");
}

static void a_ledger_counts_and_stops_at_its_promise(void) {
  struct test_mem t;
  struct hs2ni_ledger l;
  void *a;
  void *b;

  test_mem_init(&t, 0);
  hs2ni_ledger_init(&l, &t.mem, 100);
  a = l.mem.alloc(l.mem.user_data, 60);
  CHECK(a != NULL);
  CHECK(l.mem.alloc(l.mem.user_data, 41) == NULL);
  b = l.mem.alloc(l.mem.user_data, 40);
  CHECK(b != NULL);
  CHECK(l.mem.alloc(l.mem.user_data, 1) == NULL);
  l.mem.release(l.mem.user_data, a, 60);
  l.mem.release(l.mem.user_data, NULL, 60);
  CHECK_EQ(l.live_bytes, 40);
  CHECK_EQ(l.peak_bytes, 100);
  l.mem.release(l.mem.user_data, b, 40);
  CHECK_EQ(t.live_bytes, 0);
}

int main(void) {
  RUN(what_the_caller_may_take_back_is_copied);
  RUN(each_bad_field_is_named);
  RUN(bad_types_are_named);
  RUN(a_request_and_its_response_fit_the_budget);
  RUN(older_and_newer_programs_are_told_apart);
  RUN(a_ledger_counts_and_stops_at_its_promise);
  return tap_done();
}
