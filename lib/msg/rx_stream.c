/* Which of the peer's streams carries what. */
#include "msg/chan.h"

#include <string.h>

int hs2ni_stash_record(struct hs2ni_stash *stash, struct hs2n_span *in,
                       struct hs2ni_record *out) {
  const size_t had = stash->len;
  const size_t room = sizeof(stash->bytes) - had;
  const size_t n = in->len < room ? in->len : room;
  struct hs2n_span front = *in;
  int32_t used;

  if (had > 0) {
    memcpy(stash->bytes + had, in->data, n);
    front = (struct hs2n_span){stash->bytes, had + n};
  }
  used = hs2ni_record_decode(front, out);
  /* What was stashed was the front of this record, no more. */
  if (used > 0 && (size_t)used > had) {
    stash->len = 0;
    in->data += (size_t)used - had;
    in->len -= (size_t)used - had;
    return 1;
  }
  if (used != HS2N_ERR_TRUNCATED || front.len >= sizeof(stash->bytes)) {
    return HS2N_ERR_MALFORMED;
  }
  if (had == 0) {
    memcpy(stash->bytes, in->data, n);
  }
  stash->len = had + n;
  in->data += n;
  in->len -= n;
  return 0;
}

static enum hs2n_reason acks_data(struct hs2ni_chan *chan,
                                  struct hs2n_span in) {
  hs2ni_rx_credit(chan, chan->rx.acks_stream, in.len);
  while (in.len > 0) {
    struct hs2ni_record record;
    const int got = hs2ni_stash_record(&chan->rx.acks_stash, &in, &record);

    if (got < 0 || (got > 0 && !hs2ni_ack_rx(chan, &record))) {
      return HS2N_REASON_PROTOCOL;
    }
  }
  return HS2N_REASON_NONE;
}

static struct hs2ni_rx_lane *find_lane(struct hs2ni_chan *chan,
                                       uint64_t stream) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    struct hs2ni_rx_lane *lane = &chan->rx.lanes[i];

    if (lane->has_stream && lane->stream == stream) {
      return lane;
    }
  }
  return NULL;
}

static bool is_acks(const struct hs2ni_chan *chan, uint64_t stream) {
  return chan->rx.has_acks_stream && chan->rx.acks_stream == stream;
}

/* Bytes of a stream whose head is known.  false in *known: it is not. */
static enum hs2n_reason known_data(struct hs2ni_chan *chan, uint64_t stream,
                                   struct hs2n_span bytes, bool fin,
                                   bool *known) {
  struct hs2ni_rx_lane *lane = find_lane(chan, stream);
  struct hs2ni_rx_pair *pair;
  enum hs2n_reason reason;

  *known = true;
  if (lane != NULL || is_acks(chan, stream)) {
    reason =
        lane != NULL ? hs2ni_rx_lane_data(lane, bytes) : acks_data(chan, bytes);
    /* These streams last as long as the connection. */
    return reason == HS2N_REASON_NONE && fin ? HS2N_REASON_PROTOCOL : reason;
  }
  pair = hs2ni_rx_pair_find(chan, stream);
  if (pair != NULL) {
    return hs2ni_rx_body_data(pair, bytes, fin);
  }
  *known = false;
  return HS2N_REASON_NONE;
}

static enum hs2n_reason open_stream(struct hs2ni_chan *chan, uint64_t stream,
                                    const struct hs2ni_head *head) {
  struct hs2ni_rx_lane *lane = &chan->rx.lanes[head->lane];

  switch (head->kind) {
  case HS2NI_STREAM_HELLO:
    break; /* it was the first stream, and is the node's */
  case HS2NI_STREAM_ACKS:
    if (chan->rx.has_acks_stream) {
      break;
    }
    chan->rx.has_acks_stream = true;
    chan->rx.acks_stream = stream;
    return HS2N_REASON_NONE;
  case HS2NI_STREAM_LANE:
    if (lane->has_stream) {
      break;
    }
    lane->has_stream = true;
    lane->stream = stream;
    return HS2N_REASON_NONE;
  case HS2NI_STREAM_BODY:
    return hs2ni_rx_body_open(chan, head, stream);
  case HS2NI_STREAM_DATAGRAM:
    break;
  }
  return HS2N_REASON_PROTOCOL;
}

static struct hs2ni_rx_head *head_find(struct hs2ni_chan *chan,
                                       uint64_t stream) {
  for (struct hs2ni_list_node *n = chan->rx.heads.head; n != NULL;
       n = n->next) {
    struct hs2ni_rx_head *h = HS2NI_CONTAINER(n, struct hs2ni_rx_head, node);

    if (h->stream == stream) {
      return h;
    }
  }
  return NULL;
}

static void head_free(struct hs2ni_chan *chan, struct hs2ni_rx_head *h) {
  if (h != NULL) {
    hs2ni_list_remove(&chan->rx.heads, &h->node);
    hs2ni_pool_give(hs2ni_chan_pool(chan), h, sizeof(*h));
  }
}

/* Keeps the front of a head. */
static enum hs2n_reason head_keep(struct hs2ni_chan *chan, uint64_t stream,
                                  struct hs2ni_rx_head *h,
                                  struct hs2n_span bytes) {
  if (h == NULL) {
    if (chan->rx.heads.count >= HS2NI_HEADS_MAX) {
      return HS2N_REASON_LIMIT;
    }
    h = hs2ni_pool_take(hs2ni_chan_pool(chan), sizeof(*h));
    if (h == NULL) {
      return HS2N_REASON_INTERNAL;
    }
    *h = (struct hs2ni_rx_head){.stream = stream};
    hs2ni_list_push_back(&chan->rx.heads, &h->node);
  }
  memcpy(h->bytes + h->len, bytes.data, bytes.len);
  h->len += bytes.len;
  hs2ni_rx_credit(chan, stream, bytes.len);
  return HS2N_REASON_NONE;
}

/* The first bytes of a stream, perhaps in pieces: a head, and what follows. */
static enum hs2n_reason new_data(struct hs2ni_chan *chan, uint64_t stream,
                                 struct hs2n_span bytes, bool fin) {
  struct hs2ni_rx_head *h = head_find(chan, stream);
  const size_t had = h != NULL ? h->len : 0;
  const size_t room = HS2NI_HEAD_MAX - had;
  const size_t n = bytes.len < room ? bytes.len : room;
  uint8_t front[HS2NI_HEAD_MAX];
  struct hs2ni_head head;
  enum hs2n_reason reason;
  int32_t used;
  bool known;

  if (had > 0) {
    memcpy(front, h->bytes, had);
  }
  if (n > 0) {
    memcpy(front + had, bytes.data, n);
  }
  used = hs2ni_head_decode((struct hs2n_span){front, had + n}, &head);
  if (used == HS2N_ERR_TRUNCATED && had + n < HS2NI_HEAD_MAX && !fin) {
    return head_keep(chan, stream, h, (struct hs2n_span){bytes.data, n});
  }
  if (used <= 0 || (size_t)used <= had) {
    return HS2N_REASON_PROTOCOL;
  }
  head_free(chan, h);
  reason = open_stream(chan, stream, &head);
  if (reason != HS2N_REASON_NONE) {
    return reason;
  }
  hs2ni_rx_credit(chan, stream, (size_t)used - had);
  bytes.data += (size_t)used - had;
  bytes.len -= (size_t)used - had;
  reason = known_data(chan, stream, bytes, fin, &known);
  if (!known) { /* a body that is not wanted any more */
    hs2ni_rx_credit(chan, stream, bytes.len);
  }
  return reason;
}

enum hs2n_reason hs2ni_rx_data(struct hs2ni_chan *chan, uint64_t stream,
                               struct hs2n_span bytes, bool fin) {
  bool known;
  const enum hs2n_reason reason = known_data(chan, stream, bytes, fin, &known);

  if (known || (bytes.len == 0 && !fin)) {
    return reason;
  }
  return new_data(chan, stream, bytes, fin);
}

enum hs2n_reason hs2ni_rx_reset(struct hs2ni_chan *chan, uint64_t stream) {
  struct hs2ni_rx_pair *pair;

  if (find_lane(chan, stream) != NULL || is_acks(chan, stream)) {
    return HS2N_REASON_PROTOCOL;
  }
  pair = hs2ni_rx_pair_find(chan, stream);
  if (pair != NULL) {
    hs2ni_rx_body_reset(pair);
  } else {
    /* Nothing of it was ever of use. */
    head_free(chan, head_find(chan, stream));
  }
  return HS2N_REASON_NONE;
}
