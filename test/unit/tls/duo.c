#include "duo.h"

#include "tap.h"

void duo_init(struct duo *d, uint64_t seed) {
  memset(d, 0, sizeof(*d));
  pair_init(&d->p, seed);
  CHECK_EQ(pair_contexts(&d->p), HS2N_OK);
  d->client.e = &d->p.client;
  d->server.e = &d->p.server;
}

static void begin(struct duo_way *w, enum hs2ni_tls_role role) {
  CHECK_EQ(hs2ni_tls_stream_new(&w->s, w->e->tls, role), HS2N_OK);
  w->e->session = w->s->session;
  if (w->e->bend != NULL) {
    w->e->bend(w->e);
  }
  w->e->session = NULL; /* the stream's */
  CHECK_EQ(hs2ni_tls_stream_begin(w->s), HS2N_OK);
}

static void opened(struct duo_way *w, struct hs2n_span record) {
  static uint8_t plain[HS2NI_TLS_RECORD_MAX];
  struct hs2n_span data = {NULL, 0};

  switch (hs2ni_tls_stream_open(w->s, record, plain, &data)) {
  case HS2NI_TLS_NOTHING:
    w->updates += w->done;
    return;
  case HS2NI_TLS_DONE:
    w->done = true;
    w->verdict = hs2ni_tls_stream_peer(w->s, w->expected, &w->peer);
    w->refused = w->verdict != HS2N_REASON_NONE;
    break;
  case HS2NI_TLS_DATA:
    w->bytes += data.len;
    return;
  case HS2NI_TLS_ENDED:
    w->ended = true;
    return;
  case HS2NI_TLS_ALERT:
    w->refused_by_peer = true;
    break;
  case HS2NI_TLS_FAILED:
    w->refused = true;
    break;
  }
  w->alert = hs2ni_tls_stream_alert(w->s);
}

static bool over(const struct duo_way *w) {
  return w->refused || w->refused_by_peer || w->ended;
}

static bool hear_all(struct duo_way *w) {
  size_t at = 0;

  while (w->in_len - at >= HS2NI_TLS_HEAD_LEN && !over(w)) {
    const size_t len = hs2ni_tls_stream_record(w->s, w->in + at);

    if (len == 0) {
      w->refused = true;
      w->alert = hs2ni_tls_stream_alert(w->s);
      break;
    }
    if (len > w->in_len - at) {
      break;
    }
    opened(w, (struct hs2n_span){w->in + at, len});
    at += len;
  }
  memmove(w->in, w->in + at, w->in_len - at);
  w->in_len -= at;
  return at > 0;
}

void duo_hear(struct duo_way *to, const uint8_t *bytes, size_t len) {
  CHECK(len <= sizeof(to->in) - to->in_len);
  memcpy(to->in + to->in_len, bytes, len);
  to->in_len += len;
}

static bool carry(struct duo_way *from, struct duo_way *to) {
  uint8_t record[2048];
  bool any = false;

  while (hs2ni_tls_stream_waits(from->s)) {
    const size_t n = hs2ni_tls_stream_take(from->s, record, sizeof(record));

    CHECK(n > 0);
    duo_hear(to, record, n);
    any = true;
  }
  return any;
}

void duo_run(struct duo *d) {
  bool moved = true;

  while (moved) {
    moved = carry(&d->client, &d->server);
    moved = carry(&d->server, &d->client) || moved;
    moved = hear_all(&d->client) || moved;
    moved = hear_all(&d->server) || moved;
  }
}

void duo_go(struct duo *d) {
  begin(&d->client, HS2NI_TLS_CLIENT);
  begin(&d->server, HS2NI_TLS_SERVER);
  duo_run(d);
}

void duo_say(struct duo_way *from, struct duo_way *to, size_t n) {
  static uint8_t record[HS2NI_TLS_RECORD_MAX];

  memset(record, 'x', n + HS2NI_TLS_HEAD_LEN);
  duo_hear(to, record, hs2ni_tls_stream_seal(from->s, record, n));
}

void duo_record(struct duo_way *from, struct duo_way *to,
                enum hs2ni_tls_content content, const uint8_t *bytes,
                size_t len) {
  static uint8_t record[HS2NI_TLS_RECORD_MAX];

  if (len > 0) {
    memcpy(record + HS2NI_TLS_HEAD_LEN, bytes, len);
  }
  duo_hear(to, record, hs2ni_record_seal(&from->s->tx, content, record, len));
}

void duo_fini(struct duo *d) {
  hs2ni_tls_stream_free(d->client.s);
  hs2ni_tls_stream_free(d->server.s);
  pair_fini(&d->p);
}
