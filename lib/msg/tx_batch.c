/* Batches: consecutive short messages of a lane as one compressed record.
 *
 * A message below HS2NI_PACK_MIN has too little in it to be worth compressing,
 * but many of them together have.  What is queued when the lane's turn comes
 * is what a batch is made of, so no message ever waits for one.  From then on
 * its bytes are fixed: a message that ends leaves the batch, but goes with it,
 * like one that is on its way. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

/* Messages from the next one on that may go together. */
struct run {
  struct hs2ni_tx_msg *last;
  enum hs2n_compression codec;
  uint64_t next_seq; /* of one that has no number yet */
  uint32_t n;
  size_t len; /* of their records, in msgs->batch->raw */
};

static struct hs2ni_tx_msg *next_of(const struct hs2ni_tx_msg *m) {
  return m->node.next == NULL
             ? NULL
             : HS2NI_CONTAINER(m->node.next, struct hs2ni_tx_msg, node);
}

static struct hs2ni_tx_msg *member_of(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_tx_msg, batch_node);
}

static enum hs2n_compression codec_of(const struct hs2ni_tx_msg *m) {
  return m->lane->chan->msgs->types[m->type].compression;
}

static bool may_join(const struct run *run, const struct hs2ni_tx_msg *m) {
  return m->packable && codec_of(m) == run->codec && m->frame == NULL &&
         m->body_len <= HS2NI_BATCH_BODY_MAX && !hs2ni_tx_lane_ends(m);
}

static uint64_t seq_of(const struct run *run, const struct hs2ni_tx_msg *m) {
  return m->seq != 0 ? m->seq : run->next_seq;
}

/* Appends the record of m; false: there is no room for it. */
static bool join(struct run *run, struct hs2ni_tx_msg *m, uint8_t *raw) {
  const struct hs2ni_record record =
      hs2ni_frame_record(m, HS2NI_RECORD_MSG, seq_of(run, m));
  uint8_t header[HS2NI_RECORD_MAX];
  const size_t header_len = hs2ni_record_encode(&record, header);

  if (header_len + m->body_len > HS2NI_BATCH_RAW_MAX - run->len) {
    return false;
  }
  memcpy(raw + run->len, header, header_len);
  run->len += header_len;
  if (m->body_len > 0) {
    memcpy(raw + run->len, hs2n_buf_span(m->body).data, m->body_len);
    run->len += m->body_len;
  }
  run->next_seq += m->seq == 0;
  run->last = m;
  run->n++;
  return true;
}

static struct run collect(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_msg *m = lane->next;
  struct run run = {.codec = codec_of(m), .next_seq = lane->next_seq};
  const uint32_t room = hs2ni_tx_busy_room(lane);
  const uint32_t n_max =
      room < HS2NI_BATCH_MSGS_MAX ? room : HS2NI_BATCH_MSGS_MAX;

  while (m != NULL && run.n < n_max && may_join(&run, m) &&
         join(&run, m, lane->chan->msgs->batch->raw)) {
    m = next_of(m);
  }
  return run;
}

/* The length of what is packed, in msgs->batch->packed; 0: it is not worth
 * it. */
static size_t deflate(struct hs2ni_tx_lane *lane, const struct run *run) {
  struct hs2ni_msgs *msgs = lane->chan->msgs;
  const struct hs2n_span raw = {msgs->batch->raw, run->len};
  size_t len = 0;

  if (hs2ni_pack_worth(msgs->pack, run->codec, raw)) {
    len = hs2ni_pack_deflate(msgs->pack, run->codec, raw, msgs->batch->packed);
  }
  if (len == 0) {
    msgs->env->stats.batches_incompressible++;
  }
  return len;
}

static size_t block_len(uint32_t len) {
  return sizeof(struct hs2ni_tx_batch) + len;
}

/* NULL: there is no room now, and each goes by itself. */
static struct hs2ni_tx_batch *batch_new(struct hs2ni_chan *chan, size_t len) {
  const size_t footprint = hs2ni_pool_footprint(block_len((uint32_t)len));
  struct hs2ni_tx_batch *b;

  if (footprint > HS2NI_TX_BATCHES_BYTES - chan->batch_bytes) {
    return NULL; /* the link has not acked enough of them */
  }
  b = hs2ni_pool_take(hs2ni_chan_pool(chan), block_len((uint32_t)len));
  if (b != NULL) {
    chan->batch_bytes += footprint;
    *b = (struct hs2ni_tx_batch){.len = (uint32_t)len};
    memcpy(b->bytes, chan->msgs->batch->packed, len);
  }
  return b;
}

/* From now on the messages have their numbers, and their frame. */
static void enter(struct hs2ni_tx_lane *lane, const struct run *run,
                  struct hs2ni_frame *f) {
  struct hs2ni_tx_msg *m = lane->next;

  for (uint32_t i = 0; i < run->n; i++, m = next_of(m)) {
    if (m->seq == 0) {
      m->seq = lane->next_seq++;
    }
    m->frame = f;
    if (lane->busy.wary) {
      hs2ni_tx_busy_framed(m);
    }
    hs2ni_list_push_back(&f->batch->members, &m->batch_node);
    f->batch->last_seq = m->seq;
  }
  assert(lane->next_seq == run->next_seq);
}

static bool may_form(const struct hs2ni_tx_lane *lane) {
  const struct hs2ni_chan *chan = lane->chan;
  const struct hs2ni_tx_msg *m = lane->next;

  /* After a BUSY its number comes first and alone: it may still end. */
  return lane->resume_seq == 0 && m->order > lane->unpackable &&
         (chan->peer_caps & HS2NI_CAP_BATCH) != 0 &&
         (chan->peer_caps & hs2ni_form_capability(codec_of(m))) != 0 &&
         hs2ni_frame_room(lane);
}

/* NULL: it is not worth it, or can't be done now. */
static struct hs2ni_frame *form(struct hs2ni_tx_lane *lane,
                                const struct run *run) {
  const bool enough = run->n >= 2 && run->len >= HS2NI_PACK_MIN;
  const size_t len = enough ? deflate(lane, run) : 0;
  struct hs2ni_tx_batch *batch = len == 0 ? NULL : batch_new(lane->chan, len);
  struct hs2ni_frame *f;

  if (batch == NULL) {
    return NULL;
  }
  f = hs2ni_frame_of_batch(lane, batch, run->codec, (uint32_t)run->len);
  if (f == NULL) {
    hs2ni_tx_batch_free(lane->chan, batch);
  }
  return f;
}

struct hs2ni_frame *hs2ni_tx_batch_frame(struct hs2ni_tx_lane *lane) {
  struct hs2ni_frame *f;
  struct run run;

  if (!may_form(lane)) {
    return NULL;
  }
  run = collect(lane);
  if (run.n == 0) {
    return NULL;
  }
  f = form(lane, &run);
  if (f == NULL) {
    lane->unpackable = run.last->order; /* each is looked at once */
    return NULL;
  }
  enter(lane, &run, f);
  lane->next = next_of(run.last);
  hs2ni_chan_env(lane->chan)->stats.batches_compressed++;
  return f;
}

void hs2ni_tx_batch_leave(struct hs2ni_tx_msg *m) {
  struct hs2ni_frame *f = m->frame;

  hs2ni_list_remove(&f->batch->members, &m->batch_node);
  m->frame = NULL;
  if (f->batch->members.head == NULL && f->sent == 0) {
    hs2ni_frame_free(f);
  }
}

void hs2ni_tx_batch_free(struct hs2ni_chan *chan,
                         struct hs2ni_tx_batch *batch) {
  const size_t len = block_len(batch->len);
  struct hs2ni_list_node *n;

  while ((n = hs2ni_list_pop_front(&batch->members)) != NULL) {
    member_of(n)->frame = NULL;
  }
  chan->batch_bytes -= hs2ni_pool_footprint(len);
  hs2ni_pool_give(hs2ni_chan_pool(chan), batch, len);
}
