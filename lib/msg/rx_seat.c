/* Room for large bodies.
 *
 * A peer may have many large bodies under way, so that packets that get lost
 * hold up none but their own.  Bodies are put together in the order of their
 * records, in buffers that take limits.rx_bodies_bytes of a lane at most, or
 * are one.  What comes of others meanwhile is parked: kept in blocks, its
 * credit not returned.  So flow control bounds it, and memory for it is what
 * the window has anyway.
 *
 * This can't come to a stop.  A sender passes all of a body to its transport
 * before it begins the next one of the lane (docs/wire-format.md, Conduct), so
 * what is parked of a lane comes behind a body that has room, needs no more
 * credit, and ends by itself. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

struct block {
  struct hs2ni_list_node node; /* hs2ni_rx_pair.parked */
  size_t len;
  uint8_t bytes[HS2NI_RX_PARKED_BLOCK - sizeof(struct hs2ni_list_node) -
                sizeof(size_t)];
};

static_assert(sizeof(struct block) == HS2NI_RX_PARKED_BLOCK,
              "the pool rounds nothing up");

static struct block *block_of(struct hs2ni_list_node *n) {
  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct block, node);
}

/* The last block, or a new one when that is full; NULL: out of memory. */
static struct block *open_block(struct hs2ni_rx_pair *p) {
  struct block *b = block_of(p->parked.tail);

  if (b != NULL && b->len < sizeof(b->bytes)) {
    return b;
  }
  b = hs2ni_pool_take(hs2ni_chan_pool(p->lane->chan), sizeof(*b));
  if (b != NULL) {
    b->node = (struct hs2ni_list_node){0};
    b->len = 0;
    hs2ni_list_push_back(&p->parked, &b->node);
  }
  return b;
}

bool hs2ni_rx_park(struct hs2ni_rx_pair *p, struct hs2n_span bytes) {
  while (bytes.len > 0) {
    struct block *b = open_block(p);
    size_t n;

    if (b == NULL) {
      return false;
    }
    n = sizeof(b->bytes) - b->len;
    n = bytes.len < n ? bytes.len : n;
    memcpy(b->bytes + b->len, bytes.data, n);
    b->len += n;
    bytes.data += n;
    bytes.len -= n;
  }
  return true;
}

static struct block *next_block(struct hs2ni_rx_pair *p) {
  return block_of(hs2ni_list_pop_front(&p->parked));
}

static void block_free(struct hs2ni_rx_pair *p, struct block *b) {
  hs2ni_pool_give(hs2ni_chan_pool(p->lane->chan), b, sizeof(*b));
}

void hs2ni_rx_park_drop(struct hs2ni_rx_pair *p) {
  struct block *b;

  while ((b = next_block(p)) != NULL) {
    hs2ni_rx_credit(p->lane->chan, p->stream, b->len);
    block_free(p, b);
  }
}

static uint64_t room_of(uint64_t len) {
  return hs2ni_pool_footprint((size_t)len + hs2ni_buf_overhead());
}

void hs2ni_rx_seat_leave(struct hs2ni_rx_pair *p) {
  if (p->seated) {
    p->seated = false;
    p->lane->seated_bytes -= room_of(p->len);
  }
}

/* Puts what was parked into a buffer; false: out of memory. */
static bool unpark(struct hs2ni_rx_pair *p) {
  struct hs2ni_chan *chan = p->lane->chan;
  struct block *b;
  uint8_t *to;

  if (p->filled == 0) {
    return true;
  }
  p->body = hs2ni_rx_buf_new(chan, p->len);
  if (p->body == NULL) {
    return false;
  }
  to = hs2ni_buf_data(p->body);
  while ((b = next_block(p)) != NULL) {
    memcpy(to, b->bytes, b->len);
    to += b->len;
    block_free(p, b);
  }
  hs2ni_rx_credit_body(chan, p->stream, &p->held, p->filled);
  if (p->ended) {
    hs2ni_rx_buf_whole(chan, p->len);
  }
  return true;
}

static bool has_room(const struct hs2ni_rx_lane *lane, uint32_t len) {
  return lane->seated_bytes == 0 ||
         lane->seated_bytes + room_of(len) <=
             hs2ni_chan_env(lane->chan)->limits.rx_bodies_bytes;
}

struct hs2ni_rx_pair *hs2ni_rx_seat_next(struct hs2ni_rx_lane *lane) {
  struct hs2ni_rx_pair *p = NULL;

  for (struct hs2ni_list_node *n = lane->pairs.head; n != NULL; n = n->next) {
    p = HS2NI_CONTAINER(n, struct hs2ni_rx_pair, node);
    if (p->has_record && !p->skip && !p->seated) {
      break;
    }
    p = NULL;
  }
  if (p == NULL || lane->chan->conn == NULL || !has_room(lane, p->len)) {
    return NULL;
  }
  if (!unpark(p)) {
    hs2ni_chan_give_up(lane->chan, HS2N_REASON_INTERNAL);
    return NULL;
  }
  p->seated = true;
  lane->seated_bytes += room_of(p->len);
  return p;
}

static uint64_t min64(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

uint64_t hs2ni_rx_seated_max(const struct hs2n_limits *limits, uint64_t len) {
  const uint64_t one = len == 0 ? 0 : room_of(len);

  return min64(HS2NI_LANE_BODIES_MAX * one,
               one > limits->rx_bodies_bytes ? one : limits->rx_bodies_bytes);
}
