#include "load.h"

#include <stdlib.h>
#include <sys/socket.h>

#define RING_BYTES (UINT64_C(32) << 20)
#define RING_MASK (RING_BYTES - 1)

/* Above 1 / EVERY a second, transactions are made in small groups. */
#define EVERY HS2N_US(250)

bool load_init(struct load *l, uint32_t replicas, uint32_t tx_bytes,
               uint64_t seed) {
  *l = (struct load){.replicas = replicas,
                     .tx_bytes = tx_bytes,
                     .window = 32768,
                     .random = seed,
                     .ring = malloc(RING_BYTES)};
  return l->ring != NULL;
}

void load_fini(struct load *l) {
  free(l->ring);
}

void load_start(struct load *l, uint64_t rate, hs2n_time now) {
  l->rate = rate;
  l->start = now;
  l->made = 0;
  l->on = true;
}

void load_stop(struct load *l) {
  l->on = false;
}

void load_attach(struct load *l, uint32_t replica) {
  l->sent[replica] = l->head;
  l->attached[replica] = true;
}

void load_detach(struct load *l, uint32_t replica) {
  l->attached[replica] = false;
}

/* ---- making ------------------------------------------------------------- */

static uint64_t room(const struct load *l) {
  uint64_t most = 0;

  for (uint32_t i = 0; i < l->replicas; i++) {
    if (l->attached[i] && l->head - l->sent[i] > most) {
      most = l->head - l->sent[i];
    }
  }
  return RING_BYTES - most;
}

static void put(struct load *l, const uint8_t *data, size_t len) {
  const size_t at = (size_t)(l->head & RING_MASK);
  const size_t first = len < RING_BYTES - at ? len : (size_t)RING_BYTES - at;

  memcpy(l->ring + at, data, first);
  memcpy(l->ring, data + first, len - first);
  l->head += len;
}

static uint64_t next_random(struct load *l) {
  uint64_t z = l->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  return z ^ z >> 31;
}

/* Bytes that do not compress, after the id. */
static void put_tx(struct load *l, uint64_t id) {
  uint8_t block[512];
  uint32_t left = l->tx_bytes - (uint32_t)REP_CLIENT_ID_LEN;

  rep_put_be(block, l->tx_bytes, 4);
  rep_put_be(block + 4, id, REP_CLIENT_ID_LEN);
  put(l, block, 4 + REP_CLIENT_ID_LEN);
  while (left > 0) {
    const uint32_t len = left < sizeof(block) ? left : (uint32_t)sizeof(block);

    for (uint32_t i = 0; i < len; i += 8) {
      const uint64_t random = next_random(l);

      memcpy(block + i, &random, 8);
    }
    put(l, block, len);
    left -= len;
  }
}

static uint64_t wanted(const struct load *l, const struct ledger *ledger,
                       hs2n_time now) {
  uint64_t outstanding;

  if (l->rate > 0) {
    const double due = (double)(now - l->start) / 1e9 * (double)l->rate + 1.0;

    return (uint64_t)due > l->made ? (uint64_t)due - l->made : 0;
  }
  outstanding = ledger_outstanding(ledger);
  return outstanding < l->window ? l->window - outstanding : 0;
}

static hs2n_time intended(const struct load *l, uint64_t index, hs2n_time now) {
  if (l->rate == 0) {
    return now;
  }
  return l->start + (hs2n_time)((double)index * 1e9 / (double)l->rate);
}

bool load_make(struct load *l, struct ledger *ledger, hs2n_time now) {
  const uint64_t frame = 4 + l->tx_bytes;
  uint64_t count;
  uint64_t fits;

  if (!l->on) {
    return true;
  }
  count = wanted(l, ledger, now);
  fits = room(l) / frame;
  if (count > fits) {
    count = fits;
    l->blocked_at = l->blocked_at == 0 ? now : l->blocked_at;
  } else {
    l->blocked_at = 0;
  }
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t id = ledger_submit(ledger, intended(l, l->made, now));

    if (id == UINT64_MAX) {
      return false;
    }
    l->made++;
    put_tx(l, id);
  }
  return true;
}

hs2n_time load_due(const struct load *l, hs2n_time now) {
  hs2n_time next;

  if (!l->on) {
    return HS2N_TIME_NEVER;
  }
  next = intended(l, l->made, now);
  return next > now + EVERY ? next : now + EVERY;
}

/* ---- writing ------------------------------------------------------------ */

bool load_waits(const struct load *l, uint32_t replica) {
  return l->attached[replica] && l->sent[replica] < l->head;
}

void load_write(struct load *l, uint32_t replica, int fd) {
  while (load_waits(l, replica)) {
    const size_t at = (size_t)(l->sent[replica] & RING_MASK);
    const uint64_t left = l->head - l->sent[replica];
    const size_t len =
        left < RING_BYTES - at ? (size_t)left : (size_t)RING_BYTES - at;
    const ssize_t n = send(fd, l->ring + at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n <= 0) {
      return; /* full, or dead, which reading will tell */
    }
    l->sent[replica] += (uint64_t)n;
  }
}
