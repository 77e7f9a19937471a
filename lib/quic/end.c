#include "quic/endpoint.h"

#include <string.h>

/* How a connection goes: what the user hears, and what the peer. */
struct ending {
  struct hs2ni_close why;
  bool tell;   /* send CONNECTION_CLOSE with code */
  bool linger; /* nothing to send, but late packets are to be swallowed */
  ngtcp2_ccerr code;
};

static void count(const struct hs2ni_quic_conn *c, const struct ending *e,
                  bool by_user) {
  struct hs2n_stats *s = &c->ep->env->stats;

  if (c->up) {
    s->connections_closed++;
  } else if (!by_user) {
    s->handshakes_failed++;
  }
  if (e->why.reason == HS2N_REASON_TRANSPORT && !e->why.by_peer) {
    s->protocol_errors++;
  }
}

static void bury(struct hs2ni_quic_conn *c, const struct ending *e) {
  uint8_t packet[HS2NI_QUIC_PAYLOAD_DEFAULT];
  ngtcp2_ssize len = 0;

  if (e->tell) {
    len = ngtcp2_conn_write_connection_close(
        c->ng, NULL, NULL, packet, sizeof(packet), &e->code, c->ep->env->now);
  }
  if (len > 0 || e->linger) {
    (void)hs2ni_quic_tomb_new(c, packet, len > 0 ? (size_t)len : 0);
  }
}

/* The upcall is last, when nothing of the connection is left. */
static void end(struct hs2ni_quic_conn *c, const struct ending *e,
                bool by_user) {
  const struct hs2ni_link_user *up = c->ep->user;
  const struct hs2ni_close why = e->why;
  const bool call = c->has_user && !by_user;
  void *user = c->user;

  count(c, e, by_user);
  hs2ni_log(c->ep->env, HS2N_LOG_DEBUG, "quic.end",
            "reason=%s code=0x%llx by_peer=%d up=%d",
            hs2n_reason_text(why.reason), (unsigned long long)why.raw_code,
            why.by_peer, why.established);
  bury(c, e);
  hs2ni_quic_conn_free(c);
  if (call) {
    up->on_closed(user, &why);
  }
}

void hs2ni_quic_end_by_user(struct hs2ni_quic_conn *c, enum hs2n_reason why) {
  const uint64_t code = (unsigned)why < 0x100u ? why : HS2N_REASON_NONE;
  struct ending e = {
      .why = {.reason = HS2N_REASON_LOCAL,
              .established = c->up,
              .raw_code = code},
      .tell = true,
  };

  ngtcp2_ccerr_set_application_error(&e.code, code, NULL, 0);
  end(c, &e, true);
}

/* ---- why: from ngtcp2's codes to the one list of reasons ---------------- */

static bool is_alert(uint64_t code) {
  return code >= NGTCP2_CRYPTO_ERROR && code < NGTCP2_CRYPTO_ERROR + 0x100u;
}

static enum hs2n_reason reason_of_transport(uint64_t code) {
  if (is_alert(code)) {
    return hs2ni_tls_alert_reason((uint8_t)(code & 0xffu));
  }
  switch (code) {
  case NGTCP2_NO_ERROR:
    return HS2N_REASON_NONE;
  case NGTCP2_CONNECTION_REFUSED:
    return HS2N_REASON_BUSY;
  case NGTCP2_INTERNAL_ERROR:
    return HS2N_REASON_INTERNAL;
  case NGTCP2_NO_VIABLE_PATH: /* see unacked.c */
    return HS2N_REASON_IDLE_TIMEOUT;
  default:
    return HS2N_REASON_TRANSPORT;
  }
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

static void by_peer(const struct hs2ni_quic_conn *c, struct ending *e) {
  const ngtcp2_ccerr *heard = ngtcp2_conn_get_ccerr2(c->ng);

  e->linger = true;
  e->why.by_peer = true;
  if (c->reset_heard) {
    e->linger = false; /* there is nobody who knows our ids */
    e->why.reason = HS2N_REASON_RESET;
    return;
  }
  e->why.raw_code = heard->error_code;
  e->why.reason = heard->type == NGTCP2_CCERR_TYPE_APPLICATION
                      ? reason_of_application(heard->error_code)
                      : reason_of_transport(heard->error_code);
}

static void by_tls(const struct hs2ni_quic_conn *c, struct ending *e) {
  const uint8_t alert = ngtcp2_conn_get_tls_alert2(c->ng);

  e->tell = true;
  if (alert == 0) {
    ngtcp2_ccerr_set_liberr(&e->code, NGTCP2_ERR_CRYPTO, NULL, 0);
    e->why.reason = HS2N_REASON_TLS;
  } else {
    ngtcp2_ccerr_set_tls_alert(&e->code, alert, NULL, 0);
    e->why.reason = hs2ni_tls_alert_reason(alert);
  }
  e->why.raw_code = e->code.error_code;
}

static void by_us(struct ending *e, int rv) {
  e->tell = true;
  ngtcp2_ccerr_set_liberr(&e->code, rv, NULL, 0);
  e->why.raw_code = e->code.error_code;
  e->why.reason = rv == NGTCP2_ERR_NOMEM || rv == NGTCP2_ERR_CALLBACK_FAILURE
                      ? HS2N_REASON_INTERNAL
                      : HS2N_REASON_TRANSPORT;
}

static void explain(const struct hs2ni_quic_conn *c, struct ending *e, int rv) {
  switch (rv) {
  case NGTCP2_ERR_DRAINING:
    by_peer(c, e);
    return;
  case NGTCP2_ERR_IDLE_CLOSE:
    e->why.reason = HS2N_REASON_IDLE_TIMEOUT;
    return;
  case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
    e->why.reason = HS2N_REASON_HANDSHAKE_TIMEOUT;
    e->tell = c->client; /* who came here and fell silent gets no more */
    ngtcp2_ccerr_set_liberr(&e->code, rv, NULL, 0);
    return;
  case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    e->why.reason = HS2N_REASON_NO_VERSION;
    return;
  case NGTCP2_ERR_DROP_CONN:
  case NGTCP2_ERR_RETRY:
    e->why.reason = HS2N_REASON_TRANSPORT;
    e->why.by_peer = true;
    return;
  case NGTCP2_ERR_CRYPTO:
    by_tls(c, e);
    return;
  default:
    by_us(e, rv);
    return;
  }
}

static void end_failed(struct hs2ni_quic_conn *c) {
  struct ending e = {.why = c->failure, .tell = true};

  ngtcp2_ccerr_set_transport_error(&e.code, c->failure_code, NULL, 0);
  end(c, &e, false);
}

void hs2ni_quic_fail(struct hs2ni_quic_conn *c, enum hs2n_reason reason,
                     uint64_t transport_code) {
  if (c->failed) {
    return;
  }
  c->failed = true;
  c->failure_code = transport_code;
  c->failure = (struct hs2ni_close){
      .reason = reason, .established = c->up, .raw_code = transport_code};
  hs2ni_quic_conn_ready(c);
}

static void tls_done(struct hs2ni_quic_conn *c) {
  ngtcp2_conn_set_tls_native_handle(c->ng, NULL);
  hs2ni_tls_session_free(c->tls);
  c->tls = NULL;
}

bool hs2ni_quic_settle(struct hs2ni_quic_conn *c, int rv) {
  struct ending e = {.why = {.established = c->up}};

  if (c->closing) {
    hs2ni_quic_end_by_user(c, c->close_reason);
    return false;
  }
  if (c->failed && rv != NGTCP2_ERR_DRAINING) {
    end_failed(c);
    return false;
  }
  if (rv != 0) {
    explain(c, &e, rv);
    end(c, &e, false);
    return false;
  }
  if (c->confirmed && c->tls != NULL) {
    tls_done(c);
  }
  hs2ni_quic_conn_ready(c);
  return true;
}
