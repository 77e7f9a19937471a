/* Replays arbitrary bytes as the recording of a node over either transport,
 * behind the beginning of a real one: every entry and call of a node, in any
 * order and with any argument that a recording can hold.  Whatever it says,
 * nothing is leaked and nothing but a difference is found. */
/* covers: H77 */
#include "base/rng.h"

#include <hs2net/hs2net.h>
#include <hs2net/replay.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 400
#define BEGIN_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(bool good) {
  if (!good) {
    abort();
  }
}

struct memory {
  struct hs2n_mem mem;
  int64_t live;
};

static void *take(void *user_data, size_t len) {
  struct memory *m = user_data;

  m->live += (int64_t)len;
  return calloc(1, len);
}

static void give(void *user_data, void *ptr, size_t len) {
  struct memory *m = user_data;

  if (ptr != NULL) {
    m->live -= (int64_t)len;
    free(ptr);
  }
}

struct begin {
  uint8_t bytes[BEGIN_MAX];
  size_t len;
};

static void record(void *user_data, struct hs2n_span bytes) {
  struct begin *b = user_data;

  expect(bytes.len <= sizeof(b->bytes) - b->len);
  if (bytes.len > 0) {
    memcpy(b->bytes + b->len, bytes.data, bytes.len);
    b->len += bytes.len;
  }
}

static int draw(void *user_data, uint8_t *out, size_t len) {
  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)hs2ni_rng_next(user_data);
  }
  return 0;
}

/* The beginning of the recording of a node that has just been made. */
static void begin(struct begin *b, enum hs2n_transport transport,
                  const struct hs2n_mem *mem,
                  const struct hs2n_identity *identity, struct hs2ni_rng *rng) {
  static const struct hs2n_type types[] = {
      {.id = 0, .lane = HS2N_LANE_VOTE, .size_max = 512, .name = "vote"},
      {.id = 1, .lane = HS2N_LANE_BULK, .size_max = 1u << 20, .name = "bulk"},
  };
  struct hs2n_config config;
  struct hs2n_node *node;

  hs2n_config_default(&config);
  config.mem = mem;
  config.identity = identity;
  config.chain_id = "fuzz";
  config.incarnation = 1;
  config.types = types;
  config.types_n = 2;
  config.rand = draw;
  config.rand_data = rng;
  config.local = (struct hs2n_addr){
      .family = HS2N_FAMILY_IPV4, .ip = {10, 0, 0, 1}, .port = 7000};
  config.unix_time_s = 1800000000;
  config.transport = transport;
  config.record = record;
  config.record_data = b;
  expect(hs2n_node_new(&node, &config, HS2N_S(1), NULL) == HS2N_OK);
  hs2n_node_free(node);
}

static void replay(struct hs2n_span recording, const struct hs2n_mem *mem,
                   const struct hs2n_identity *identity) {
  struct hs2n_replay_at at = {.struct_size = sizeof(at)};
  struct hs2n_replay *r;
  int err = 1;

  expect(hs2n_replay_new(&r, recording, mem, identity, NULL, NULL) == HS2N_OK);
  for (int i = 0; i < STEPS_MAX && err == 1; i++) {
    err = hs2n_replay_step(r);
  }
  hs2n_replay_where(r, &at);
  expect(at.offset <= recording.len);
  expect((err < 0) == (at.text != NULL));
  hs2n_replay_free(r);
}

static void one(enum hs2n_transport transport, const uint8_t *data,
                size_t len) {
  struct memory m = {.mem = {.user_data = &m, .alloc = take, .release = give}};
  struct hs2n_identity *identity;
  struct begin b = {.len = 0};
  struct hs2ni_rng rng;
  uint8_t *all;

  hs2ni_rng_seed(&rng, 1);
  expect(hs2n_identity_generate(&identity, &m.mem, draw, &rng) == HS2N_OK);
  begin(&b, transport, &m.mem, identity, &rng);
  all = malloc(b.len + len);
  expect(all != NULL);
  memcpy(all, b.bytes, b.len);
  if (len > 0) {
    memcpy(all + b.len, data, len);
  }
  replay((struct hs2n_span){all, b.len + len}, &m.mem, identity);
  free(all);
  hs2n_identity_free(identity);
  expect(m.live == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  one(HS2N_TRANSPORT_QUIC, data, len);
  one(HS2N_TRANSPORT_TCP, data, len);
  return 0;
}
