/* Batches, the peer's side: a record that inflates to others.
 *
 * What is in it is taken at once, as if it had come in the lane's stream, so
 * the numbers, the order and the acknowledgements of its messages are those of
 * any other.  But then bytes are in memory that nobody sent, and no credit of
 * the peer's stands for them.  So they are taken only while the application
 * holds less than rx_held_bytes; a message that is beyond is refused as BUSY,
 * with all behind it, and the credit of further batches waits until something
 * was let go. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

enum hs2n_reason hs2ni_rx_batch_begin(struct hs2ni_rx_lane *lane,
                                      const struct hs2ni_record *r) {
  const struct hs2ni_msgs *msgs = lane->chan->msgs;

  if ((msgs->codecs & HS2NI_PACK_BIT(r->codec)) == 0 || r->body_len == 0 ||
      r->body_len >= r->raw_len) {
    return HS2N_REASON_PROTOCOL;
  }
  assert(r->raw_len <= HS2NI_BATCH_RAW_MAX);
  lane->batch = (struct hs2ni_rx_batch){
      .packed = hs2ni_pool_take(hs2ni_chan_pool(lane->chan), r->body_len),
      .len = r->body_len,
      .raw_len = r->raw_len,
      .codec = (uint8_t)r->codec,
  };
  return lane->batch.packed == NULL ? HS2N_REASON_INTERNAL : HS2N_REASON_NONE;
}

void hs2ni_rx_batch_drop(struct hs2ni_rx_lane *lane) {
  if (lane->batch.packed != NULL) {
    hs2ni_pool_give(hs2ni_chan_pool(lane->chan), lane->batch.packed,
                    lane->batch.len);
    lane->batch.packed = NULL;
  }
}

bool hs2ni_rx_batch_room(struct hs2ni_rx_lane *lane,
                         const struct hs2ni_record *r) {
  const struct hs2ni_chan *chan = lane->chan;

  assert(lane->batch.is_open);
  if (hs2ni_rx_held_bytes(chan) + r->body_len >
      hs2ni_chan_env(chan)->limits.rx_held_bytes) {
    lane->starved = true;
    return false;
  }
  return true;
}

/* Whether a record may stand in a batch.  A signed one may not: the copies of
 * one good signature take three bytes each there, and as long to verify as any
 * other. */
static bool may_stand(const struct hs2ni_record *r) {
  return r->kind == HS2NI_RECORD_MSG &&
         (r->flags & (HS2NI_FLAG_COMPRESSED | HS2NI_FLAG_UNORDERED |
                      HS2NI_FLAG_SIGNED)) == 0 &&
         r->body_len <= HS2NI_BATCH_BODY_MAX;
}

/* Takes the record at the front of raw, with its body. */
static enum hs2n_reason take_one(struct hs2ni_rx_lane *lane,
                                 struct hs2n_span *raw) {
  struct hs2ni_record r;
  const int32_t used = hs2ni_record_decode(*raw, &r);
  const uint8_t *body;

  if (used <= 0 || !may_stand(&r) || r.body_len > raw->len - (size_t)used) {
    return HS2N_REASON_PROTOCOL;
  }
  body = raw->data + used;
  raw->data = body + r.body_len;
  raw->len -= (size_t)used + r.body_len;
  return hs2ni_rx_lane_whole(lane, &r, body);
}

static enum hs2n_reason take_all(struct hs2ni_rx_lane *lane,
                                 struct hs2n_span raw) {
  enum hs2n_reason reason = HS2N_REASON_NONE;

  lane->batch.is_open = true;
  for (uint32_t n = 0; raw.len > 0 && reason == HS2N_REASON_NONE; n++) {
    reason =
        n < HS2NI_BATCH_MSGS_MAX ? take_one(lane, &raw) : HS2N_REASON_PROTOCOL;
  }
  lane->batch.is_open = false;
  return reason;
}

static bool inflate(const struct hs2ni_rx_lane *lane) {
  const struct hs2ni_msgs *msgs = lane->chan->msgs;
  const struct hs2ni_rx_batch *batch = &lane->batch;

  return hs2ni_pack_inflate(msgs->pack, (enum hs2n_compression)batch->codec,
                            (struct hs2n_span){batch->packed, batch->len},
                            msgs->batch->raw, batch->raw_len);
}

/* All of it has come.  The number that a lane which refuses waits for is in no
 * batch, so this one is refused as a whole: forty bytes may stand for 32 KiB of
 * copies of one record, and a peer could have us inflate them for ever. */
static enum hs2n_reason take_apart(struct hs2ni_rx_lane *lane) {
  const struct hs2ni_msgs *msgs = lane->chan->msgs;
  const size_t raw_len = lane->batch.raw_len;
  const bool refused = lane->refusing;
  const bool good = refused || inflate(lane);

  hs2ni_rx_batch_drop(lane);
  if (refused) {
    return HS2N_REASON_NONE;
  }
  if (!good) {
    hs2ni_chan_env(lane->chan)->stats.bodies_malformed++;
    return HS2N_REASON_PROTOCOL;
  }
  return take_all(lane, (struct hs2n_span){msgs->batch->raw, raw_len});
}

enum hs2n_reason hs2ni_rx_batch_data(struct hs2ni_rx_lane *lane,
                                     struct hs2n_span in, size_t *used) {
  struct hs2ni_rx_batch *batch = &lane->batch;
  const size_t rest = batch->len - batch->filled;
  const size_t n = in.len < rest ? in.len : rest;
  enum hs2n_reason reason = HS2N_REASON_NONE;

  memcpy(batch->packed + batch->filled, in.data, n);
  batch->filled += (uint32_t)n;
  if (n == rest) {
    reason = take_apart(lane);
  }
  if (lane->starved) {
    hs2ni_rx_withhold(lane->chan, &lane->held, n);
  } else {
    hs2ni_rx_credit_body(lane->chan, lane->stream, &lane->held, n);
  }
  *used = n;
  return reason;
}
