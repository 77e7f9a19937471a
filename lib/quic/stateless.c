#include "quic/endpoint.h"

#include <string.h>

/* RFC 9000, 10.3: looks like a short packet of the usual size, and is always
 * shorter than what it answers, so that two ends can't keep it going. */
#define RESET_LEN_MAX 42u
#define RESET_LEN_MIN (NGTCP2_MIN_STATELESS_RESET_RANDLEN + 16u)

/* Room for an answer to d, or NULL when its kind is used up. */
static struct hs2ni_quic_answer *room(struct hs2ni_quic *ep,
                                      const struct hs2ni_quic_dgram *d) {
  struct hs2ni_quic_answer *a;

  if (ep->answers_n == HS2NI_QUIC_ANSWERS_MAX) {
    ep->env->stats.stateless_limited++;
    return NULL;
  }
  a = &ep->answers[(ep->answers_first + ep->answers_n) %
                   HS2NI_QUIC_ANSWERS_MAX];
  *a = (struct hs2ni_quic_answer){.local = *d->local, .remote = *d->remote};
  return a;
}

static bool allowed(struct hs2ni_quic *ep, enum hs2ni_quic_answer_kind kind) {
  const uint32_t per_s = ep->env->limits.stateless_per_s;

  if (hs2ni_rate_take(&ep->answer_rates[kind], ep->env->now, per_s,
                      per_s / 10 + 1)) {
    return true;
  }
  ep->env->stats.stateless_limited++;
  return false;
}

/* Queues a if an answer of len came out, never larger than its trigger. */
static bool commit(struct hs2ni_quic *ep, struct hs2ni_quic_answer *a,
                   ngtcp2_ssize len, const struct hs2ni_quic_dgram *d) {
  if (len <= 0 || (size_t)len > d->len) {
    return false;
  }
  a->len = (uint16_t)len;
  ep->answers_n++;
  return true;
}

void hs2ni_quic_answer_version(struct hs2ni_quic *ep,
                               const struct hs2ni_quic_dgram *d,
                               const ngtcp2_version_cid *vc) {
  const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
  struct hs2ni_quic_answer *a;
  uint8_t noise;

  /* Ids of other versions may have 255 bytes: no use for us. */
  if (vc->dcidlen > NGTCP2_MAX_CIDLEN || vc->scidlen > NGTCP2_MAX_CIDLEN ||
      !allowed(ep, HS2NI_QUIC_ANSWER_VERSION) ||
      hs2ni_quic_random(ep, &noise, 1) != HS2N_OK) {
    return;
  }
  a = room(ep, d);
  if (a != NULL && commit(ep, a,
                          ngtcp2_pkt_write_version_negotiation(
                              a->bytes, sizeof(a->bytes), noise, vc->scid,
                              vc->scidlen, vc->dcid, vc->dcidlen, versions, 1),
                          d)) {
    ep->env->stats.version_negotiations_sent++;
  }
}

/* Peers get through when strangers use up the common rate: an address that
 * was dialled from here or has shown a key has a rate of its own. */
static bool retry_allowed(struct hs2ni_quic *ep, struct hs2ni_source *source) {
  const struct hs2n_limits *l = &ep->env->limits;

  return (source->known &&
          hs2ni_rate_take(&source->retries, ep->env->now,
                          l->new_per_source_per_s, l->new_per_source_burst)) ||
         allowed(ep, HS2NI_QUIC_ANSWER_RETRY);
}

void hs2ni_quic_answer_retry(struct hs2ni_quic *ep,
                             const struct hs2ni_quic_dgram *d,
                             const ngtcp2_pkt_hd *hd,
                             struct hs2ni_source *source) {
  struct hs2ni_quic_answer *a;
  uint8_t token[HS2NI_QUIC_TOKEN_LEN];
  uint8_t bytes[HS2NI_QUIC_CID_LEN];
  ngtcp2_cid scid;

  if (!retry_allowed(ep, source) ||
      hs2ni_quic_random(ep, bytes, sizeof(bytes)) != HS2N_OK) {
    return;
  }
  ngtcp2_cid_init(&scid, bytes, sizeof(bytes));
  if (hs2ni_quic_token_make(ep, d->remote, &hd->dcid, &scid, token) !=
      HS2N_OK) {
    return;
  }
  a = room(ep, d);
  if (a != NULL &&
      commit(ep, a,
             ngtcp2_crypto_write_retry(a->bytes, sizeof(a->bytes), hd->version,
                                       &hd->scid, &scid, &hd->dcid, token,
                                       sizeof(token)),
             d)) {
    ep->env->stats.retries_sent++;
  }
}

void hs2ni_quic_answer_close(struct hs2ni_quic *ep,
                             const struct hs2ni_quic_dgram *d,
                             const ngtcp2_pkt_hd *hd, uint64_t code) {
  struct hs2ni_quic_answer *a;

  if (!allowed(ep, HS2NI_QUIC_ANSWER_CLOSE)) {
    return;
  }
  a = room(ep, d);
  if (a != NULL) {
    (void)commit(ep, a,
                 ngtcp2_crypto_write_connection_close(
                     a->bytes, sizeof(a->bytes), hd->version, &hd->scid,
                     &hd->dcid, code, NULL, 0),
                 d);
  }
}

void hs2ni_quic_answer_reset(struct hs2ni_quic *ep,
                             const struct hs2ni_quic_dgram *d,
                             const uint8_t *cid) {
  struct hs2ni_quic_answer *a;
  ngtcp2_stateless_reset_token token;
  uint8_t noise[RESET_LEN_MAX - 16u];
  size_t len = RESET_LEN_MAX;

  if (d->len <= RESET_LEN_MIN) {
    ep->env->stats.packets_dropped_unknown++;
    return;
  }
  if (len >= d->len) {
    len = d->len - 1;
  }
  if (!allowed(ep, HS2NI_QUIC_ANSWER_RESET) ||
      hs2ni_quic_random(ep, noise, sizeof(noise)) != HS2N_OK) {
    return;
  }
  hs2ni_quic_reset_token(ep, cid, HS2NI_QUIC_CID_LEN, token.data);
  a = room(ep, d);
  if (a != NULL && commit(ep, a,
                          ngtcp2_pkt_write_stateless_reset2(
                              a->bytes, len, &token, noise, len - 16u),
                          d)) {
    ep->env->stats.resets_sent++;
  }
}

const struct hs2ni_quic_answer *
hs2ni_quic_answer_first(const struct hs2ni_quic *ep) {
  return ep->answers_n == 0 ? NULL : &ep->answers[ep->answers_first];
}

void hs2ni_quic_answer_pop(struct hs2ni_quic *ep) {
  ep->answers_first = (ep->answers_first + 1) % HS2NI_QUIC_ANSWERS_MAX;
  ep->answers_n--;
}
