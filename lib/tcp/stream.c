#include "tcp/endpoint.h"

#include <assert.h>

struct hs2ni_tcp_out *hs2ni_tcp_out_find(struct hs2ni_tcp_conn *c,
                                         uint64_t id) {
  for (uint32_t i = 0; i < c->outs_n; i++) {
    if (c->outs[i].id == id) {
      return &c->outs[i];
    }
  }
  return NULL;
}

struct hs2ni_tcp_in *hs2ni_tcp_in_find(struct hs2ni_tcp_conn *c, uint64_t id) {
  for (uint32_t i = 0; i < c->ins_n; i++) {
    if (c->ins[i].id == id) {
      return &c->ins[i];
    }
  }
  return NULL;
}

void hs2ni_tcp_out_remove(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_out *s) {
  *s = c->outs[--c->outs_n];
}

void hs2ni_tcp_in_remove(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_in *s) {
  *s = c->ins[--c->ins_n];
  c->ins_freed++;
}

int hs2ni_tcp_stream_open(struct hs2ni_conn *conn, uint64_t *out_stream) {
  struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);

  if (c->state != HS2NI_TCP_UP || c->outs_n == HS2NI_TCP_STREAMS_MAX ||
      c->outs_opened >= c->outs_max) {
    c->opens_full = true;
    return HS2N_ERR_FULL;
  }
  c->outs[c->outs_n++] =
      (struct hs2ni_tcp_out){.id = c->next_out, .max = c->peer.max_stream_data};
  c->outs_opened++;
  *out_stream = c->next_out;
  c->next_out += 4;
  return HS2N_OK;
}

/* What has left comes there in order, so behind the end of a stream there is
 * nothing to abandon: the peer will soon say that it holds all. */
void hs2ni_tcp_stream_reset(struct hs2ni_conn *conn, uint64_t stream,
                            uint64_t code) {
  struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);
  struct hs2ni_tcp_out *s = hs2ni_tcp_out_find(c, stream);

  if (s == NULL || s->reset || s->fin_sent) {
    return;
  }
  s->reset = true;
  s->code = code;
  c->dirty = true;
  hs2ni_tcp_ready(c);
}

void hs2ni_tcp_stream_stop(struct hs2ni_conn *conn, uint64_t stream,
                           uint64_t code) {
  struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);
  struct hs2ni_tcp_in *s = hs2ni_tcp_in_find(c, stream);

  if (s == NULL || s->ended || s->unwanted) {
    return;
  }
  s->unwanted = true;
  s->stop_due = true;
  s->code = code;
  c->dirty = true;
  hs2ni_tcp_ready(c);
}

bool hs2ni_tcp_window_due(uint64_t max, uint64_t granted, uint64_t read,
                          uint64_t window) {
  return max > granted &&
         (max - granted >= window / 4 || granted - read <= window / 2);
}

void hs2ni_tcp_credit(struct hs2ni_conn *conn, uint64_t stream, size_t len) {
  struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);
  struct hs2ni_tcp_in *s = hs2ni_tcp_in_find(c, stream);

  c->rx_max += len;
  if (s != NULL && !s->ended && !s->unwanted) {
    s->max += len;
    c->dirty = c->dirty ||
               hs2ni_tcp_window_due(s->max, s->granted, s->received,
                                    c->ep->env->limits.rx_stream_window_bytes);
  }
  hs2ni_tcp_ready(c);
}

size_t hs2ni_tcp_datagram_max(const struct hs2ni_conn *conn) {
  const struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);
  /* RFC 9221, 3: of the whole frame. */
  const uint64_t most = c->peer.max_datagram > 9 ? c->peer.max_datagram - 9 : 0;

  return most < HS2NI_TCP_DATAGRAM_MAX ? (size_t)most : HS2NI_TCP_DATAGRAM_MAX;
}
