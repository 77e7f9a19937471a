#include "transcript.h"

#include "../wire/hex.h"
#include "identity.h"

#include <assert.h>
#include <inttypes.h>

/* Part of the transcripts: what is declared here may only be added to. */
static const struct hs2n_type types[] = {
    {.id = 0,
     .lane = HS2N_LANE_CONTROL,
     .size_max = 1024,
     .flags = HS2N_TYPE_SECRET},
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 1024},
    {.id = 2,
     .lane = HS2N_LANE_CERT,
     .size_max = 65536,
     .flags = HS2N_TYPE_SIGNED},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 1u << 20,
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = 4, .lane = HS2N_LANE_SYNC, .size_max = 1u << 20},
    {.id = 5,
     .lane = HS2N_LANE_BULK,
     .size_max = 1u << 20,
#ifdef TEST_ZSTD
     .compression = HS2N_COMPRESSION_ZSTD},
#else
     .compression = HS2N_COMPRESSION_LZ4},
#endif
    {.id = 6,
     .lane = HS2N_LANE_SYNC,
     .size_max = 1024,
     .role = HS2N_ROLE_REQUEST,
     .response = 7},
    {.id = 7,
     .lane = HS2N_LANE_SYNC,
     .size_max = 65536,
     .role = HS2N_ROLE_RESPONSE},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

#define LARGE_BODY 4096u
#define DATAGRAM_MAX 1100u

static void must(bool good, const char *what) {
  if (!good) {
    fprintf(stderr, "transcript: %s\n", what);
    abort();
  }
}

/* ---- the transport ------------------------------------------------------- */

static void add_unit(struct transcript *t, enum unit_kind kind, uint64_t stream,
                     const uint8_t *bytes, size_t len, bool fin) {
  struct unit *u = &t->units[t->units_n];

  must(t->units_n < TRANSCRIPT_UNITS, "too many units");
  *u = (struct unit){.kind = kind, .stream = stream, .fin = fin, .len = len};
  u->bytes = malloc(len + 1);
  if (len > 0) {
    memcpy(u->bytes, bytes, len);
  }
  t->units_n++;
}

void transcript_forget_units(struct transcript *t) {
  while (t->units_n > 0) {
    free(t->units[--t->units_n].bytes);
  }
}

static int op_open(struct hs2ni_conn *conn, uint64_t *out) {
  struct transcript *t = (struct transcript *)conn;

  must(t->opened < TRANSCRIPT_STREAMS, "too many streams");
  t->sent[t->opened] = 0;
  *out = 2 + 4 * t->opened++;
  return HS2N_OK;
}

/* Done is said when the layer has returned. */
static void end_later(struct transcript *t, uint64_t stream) {
  must(t->ended_n < TRANSCRIPT_STREAMS, "too many ends");
  t->ended[t->ended_n++] = stream;
}

static void op_reset(struct hs2ni_conn *conn, uint64_t stream, uint64_t code) {
  struct transcript *t = (struct transcript *)conn;

  (void)code;
  add_unit(t, UNIT_RESET, stream + 1, NULL, 0, false);
  end_later(t, stream);
}

static void op_stop(struct hs2ni_conn *conn, uint64_t stream, uint64_t code) {
  (void)code;
  add_unit((struct transcript *)conn, UNIT_STOP, stream - 1, NULL, 0, false);
}

static void op_credit(struct hs2ni_conn *conn, uint64_t stream, size_t len) {
  (void)conn, (void)stream, (void)len;
}

static size_t op_datagram_max(const struct hs2ni_conn *conn) {
  (void)conn;
  return DATAGRAM_MAX;
}

static void op_stats(const struct hs2ni_conn *conn,
                     struct hs2ni_conn_stats *out) {
  (void)conn;
  *out = (struct hs2ni_conn_stats){.rtt_smoothed = HS2N_MS(1)};
}

static void op_want(struct hs2ni_conn *conn, uint64_t rank) {
  (void)conn, (void)rank;
}

static const struct hs2ni_link_ops ops = {
    .scheme = "transcript",
    .stream_open = op_open,
    .stream_reset = op_reset,
    .stream_stop = op_stop,
    .credit = op_credit,
    .datagram_max = op_datagram_max,
    .want_tx = op_want,
    .conn_stats = op_stats,
};

static void tell_ends(struct transcript *t) {
  while (t->ended_n > 0 && t->attached) {
    hs2ni_chan_done(t->chan, t->ended[--t->ended_n]);
  }
}

/* ---- what this end writes ------------------------------------------------ */

static void put_hex(struct transcript *t, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    fprintf(t->out, "%02x", bytes[i]);
  }
  fprintf(t->out, len == 0 ? "-\n" : "\n");
}

static void read_acks(struct transcript *t, const uint8_t *bytes, size_t len) {
  struct hs2n_span in = {bytes, len};
  struct hs2ni_record r;

  while (in.len > 0 && hs2ni_stash_record(&t->acks, &in, &r) > 0) {
    if (r.kind == HS2NI_RECORD_ACK) {
      fprintf(t->out, "= ack %u %d %" PRIu64 " ", r.lane, r.unordered, r.seq);
      put_hex(t, r.bitmap.data, r.bitmap.len);
    } else {
      fprintf(t->out, "= nack %u %d %" PRIu64 " %u\n", r.lane, r.unordered,
              r.seq, r.code);
    }
  }
}

static void wrote(struct transcript *t, uint64_t stream, const uint8_t *bytes,
                  size_t len) {
  const size_t index = (size_t)(stream / 4);
  struct hs2ni_head head;
  int32_t used = 0;

  if (t->sent[index] == 0) {
    used = hs2ni_head_decode((struct hs2n_span){bytes, len}, &head);
    must(used > 0, "a stream without a head");
    if (head.kind == HS2NI_STREAM_ACKS) {
      t->acks_stream = stream;
    }
  }
  t->sent[index] += len;
  if (stream == t->acks_stream) {
    read_acks(t, bytes + used, len - (size_t)used);
  }
}

static void write_chunk(struct transcript *t, const struct hs2ni_chunk *chunk) {
  const bool datagram = chunk->stream == HS2NI_DATAGRAM;
  uint8_t *bytes;
  size_t len = 0;

  for (size_t i = 0; i < chunk->parts_n; i++) {
    len += chunk->parts[i].len;
  }
  bytes = malloc(len + 1);
  len = 0;
  for (size_t i = 0; i < chunk->parts_n; i++) {
    memcpy(bytes + len, chunk->parts[i].data, chunk->parts[i].len);
    len += chunk->parts[i].len;
  }
  add_unit(t, datagram ? UNIT_DATAGRAM : UNIT_DATA, chunk->stream + 1, bytes,
           len, chunk->fin);
  if (!datagram) {
    wrote(t, chunk->stream, bytes, len);
  }
  hs2ni_chan_sent(t->chan, chunk->stream, len, chunk->fin);
  if (!datagram) {
    hs2ni_chan_acked(t->chan, chunk->stream, t->sent[chunk->stream / 4]);
  }
  if (chunk->fin) {
    hs2ni_chan_done(t->chan, chunk->stream);
  }
  free(bytes);
}

static void do_write(struct transcript *t) {
  struct hs2ni_chunk chunk = {0};

  while (hs2ni_chan_next(t->chan, &chunk)) {
    write_chunk(t, &chunk);
    tell_ends(t);
    chunk = (struct hs2ni_chunk){0};
  }
}

/* ---- what comes in ------------------------------------------------------- */

static void detach(struct transcript *t) {
  t->attached = false;
  t->ended_n = 0;
  hs2ni_chan_detach(t->chan);
}

static void object(struct transcript *t, enum hs2n_reason reason) {
  if (reason != HS2N_REASON_NONE) {
    fprintf(t->out, "= close %d\n", (int)reason);
    detach(t);
  }
}

static void do_hello(struct transcript *t, const char *hex) {
  uint8_t bytes[HS2NI_HELLO_MAX];
  struct hs2ni_hello hello;
  size_t len;

  must(strlen(hex) <= 2 * sizeof(bytes), "the hello is too long");
  len = hex_read(hex, bytes);
  must(hs2ni_hello_decode((struct hs2n_span){bytes, len}, &hello) == HS2N_OK,
       "the hello can't be read");
  t->opened = 0;
  t->acks_stream = 0;
  t->acks.len = 0;
  t->attached = true;
  hs2ni_chan_attach(t->chan, &t->conn, &hello);
}

static void do_bytes(struct transcript *t, const char *hex, bool datagram,
                     uint64_t stream, bool fin) {
  uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
  const struct hs2n_span in = {bytes, hex_read(hex, bytes)};

  object(t, datagram ? hs2ni_chan_datagram(t->chan, in)
                     : hs2ni_chan_data(t->chan, stream, in, fin));
  free(bytes);
}

/* ---- the application ----------------------------------------------------- */

static struct hs2n_buf *body_of(struct transcript *t, unsigned len,
                                unsigned fill) {
  struct hs2n_buf *body;
  uint8_t *data;

  must(hs2n_buf_alloc(&body, &t->mem.mem, len, &data) == HS2N_OK, "memory");
  for (unsigned i = 0; i < len; i++) {
    data[i] = (uint8_t)(fill + i % 7);
  }
  return body;
}

static void do_request(struct transcript *t, const char *args) {
  const struct hs2ni_target target = {
      .chan = t->chan, .peer = {1 - t->place}, .weight = 1};
  struct hs2n_msg msg = {.deadline = t->env.now + HS2N_S(60)};
  unsigned type, len, fill;
  int err;

  must(sscanf(args, "%u %" SCNu32 " %" SCNu64 " %u %u", &type, &msg.flags,
              &msg.view, &len, &fill) == 5,
       "request");
  must(t->tags_n < TRANSCRIPT_TAGS, "too many tags");
  msg.type = (uint8_t)type;
  msg.body = body_of(t, len, fill);
  err = hs2ni_msgs_request(t->msgs, &target, 1, &msg, &t->tags[t->tags_n++]);
  hs2n_buf_unref(msg.body);
  must(err == HS2N_OK, "a request was refused");
}

static void do_respond(struct transcript *t, const char *args) {
  struct hs2n_msg_id id = {.incarnation = t->chan->incarnation};
  unsigned lane, status, len, fill;
  struct hs2n_buf *body;
  int err;

  must(sscanf(args, "%u %" SCNu64 " %u %u %u", &lane, &id.seq, &status, &len,
              &fill) == 5,
       "respond");
  id.lane = (uint8_t)lane;
  body = body_of(t, len, fill);
  err = hs2ni_msgs_respond(t->chan, id, status, body);
  hs2n_buf_unref(body);
  must(err == HS2N_OK, "a response was refused");
}

static void do_send(struct transcript *t, const char *args) {
  const struct hs2ni_target target = {
      .chan = t->chan, .peer = {1 - t->place}, .weight = 1};
  struct hs2n_msg msg = {0};
  struct hs2n_tag *tag = NULL;
  unsigned type, len, fill;
  int err;

  must(sscanf(args, "%u %" SCNu32 " %" SCNu64 " %" SCNu64 " %u %u", &type,
              &msg.flags, &msg.view, &msg.key, &len, &fill) == 6,
       "send");
  msg.type = (uint8_t)type;
  msg.body = body_of(t, len, fill);
  if ((msg.flags & HS2N_MSG_ACK) != 0) {
    must(t->tags_n < TRANSCRIPT_TAGS, "too many tags");
    tag = &t->tags[t->tags_n++];
  }
  err = hs2ni_msgs_send(t->msgs, &target, 1, &msg, tag);
  hs2n_buf_unref(msg.body);
  must(err == HS2N_OK, "a send was refused");
}

static void put_message(struct transcript *t, const struct hs2ni_event *e) {
  const struct hs2n_span body = e->msg.body == NULL
                                    ? (struct hs2n_span){NULL, 0}
                                    : hs2n_buf_span(e->msg.body);
  uint8_t hash[HS2N_HASH_LEN];

  hs2n_sha256(&body, 1, hash);
  fprintf(t->out,
          "= message %u %" PRIu64 " %d %u %" PRIu32 " %" PRIu64
          " %zu %02x%02x%02x%02x %d\n",
          e->id.lane, e->id.seq, e->id.unordered, e->msg.type, e->msg.flags,
          e->msg.view, body.len, hash[0], hash[1], hash[2], hash[3],
          e->msg.signature.len > 0);
}

static size_t send_of(const struct transcript *t, struct hs2n_tag tag) {
  size_t i = 0;

  while (i < t->tags_n && t->tags[i].v != tag.v) {
    i++;
  }
  return i;
}

static void put_role(struct transcript *t, const struct hs2ni_event *e) {
  if (e->kind == HS2NI_EVENT_REQUEST) {
    fprintf(t->out, "= request\n");
  } else if (e->kind == HS2NI_EVENT_RESPONSE) {
    fprintf(t->out, "= response %zu %" PRIu32 "\n", send_of(t, e->tag),
            e->status);
  }
}

static void put_done(struct transcript *t, const struct hs2ni_event *e) {
  fprintf(t->out, "= done %zu %s %d\n", send_of(t, e->tag),
          hs2n_outcome_name(e->done.outcome), (int)e->done.reason);
}

static void do_fetch(struct transcript *t, int verdict) {
  struct hs2ni_event e;

  if (!hs2ni_msgs_next(t->msgs, &e)) {
    fprintf(t->out, "= nothing\n");
    return;
  }
  switch (e.kind) {
  case HS2NI_EVENT_MESSAGE:
  case HS2NI_EVENT_REQUEST:
  case HS2NI_EVENT_RESPONSE:
    put_message(t, &e);
    put_role(t, &e);
    must(hs2ni_msgs_verdict(t->msgs, t->chan, e.id,
                            (enum hs2n_verdict)verdict) == HS2N_OK,
         "verdict");
    break;
  case HS2NI_EVENT_DONE:
    put_done(t, &e);
    break;
  case HS2NI_EVENT_WRITABLE:
    fprintf(t->out, "= writable\n");
    break;
  case HS2NI_EVENT_BREACH:
    object(t, e.reason);
    break;
  }
}

static void do_judge(struct transcript *t, const char *args) {
  struct hs2n_msg_id id = {.incarnation = t->chan->incarnation};
  unsigned lane;
  int verdict;

  must(sscanf(args, "%u %" SCNu64 " %d", &lane, &id.seq, &verdict) == 3,
       "judge");
  id.lane = (uint8_t)lane;
  must(hs2ni_msgs_verdict(t->msgs, t->chan, id, (enum hs2n_verdict)verdict) ==
           HS2N_OK,
       "a late verdict");
}

/* ---- lines --------------------------------------------------------------- */

/* What follows word and a space in line, or NULL. */
static const char *after(const char *line, const char *word) {
  const size_t len = strlen(word);

  return strncmp(line, word, len) == 0 && line[len] == ' ' ? line + len + 1
                                                           : NULL;
}

static bool act_of_peer(struct transcript *t, const char *line) {
  const char *args;
  char *rest;

  if ((args = after(line, "hello")) != NULL) {
    do_hello(t, args);
  } else if ((args = after(line, "data")) != NULL) {
    const uint64_t stream = strtoull(args, &rest, 10);
    const bool fin = strtoull(rest, &rest, 10) != 0;

    do_bytes(t, rest, false, stream, fin);
  } else if ((args = after(line, "datagram")) != NULL) {
    do_bytes(t, args, true, 0, false);
  } else if ((args = after(line, "reset")) != NULL) {
    object(t, hs2ni_chan_reset(t->chan, strtoull(args, NULL, 10), 0));
  } else if ((args = after(line, "stopped")) != NULL) {
    const uint64_t stream = strtoull(args, NULL, 10);

    add_unit(t, UNIT_RESET, stream + 1, NULL, 0, false);
    object(t, hs2ni_chan_stopped(t->chan, stream, 0));
    end_later(t, stream);
  } else {
    return false;
  }
  return true;
}

static bool act_of_ours(struct transcript *t, const char *line) {
  const char *args;

  if ((args = after(line, "send")) != NULL) {
    do_send(t, args);
  } else if ((args = after(line, "request")) != NULL) {
    do_request(t, args);
  } else if ((args = after(line, "respond")) != NULL) {
    do_respond(t, args);
  } else if ((args = after(line, "fetch")) != NULL) {
    do_fetch(t, atoi(args));
  } else if ((args = after(line, "judge")) != NULL) {
    do_judge(t, args);
  } else if ((args = after(line, "view")) != NULL) {
    must(hs2ni_msgs_enter_view(t->msgs, strtoull(args, NULL, 10)) == HS2N_OK,
         "view");
  } else if ((args = after(line, "time")) != NULL) {
    t->env.now += HS2N_MS(strtoull(args, NULL, 10));
    hs2ni_msgs_tick(t->msgs);
  } else if (strcmp(line, "write") == 0) {
    do_write(t);
  } else if (strcmp(line, "detach") == 0) {
    detach(t);
  } else {
    return false;
  }
  return true;
}

void transcript_line(struct transcript *t, const char *line) {
  fprintf(t->out, "%s\n", line);
  if (line[0] != '#') {
    must(act_of_peer(t, line) || act_of_ours(t, line), line);
    tell_ends(t);
  }
}

const char *transcript_text(struct transcript *t) {
  fflush(t->out);
  return t->text;
}

/* ---- life ---------------------------------------------------------------- */

void transcript_init(struct transcript *t, uint32_t place) {
  struct hs2n_identity *peer = world_identity(1 - place);
  const struct hs2n_key key = hs2n_identity_key(peer);

  *t = (struct transcript){.conn.ops = &ops, .place = place};
  test_mem_init(&t->mem, 0);
  t->env = (struct hs2ni_env){.mem = &t->mem.mem, .now = HS2N_S(1)};
  hs2ni_rng_seed(&t->env.rng, 1);
  hs2n_limits_default(&t->env.limits);
  t->env.limits.large_body_bytes = LARGE_BODY;
  t->identity = world_identity(place);
  must(hs2ni_msgs_new(&t->msgs, &t->env, types, TYPES) == HS2N_OK &&
           hs2ni_chan_new(&t->chan, t->msgs, (struct hs2n_peer){1 - place}) ==
               HS2N_OK,
       "memory");
  hs2ni_msgs_sign(t->msgs, t->identity, WORLD_CHAIN);
  hs2ni_chan_key(t->chan, &key);
  t->out = open_memstream(&t->text, &t->text_len);
  must(t->out != NULL, "memory");
  hs2n_identity_free(peer);
}

void transcript_fini(struct transcript *t) {
  transcript_forget_units(t);
  hs2ni_chan_free(t->chan, HS2N_DONE_CANCELLED);
  hs2ni_msgs_free(t->msgs);
  hs2n_identity_free(t->identity);
  fclose(t->out);
  free(t->text);
}

void transcript_hello(const struct transcript *t, uint64_t incarnation,
                      uint64_t capabilities, char *out) {
  uint8_t bytes[HS2NI_HELLO_MAX];
  struct hs2ni_hello hello = {
      .chain_id = {(const uint8_t *)WORLD_CHAIN, strlen(WORLD_CHAIN)},
      .version_min = HS2NI_PROTOCOL_MIN,
      .version_max = HS2NI_PROTOCOL_MAX,
      .incarnation = incarnation,
      .capabilities = hs2ni_msgs_capabilities(t->msgs) & capabilities,
      .types_n = TYPES,
  };
  int len;

  for (size_t i = 0; i < TYPES; i++) {
    hello.types[i] = (struct hs2ni_hello_type){
        types[i].id, (uint8_t)types[i].lane, types[i].size_max};
  }
  len = hs2ni_hello_encode(&hello, bytes);
  must(len > 0, "the hello does not fit");
  hex_write((struct hs2n_span){bytes, (size_t)len}, out);
}
