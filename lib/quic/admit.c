#include "quic/endpoint.h"

/* Refused in words while words are cheap, in silence beyond. */
static void refuse(struct hs2ni_quic *ep, const struct hs2ni_quic_dgram *d,
                   const ngtcp2_pkt_hd *hd) {
  ep->env->stats.inbound_limited++;
  hs2ni_quic_answer_close(ep, d, hd, NGTCP2_CONNECTION_REFUSED);
}

static void begin(struct hs2ni_quic *ep, const struct hs2ni_quic_dgram *d,
                  const ngtcp2_pkt_hd *hd, const ngtcp2_cid *odcid) {
  struct hs2ni_quic_conn *c;
  struct hs2ni_quic_path path;
  ngtcp2_pkt_info pi = {.ecn = d->ecn};
  int rv;

  if (ep->half_open >= ep->env->limits.half_open_max ||
      ep->conns.count >= ep->conns_max ||
      hs2ni_quic_conn_accept(&c, ep, d, hd, odcid) != HS2N_OK) {
    refuse(ep, d, hd);
    return;
  }
  hs2ni_quic_path_set(&path, ep, d->remote);
  c->in_ng = true;
  rv = ngtcp2_conn_read_pkt(c->ng, &path.path, &pi, d->data, d->len,
                            ep->env->now);
  c->in_ng = false;
  if (rv == NGTCP2_ERR_RETRY) {
    /* The hello comes in pieces: only a proved address may have us keep
     * them. */
    hs2ni_quic_answer_retry(ep, d, hd,
                            hs2ni_source_of(&ep->sources, d->remote));
  }
  (void)hs2ni_quic_settle(c, rv);
}

/* An address that was not proved is never turned away for its count: anybody
 * can forge it, and then its owner would pay.  It is asked for proof. */
static void admit_unproved(struct hs2ni_quic *ep,
                           const struct hs2ni_quic_dgram *d,
                           const ngtcp2_pkt_hd *hd,
                           struct hs2ni_source *source) {
  const struct hs2n_limits *l = &ep->env->limits;

  if (ep->half_open_unproved >= l->half_open_free_max ||
      !hs2ni_rate_take(&source->raw, ep->env->now, l->new_per_source_per_s,
                       l->new_per_source_burst)) {
    hs2ni_quic_answer_retry(ep, d, hd, source);
    return;
  }
  begin(ep, d, hd, NULL);
}

void hs2ni_quic_admit(struct hs2ni_quic *ep, const struct hs2ni_quic_dgram *d) {
  const struct hs2n_limits *l = &ep->env->limits;
  struct hs2ni_source *source;
  ngtcp2_pkt_hd hd;
  ngtcp2_cid odcid;

  if (ngtcp2_accept(&hd, d->data, d->len) != 0 ||
      hd.dcid.datalen < NGTCP2_MIN_INITIAL_DCIDLEN) {
    ep->env->stats.packets_dropped_unknown++;
    return;
  }
  source = hs2ni_source_of(&ep->sources, d->remote);
  switch (hd.tokenlen == 0
              ? HS2NI_QUIC_TOKEN_FOREIGN
              : hs2ni_quic_token_check(ep, d->remote, &hd, &odcid)) {
  case HS2NI_QUIC_TOKEN_FOREIGN:
    admit_unproved(ep, d, &hd, source);
    return;
  case HS2NI_QUIC_TOKEN_BAD:
    /* A client takes one Retry only (RFC 9000, 8.1.3): tell it to begin
     * anew. */
    ep->env->stats.inbound_limited++;
    hs2ni_quic_answer_close(ep, d, &hd, NGTCP2_INVALID_TOKEN);
    return;
  case HS2NI_QUIC_TOKEN_GOOD:
    if (!hs2ni_rate_take(&source->proved, ep->env->now, l->new_per_source_per_s,
                         l->new_per_source_burst)) {
      refuse(ep, d, &hd);
      return;
    }
    begin(ep, d, &hd, &odcid);
    return;
  }
}
