#include "tap.h"

#include <hs2net/error.h>
#include <hs2net/limits.h>

static int check(const struct hs2n_limits *limits, const char *want_field) {
  const char *field = "none";
  const int err = hs2n_limits_check(limits, &field);

  CHECK_TEXT(field, want_field);
  return err;
}

static void the_defaults_are_good(void) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  CHECK_EQ(limits.struct_size, sizeof(limits));
  CHECK_EQ(limits.peers_max, 128);
  CHECK_EQ(limits.memory_max_bytes, 0);
  CHECK_EQ(check(&limits, "none"), HS2N_OK);
  CHECK_EQ(hs2n_limits_check(&limits, NULL), HS2N_OK);
}

/* Each field one below its least and one above its greatest value, where its
 * type can hold that. */
static void every_field_has_its_range(void) {
  struct hs2n_limits limits;

#define X(type, field, def, min, max, text)                       \
  hs2n_limits_default(&limits);                                   \
  limits.field = (type)((uint64_t)(max) + 1u);                    \
  if ((uint64_t)limits.field > (uint64_t)(max)) {                 \
    CHECK_EQ(check(&limits, #field), HS2N_ERR_INVALID);           \
  }                                                               \
  limits.field = (type)((uint64_t)(min)-1u);                      \
  if ((uint64_t)(min) > 0u) {                                     \
    CHECK_EQ(check(&limits, #field), HS2N_ERR_INVALID);           \
    CHECK_EQ(hs2n_limits_check(&limits, NULL), HS2N_ERR_INVALID); \
  }
  HS2N_LIMITS_LIST(X)
#undef X
}

static void fields_may_not_contradict_each_other(void) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.keep_alive_ms = limits.idle_ms / 2;
  CHECK_EQ(check(&limits, "keep_alive_ms"), HS2N_ERR_INVALID);
  limits.keep_alive_ms--;
  CHECK_EQ(check(&limits, "none"), HS2N_OK);

  hs2n_limits_default(&limits);
  limits.backoff_min_ms = limits.backoff_max_ms + 1;
  CHECK_EQ(check(&limits, "backoff_min_ms"), HS2N_ERR_INVALID);

  hs2n_limits_default(&limits);
  limits.rx_window_bytes = limits.rx_stream_window_bytes - 1;
  CHECK_EQ(check(&limits, "rx_stream_window_bytes"), HS2N_ERR_INVALID);

  hs2n_limits_default(&limits);
  CHECK_EQ(limits.heartbeat_ms, 0);
  limits.heartbeat_ms = 49;
  CHECK_EQ(check(&limits, "heartbeat_ms"), HS2N_ERR_INVALID);
  limits.heartbeat_ms = 50;
  CHECK_EQ(check(&limits, "none"), HS2N_OK);

  hs2n_limits_default(&limits);
  limits.half_open_free_max = limits.half_open_max + 1;
  CHECK_EQ(check(&limits, "half_open_free_max"), HS2N_ERR_INVALID);
}

static void a_newer_struct_is_only_good_when_its_news_are_zero(void) {
  struct {
    struct hs2n_limits known;
    uint64_t future;
  } newer = {.future = 0};

  hs2n_limits_default(&newer.known);
  newer.known.struct_size = sizeof(newer);
  CHECK_EQ(check(&newer.known, "none"), HS2N_OK);
  newer.future = 1;
  CHECK_EQ(check(&newer.known, "none"), HS2N_ERR_VERSION);
  newer.known.struct_size = 0;
  CHECK_EQ(check(&newer.known, "struct_size"), HS2N_ERR_INVALID);
}

int main(void) {
  RUN(the_defaults_are_good);
  RUN(every_field_has_its_range);
  RUN(fields_may_not_contradict_each_other);
  RUN(a_newer_struct_is_only_good_when_its_news_are_zero);
  return tap_done();
}
