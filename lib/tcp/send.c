#include "tcp/endpoint.h"

#include <string.h>

/* A user that keeps offering what is blocked is not asked for ever. */
#define REFUSALS_MAX 1024u

/* Content of a record on its way, and what is known of it. */
struct packing {
  struct hs2ni_tcp_conn *c;
  struct hs2ni_tcp_record r;
  uint32_t refusals; /* blocked upcalls in this record */
  bool fed;          /* the user's bytes are in it */
  bool urgent;       /* and they are not to wait for the rest of a record */
  bool full;         /* what was offered has no room in it */
  bool put_back;     /* what was offered must wait for others */
};

static void sent(struct hs2ni_tcp_conn *c, uint64_t stream, size_t len,
                 bool fin) {
  if (hs2ni_tcp_listening(c)) {
    c->ep->user->sent(c->user, stream, len, fin);
  }
}

static void blocked(struct packing *p, uint64_t stream) {
  p->refusals++;
  p->c->ep->user->blocked(p->c->user, stream);
}

static size_t total_of(const struct hs2ni_chunk *chunk) {
  size_t total = 0;

  for (size_t i = 0; i < chunk->parts_n; i++) {
    total += chunk->parts[i].len;
  }
  return total;
}

static void copy_parts(struct packing *p, const struct hs2ni_chunk *chunk,
                       size_t len) {
  for (size_t i = 0; i < chunk->parts_n && len > 0; i++) {
    const struct hs2n_span *part = &chunk->parts[i];
    const size_t n = part->len < len ? part->len : len;

    if (n > 0) {
      memcpy(p->r.bytes + p->r.len, part->data, n);
      p->r.len += n;
      len -= n;
    }
  }
}

static size_t room(const struct packing *p) {
  const size_t left = p->r.max - p->r.len;

  return left > HS2NI_TCP_FRAME_MAX ? left - HS2NI_TCP_FRAME_MAX : 0;
}

static void fed(struct packing *p) {
  p->fed = true;
  p->urgent =
      p->urgent || hs2ni_rank_lane(p->c->rank) <= (unsigned)HS2N_LANE_VOTE;
}

static void put_datagram(struct packing *p, const struct hs2ni_chunk *chunk) {
  const size_t total = total_of(chunk);
  const struct hs2ni_tcp_frame f = {.kind = HS2NI_TCP_DATAGRAM,
                                    .bytes = {NULL, total}};

  if (total > hs2ni_tcp_datagram_max(&p->c->base)) {
    blocked(p, HS2NI_DATAGRAM);
    return;
  }
  p->full = total > room(p);
  if (!p->full) {
    (void)hs2ni_tcp_put(&p->r, &f);
    copy_parts(p, chunk, total);
    fed(p);
  }
  sent(p->c, HS2NI_DATAGRAM, p->full ? 0 : total, false);
}

/* What the peer takes of s. */
static uint64_t credit_of(struct hs2ni_tcp_conn *c,
                          const struct hs2ni_tcp_out *s) {
  const uint64_t stream = s->max - s->sent;
  const uint64_t conn = c->tx_max - c->tx_sent;

  c->conn_blocked = c->conn_blocked || conn == 0;
  return stream < conn ? stream : conn;
}

static void note_sent(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_out *s,
                      size_t len, bool fin) {
  s->sent += len;
  s->fin_sent = fin;
  c->tx_sent += len;
  c->in_flight += len;
  c->pulse.ends_n += fin;
  hs2ni_tcp_pulse_sent(c, s->id, s->sent);
}

static void put_stream(struct packing *p, const struct hs2ni_chunk *chunk) {
  struct hs2ni_tcp_out *s = hs2ni_tcp_out_find(p->c, chunk->stream);
  const size_t total = total_of(chunk);
  const uint64_t credit =
      s == NULL || s->reset || s->fin_sent ? 0 : credit_of(p->c, s);
  struct hs2ni_tcp_frame f = {.kind = HS2NI_TCP_STREAM,
                              .stream = chunk->stream};
  size_t len = total;

  if (s == NULL || s->reset || s->fin_sent || (total > 0 && credit == 0)) {
    if (s != NULL) {
      s->blocked = true;
    }
    blocked(p, chunk->stream);
    return;
  }
  if (len > credit) {
    len = (size_t)credit;
  }
  if (len > room(p)) {
    len = room(p);
    p->full = true;
  }
  f.fin = chunk->fin && len == total;
  p->full = p->full || room(p) == 0;
  if ((len == 0 && !f.fin) || (p->full && room(p) == 0)) {
    p->full = true;
    sent(p->c, chunk->stream, 0, false);
    return;
  }
  f.offset = s->sent;
  f.bytes.len = len;
  (void)hs2ni_tcp_put(&p->r, &f);
  copy_parts(p, chunk, len);
  note_sent(p->c, s, len, f.fin);
  fed(p);
  sent(p->c, chunk->stream, len, f.fin);
}

/* Asks the user for the next bytes. */
static bool pull(struct packing *p, struct hs2ni_chunk *chunk) {
  struct hs2ni_tcp_conn *c = p->c;

  if (p->refusals >= REFUSALS_MAX) {
    c->wants_tx = false;
  }
  if (!c->wants_tx || p->full || p->put_back || !hs2ni_tcp_listening(c)) {
    return false;
  }
  chunk->parts_n = 0;
  chunk->fin = false;
  chunk->rank = HS2NI_RANK_FIRST;
  if (!c->ep->user->next(c->user, chunk)) {
    c->wants_tx = false;
    return false;
  }
  c->rank = chunk->rank;
  /* A record is opened when all of it has come: a vote takes no more along
   * than another vote. */
  p->put_back =
      !hs2ni_tcp_may_offer(c, chunk->rank, p->r.len > 0) ||
      (p->urgent && hs2ni_rank_lane(chunk->rank) > (unsigned)HS2N_LANE_VOTE);
  if (p->put_back) {
    sent(c, chunk->stream, 0, false);
    return false;
  }
  return hs2ni_tcp_listening(c);
}

/* Makes one record of what there is.  Returns its length, 0 for nothing.
 * Sets *out_more when another may follow at once. */
static size_t write_record(struct hs2ni_tcp_conn *c, uint8_t *out,
                           size_t capacity, bool *out_more) {
  const size_t most = capacity - HS2NI_TLS_RECORD_EXTRA;
  struct packing p = {
      .c = c,
      .r = {.bytes = out + HS2NI_TLS_HEAD_LEN,
            .max = most < HS2NI_TCP_CONTENT_MAX ? most : HS2NI_TCP_CONTENT_MAX},
  };
  struct hs2ni_chunk chunk;
  size_t len;

  hs2ni_tcp_control(c, &p.r);
  while (pull(&p, &chunk)) {
    if (chunk.stream == HS2NI_DATAGRAM) {
      put_datagram(&p, &chunk);
    } else {
      put_stream(&p, &chunk);
    }
  }
  *out_more = p.full && hs2ni_tcp_listening(c) && c->rank <= c->ep->others;
  if (p.r.len == 0) {
    return 0;
  }
  len = hs2ni_tls_stream_seal(c->tls, out, p.r.len);
  c->records_sent++;
  if (len == 0) {
    hs2ni_tcp_fail(c);
  }
  return len;
}

/* Room for a record behind at bytes of tx. */
static size_t room_at(const struct hs2ni_tcp_conn *c, const struct hs2n_tx *tx,
                      size_t at) {
  const size_t pipe = hs2ni_tcp_room(c);
  const size_t left = tx->capacity - at;

  if (pipe < at + HS2NI_TCP_ROOM_MIN || left < HS2NI_TCP_ROOM_MIN) {
    return 0;
  }
  return pipe - at < left ? pipe - at : left;
}

/* What TLS itself has to say: it comes before anything else. */
static size_t write_tls(struct hs2ni_tcp_conn *c, struct hs2n_tx *tx,
                        size_t at) {
  size_t space;

  while (hs2ni_tls_stream_waits(c->tls) && (space = room_at(c, tx, at)) > 0) {
    const size_t n = hs2ni_tls_stream_take(c->tls, tx->data + at, space);

    if (n == 0) {
      hs2ni_tcp_fail(c);
      return at;
    }
    at += n;
  }
  return at;
}

static size_t write_records(struct hs2ni_tcp_conn *c, struct hs2n_tx *tx) {
  bool more = true;
  size_t at = 0;
  size_t space;

  while (more) {
    size_t n;

    at = write_tls(c, tx, at);
    if (c->state != HS2NI_TCP_UP || hs2ni_tls_stream_waits(c->tls) ||
        !hs2ni_tls_stream_ready(c->tls) || (space = room_at(c, tx, at)) == 0) {
      break;
    }
    n = write_record(c, tx->data + at, space, &more);
    at += n;
  }
  return at;
}

/* CONNECTION_CLOSE where the peer can read it, and the end of TLS. */
static size_t write_last_words(struct hs2ni_tcp_conn *c, struct hs2n_tx *tx) {
  const struct hs2ni_tcp_frame f = {.kind = HS2NI_TCP_CONNECTION_CLOSE,
                                    .fin = c->close_application,
                                    .code = c->close_code};
  size_t at = 0;

  if (c->silent) {
    return 0;
  }
  if (c->was_up && hs2ni_tls_stream_ready(c->tls)) {
    const size_t len = hs2ni_tcp_frame_write(tx->data + HS2NI_TLS_HEAD_LEN, &f);

    at = hs2ni_tls_stream_seal(c->tls, tx->data, len);
  }
  hs2ni_tls_stream_end(c->tls);
  return at + hs2ni_tls_stream_take(c->tls, tx->data + at, tx->capacity - at);
}

static void fill(struct hs2n_tx *tx, enum hs2n_io_kind kind, uint64_t pipe,
                 size_t len) {
  tx->kind = (uint8_t)kind;
  tx->pipe = pipe;
  tx->ecn = HS2N_ECN_NOT_ECT;
  tx->len = len;
  tx->segment_len = len;
}

static bool give_bytes(struct hs2ni_tcp_conn *c, struct hs2n_tx *tx,
                       size_t len) {
  if (len == 0) {
    return false;
  }
  fill(tx, HS2N_IO_BYTES, c->pipe, len);
  c->unsent += len;
  c->ep->env->stats.tcp_bytes_sent += len;
  return true;
}

/* Returns whether tx holds something; c may be gone afterwards. */
static bool send_ended(struct hs2ni_tcp_conn *c, struct hs2n_tx *tx) {
  if (c->open_due) { /* nobody has heard of it */
    hs2ni_tcp_conn_free(c);
    return false;
  }
  if (!c->closed) {
    c->closed = true;
    if (give_bytes(c, tx, write_last_words(c, tx))) {
      hs2ni_tcp_ready(c);
      return true;
    }
  }
  fill(tx, HS2N_IO_CLOSE, c->pipe, 0);
  hs2ni_tcp_conn_free(c);
  return true;
}

static bool send_conn(struct hs2ni_tcp_conn *c, struct hs2n_tx *tx) {
  bool given;

  if (c->state == HS2NI_TCP_ENDED) {
    return send_ended(c, tx);
  }
  if (c->open_due) {
    c->open_due = false;
    tx->remote = c->remote;
    fill(tx, HS2N_IO_OPEN, c->pipe, 0);
    hs2ni_tcp_ready(c);
    return true;
  }
  given = give_bytes(c, tx, write_records(c, tx));
  hs2ni_tcp_ready(c);
  return given;
}

static bool send_refusal(struct hs2ni_tcp *ep, struct hs2n_tx *tx) {
  uint64_t pipe;

  if (!hs2ni_tcp_refused_take(ep, &pipe)) {
    return false;
  }
  fill(tx, HS2N_IO_CLOSE, pipe, 0);
  return true;
}

/* Fills one entry.  Returns false when nothing is left to send. */
static bool send_one(struct hs2ni_tcp *ep, struct hs2n_tx *tx) {
  struct hs2ni_tcp_conn *c;

  if (send_refusal(ep, tx)) {
    return true;
  }
  while ((c = hs2ni_tcp_next(ep)) != NULL) {
    if (send_conn(c, tx)) {
      return true;
    }
  }
  return false;
}

size_t hs2ni_tcp_poll_tx(struct hs2ni_link *link, struct hs2n_tx *tx,
                         size_t n) {
  struct hs2ni_tcp *ep = hs2ni_tcp_of(link);
  size_t filled = 0;

  while (filled < n && send_one(ep, &tx[filled])) {
    filled++;
  }
  return filled;
}
