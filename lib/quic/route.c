#include "quic/endpoint.h"

#include <assert.h>
#include <string.h>

int hs2ni_quic_random(struct hs2ni_quic *ep, uint8_t *out, size_t len) {
  return ep->env->rand(ep->env->rand_data, out, len) == 0 ? HS2N_OK
                                                          : HS2N_ERR_RANDOM;
}

static int route(struct hs2ni_quic_conn *c, const uint8_t *cid, size_t len) {
  return hs2ni_map_put(c->ep->routes, (struct hs2n_span){cid, len}, &c->route);
}

int hs2ni_quic_cid_new(struct hs2ni_quic_conn *c, ngtcp2_cid *out) {
  uint8_t bytes[HS2NI_QUIC_CID_LEN];
  int rv;

  if (c->cids_n == HS2NI_QUIC_CIDS_MAX) {
    return HS2N_ERR_FULL;
  }
  do {
    rv = hs2ni_quic_random(c->ep, bytes, sizeof(bytes));
    if (rv != HS2N_OK) {
      return rv;
    }
  } while (hs2ni_quic_route_get(c->ep, bytes, sizeof(bytes)) != NULL);
  rv = route(c, bytes, sizeof(bytes));
  if (rv != HS2N_OK) {
    return rv;
  }
  memcpy(c->cids[c->cids_n], bytes, sizeof(bytes));
  c->cids_n++;
  ngtcp2_cid_init(out, bytes, sizeof(bytes));
  return HS2N_OK;
}

static void unroute(struct hs2ni_quic_conn *c, const uint8_t *cid, size_t len) {
  if (hs2ni_quic_route_get(c->ep, cid, len) == &c->route) {
    (void)hs2ni_map_remove(c->ep->routes, (struct hs2n_span){cid, len});
  }
}

void hs2ni_quic_cid_retire(struct hs2ni_quic_conn *c, const ngtcp2_cid *cid) {
  for (uint8_t i = 0; i < c->cids_n; i++) {
    if (cid->datalen == HS2NI_QUIC_CID_LEN &&
        memcmp(c->cids[i], cid->data, HS2NI_QUIC_CID_LEN) == 0) {
      unroute(c, c->cids[i], HS2NI_QUIC_CID_LEN);
      c->cids_n--;
      memmove(c->cids[i], c->cids[c->cids_n], HS2NI_QUIC_CID_LEN);
      return;
    }
  }
}

int hs2ni_quic_route_first(struct hs2ni_quic_conn *c, const ngtcp2_cid *dcid) {
  int rv = route(c, dcid->data, dcid->datalen);

  if (rv == HS2N_OK) {
    c->first_dcid.len = (uint8_t)dcid->datalen;
    memcpy(c->first_dcid.bytes, dcid->data, dcid->datalen);
  }
  return rv;
}

/* Tokens share the table with ids; a longer key keeps them apart. */
struct reset_key {
  uint8_t bytes[NGTCP2_MAX_CIDLEN + 4u];
};

static struct hs2n_span reset_key(struct reset_key *k,
                                  const uint8_t token[16]) {
  memset(k, 0, sizeof(*k));
  memcpy(k->bytes, token, 16);
  return (struct hs2n_span){k->bytes, sizeof(k->bytes)};
}

void hs2ni_quic_reset_expect(struct hs2ni_quic_conn *c,
                             const uint8_t token[16]) {
  struct reset_key k;
  const struct hs2n_span key = reset_key(&k, token);

  /* Who announces a token of somebody else must not catch his resets. */
  if (c->resets_n == HS2NI_QUIC_RESETS_MAX ||
      hs2ni_map_get(c->ep->routes, key) != NULL ||
      hs2ni_map_put(c->ep->routes, key, &c->route) != HS2N_OK) {
    return;
  }
  memcpy(c->resets[c->resets_n++], token, 16);
}

void hs2ni_quic_reset_forget(struct hs2ni_quic_conn *c,
                             const uint8_t token[16]) {
  struct reset_key k;

  for (uint8_t i = 0; i < c->resets_n; i++) {
    if (memcmp(c->resets[i], token, 16) == 0) {
      (void)hs2ni_map_remove(c->ep->routes, reset_key(&k, token));
      c->resets_n--;
      memmove(c->resets[i], c->resets[c->resets_n], 16);
      return;
    }
  }
}

struct hs2ni_quic_conn *hs2ni_quic_reset_conn(const struct hs2ni_quic *ep,
                                              const uint8_t token[16]) {
  struct reset_key k;
  struct hs2ni_quic_route *r = hs2ni_map_get(ep->routes, reset_key(&k, token));

  return r == NULL ? NULL : HS2NI_CONTAINER(r, struct hs2ni_quic_conn, route);
}

void hs2ni_quic_unroute(struct hs2ni_quic_conn *c) {
  while (c->resets_n > 0) {
    uint8_t token[16];

    memcpy(token, c->resets[0], 16);
    hs2ni_quic_reset_forget(c, token);
  }
  for (uint8_t i = 0; i < c->cids_n; i++) {
    unroute(c, c->cids[i], HS2NI_QUIC_CID_LEN);
  }
  c->cids_n = 0;
  if (c->first_dcid.len > 0) {
    unroute(c, c->first_dcid.bytes, c->first_dcid.len);
    c->first_dcid.len = 0;
  }
}

struct hs2ni_quic_route *hs2ni_quic_route_get(const struct hs2ni_quic *ep,
                                              const uint8_t *cid, size_t len) {
  return hs2ni_map_get(ep->routes, (struct hs2n_span){cid, len});
}

#define HMAC_BLOCK 64u
#define HMAC_PARTS_MAX 6u

void hs2ni_quic_hmac(const uint8_t key[32], const struct hs2n_span *parts,
                     size_t n, uint8_t out[32]) {
  struct hs2n_span inner[1 + HMAC_PARTS_MAX];
  struct hs2n_span outer[2];
  uint8_t pad[HMAC_BLOCK];
  uint8_t digest[HS2N_HASH_LEN];

  assert(n <= HMAC_PARTS_MAX);

  memset(pad, 0x36, sizeof(pad));
  for (size_t i = 0; i < 32; i++) {
    pad[i] ^= key[i];
  }
  inner[0] = (struct hs2n_span){pad, sizeof(pad)};
  memcpy(inner + 1, parts, n * sizeof(parts[0]));
  hs2n_sha256(inner, n + 1, digest);
  for (size_t i = 0; i < sizeof(pad); i++) {
    pad[i] ^= 0x36 ^ 0x5c;
  }
  outer[0] = (struct hs2n_span){pad, sizeof(pad)};
  outer[1] = (struct hs2n_span){digest, sizeof(digest)};
  hs2n_sha256(outer, 2, out);
}

void hs2ni_quic_reset_token(const struct hs2ni_quic *ep, const uint8_t *cid,
                            size_t len, uint8_t out[16]) {
  static const uint8_t purpose[] = "hs2net stateless reset";
  const struct hs2n_span parts[] = {{purpose, sizeof(purpose)}, {cid, len}};
  uint8_t mac[32];

  hs2ni_quic_hmac(ep->reset_key, parts, 2, mac);
  memcpy(out, mac, 16);
}
