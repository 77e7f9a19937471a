/* The trace: a hash of everything, the last events, and a stream of them. */
#include "sim/inside.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  int level;
} kinds[] = {
#define X(name, level, text) {#name, level},
    HS2N_SIM_EVENT_LIST(X)
#undef X
};

/* Little-endian whatever the machine; compilers make one load of it. */
static uint64_t load8(const unsigned char *p) {
  uint64_t x = 0;

  for (int i = 0; i < 8; i++) {
    x |= (uint64_t)p[i] << (8 * i);
  }
  return x;
}

static uint64_t fold(uint64_t hash, uint64_t x) {
  hash = (hash ^ x) * 0x9fb21c651e98df25u;
  return hash ^ hash >> 29;
}

void hs2ni_hash(struct hs2n_sim *sim, const void *data, size_t len) {
  const unsigned char *p = data;
  uint64_t hash = fold(sim->hash, len);
  uint64_t rest = 0;

  for (; len >= 8; p += 8, len -= 8) {
    hash = fold(hash, load8(p));
  }
  for (size_t i = 0; i < len; i++) {
    rest |= (uint64_t)p[i] << (8 * i);
  }
  sim->hash = fold(hash, rest);
}

static void keep(struct hs2n_sim *sim, const struct hs2n_sim_event *event) {
  struct hs2ni_kept_event *k =
      &sim->ring[sim->ring_n++ % sim->config.trace_ring];

  k->event = *event;
  (void)snprintf(k->text, sizeof(k->text), "%s", event->text);
}

void hs2ni_trace(struct hs2n_sim *sim, enum hs2n_sim_event_kind kind,
                 uint32_t node, uint32_t peer, uint64_t a, uint64_t b,
                 const char *text) {
  const struct hs2n_sim_event event = {.at = sim->now,
                                       .kind = kind,
                                       .node = node,
                                       .peer = peer,
                                       .a = a,
                                       .b = b,
                                       .text = text};

  /* A log is words about what is hashed anyway, and is not always asked for. */
  if (kind != HS2N_SIM_LOG) {
    const uint64_t words[] = {sim->now, (uint64_t)kind << 32 | node, peer, a,
                              b};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
      sim->hash = fold(sim->hash, words[i]);
    }
  }
  if (kinds[kind].level > sim->config.trace_level) {
    return;
  }
  keep(sim, &event);
  if (sim->config.trace != NULL) {
    sim->config.trace(sim->config.trace_data, &event);
  }
}

void hs2n_sim_note(struct hs2n_sim *sim, uint32_t node, const char *text) {
  hs2ni_hash(sim, text, strlen(text));
  hs2ni_trace(sim, HS2N_SIM_NOTE, node, HS2N_SIM_ALL, 0, 0, text);
}

void hs2n_sim_trace(const struct hs2n_sim *sim, hs2n_sim_trace_fn fn,
                    void *user_data) {
  const uint64_t size = sim->config.trace_ring;

  for (uint64_t i = sim->ring_n > size ? sim->ring_n - size : 0;
       i < sim->ring_n; i++) {
    const struct hs2ni_kept_event *k = &sim->ring[i % size];
    struct hs2n_sim_event event = k->event;

    event.text = k->text;
    fn(user_data, &event);
  }
}

uint64_t hs2n_sim_hash(const struct hs2n_sim *sim) {
  return sim->hash;
}

/* ---- as text ----------------------------------------------------------------
 */

static size_t add_details(const struct hs2n_sim_event *e, char *out,
                          size_t len) {
  int n = 0;

  switch (e->kind) {
  case HS2N_SIM_DOWN:
    n = snprintf(out, len, " (%s)", hs2n_reason_text((unsigned)e->a));
    break;
  case HS2N_SIM_DONE:
    n = snprintf(out, len, " tag %llu %s", (unsigned long long)e->a,
                 hs2n_outcome_name((enum hs2n_outcome)e->b));
    break;
  case HS2N_SIM_MESSAGE:
    n = snprintf(out, len, " %s %llu, %llu bytes",
                 hs2n_lane_name((enum hs2n_lane)(e->a >> 56)),
                 (unsigned long long)(e->a & (UINT64_MAX >> 8)),
                 (unsigned long long)e->b);
    break;
  case HS2N_SIM_SEND:
    n = snprintf(out, len, " serial %llu, %llu bytes", (unsigned long long)e->a,
                 (unsigned long long)e->b);
    break;
  case HS2N_SIM_CLOCK:
    n = snprintf(out, len, " by %lld ns, %lld ppm", (long long)(int64_t)e->a,
                 (long long)(int64_t)e->b);
    break;
  case HS2N_SIM_PAUSE:
    n = snprintf(out, len, " for %llu ms",
                 (unsigned long long)(e->a / HS2N_MS(1)));
    break;
  case HS2N_SIM_START:
  case HS2N_SIM_CRASH:
  case HS2N_SIM_ADDRESS:
  case HS2N_SIM_DISK:
  case HS2N_SIM_TX:
  case HS2N_SIM_RX:
  case HS2N_SIM_DROP:
  case HS2N_SIM_PIPE:
    n = snprintf(out, len, " %llu", (unsigned long long)e->a);
    break;
  case HS2N_SIM_STOP:
  case HS2N_SIM_RESUME:
  case HS2N_SIM_NET:
  case HS2N_SIM_MISBEHAVE:
  case HS2N_SIM_UP:
  case HS2N_SIM_GONE:
  case HS2N_SIM_LOG:
  case HS2N_SIM_NOTE:
  case HS2N_SIM_FAIL:
  case HS2N_SIM_TICK:
    break;
  }
  return n < 0 ? 0 : (size_t)n;
}

static const char *node_name(uint32_t node, char out[16]) {
  (void)snprintf(out, 16, node == HS2N_SIM_ALL ? "-" : "n%u", (unsigned)node);
  return out;
}

const char *hs2n_sim_event_text(const struct hs2n_sim_event *event,
                                char out[HS2N_SIM_EVENT_TEXT_MAX]) {
  const size_t len = HS2N_SIM_EVENT_TEXT_MAX;
  const hs2n_time us = event->at / HS2N_US(1);
  char node[16];
  char peer[16];
  size_t n =
      (size_t)snprintf(out, len, "%9llu.%03u ms %-4s %-9s",
                       (unsigned long long)(us / 1000), (unsigned)(us % 1000),
                       node_name(event->node, node), kinds[event->kind].name);

  if (event->peer != HS2N_SIM_ALL) {
    n +=
        (size_t)snprintf(out + n, len - n, " %s", node_name(event->peer, peer));
  }
  n += add_details(event, out + n, len - n);
  if (event->text[0] != '\0' && n < len) {
    (void)snprintf(out + n, len - n, " %s", event->text);
  }
  return out;
}
