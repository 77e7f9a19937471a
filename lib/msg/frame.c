/* Frames: the bytes of messages in a lane's stream. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

/* Bytes of the body as it goes over the wire. */
static uint32_t packed_len(const struct hs2ni_tx_msg *m) {
  bool packed;
  const struct hs2n_buf *body = hs2ni_form_body(m, &packed);

  return body == NULL ? 0 : (uint32_t)hs2n_buf_span(body).len;
}

static uint32_t wire_len(const struct hs2ni_tx_msg *m) {
  return m->form == NULL ? m->body_len : packed_len(m);
}

static bool is_signed(const struct hs2ni_tx_msg *m) {
  return m->form != NULL && m->form->is_signed;
}

static bool is_large(const struct hs2ni_tx_msg *m) {
  return wire_len(m) > hs2ni_chan_env(m->lane->chan)->limits.large_body_bytes;
}

/* The number that m is to have.  After a BUSY the peer waits for the very
 * number that it refused.  When that message has ended meanwhile, the next
 * one takes its number: the peer has refused all from there on, so no message
 * was taken under that number or under the one that m had. */
static uint64_t number_of(const struct hs2ni_tx_msg *m) {
  const struct hs2ni_tx_lane *lane = m->lane;

  if (m->loose.is) {
    return m->seq != 0 ? m->seq : lane->loose.next_seq;
  }
  if (lane->resume_seq != 0) {
    assert(m->seq == 0 || m->seq >= lane->resume_seq);
    return lane->resume_seq;
  }
  return m->seq != 0 ? m->seq : lane->next_seq;
}

static void number(struct hs2ni_tx_msg *m) {
  uint64_t *next = m->loose.is ? &m->lane->loose.next_seq : &m->lane->next_seq;

  m->seq = number_of(m);
  if (m->seq == *next) {
    (*next)++;
  }
}

/* No number may have two body streams at once: the peer could not tell which
 * record each belongs to. */
static bool has_body(const struct hs2ni_tx_lane *lane, uint64_t seq) {
  for (struct hs2ni_list_node *n = lane->bodies.head; n != NULL; n = n->next) {
    if (HS2NI_CONTAINER(n, struct hs2ni_tx_body, node)->seq == seq) {
      return true;
    }
  }
  return false;
}

/* A frame outlives its message only until the transport acks it, but a peer
 * may delay that and ask for more copies by BUSY meanwhile. */
bool hs2ni_frame_room(const struct hs2ni_tx_lane *lane) {
  return lane->frames.count <
         2 * (size_t)hs2ni_chan_env(lane->chan)->limits.tx_queue_msgs_max;
}

static bool may_add(const struct hs2ni_tx_msg *m) {
  const struct hs2ni_tx_lane *lane = m->lane;

  return hs2ni_frame_room(lane) &&
         (!is_large(m) || (hs2ni_tx_body_room(lane, wire_len(m)) &&
                           !has_body(lane, number_of(m))));
}

static_assert((int)HS2NI_CODEC_LZ4 == (int)HS2N_COMPRESSION_LZ4 &&
                  (int)HS2NI_CODEC_ZSTD == (int)HS2N_COMPRESSION_ZSTD,
              "codecs have one number on the wire and in the interface");

static uint32_t flags_of(const struct hs2ni_tx_msg *m) {
  uint32_t flags = (m->view_bound ? HS2NI_FLAG_VIEW_BOUND : 0u) |
                   (m->loose.is ? HS2NI_FLAG_UNORDERED : 0u);

  if (m->role == HS2N_ROLE_REQUEST) {
    flags |= HS2NI_FLAG_REQUEST;
  } else if (m->role == HS2N_ROLE_RESPONSE) {
    flags |= HS2NI_FLAG_RESPONSE;
  }
  return flags;
}

/* How long the asker of a request still waits, rounded up; 0: m is none. */
static uint32_t left_ms(const struct hs2ni_tx_msg *m) {
  const hs2n_time now = hs2ni_chan_env(m->lane->chan)->now;
  uint64_t left;

  if (m->request == NULL) {
    return 0;
  }
  left = m->request->msg.deadline > now ? m->request->msg.deadline - now : 1;
  left = (left - 1) / HS2N_MS(1) + 1;
  return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

struct hs2ni_record hs2ni_frame_record(const struct hs2ni_tx_msg *m,
                                       enum hs2ni_record_kind kind,
                                       uint64_t seq) {
  struct hs2ni_record record = {
      .kind = kind,
      .seq = seq,
      .type = m->type,
      .flags = flags_of(m),
      .view = m->view,
      .body_len = wire_len(m),
      .request = m->number,
      .left_ms = left_ms(m),
      .status = m->status,
  };
  bool packed;

  if (m->form == NULL) {
    return record;
  }
  (void)hs2ni_form_body(m, &packed);
  if (packed) {
    record.flags |= HS2NI_FLAG_COMPRESSED;
    record.codec = (enum hs2ni_codec)m->form->codec;
    record.raw_len = m->body_len;
  }
  if (is_signed(m)) {
    record.flags |= HS2NI_FLAG_SIGNED;
    record.signature =
        (struct hs2n_span){m->form->signature, HS2N_SIGNATURE_LEN};
  }
  return record;
}

/* The bytes in front of what f carries. */
static void put_header(struct hs2ni_frame *f,
                       const struct hs2ni_record *record) {
  uint8_t bytes[HS2NI_RECORD_MAX];
  const size_t len = hs2ni_record_encode(record, bytes);

  assert(len <= f->header_room);
  memcpy(f->header, bytes, len);
  f->header_len = (uint8_t)len;
}

static void encode(struct hs2ni_frame *f, const struct hs2ni_tx_msg *m,
                   bool large) {
  const struct hs2ni_record record = hs2ni_frame_record(
      m, large ? HS2NI_RECORD_LARGE : HS2NI_RECORD_MSG, m->seq);
  bool packed;

  f->body = hs2ni_form_body(m, &packed);
  if (f->body != NULL) {
    (void)hs2ni_buf_ref(f->body);
  }
  put_header(f, &record);
}

static size_t header_room(bool is_signed) {
  return HS2NI_FRAME_HEADER_MAX + (is_signed ? HS2NI_FRAME_SIGNATURE : 0);
}

size_t hs2ni_frame_size(bool is_signed) {
  return sizeof(struct hs2ni_frame) + header_room(is_signed);
}

static void frame_give(struct hs2ni_frame *f) {
  hs2ni_pool_give(hs2ni_chan_pool(f->lane->chan), f,
                  sizeof(*f) + f->header_room);
}

struct hs2ni_frame *hs2ni_frame_new(struct hs2ni_tx_msg *m) {
  struct hs2ni_tx_lane *lane = m->lane;
  struct hs2ni_pool *pool = hs2ni_chan_pool(lane->chan);
  const bool large = is_large(m);
  struct hs2ni_frame *f;

  assert(m->frame == NULL);
  if (!may_add(m)) {
    return NULL;
  }
  f = hs2ni_pool_take(pool, hs2ni_frame_size(is_signed(m)));
  if (f == NULL) {
    hs2ni_tx_lane_retry(lane);
    return NULL;
  }
  *f = (struct hs2ni_frame){.lane = lane,
                            .msg = m,
                            .order = m->order,
                            .header_room = (uint8_t)header_room(is_signed(m))};
  if (large) {
    f->large = hs2ni_tx_body_new(f);
    if (f->large == NULL) {
      frame_give(f);
      return NULL;
    }
  }
  number(m);
  encode(f, m, large);
  if (large) {
    hs2ni_tx_body_begin(f->large, m->seq, wire_len(m));
  } else {
    f->body_len = wire_len(m);
  }
  m->frame = f;
  if (!m->loose.is) {
    hs2ni_frame_append(f);
    if (lane->busy.wary) {
      hs2ni_tx_busy_framed(m);
    }
  }
  return f;
}

struct hs2ni_frame *hs2ni_frame_of_batch(struct hs2ni_tx_lane *lane,
                                         struct hs2ni_tx_batch *batch,
                                         enum hs2n_compression codec,
                                         uint32_t raw_len) {
  const struct hs2ni_record record = {.kind = HS2NI_RECORD_BATCH,
                                      .codec = (enum hs2ni_codec)codec,
                                      .raw_len = raw_len,
                                      .body_len = batch->len};
  struct hs2ni_frame *f =
      hs2ni_pool_take(hs2ni_chan_pool(lane->chan), hs2ni_frame_size(false));

  if (f == NULL) {
    return NULL;
  }
  *f = (struct hs2ni_frame){.lane = lane,
                            .batch = batch,
                            .order = lane->next->order,
                            .body_len = batch->len,
                            .header_room = (uint8_t)header_room(false)};
  put_header(f, &record);
  hs2ni_frame_append(f);
  return f;
}

void hs2ni_frame_append(struct hs2ni_frame *f) {
  struct hs2ni_tx_lane *lane = f->lane;

  assert(!f->in_lane);
  hs2ni_list_push_back(&lane->frames, &f->node);
  f->in_lane = true;
  if (lane->unsent == NULL) {
    lane->unsent = f;
  }
}

size_t hs2ni_frame_len(const struct hs2ni_frame *f) {
  return (size_t)f->header_len + f->body_len;
}

static void leave_lane(struct hs2ni_frame *f) {
  struct hs2ni_tx_lane *lane = f->lane;

  if (!f->in_lane) {
    return;
  }
  if (lane->unsent == f) {
    lane->unsent =
        f->node.next == NULL
            ? NULL
            : HS2NI_CONTAINER(f->node.next, struct hs2ni_frame, node);
  }
  hs2ni_list_remove(&lane->frames, &f->node);
  f->in_lane = false;
}

void hs2ni_frame_free(struct hs2ni_frame *f) {
  struct hs2ni_tx_lane *lane = f->lane;

  leave_lane(f);
  if (f->msg != NULL) {
    f->msg->frame = NULL;
  }
  if (f->large != NULL) {
    hs2ni_tx_body_free(f->large);
  }
  if (f->batch != NULL) {
    hs2ni_tx_batch_free(lane->chan, f->batch);
  }
  hs2ni_buf_unref(f->body);
  if (f->charged) {
    hs2ni_tx_uncharge(lane, f->charge);
  }
  frame_give(f);
}

void hs2ni_frame_leave(struct hs2ni_frame *f, enum hs2n_reason code,
                       bool with_charge) {
  f->charged = with_charge;
  f->charge = f->msg->body_len;
  f->msg->frame = NULL;
  f->msg = NULL;
  if (f->sent == 0) {
    hs2ni_frame_free(f);
  } else if (f->large != NULL) {
    hs2ni_tx_body_end(f->large, code);
  }
}

void hs2ni_frame_acked(struct hs2ni_frame *f) {
  leave_lane(f);
  if (f->large == NULL || f->large->done) {
    hs2ni_frame_free(f);
  }
}
