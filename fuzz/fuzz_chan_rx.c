/* A channel whose peer, transport and application do what the input says:
 * bytes on any stream or in datagrams, well-formed records in any order, acks,
 * credit, cuts, restarts, all verdicts, allocations that fail.  Whatever comes,
 * memory stays within the footprint, nothing leaks, numbers given to the
 * application rise or, of unordered messages, are new, and what is written is
 * what a reader of the format takes. */
#include "msg/chan.h"
#include "msg/msgs.h"
#include "wire/beat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STREAMS_MAX 512
#define OPEN_MAX 20
#define LATER_MAX 64
#define LOOSE_MAX 2200 /* numbers of unordered messages that are kept apart */

static void expect(int good) {
  if (!good) {
    abort();
  }
}

struct input {
  const uint8_t *at, *end;
};

static uint8_t byte(struct input *in) {
  return in->at < in->end ? *in->at++ : 0;
}

/* Our streams, as a transport would know them. */
struct out_stream {
  uint64_t sent, acked;
  bool fin, reset, done, blocked;
};

struct fuzz {
  struct hs2ni_conn conn; /* first member */
  struct hs2n_mem mem;
  uint64_t live, requests, fail_at;
  struct hs2ni_env env;
  struct hs2ni_msgs *msgs;
  struct hs2ni_chan *chan;
  bool attached;
  uint64_t incarnation;
  struct out_stream streams[STREAMS_MAX];
  size_t streams_n, open_n;
  uint64_t credited, received;
  uint64_t last[HS2N_LANES]; /* seq given to the application */
  bool taken[HS2N_LANES][LOOSE_MAX];
  bool kept[2][HS2N_LANES][LOOSE_MAX]; /* for its view; [1]: unordered */
  bool no_datagrams;                   /* the peer can't read them */
  struct hs2n_msg_id later[LATER_MAX];
  size_t later_n;
  struct hs2n_buf *held;
  struct hs2n_tag tag;
  uint64_t tagged, done, sum;
  uint64_t asking;                /* requests accepted */
  struct hs2n_msg_id asked;       /* by the peer, last */
  struct hs2n_identity *identity; /* of both ends */
};

static const char chain[] = "fuzz";

static int same_bytes(void *user_data, uint8_t *out, size_t len) {
  (void)user_data;
  memset(out, 7, len);
  return 0;
}

static const struct hs2n_type types[] = {
    {.id = 0, .lane = HS2N_LANE_CONTROL, .size_max = 64, .name = "a"},
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 64, .name = "b"},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 9000,
     .name = "c",
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = 5,
     .lane = HS2N_LANE_BULK,
     .size_max = 9000,
     .name = "d",
     .flags = HS2N_TYPE_BY_CONTENT},
    {.id = 6,
     .lane = HS2N_LANE_VOTE,
     .size_max = 64,
     .name = "ask",
     .role = HS2N_ROLE_REQUEST,
     .response = 7},
    {.id = 7,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 9000,
     .name = "answer",
     .role = HS2N_ROLE_RESPONSE},
};
#define TYPES_N (sizeof(types) / sizeof(types[0]))

static void *mem_alloc(void *user_data, size_t len) {
  struct fuzz *f = user_data;

  f->requests++;
  if (f->requests == f->fail_at) {
    return NULL;
  }
  f->live += len;
  return calloc(1, len);
}

static void mem_release(void *user_data, void *ptr, size_t len) {
  struct fuzz *f = user_data;

  if (ptr != NULL) {
    f->live -= len;
    free(ptr);
  }
}

static struct out_stream *out_stream(struct fuzz *f, uint64_t id) {
  expect(id % 4 == 2 && id / 4 < f->streams_n);
  return &f->streams[id / 4];
}

static int op_open(struct hs2ni_conn *conn, uint64_t *out) {
  struct fuzz *f = (struct fuzz *)conn;

  expect(f->attached);
  if (f->open_n == OPEN_MAX || f->streams_n == STREAMS_MAX) {
    return HS2N_ERR_FULL;
  }
  f->open_n++;
  f->streams[f->streams_n] = (struct out_stream){0};
  *out = 2 + 4 * f->streams_n++;
  return HS2N_OK;
}

static void op_reset(struct hs2ni_conn *conn, uint64_t id, uint64_t code) {
  struct out_stream *s = out_stream((struct fuzz *)conn, id);

  expect(((struct fuzz *)conn)->attached);
  expect(!s->reset && !s->done && !s->fin);
  expect(code == HS2N_REASON_WITHDRAWN || code == HS2N_REASON_VIEW_ENDED);
  s->reset = true;
}

static void op_credit(struct hs2ni_conn *conn, uint64_t id, size_t n) {
  struct fuzz *f = (struct fuzz *)conn;

  (void)id;
  expect(f->attached);
  f->credited += n;
}

static size_t op_datagram_max(const struct hs2ni_conn *conn) {
  expect(((const struct fuzz *)conn)->attached);
  return 600;
}

static void op_stats(const struct hs2ni_conn *conn,
                     struct hs2ni_conn_stats *out) {
  expect(((const struct fuzz *)conn)->attached);
  *out = (struct hs2ni_conn_stats){.rtt_smoothed = HS2N_MS(1)};
}

static void op_want(struct hs2ni_conn *conn, uint64_t rank) {
  (void)rank;
  expect(((struct fuzz *)conn)->attached);
}

static void op_stop(struct hs2ni_conn *conn, uint64_t id, uint64_t code) {
  (void)id;
  expect(((struct fuzz *)conn)->attached);
  expect(code == HS2N_REASON_WITHDRAWN);
}

static const struct hs2ni_link_ops ops = {
    .scheme = "fuzz",
    .stream_open = op_open,
    .stream_reset = op_reset,
    .stream_stop = op_stop,
    .credit = op_credit,
    .datagram_max = op_datagram_max,
    .want_tx = op_want,
    .conn_stats = op_stats,
};

static void attach(struct fuzz *f) {
  struct hs2ni_hello hello = {.incarnation = f->incarnation,
                              .capabilities = hs2ni_msgs_capabilities(f->msgs),
                              .types_n = TYPES_N};

  if (f->no_datagrams) {
    hello.capabilities &= ~(uint64_t)HS2NI_CAP_DATAGRAM;
  }
  for (size_t i = 0; i < TYPES_N; i++) {
    hello.types[i] = (struct hs2ni_hello_type){
        types[i].id, (uint8_t)types[i].lane, types[i].size_max};
  }
  f->streams_n = f->open_n = 0;
  f->credited = f->received = 0;
  f->attached = true;
  hs2ni_chan_attach(f->chan, &f->conn, &hello);
}

static void detach(struct fuzz *f) {
  f->attached = false;
  hs2ni_chan_detach(f->chan);
}

static void reconnect(struct fuzz *f, bool restarted) {
  detach(f);
  if (restarted) {
    f->incarnation++;
    memset(f->last, 0, sizeof(f->last));
    memset(f->taken, 0, sizeof(f->taken));
    memset(f->kept, 0, sizeof(f->kept));
    f->no_datagrams = !f->no_datagrams;
    f->later_n = 0;
  }
  attach(f);
}

static int no_secrets(void *user_data, uint8_t *out, size_t len) {
  (void)user_data;
  memset(out, 1, len);
  return 0;
}

static void start(struct fuzz *f, uint8_t fail_at) {
  struct hs2n_key key;

  *f = (struct fuzz){.conn.ops = &ops, .incarnation = 1, .fail_at = 0};
  f->mem = (struct hs2n_mem){f, mem_alloc, mem_release};
  f->env =
      (struct hs2ni_env){.mem = &f->mem, .now = HS2N_S(1), .rand = no_secrets};
  hs2ni_rng_seed(&f->env.rng, 1);
  hs2n_limits_default(&f->env.limits);
  f->env.limits.peers_max = 1;
  f->env.limits.tags_max = 16;
  f->env.limits.tx_queue_msgs_max = 16;
  f->env.limits.tx_queue_bytes_max = 65536;
  f->env.limits.large_body_bytes = 4096;
  f->env.limits.rx_window_bytes = 65536;
  f->env.limits.rx_stream_window_bytes = 16384;
  f->env.limits.rx_held_bytes = 65536;
  f->env.limits.rx_later_max = 16;
  f->env.limits.content_ids_per_peer = 4;
  f->env.limits.requests_max = 8;
  f->env.limits.requests_bytes_max = 65536;
  f->env.limits.rx_requests_max = 6;
  f->env.limits.heartbeat_ms = 50;
  expect(hs2ni_msgs_new(&f->msgs, &f->env, types, TYPES_N) == HS2N_OK);
  expect(hs2ni_chan_new(&f->chan, f->msgs, (struct hs2n_peer){1}) == HS2N_OK);
  expect(hs2n_identity_generate(&f->identity, hs2n_mem_libc(), same_bytes,
                                NULL) == HS2N_OK);
  key = hs2n_identity_key(f->identity);
  hs2ni_chan_key(f->chan, &key);
  hs2ni_msgs_sign(f->msgs, f->identity, chain);
  hs2ni_msgs_beat(f->msgs, 1, 1000);
  f->fail_at = fail_at == 0 ? 0 : f->requests + fail_at;
  attach(f);
}

/* ---- the peer ----------------------------------------------------------- */

static void check_reason(struct fuzz *f, enum hs2n_reason reason) {
  if (reason != HS2N_REASON_NONE) {
    expect(reason == HS2N_REASON_PROTOCOL || reason == HS2N_REASON_LIMIT ||
           reason == HS2N_REASON_INTERNAL || reason == HS2N_REASON_SLOW ||
           reason == HS2N_REASON_SILENT);
    reconnect(f, false);
  }
}

static void give(struct fuzz *f, uint64_t stream, const uint8_t *data,
                 size_t len, bool fin) {
  f->received += len;
  check_reason(
      f, hs2ni_chan_data(f->chan, stream, (struct hs2n_span){data, len}, fin));
}

static void raw_bytes(struct fuzz *f, struct input *in) {
  const uint8_t what = byte(in);
  size_t len = byte(in);

  if (len > (size_t)(in->end - in->at)) {
    len = (size_t)(in->end - in->at);
  }
  in->at += len;
  give(f, 3 + 4 * (uint64_t)(what % 16), in->at - len, len, what >= 240);
}

static void head(struct fuzz *f, struct input *in) {
  const struct hs2ni_head h = {.kind = byte(in) % 5,
                               .lane = byte(in) % HS2N_LANES,
                               .seq = 1 + (uint64_t)byte(in) % 32,
                               .len = byte(in) * 64u};
  uint8_t out[HS2NI_HEAD_MAX];

  give(f, 3 + 4 * (uint64_t)(byte(in) % 16), out, hs2ni_head_encode(&h, out),
       false);
}

/* On a stream that may be that of acks: good but for a view or time that goes
 * back. */
static void heartbeat(struct fuzz *f, struct input *in) {
  const struct hs2ni_beat_text text = {
      .chain_id = {(const uint8_t *)chain, sizeof(chain) - 1},
      .sender = f->chan->signee.id,
      .incarnation = f->incarnation,
      .view = byte(in) / 64,
      .unix_ms = f->env.now / HS2N_MS(1) - byte(in) / 64,
  };
  uint8_t signs[HS2NI_BEAT_MAX], signature[HS2N_SIGNATURE_LEN];
  uint8_t out[HS2NI_RECORD_MAX];
  const struct hs2n_span signed_bytes = {signs,
                                         hs2ni_beat_encode(&text, signs)};
  const struct hs2ni_record r = {.kind = HS2NI_RECORD_HEARTBEAT,
                                 .view = text.view,
                                 .unix_ms = text.unix_ms,
                                 .interval_ms = 50u + byte(in),
                                 .signature = {signature, sizeof(signature)}};

  if (hs2n_sign(f->identity, signed_bytes, signature) == HS2N_OK) {
    give(f, 3 + 4 * (uint64_t)(byte(in) % 16), out,
         hs2ni_record_encode(&r, out), false);
  }
}

static uint32_t flags_of(uint8_t what) {
  const uint32_t flags =
      what % 2u + ((what & 64) != 0 ? HS2NI_FLAG_COMPRESSED : 0);

  if ((what & 128) == 0) {
    return flags;
  }
  return flags | ((what & 2) != 0 ? HS2NI_FLAG_REQUEST : HS2NI_FLAG_RESPONSE);
}

static void record(struct fuzz *f, struct input *in) {
  const uint8_t stream = byte(in) % 16;
  uint8_t bitmap[1] = {byte(in) | 1};
  const uint8_t kind = (uint8_t)(1 + byte(in) % 4),
                lane = byte(in) % HS2N_LANES;
  const uint64_t seq = 1 + (uint64_t)byte(in) % 64;
  const uint8_t type = byte(in) % 8, flags = byte(in);
  struct hs2ni_record r = {
      .kind = kind,
      .lane = lane,
      .seq = seq,
      .type = type,
      .codec = HS2NI_CODEC_LZ4,
      .raw_len = 8000u + (flags & 63u),
      .flags =
          flags_of(flags) +
          (flags & 32 && kind == HS2NI_RECORD_MSG ? HS2NI_FLAG_UNORDERED : 0),
      .unordered = (flags & 32) != 0,
      .view = byte(in) % 4,
      .body_len = byte(in) * 64u,
      .code = 0x40u + byte(in) % 8u,
      .bitmap = {bitmap, byte(in) % 2}};
  uint8_t out[HS2NI_RECORD_MAX];

  if ((r.flags & (HS2NI_FLAG_REQUEST | HS2NI_FLAG_RESPONSE)) != 0) {
    r.request = 1 + (uint64_t)byte(in) % 64;
    r.status = 7;
  }
  give(f, 3 + 4 * (uint64_t)stream, out, hs2ni_record_encode(&r, out), false);
}

/* Records that come packed; some batches lie about their length. */
static void batch(struct fuzz *f, struct input *in) {
  const uint8_t what = byte(in);
  uint8_t raw[2400] = {0}, packed[sizeof(raw)], out[HS2NI_RECORD_MAX];
  struct hs2ni_record r = {.kind = HS2NI_RECORD_MSG, .seq = 1u + byte(in)};
  struct hs2n_span s = {raw, 0};
  size_t len;

  for (unsigned n = 1u + what % 8; n > 0; n--, r.seq += 1 + what / 128u) {
    r.type = byte(in) % 8;
    r.body_len = byte(in);
    s.len += hs2ni_record_encode(&r, raw + s.len) + r.body_len;
  }
  len = hs2ni_pack_deflate(f->msgs->pack, HS2N_COMPRESSION_LZ4, s, packed);
  r = (struct hs2ni_record){.kind = HS2NI_RECORD_BATCH,
                            .codec = HS2NI_CODEC_LZ4,
                            .raw_len = (uint32_t)s.len + (what / 8 % 16 == 15),
                            .body_len = (uint32_t)len};
  give(f, 3 + 4 * (what % 16u), out, hs2ni_record_encode(&r, out), false);
  give(f, 3 + 4 * (what % 16u), packed, len, false);
}

/* Mostly good records behind a head. */
static void datagram(struct fuzz *f, struct input *in) {
  const uint8_t what = byte(in);
  const struct hs2ni_head h = {.kind = what < 250 ? HS2NI_STREAM_DATAGRAM
                                                  : HS2NI_STREAM_LANE,
                               .lane = what % 2u,
                               .seq = 1 + byte(in) * 4u};
  uint8_t out[1024] = {0};
  size_t len = hs2ni_head_encode(&h, out);

  for (uint8_t n = what / 2 % 4; n > 0; n--) {
    const struct hs2ni_record r = {
        .kind = HS2NI_RECORD_MSG,
        .seq = h.seq + byte(in) * 4u,
        .type = byte(in) % 4,
        .flags = byte(in) < 250 ? HS2NI_FLAG_UNORDERED : HS2NI_FLAG_VIEW_BOUND,
        .body_len = byte(in) % 66};

    len += hs2ni_record_encode(&r, out + len) + r.body_len;
  }
  if (what >= 240 && len > 0) {
    len -= 1; /* cut */
  }
  check_reason(f, hs2ni_chan_datagram(f->chan, (struct hs2n_span){out, len}));
}

/* Bytes of a body, more than an input would spell out. */
static void filler(struct fuzz *f, struct input *in) {
  static const uint8_t zeros[16384];
  const uint8_t what = byte(in);

  give(f, 3 + 4 * (uint64_t)(what % 16), zeros, byte(in) * 64u, what >= 128);
}

/* ---- the transport ----------------------------------------------------------
 */

/* A datagram that the channel offers: whole, in the format, and taken or not.
 */
static void drain_datagram(struct fuzz *f, const struct hs2ni_chunk *chunk,
                           uint8_t share) {
  uint8_t bytes[600];
  struct hs2n_span in = {bytes, 0};
  struct hs2ni_head head;
  struct hs2ni_record r;
  int32_t used;
  size_t len;

  for (size_t i = 0; i < chunk->parts_n; i++) {
    expect(chunk->parts[i].len <= sizeof(bytes) - in.len);
    memcpy(bytes + in.len, chunk->parts[i].data, chunk->parts[i].len);
    in.len += chunk->parts[i].len;
  }
  len = in.len;
  used = hs2ni_head_decode(in, &head);
  expect(used > 0 && head.kind == HS2NI_STREAM_DATAGRAM && !chunk->fin);
  for (; used > 0 && in.len > (size_t)used;) {
    in.data += used;
    in.len -= (size_t)used;
    used = hs2ni_record_decode(in, &r);
    expect(used > 0 && (r.flags & HS2NI_FLAG_UNORDERED) != 0);
    expect(r.seq >= head.seq && r.seq - head.seq < HS2NI_LOOSE_WINDOW);
    expect((size_t)used + r.body_len <= in.len);
    used += (int32_t)r.body_len;
  }
  if (share == 255) {
    hs2ni_chan_blocked(f->chan, HS2NI_DATAGRAM);
  } else {
    hs2ni_chan_sent(f->chan, HS2NI_DATAGRAM, share < 64 ? 0 : len, false);
  }
}

static void drain(struct fuzz *f, struct input *in) {
  struct hs2ni_chunk chunk;
  const uint8_t share = byte(in);
  size_t len = 0;
  struct out_stream *s;

  if (!hs2ni_chan_next(f->chan, &chunk)) {
    return;
  }
  if (chunk.stream == HS2NI_DATAGRAM) {
    drain_datagram(f, &chunk, share);
    return;
  }
  s = out_stream(f, chunk.stream);
  expect(!s->fin && !s->reset && !s->done && !s->blocked);
  for (size_t i = 0; i < chunk.parts_n; i++) {
    expect(chunk.parts[i].len > 0);
    /* Touch every byte: it must be there. */
    for (size_t j = 0; j < chunk.parts[i].len; j++) {
      f->sum += chunk.parts[i].data[j];
    }
    len += chunk.parts[i].len;
  }
  expect(len > 0);
  if (share == 255) {
    s->blocked = true;
    hs2ni_chan_blocked(f->chan, chunk.stream);
    return;
  }
  if (share < 128) {
    const size_t take = len * share / 128;

    chunk.fin = chunk.fin && take == len;
    len = take;
  }
  s->sent += len;
  s->fin = chunk.fin;
  hs2ni_chan_sent(f->chan, chunk.stream, len, chunk.fin);
}

static void transport_acks(struct fuzz *f, struct input *in) {
  const uint64_t index = f->streams_n == 0 ? 0 : byte(in) % f->streams_n;
  struct out_stream *s = &f->streams[index];

  if (f->streams_n == 0 || s->done) {
    return;
  }
  if (s->reset) {
    s->done = true;
  } else {
    s->acked += (s->sent - s->acked) * byte(in) / 255;
    hs2ni_chan_acked(f->chan, 2 + 4 * index, s->acked);
    s->done = s->fin && s->acked == s->sent && !s->reset;
  }
  if (s->done) {
    f->open_n--;
    hs2ni_chan_done(f->chan, 2 + 4 * index);
  }
}

static void transport_credit(struct fuzz *f) {
  for (size_t i = 0; i < f->streams_n; i++) {
    f->streams[i].blocked = false;
  }
  hs2ni_chan_credit(f->chan);
}

/* ---- the application --------------------------------------------------------
 */

static bool *kept(struct fuzz *f, struct hs2n_msg_id id) {
  return &f->kept[id.unordered][id.lane][id.seq];
}

/* Each comes once, in order where there is one; but what was kept for its view
 * comes again. */
static void in_turn(struct fuzz *f, struct hs2n_msg_id id, bool taken) {
  if (id.seq < LOOSE_MAX && *kept(f, id)) {
    *kept(f, id) = false;
  } else if (!id.unordered) {
    expect(id.seq > f->last[id.lane]);
    f->last[id.lane] = taken ? id.seq : f->last[id.lane];
  } else if (id.seq < LOOSE_MAX) {
    expect(!f->taken[id.lane][id.seq]);
    f->taken[id.lane][id.seq] = taken;
  }
}

static enum hs2n_verdict choose(const struct fuzz *f,
                                const struct hs2ni_event *e, uint8_t what) {
  const enum hs2n_verdict verdict = (enum hs2n_verdict)(what % 6 + 1);

  if ((verdict == HS2N_LATER && f->later_n == LATER_MAX) ||
      (verdict == HS2N_HOLD && e->id.seq >= LOOSE_MAX)) {
    return HS2N_ACCEPT;
  }
  return verdict;
}

static void message(struct fuzz *f, const struct hs2ni_event *e, uint8_t what) {
  const enum hs2n_verdict verdict = choose(f, e, what);

  expect(e->id.incarnation == f->incarnation);
  in_turn(f, e->id, verdict != HS2N_BUSY);
  if (verdict == HS2N_HOLD && e->kind == HS2NI_EVENT_MESSAGE &&
      e->msg.view > f->msgs->view) {
    *kept(f, e->id) = true;
  }
  if (what >= 128 && e->msg.body != NULL) {
    hs2n_buf_unref(f->held);
    f->held = hs2n_buf_ref(e->msg.body);
  }
  if (verdict == HS2N_LATER) {
    f->later[f->later_n++] = e->id;
  }
  expect(hs2ni_msgs_verdict(f->msgs, f->chan, e->id, verdict) == HS2N_OK);
}

static void fetch(struct fuzz *f, struct input *in) {
  struct hs2ni_event e;

  if (hs2ni_msgs_next(f->msgs, &e)) {
    switch (e.kind) {
    case HS2NI_EVENT_REQUEST:
      f->asked = e.id;
      message(f, &e, byte(in));
      break;
    case HS2NI_EVENT_RESPONSE:
      expect(f->asking > 0 && e.tag.v != 0 && e.status == 7);
      message(f, &e, byte(in));
      break;
    case HS2NI_EVENT_MESSAGE:
      message(f, &e, byte(in));
      break;
    case HS2NI_EVENT_DONE:
      f->done++;
      break;
    case HS2NI_EVENT_WRITABLE:
      break;
    case HS2NI_EVENT_BREACH:
      check_reason(f, e.reason);
      break;
    }
  }
}

static void judge(struct fuzz *f, struct input *in) {
  if (f->later_n > 0) {
    const size_t i = byte(in) % f->later_n;
    const struct hs2n_msg_id id = f->later[i];

    f->later[i] = f->later[--f->later_n];
    expect(hs2ni_msgs_verdict(f->msgs, f->chan, id,
                              byte(in) % 2 ? HS2N_ACCEPT : HS2N_REJECT) ==
           HS2N_OK);
  }
}

static void send(struct fuzz *f, struct input *in) {
  const struct hs2ni_target target = {
      .chan = f->chan, .peer = {1}, .weight = 1};
  const uint8_t what = byte(in);
  struct hs2n_msg msg = {.type = types[what % 4].id,
                         .view = f->msgs->view + (what >> 3 & 1u),
                         .flags = (what & 16) ? HS2N_MSG_VIEW_BOUND : 0,
                         .deadline = (what & 32) ? f->env.now + 1000 : 0};
  uint8_t *data;

  if (what & 64) {
    msg.flags |= HS2N_MSG_ACK;
  }
  if (what & 128) {
    msg.flags |= HS2N_MSG_DATAGRAM_OK;
  }
  if (hs2n_buf_alloc(&msg.body, &f->mem, byte(in) * 32u, &data) == HS2N_OK) {
    memset(data, what, hs2n_buf_span(msg.body).len);
    if (hs2ni_msgs_send(f->msgs, &target, 1, &msg,
                        (what & 64) ? &f->tag : NULL) == HS2N_OK) {
      f->tagged += (what & 64) != 0;
    }
    hs2n_buf_unref(msg.body);
  }
}

static void ask(struct fuzz *f, struct input *in) {
  const struct hs2ni_target target = {
      .chan = f->chan, .peer = {1}, .weight = 1};
  const uint8_t what = byte(in);
  const struct hs2n_msg msg = {.type = 6,
                               .view = f->msgs->view + (what & 1),
                               .flags = (what & 2) ? HS2N_MSG_VIEW_BOUND : 0,
                               .deadline = f->env.now + HS2N_MS(what)};

  if (hs2ni_msgs_request(f->msgs, &target, 1, &msg, &f->tag) == HS2N_OK) {
    f->tagged++;
    f->asking++;
  }
}

static void answer(struct fuzz *f, struct input *in) {
  struct hs2n_buf *body;
  uint8_t *data;

  if (hs2n_buf_alloc(&body, &f->mem, byte(in) * 36u, &data) == HS2N_OK) {
    memset(data, 1, hs2n_buf_span(body).len);
    (void)(hs2ni_msgs_respond(f->chan, f->asked, byte(in), body) == HS2N_OK);
    hs2n_buf_unref(body);
  }
}

static void time_passes(struct fuzz *f, struct input *in) {
  f->env.now += HS2N_US(100) * byte(in);
  hs2ni_msgs_tick(f->msgs);
}

static void check(struct fuzz *f) {
  const struct hs2ni_rx *rx = &f->chan->rx;
  struct hs2ni_chan_stats stats;

  hs2ni_chan_stats(f->chan, &stats);
  expect(f->live <= hs2ni_msgs_footprint(&f->env.limits, types, TYPES_N) +
                        hs2ni_chan_footprint(&f->env.limits, types, TYPES_N));
  expect(stats.requests_asked <= f->env.limits.rx_requests_max);
  expect(stats.requests_unanswered <= f->env.limits.rx_requests_max);
  expect(stats.queued_bytes <= f->env.limits.tx_queue_bytes_max);
  expect(f->credited <= f->received);
  expect(rx->nacks_pending.count + rx->nacks_sent.count <= 2 * HS2NI_NACKS_MAX);
  expect(f->done <= f->tagged);
}

static void step(struct fuzz *f, struct input *in) {
  const uint8_t op = byte(in);

  if (op >= 252) {
    void (*const ops_more[])(struct fuzz *, struct input *) = {ask, heartbeat,
                                                               batch, answer};

    ops_more[op - 252](f, in);
    return;
  }
  switch (op % 20) {
  case 0:
  case 1:
    raw_bytes(f, in);
    break;
  case 2:
    head(f, in);
    break;
  case 3:
  case 4:
    record(f, in);
    break;
  case 5:
    filler(f, in);
    break;
  case 6:
    check_reason(f, hs2ni_chan_reset(f->chan, 3 + 4 * (byte(in) % 16u), 0));
    break;
  case 7:
  case 8:
    fetch(f, in);
    break;
  case 9:
    judge(f, in);
    break;
  case 10:
    send(f, in);
    break;
  case 11:
  case 12:
    drain(f, in);
    break;
  case 13:
    transport_acks(f, in);
    break;
  case 14:
    transport_credit(f);
    break;
  case 15:
    time_passes(f, in);
    break;
  case 16:
    if (byte(in) % 4 == 0) {
      reconnect(f, byte(in) % 4 == 0);
    } else {
      expect(hs2ni_msgs_enter_view(f->msgs, f->msgs->view + byte(in) % 2) ==
             HS2N_OK);
    }
    break;
  case 17:
    if (byte(in) % 2 == 0) {
      (void)(hs2ni_msgs_cancel(f->msgs, f->tag) == HS2N_OK);
    } else {
      hs2n_buf_unref(f->held);
      f->held = NULL;
    }
    break;
  case 18:
  case 19:
    datagram(f, in);
    break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct fuzz *f = malloc(sizeof(*f));
  struct input in = {data, data + len};
  struct hs2ni_event e;

  expect(f != NULL);
  start(f, byte(&in));
  while (in.at < in.end) {
    step(f, &in);
    check(f);
  }
  f->fail_at = 0;
  detach(f);
  hs2ni_chan_free(f->chan, HS2N_DONE_PEER_GONE);
  while (hs2ni_msgs_next(f->msgs, &e)) {
    f->done += e.kind == HS2NI_EVENT_DONE;
  }
  expect(f->done == f->tagged); /* each exactly once */
  hs2n_buf_unref(f->held);
  hs2ni_msgs_free(f->msgs);
  hs2n_identity_free(f->identity);
  expect(f->live == 0);
  free(f);
  return 0;
}
