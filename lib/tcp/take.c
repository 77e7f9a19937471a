/* What a record of the peer holds.  A pipe keeps its order, so a peer that
 * keeps to the rules never speaks of what is over, nor leaves a gap. */
#include "tcp/endpoint.h"

/* RFC 9000, 20.1 */
#define FLOW_CONTROL_ERROR 0x03u
#define STREAM_LIMIT_ERROR 0x04u
#define STREAM_STATE_ERROR 0x05u
#define FINAL_SIZE_ERROR 0x06u
#define FRAME_ENCODING_ERROR 0x07u
#define TRANSPORT_PARAMETER_ERROR 0x08u
#define PROTOCOL_VIOLATION 0x0au

static bool is_ours(const struct hs2ni_tcp_conn *c, uint64_t id) {
  return (id & 3u) == (c->next_out & 3u);
}

/* ---- of streams of the peer ---------------------------------------------- */

/* Streams below come into being with it (RFC 9000, 3.2). */
static bool open_to(struct hs2ni_tcp_conn *c, uint64_t id) {
  const uint64_t window = c->ep->env->limits.rx_stream_window_bytes;

  if (id / 4 >= c->ins_max ||
      (id - c->next_in) / 4 >= HS2NI_TCP_STREAMS_MAX - c->ins_n) {
    return false;
  }
  while (c->next_in <= id) {
    c->ins[c->ins_n++] = (struct hs2ni_tcp_in){
        .id = c->next_in, .max = window, .granted = window};
    c->next_in += 4;
  }
  return true;
}

/* The stream, or NULL with c ended. */
static struct hs2ni_tcp_in *in_of(struct hs2ni_tcp_conn *c, uint64_t id) {
  struct hs2ni_tcp_in *s;

  if ((id & 3u) != (c->next_in & 3u)) {
    hs2ni_tcp_breach(c, STREAM_STATE_ERROR);
    return NULL;
  }
  if (id >= c->next_in && !open_to(c, id)) {
    hs2ni_tcp_breach(c, STREAM_LIMIT_ERROR);
    return NULL;
  }
  s = hs2ni_tcp_in_find(c, id);
  if (s == NULL || s->ended) {
    hs2ni_tcp_breach(c, STREAM_STATE_ERROR);
    return NULL;
  }
  return s;
}

static bool within(const struct hs2ni_tcp_conn *c, const struct hs2ni_tcp_in *s,
                   size_t len) {
  return len <= s->granted - s->received && len <= c->rx_granted - c->rx_read;
}

static void on_stream(struct hs2ni_tcp_conn *c,
                      const struct hs2ni_tcp_frame *f) {
  struct hs2ni_tcp_in *s = in_of(c, f->stream);

  if (s == NULL) {
    return;
  }
  if (f->offset != s->received) {
    hs2ni_tcp_breach(c, PROTOCOL_VIOLATION);
    return;
  }
  if (!within(c, s, f->bytes.len)) {
    hs2ni_tcp_breach(c, FLOW_CONTROL_ERROR);
    return;
  }
  s->received += f->bytes.len;
  s->ended = f->fin;
  c->rx_read += f->bytes.len;
  c->dirty = true;
  if (s->unwanted) {
    c->rx_max += f->bytes.len; /* nobody else gives it back */
  } else if (f->bytes.len > 0 || f->fin) {
    c->ep->user->on_data(c->user, f->stream, f->bytes, f->fin);
  }
}

static void on_reset_stream(struct hs2ni_tcp_conn *c,
                            const struct hs2ni_tcp_frame *f) {
  struct hs2ni_tcp_in *s = in_of(c, f->stream);

  if (s == NULL) {
    return;
  }
  if (f->offset != s->received) {
    hs2ni_tcp_breach(c, FINAL_SIZE_ERROR);
    return;
  }
  s->ended = true;
  c->dirty = true;
  c->ep->user->on_reset(c->user, f->stream, f->code);
}

/* ---- of our streams ------------------------------------------------------ */

/* The stream, or NULL with c ended. */
static struct hs2ni_tcp_out *out_of(struct hs2ni_tcp_conn *c, uint64_t id) {
  struct hs2ni_tcp_out *s = is_ours(c, id) ? hs2ni_tcp_out_find(c, id) : NULL;

  if (s == NULL) {
    hs2ni_tcp_breach(c, STREAM_STATE_ERROR);
  }
  return s;
}

static void on_stop_sending(struct hs2ni_tcp_conn *c,
                            const struct hs2ni_tcp_frame *f) {
  struct hs2ni_tcp_out *s = out_of(c, f->stream);

  if (s == NULL || s->reset || s->fin_sent) {
    return;
  }
  hs2ni_tcp_stream_reset(&c->base, f->stream, f->code);
  c->ep->user->on_stopped(c->user, f->stream, f->code);
}

static void on_credit(struct hs2ni_tcp_conn *c) {
  c->conn_blocked = false;
  c->opens_full = false;
  for (uint32_t i = 0; i < c->outs_n; i++) {
    c->outs[i].blocked = false;
  }
  c->ep->user->on_credit(c->user);
}

static void on_max_data(struct hs2ni_tcp_conn *c,
                        const struct hs2ni_tcp_frame *f) {
  if (f->offset > c->tx_max) {
    c->tx_max = f->offset;
    if (c->conn_blocked) {
      on_credit(c);
    }
  }
}

static void on_max_stream_data(struct hs2ni_tcp_conn *c,
                               const struct hs2ni_tcp_frame *f) {
  struct hs2ni_tcp_out *s = out_of(c, f->stream);

  if (s != NULL && f->offset > s->max) {
    s->max = f->offset;
    if (s->blocked) {
      on_credit(c);
    }
  }
}

static void on_max_streams(struct hs2ni_tcp_conn *c,
                           const struct hs2ni_tcp_frame *f) {
  if (f->offset > c->outs_max) {
    c->outs_max = f->offset;
    if (c->opens_full) {
      on_credit(c);
    }
  }
}

/* All of it is there: it has come to its end. */
static void on_held_all(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_out *s,
                        bool grown) {
  const uint64_t id = s->id;
  const uint64_t offset = s->sent;
  const bool tell = grown && s->fin_sent;

  c->pulse.ends_n--;
  hs2ni_tcp_out_remove(c, s);
  hs2ni_tcp_pulse_answered(c);
  if (tell) {
    c->ep->user->on_acked(c->user, id, offset);
  }
  if (hs2ni_tcp_listening(c)) {
    c->ep->user->on_done(c->user, id);
  }
  if (hs2ni_tcp_listening(c) && c->opens_full && c->outs_opened < c->outs_max) {
    on_credit(c);
  }
}

static void on_held(struct hs2ni_tcp_conn *c, const struct hs2ni_tcp_frame *f) {
  struct hs2ni_tcp_out *s = out_of(c, f->stream);
  bool grown;

  if (s == NULL) {
    return;
  }
  grown = f->offset > s->acked;
  if (f->offset < s->acked || f->offset > s->sent ||
      (f->fin ? f->offset != s->sent || !(s->fin_sent || s->reset_sent)
              : !grown)) {
    hs2ni_tcp_breach(c, PROTOCOL_VIOLATION);
    return;
  }
  c->in_flight -= f->offset - s->acked;
  s->acked = f->offset;
  hs2ni_tcp_pulse_acked(c, f->stream, f->offset);
  if (f->fin) {
    on_held_all(c, s, grown);
    return;
  }
  hs2ni_tcp_pulse_answered(c);
  if (!s->reset) {
    c->ep->user->on_acked(c->user, f->stream, f->offset);
  }
}

/* ---- of the connection --------------------------------------------------- */

static void on_params(struct hs2ni_tcp_conn *c,
                      const struct hs2ni_tcp_frame *f) {
  c->heard_params = true;
  c->peer = f->params;
  c->tx_max = c->peer.max_data;
  c->outs_max = c->peer.max_streams;
  for (uint32_t i = 0; i < c->outs_n; i++) {
    c->outs[i].max = c->peer.max_stream_data;
  }
  on_credit(c);
}

static void on_datagram(struct hs2ni_tcp_conn *c,
                        const struct hs2ni_tcp_frame *f) {
  if (f->bytes.len > HS2NI_TCP_DATAGRAM_MAX) {
    hs2ni_tcp_breach(c, PROTOCOL_VIOLATION);
    return;
  }
  c->ep->user->on_datagram(c->user, f->bytes);
}

static void on_pong(struct hs2ni_tcp_conn *c, const struct hs2ni_tcp_frame *f) {
  if (!hs2ni_tcp_pulse_pong(c, f->code)) {
    hs2ni_tcp_breach(c, PROTOCOL_VIOLATION);
  }
}

static void take(struct hs2ni_tcp_conn *c, const struct hs2ni_tcp_frame *f) {
  switch (f->kind) {
  case HS2NI_TCP_PARAMS:
    on_params(c, f);
    return;
  case HS2NI_TCP_STREAM:
    on_stream(c, f);
    return;
  case HS2NI_TCP_RESET_STREAM:
    on_reset_stream(c, f);
    return;
  case HS2NI_TCP_STOP_SENDING:
    on_stop_sending(c, f);
    return;
  case HS2NI_TCP_MAX_DATA:
    on_max_data(c, f);
    return;
  case HS2NI_TCP_MAX_STREAM_DATA:
    on_max_stream_data(c, f);
    return;
  case HS2NI_TCP_MAX_STREAMS:
    on_max_streams(c, f);
    return;
  case HS2NI_TCP_DATAGRAM:
    on_datagram(c, f);
    return;
  case HS2NI_TCP_PING:
    c->pong_due = true;
    c->pong = f->code;
    return;
  case HS2NI_TCP_PONG:
    on_pong(c, f);
    return;
  case HS2NI_TCP_HELD:
    on_held(c, f);
    return;
  case HS2NI_TCP_CONNECTION_CLOSE:
    hs2ni_tcp_end_by_peer(c, f);
    return;
  }
}

/* Parameters come first, and once; a refused dialler hears nothing else. */
static bool in_turn(const struct hs2ni_tcp_conn *c,
                    const struct hs2ni_tcp_frame *f) {
  return f->kind == HS2NI_TCP_CONNECTION_CLOSE ||
         (f->kind == HS2NI_TCP_PARAMS) != c->heard_params;
}

void hs2ni_tcp_take_content(struct hs2ni_tcp_conn *c,
                            struct hs2n_span content) {
  struct hs2ni_tcp_frame f;

  if (content.len == 0) {
    hs2ni_tcp_breach(c, PROTOCOL_VIOLATION);
  }
  while (content.len > 0 && hs2ni_tcp_listening(c)) {
    if (hs2ni_tcp_frame_read(&content, &f) != HS2N_OK) {
      hs2ni_tcp_breach(c, c->heard_params ? FRAME_ENCODING_ERROR
                                          : TRANSPORT_PARAMETER_ERROR);
      return;
    }
    if (!in_turn(c, &f)) {
      hs2ni_tcp_breach(c, PROTOCOL_VIOLATION);
      return;
    }
    take(c, &f);
  }
}
