#include "base/sized.h"

#include <hs2net/error.h>
#include <hs2net/limits.h>
#include <string.h>

#define HEARTBEAT_MIN_MS 50u /* 0 apart; no peer reads a shorter interval */

struct field {
  const char *name;
  size_t offset;
  size_t size; /* 4 or 8 */
  uint64_t min, max;
};

static const struct field fields[] = {
#define X(type, field, def, min, max, text) \
  {#field, offsetof(struct hs2n_limits, field), sizeof(type), (min), (max)},
    HS2N_LIMITS_LIST(X)
#undef X
};

void hs2n_limits_default(struct hs2n_limits *out) {
  *out = (struct hs2n_limits){.struct_size = sizeof(struct hs2n_limits),
#define X(type, field, def, min, max, text) .field = (def),
                              HS2N_LIMITS_LIST(X)
#undef X
  };
}

static uint64_t field_value(const struct hs2n_limits *limits,
                            const struct field *field) {
  const char *at = (const char *)limits + field->offset;
  uint32_t narrow;
  uint64_t wide;

  if (field->size == sizeof(narrow)) {
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
  }
  memcpy(&wide, at, sizeof(wide));
  return wide;
}

/* The first field out of its range, or NULL. */
static const char *check_ranges(const struct hs2n_limits *limits) {
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    const uint64_t value = field_value(limits, &fields[i]);

    if (value < fields[i].min || value > fields[i].max) {
      return fields[i].name;
    }
  }
  return NULL;
}

/* The first field that contradicts another, or NULL. */
static const char *check_rules(const struct hs2n_limits *limits) {
  if (limits->half_open_free_max > limits->half_open_max) {
    return "half_open_free_max";
  }
  /* One PING may get lost and the next must still be in time. */
  if (limits->keep_alive_ms >= limits->idle_ms / 2) {
    return "keep_alive_ms";
  }
  if (limits->backoff_min_ms > limits->backoff_max_ms) {
    return "backoff_min_ms";
  }
  if (limits->rx_stream_window_bytes > limits->rx_window_bytes) {
    return "rx_stream_window_bytes";
  }
  if (limits->heartbeat_ms != 0 && limits->heartbeat_ms < HEARTBEAT_MIN_MS) {
    return "heartbeat_ms";
  }
  return NULL;
}

int hs2n_limits_check(const struct hs2n_limits *limits,
                      const char **out_field) {
  struct hs2n_limits known;
  const int err =
      hs2ni_sized_copy(&known, sizeof(known), sizeof(known), limits);
  const char *bad = "struct_size";

  if (err == HS2N_ERR_VERSION) {
    return err;
  }
  if (err == HS2N_OK) {
    bad = check_ranges(&known);
    bad = bad == NULL ? check_rules(&known) : bad;
  }
  if (bad != NULL && out_field != NULL) {
    *out_field = bad;
  }
  return bad == NULL ? HS2N_OK : HS2N_ERR_INVALID;
}
