#include "raw.h"

#include "tap.h"

static const struct hs2n_addr stranger = {
    .family = HS2N_FAMILY_IPV4, .ip = {10, 9, 9, 9}, .port = 999};

bool raw_init(struct raw *r, struct world *w, const char *chain) {
  memset(r, 0, sizeof(*r));
  test_env_init(&r->te, 0, 4711);
  r->w = w;
  r->te.env.now = w->now;
  if (hs2n_identity_generate(&r->identity, r->te.env.mem, test_env_rand,
                             &r->te) != HS2N_OK) {
    return false;
  }
  if (hs2ni_tls_new(&r->tls,
                    &(struct hs2ni_tls_config){.env = &r->te.env,
                                               .identity = r->identity,
                                               .chain_id = chain,
                                               .unix_time_s = 1790000000}) !=
          HS2N_OK ||
      hs2ni_tls_stream_new(&r->stream, r->tls, HS2NI_TLS_CLIENT) != HS2N_OK ||
      hs2ni_tls_stream_begin(r->stream) != HS2N_OK) {
    return false;
  }
  r->pipe = world_pipe_open(w, 1, &stranger);
  return true;
}

size_t raw_take(struct raw *r, uint8_t *out, size_t room) {
  size_t at = 0;

  while (hs2ni_tls_stream_waits(r->stream)) {
    at += hs2ni_tls_stream_take(r->stream, out + at, room - at);
  }
  return at;
}

static void hear_frames(struct raw *r, struct hs2n_span content) {
  struct hs2ni_tcp_frame f;

  r->contents++;
  while (content.len > 0) {
    if (hs2ni_tcp_frame_read(&content, &f) != HS2N_OK) {
      CHECK(false);
      return;
    }
    r->frames++;
    if (f.kind == HS2NI_TCP_CONNECTION_CLOSE) {
      r->closed = true;
      r->close = f;
    }
  }
}

static void hear(struct raw *r, struct hs2n_span record) {
  static uint8_t plain[HS2NI_TLS_RECORD_MAX];
  struct hs2n_span content;
  struct hs2n_key key;

  switch (hs2ni_tls_stream_open(r->stream, record, plain, &content)) {
  case HS2NI_TLS_DONE:
    r->done = true;
    (void)hs2ni_tls_stream_peer(r->stream, NULL, &key);
    return;
  case HS2NI_TLS_DATA:
    hear_frames(r, content);
    return;
  case HS2NI_TLS_ENDED:
  case HS2NI_TLS_ALERT:
  case HS2NI_TLS_FAILED:
    r->alerted = true;
    r->alert = hs2ni_tls_stream_alert(r->stream);
    return;
  case HS2NI_TLS_NOTHING:
    return;
  }
}

static void hear_all(struct raw *r) {
  struct world_pipe *p = &r->w->pipes[r->pipe];
  size_t at = 0;

  while (p->heard_len - at >= HS2NI_TLS_HEAD_LEN && !r->alerted) {
    const size_t len = hs2ni_tls_stream_record(r->stream, p->heard + at);

    if (len == 0 || len > p->heard_len - at) {
      break;
    }
    hear(r, (struct hs2n_span){p->heard + at, len});
    at += len;
  }
  memmove(p->heard, p->heard + at, p->heard_len - at);
  p->heard_len -= at;
}

void raw_run(struct raw *r) {
  static uint8_t bytes[16384];

  for (unsigned i = 0; i < 4; i++) {
    size_t n;

    r->te.env.now = r->w->now;
    n = raw_take(r, bytes, sizeof(bytes));
    if (n > 0) {
      world_pipe_send(r->w, r->pipe, (struct hs2n_span){bytes, n});
    }
    world_run(r->w, HS2N_MS(5));
    if (r->w->pipes[r->pipe].heard_len > 0) {
      hear_all(r);
    }
  }
}

void raw_say(struct raw *r, struct hs2n_span content) {
  static uint8_t record[HS2NI_TLS_RECORD_MAX];
  size_t len;

  if (content.len > 0) {
    memcpy(record + HS2NI_TLS_HEAD_LEN, content.data, content.len);
  }
  len = hs2ni_tls_stream_seal(r->stream, record, content.len);
  world_pipe_send(r->w, r->pipe, (struct hs2n_span){record, len});
}

void raw_frame(struct raw *r, const struct hs2ni_tcp_frame *frame) {
  uint8_t bytes[HS2NI_TCP_FRAME_MAX + 2048];
  size_t len = hs2ni_tcp_frame_write(bytes, frame);

  if (frame->kind != HS2NI_TCP_PARAMS && frame->bytes.len > 0) {
    memset(bytes + len, 7, frame->bytes.len);
    len += frame->bytes.len;
  }
  raw_say(r, (struct hs2n_span){bytes, len});
}

bool raw_meet(struct raw *r, struct world *w) {
  if (!raw_init(r, w, "test")) {
    return false;
  }
  raw_run(r);
  if (!r->done) {
    return false;
  }
  raw_frame(r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_PARAMS,
                                         .params = {.max_data = 1u << 20,
                                                    .max_stream_data = 1u << 20,
                                                    .max_streams = 64,
                                                    .max_datagram = 1209}});
  raw_run(r);
  return !r->closed && r->frames > 0;
}

void raw_fini(struct raw *r) {
  hs2ni_tls_stream_free(r->stream);
  hs2ni_tls_free(r->tls);
  hs2n_identity_free(r->identity);
}
