#include "tcp/endpoint.h"

/* RFC 9000, 20.1 */
#define INTERNAL_ERROR 0x01u
#define CONNECTION_REFUSED 0x02u
#define CRYPTO_ERROR 0x100u

#define CLOSE_NOTIFY 0u /* RFC 8446, 6.1 */

static void count(const struct hs2ni_tcp_conn *c, const struct hs2ni_close *why,
                  bool by_user) {
  struct hs2n_stats *s = &c->ep->env->stats;

  if (c->was_up) {
    s->connections_closed++;
  } else if (!by_user) {
    s->handshakes_failed++;
  }
  if (why->reason == HS2N_REASON_TRANSPORT && !why->by_peer) {
    s->protocol_errors++;
  }
}

/* From here on c is dead for its user. */
static void bury(struct hs2ni_tcp_conn *c) {
  c->state = HS2NI_TCP_ENDED;
  c->wants_tx = false;
  if (c->half_open) {
    c->half_open = false;
    c->ep->half_open--;
  }
  hs2ni_tcp_unready(c);
  hs2ni_timer_cancel(&c->ep->timers, &c->timer);
  hs2ni_free(c->ep->env, c->part, c->part_capacity);
  c->part = NULL;
  c->part_len = c->part_capacity = 0;
  if (!c->piped) {
    hs2ni_tcp_ready(c);
  }
}

static void finish(struct hs2ni_tcp_conn *c, const struct hs2ni_close *why,
                   bool by_user) {
  const bool call = c->has_user && !by_user;

  count(c, why, by_user);
  hs2ni_log(c->ep->env, HS2N_LOG_DEBUG, "tcp.end",
            "reason=%s code=0x%llx by_peer=%d up=%d",
            hs2n_reason_text(why->reason), (unsigned long long)why->raw_code,
            why->by_peer, why->established);
  c->has_user = false;
  bury(c);
  if (call) {
    c->ep->user->on_closed(c->user, why);
  }
}

void hs2ni_tcp_end(struct hs2ni_tcp_conn *c, const struct hs2ni_close *why) {
  struct hs2ni_close told = *why;

  if (c->state == HS2NI_TCP_ENDED) {
    return;
  }
  told.established = c->was_up;
  finish(c, &told, false);
}

void hs2ni_tcp_end_by_user(struct hs2ni_tcp_conn *c, enum hs2n_reason reason) {
  const uint64_t code = (unsigned)reason < 0x100u ? reason : HS2N_REASON_NONE;
  const struct hs2ni_close why = {
      .reason = HS2N_REASON_LOCAL, .established = c->was_up, .raw_code = code};

  c->close_code = code;
  c->close_application = true;
  finish(c, &why, true);
}

void hs2ni_tcp_breach(struct hs2ni_tcp_conn *c, uint64_t code) {
  c->close_code = code;
  hs2ni_tcp_end(c, &(struct hs2ni_close){.reason = HS2N_REASON_TRANSPORT,
                                         .raw_code = code});
}

void hs2ni_tcp_fail(struct hs2ni_tcp_conn *c) {
  c->close_code = INTERNAL_ERROR;
  hs2ni_tcp_end(c, &(struct hs2ni_close){.reason = HS2N_REASON_INTERNAL,
                                         .raw_code = INTERNAL_ERROR});
}

static enum hs2n_reason reason_of_application(uint64_t code) {
  if (code >= 0x100u) {
    return HS2N_REASON_PROTOCOL; /* those are never sent */
  }
  switch (code) {
#define X(name, value, text) case value:
    HS2N_REASON_LIST(X)
#undef X
    return (enum hs2n_reason)code;
  default:
    return HS2N_REASON_PROTOCOL;
  }
}

static enum hs2n_reason reason_of_transport(uint64_t code) {
  switch (code) {
  case 0:
    return HS2N_REASON_NONE;
  case INTERNAL_ERROR:
    return HS2N_REASON_INTERNAL;
  case CONNECTION_REFUSED:
    return HS2N_REASON_BUSY;
  default:
    return HS2N_REASON_TRANSPORT;
  }
}

void hs2ni_tcp_end_by_peer(struct hs2ni_tcp_conn *c,
                           const struct hs2ni_tcp_frame *frame) {
  c->silent = true;
  hs2ni_tcp_end(c, &(struct hs2ni_close){
                       .reason = frame->fin ? reason_of_application(frame->code)
                                            : reason_of_transport(frame->code),
                       .by_peer = true,
                       .raw_code = frame->code,
                   });
}

void hs2ni_tcp_end_by_tls(struct hs2ni_tcp_conn *c, bool by_peer) {
  const uint8_t alert = hs2ni_tls_stream_alert(c->tls);

  c->silent = by_peer;
  hs2ni_tcp_end(c, &(struct hs2ni_close){
                       .reason = alert == CLOSE_NOTIFY
                                     ? HS2N_REASON_NONE
                                     : hs2ni_tls_alert_reason(alert),
                       .by_peer = by_peer,
                       .raw_code = CRYPTO_ERROR + alert,
                   });
}

void hs2ni_tcp_end_by_time(struct hs2ni_tcp_conn *c, enum hs2n_reason reason) {
  c->silent = true; /* nobody listens */
  hs2ni_tcp_end(c, &(struct hs2ni_close){.reason = reason});
}

void hs2ni_tcp_end_by_pipe(struct hs2ni_tcp_conn *c) {
  c->piped = true;
  hs2ni_tcp_end(
      c, &(struct hs2ni_close){.reason = HS2N_REASON_RESET, .by_peer = true});
}

void hs2ni_tcp_reap(struct hs2ni_tcp_conn *c) {
  if (c->state == HS2NI_TCP_ENDED && c->piped) {
    hs2ni_tcp_conn_free(c);
  }
}
