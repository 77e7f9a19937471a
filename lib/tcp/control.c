/* Frames about the connection and its streams. */
#include "tcp/endpoint.h"

bool hs2ni_tcp_put(struct hs2ni_tcp_record *r,
                   const struct hs2ni_tcp_frame *frame) {
  if (r->max - r->len < HS2NI_TCP_FRAME_MAX) {
    return false;
  }
  r->len += hs2ni_tcp_frame_write(r->bytes + r->len, frame);
  return true;
}

static bool max_data_due(const struct hs2ni_tcp_conn *c) {
  return hs2ni_tcp_window_due(c->rx_max, c->rx_granted, c->rx_read,
                              c->ep->env->limits.rx_window_bytes);
}

/* By the dozen, or when the peer has hardly any left. */
static bool max_streams_due(const struct hs2ni_tcp_conn *c) {
  const uint64_t begun = c->next_in / 4;

  return c->ins_freed >= HS2NI_TCP_STREAMS_MAX / 4 ||
         (c->ins_freed > 0 && c->ins_max - begun <= HS2NI_TCP_STREAMS_MAX / 4);
}

bool hs2ni_tcp_control_due(const struct hs2ni_tcp_conn *c) {
  return !c->said_params || c->pong_due || c->pulse.ping_due || c->probe ||
         c->dirty || max_data_due(c) || max_streams_due(c);
}

static bool put_params(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r) {
  const struct hs2n_limits *l = &c->ep->env->limits;
  const struct hs2ni_tcp_frame f = {
      .kind = HS2NI_TCP_PARAMS,
      .params =
          {
              .max_data = l->rx_window_bytes,
              .max_stream_data = l->rx_stream_window_bytes,
              .max_streams = HS2NI_TCP_STREAMS_MAX,
              .max_datagram = HS2NI_TCP_DATAGRAM_MAX + 9u,
          },
  };

  c->said_params = hs2ni_tcp_put(r, &f);
  return c->said_params;
}

static void put_pong(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r) {
  c->pong_due = !hs2ni_tcp_put(
      r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_PONG, .code = c->pong});
}

static void put_ping(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r) {
  if (c->pulse.ping_out) {
    c->pulse.ping_due = false; /* its answer is as good */
  } else if (hs2ni_tcp_put(
                 r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_PING,
                                              .code = c->pulse.ping + 1})) {
    hs2ni_tcp_pulse_ping(c);
  }
}

static void put_max_data(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r) {
  if (hs2ni_tcp_put(r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_MAX_DATA,
                                                 .offset = c->rx_max})) {
    c->rx_granted = c->rx_max;
  }
}

static void put_max_streams(struct hs2ni_tcp_conn *c,
                            struct hs2ni_tcp_record *r) {
  if (hs2ni_tcp_put(
          r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_MAX_STREAMS,
                                       .offset = c->ins_max + c->ins_freed})) {
    c->ins_max += c->ins_freed;
    c->ins_freed = 0;
  }
}

/* Each of these returns whether nothing is left to be said of it. */

static bool put_stop(struct hs2ni_tcp_in *s, struct hs2ni_tcp_record *r) {
  if (s->stop_due && !s->ended) {
    s->stop_due = !hs2ni_tcp_put(r, &(struct hs2ni_tcp_frame){
                                        .kind = HS2NI_TCP_STOP_SENDING,
                                        .stream = s->id,
                                        .code = s->code,
                                    });
    return !s->stop_due;
  }
  return true;
}

static bool put_held(struct hs2ni_tcp_in *s, struct hs2ni_tcp_record *r) {
  if (!s->ended && s->told == s->received) {
    return true;
  }
  if (!hs2ni_tcp_put(r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_HELD,
                                                  .stream = s->id,
                                                  .offset = s->received,
                                                  .fin = s->ended})) {
    return false;
  }
  s->told = s->received;
  return true;
}

static bool put_max_stream(const struct hs2ni_tcp_conn *c,
                           struct hs2ni_tcp_in *s, struct hs2ni_tcp_record *r) {
  if (s->ended || s->unwanted ||
      !hs2ni_tcp_window_due(s->max, s->granted, s->received,
                            c->ep->env->limits.rx_stream_window_bytes)) {
    return true;
  }
  if (!hs2ni_tcp_put(
          r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_MAX_STREAM_DATA,
                                       .stream = s->id,
                                       .offset = s->max})) {
    return false;
  }
  s->granted = s->max;
  return true;
}

static bool put_ins(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r) {
  uint32_t i = 0;

  while (i < c->ins_n) {
    struct hs2ni_tcp_in *s = &c->ins[i];

    if (!put_stop(s, r) || !put_held(s, r) || !put_max_stream(c, s, r)) {
      return false;
    }
    if (s->ended) {
      hs2ni_tcp_in_remove(c, s); /* another takes its place */
    } else {
      i++;
    }
  }
  return true;
}

static bool put_outs(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r) {
  for (uint32_t i = 0; i < c->outs_n; i++) {
    struct hs2ni_tcp_out *s = &c->outs[i];

    if (!s->reset || s->reset_sent) {
      continue;
    }
    if (!hs2ni_tcp_put(r,
                       &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_RESET_STREAM,
                                                 .stream = s->id,
                                                 .code = s->code,
                                                 .offset = s->sent})) {
      return false;
    }
    s->reset_sent = true;
    c->pulse.ends_n++;
    hs2ni_tcp_pulse_sent(c, s->id, s->sent);
  }
  return true;
}

void hs2ni_tcp_control(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r) {
  hs2ni_tcp_pulse_probe(c);
  if (!c->said_params && !put_params(c, r)) {
    return;
  }
  if (c->pong_due) {
    put_pong(c, r);
  }
  if (c->pulse.ping_due) {
    put_ping(c, r);
  }
  if (max_data_due(c)) {
    put_max_data(c, r);
  }
  if (c->dirty) {
    c->dirty = !put_ins(c, r) || !put_outs(c, r);
  }
  if (max_streams_due(c)) {
    put_max_streams(c, r);
  }
}
