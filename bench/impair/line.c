#include "line.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_BYTES_DEFAULT (256u << 10)

#define IPV4_LEN 20
#define UDP_LEN 8
#define PROTOCOL_AT 9
#define PROTOCOL_UDP 17
#define UDP_CHECKSUM_AT (IPV4_LEN + 6)

void line_init(struct line *line, uint64_t seed) {
  *line = (struct line){.settings = {.queue_bytes = QUEUE_BYTES_DEFAULT},
                        .random = seed};
}

void line_fini(struct line *line) {
  for (size_t i = 0; i < line->count; i++) {
    free(line->heap[i].bytes);
  }
  free(line->heap);
  line->heap = NULL;
  line->count = line->capacity = 0;
}

/* ---- chance -------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t draw(struct line *line) {
  uint64_t z = line->random += UINT64_C(0x9e3779b97f4a7c15);

  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static bool happens(struct line *line, uint32_t chance) {
  return chance > 0 && draw(line) % LINE_CERTAIN < chance;
}

/* Two states (Gilbert, 1960), besides losses that know nothing of each
 * other. */
static bool is_lost(struct line *line) {
  const struct line_settings *const s = &line->settings;

  if (s->burst_begin == 0) {
    line->in_burst = false; /* one that had begun is over too */
  } else {
    line->in_burst = line->in_burst ? !happens(line, s->burst_end)
                                    : happens(line, s->burst_begin);
  }
  return line->in_burst || happens(line, s->loss);
}

/* Without its checksum a datagram arrives as it is. */
static void bend(struct line *line, struct line_packet *p) {
  const size_t head = IPV4_LEN + UDP_LEN;

  if (p->len <= head || p->bytes[PROTOCOL_AT] != PROTOCOL_UDP) {
    return;
  }
  p->bytes[head + draw(line) % (p->len - head)] ^=
      (uint8_t)(1u << (draw(line) % 8));
  memset(p->bytes + UDP_CHECKSUM_AT, 0, 2);
  line->counters.corrupted++;
}

/* ---- the packets on their way -------------------------------------------- */

static bool before(const struct line_packet *a, const struct line_packet *b) {
  return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static bool make_room(struct line *line) {
  struct line_packet *grown;
  const size_t capacity = line->capacity == 0 ? 64 : 2 * line->capacity;

  if (line->count < line->capacity) {
    return true;
  }
  if (line->count == LINE_PACKETS_MAX) {
    return false;
  }
  grown = realloc(line->heap, capacity * sizeof(*grown));
  if (grown == NULL) {
    return false;
  }
  line->heap = grown;
  line->capacity = capacity;
  return true;
}

static void push(struct line *line, struct line_packet p) {
  size_t at = line->count++;

  while (at > 0 && before(&p, &line->heap[(at - 1) / 2])) {
    line->heap[at] = line->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  line->heap[at] = p;
}

static struct line_packet pop(struct line *line) {
  const struct line_packet first = line->heap[0];
  const struct line_packet last = line->heap[--line->count];
  size_t at = 0;
  size_t child;

  while ((child = 2 * at + 1) < line->count) {
    if (child + 1 < line->count &&
        before(&line->heap[child + 1], &line->heap[child])) {
      child++;
    }
    if (!before(&line->heap[child], &last)) {
      break;
    }
    line->heap[at] = line->heap[child];
    at = child;
  }
  line->heap[at] = last;
  return first;
}

/* ---- in and out ---------------------------------------------------------- */

/* When the last bit of a packet has left the sender; false: no room. */
static bool through_rate(struct line *line, size_t len, uint64_t now,
                         uint64_t *out_left) {
  const struct line_settings *const s = &line->settings;
  uint64_t waiting;

  *out_left = now;
  if (s->rate == 0) {
    return true;
  }
  if (line->free_at < now) {
    line->free_at = now;
  }
  waiting = (uint64_t)((double)(line->free_at - now) * (double)s->rate / 8e9);
  if (waiting + len > s->queue_bytes) {
    return false;
  }
  line->free_at += (uint64_t)((double)len * 8e9 / (double)s->rate);
  *out_left = line->free_at;
  return true;
}

static uint64_t arrival(struct line *line, uint64_t left) {
  const struct line_settings *const s = &line->settings;
  uint64_t due = left + s->delay;

  if (happens(line, s->reorder)) {
    line->counters.reordered++;
    return left;
  }
  if (s->jitter > 0) {
    due += draw(line) % (s->jitter + 1);
  }
  if (due < line->last_due) {
    due = line->last_due;
  }
  line->last_due = due;
  return due;
}

static void put_one(struct line *line, const uint8_t *bytes, size_t len,
                    uint64_t now) {
  struct line_packet p = {.len = len};
  uint64_t left = now;

  if (make_room(line) && through_rate(line, len, now, &left)) {
    p.bytes = malloc(len);
  }
  if (p.bytes == NULL) {
    line->counters.overflow++;
    return;
  }
  memcpy(p.bytes, bytes, len);
  p.due = arrival(line, left);
  p.number = line->numbers++;
  if (happens(line, line->settings.corrupt)) {
    bend(line, &p);
  }
  push(line, p);
}

void line_put(struct line *line, const uint8_t *bytes, size_t len,
              uint64_t now) {
  const struct line_settings *const s = &line->settings;

  line->counters.taken++;
  if (s->cut) {
    line->counters.cut++;
    return;
  }
  if (s->mtu != 0 && len > s->mtu) {
    line->counters.too_big++;
    return;
  }
  if (is_lost(line)) {
    line->counters.lost++;
    return;
  }
  put_one(line, bytes, len, now);
  if (happens(line, s->duplicate)) {
    line->counters.duplicated++;
    put_one(line, bytes, len, now);
  }
}

uint64_t line_due(const struct line *line) {
  return line->count == 0 ? UINT64_MAX : line->heap[0].due;
}

bool line_take(struct line *line, uint64_t now, struct line_packet *out) {
  if (line_due(line) > now) {
    return false;
  }
  *out = pop(line);
  line->counters.sent++;
  return true;
}
