#include "quic/endpoint.h"

#include <assert.h>
#include <string.h>

/* Layout: magic 1, time 8, length of odcid 1, odcid 20 (zero padded),
 * HMAC 32.  The address, the version and the id that the Retry gave are
 * under the HMAC only: they come with the packet that shows the token. */
#define MAGIC 0xd2u
#define LIFE HS2N_S(10)
#define KEY_LIFE HS2N_S(60)
#define BODY_LEN (1u + 8u + 1u + NGTCP2_MAX_CIDLEN)
#define MAC_LEN 32u

static_assert(BODY_LEN + MAC_LEN == HS2NI_QUIC_TOKEN_LEN, "token layout");
static_assert(LIFE < KEY_LIFE, "a token never outlives the previous key");

static int keys_refresh(struct hs2ni_quic *ep) {
  struct hs2ni_quic_token_keys *k = &ep->token_keys;
  uint8_t fresh[32];
  int rv;

  if (k->set && ep->env->now - k->changed < KEY_LIFE) {
    return HS2N_OK;
  }
  rv = hs2ni_quic_random(ep, fresh, sizeof(fresh));
  if (rv != HS2N_OK) {
    return rv;
  }
  /* Unset keys are as good as random ones only if never accepted. */
  memcpy(k->previous, k->set ? k->current : fresh, sizeof(k->previous));
  memcpy(k->current, fresh, sizeof(k->current));
  k->changed = ep->env->now;
  k->set = true;
  return HS2N_OK;
}

static void seal(const uint8_t key[32], const struct hs2n_addr *remote,
                 const ngtcp2_cid *retry_scid, const uint8_t *body,
                 uint8_t out[MAC_LEN]) {
  static const uint8_t purpose[] = "hs2net retry token v1";
  const uint8_t port[2] = {(uint8_t)(remote->port >> 8),
                           (uint8_t)(remote->port & 0xffu)};
  const uint8_t version[4] = {
      NGTCP2_PROTO_VER_V1 >> 24 & 0xffu, NGTCP2_PROTO_VER_V1 >> 16 & 0xffu,
      NGTCP2_PROTO_VER_V1 >> 8 & 0xffu, NGTCP2_PROTO_VER_V1 & 0xffu};
  const struct hs2n_span parts[] = {
      {purpose, sizeof(purpose)}, {version, sizeof(version)},
      {remote->ip, 16},           {port, sizeof(port)},
      {body, BODY_LEN},           {retry_scid->data, retry_scid->datalen},
  };

  hs2ni_quic_hmac(key, parts, 6, out);
}

int hs2ni_quic_token_make(struct hs2ni_quic *ep, const struct hs2n_addr *remote,
                          const ngtcp2_cid *odcid, const ngtcp2_cid *retry_scid,
                          uint8_t out[HS2NI_QUIC_TOKEN_LEN]) {
  const int rv = keys_refresh(ep);

  if (rv != HS2N_OK) {
    return rv;
  }
  memset(out, 0, HS2NI_QUIC_TOKEN_LEN);
  out[0] = MAGIC;
  for (size_t i = 0; i < 8; i++) {
    out[1 + i] = (uint8_t)(ep->env->now >> (56 - 8 * i) & 0xffu);
  }
  out[9] = (uint8_t)odcid->datalen;
  memcpy(out + 10, odcid->data, odcid->datalen);
  seal(ep->token_keys.current, remote, retry_scid, out, out + BODY_LEN);
  return HS2N_OK;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t len) {
  uint8_t differ = 0;

  for (size_t i = 0; i < len; i++) {
    differ |= a[i] ^ b[i];
  }
  return differ == 0;
}

static bool authentic(const struct hs2ni_quic *ep,
                      const struct hs2n_addr *remote, const ngtcp2_pkt_hd *hd) {
  const struct hs2ni_quic_token_keys *k = &ep->token_keys;
  uint8_t mac[MAC_LEN];

  if (!k->set) {
    return false;
  }
  seal(k->current, remote, &hd->dcid, hd->token, mac);
  if (same(mac, hd->token + BODY_LEN, sizeof(mac))) {
    return true;
  }
  seal(k->previous, remote, &hd->dcid, hd->token, mac);
  return same(mac, hd->token + BODY_LEN, sizeof(mac));
}

enum hs2ni_quic_token_verdict
hs2ni_quic_token_check(struct hs2ni_quic *ep, const struct hs2n_addr *remote,
                       const ngtcp2_pkt_hd *hd, ngtcp2_cid *out_odcid) {
  const uint8_t *t = hd->token;
  hs2n_time made = 0;

  if (hd->tokenlen != HS2NI_QUIC_TOKEN_LEN || t[0] != MAGIC) {
    return HS2NI_QUIC_TOKEN_FOREIGN;
  }
  if (!authentic(ep, remote, hd)) {
    return HS2NI_QUIC_TOKEN_BAD;
  }
  for (size_t i = 0; i < 8; i++) {
    made = made << 8 | t[1 + i];
  }
  if (made > ep->env->now || ep->env->now - made > LIFE ||
      t[9] > NGTCP2_MAX_CIDLEN) {
    return HS2NI_QUIC_TOKEN_BAD;
  }
  ngtcp2_cid_init(out_odcid, t + 10, t[9]);
  return HS2NI_QUIC_TOKEN_GOOD;
}
