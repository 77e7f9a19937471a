#include "quic/endpoint.h"

#include <string.h>

static uint16_t to_network(uint16_t port) {
  const uint8_t bytes[2] = {(uint8_t)(port >> 8), (uint8_t)(port & 0xffu)};
  uint16_t out;

  memcpy(&out, bytes, sizeof(out));
  return out;
}

static uint16_t to_host(uint16_t port) {
  uint8_t bytes[2];

  memcpy(bytes, &port, sizeof(bytes));
  return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void set(ngtcp2_addr *out, ngtcp2_sockaddr_union *storage,
                const struct hs2n_addr *in) {
  memset(storage, 0, sizeof(*storage));
  out->addr = &storage->sa;
  if (in->family == HS2N_FAMILY_IPV6) {
    storage->in6.sin6_family = NGTCP2_AF_INET6;
    storage->in6.sin6_port = to_network(in->port);
    storage->in6.sin6_scope_id = in->scope;
    memcpy(&storage->in6.sin6_addr, in->ip, 16);
    out->addrlen = sizeof(storage->in6);
    return;
  }
  storage->in.sin_family = NGTCP2_AF_INET;
  storage->in.sin_port = to_network(in->port);
  memcpy(&storage->in.sin_addr, in->ip, 4);
  out->addrlen = sizeof(storage->in);
}

void hs2ni_quic_path_set(struct hs2ni_quic_path *out,
                         const struct hs2ni_quic *ep,
                         const struct hs2n_addr *remote) {
  set(&out->path.local, &out->local, &ep->local);
  set(&out->path.remote, &out->remote, remote);
  out->path.user_data = NULL;
}

void hs2ni_quic_addr_get(struct hs2n_addr *out, const ngtcp2_addr *in) {
  ngtcp2_sockaddr_union u = {0};

  *out = (struct hs2n_addr){0};
  if (in->addrlen > sizeof(u)) {
    return;
  }
  memcpy(&u, in->addr, in->addrlen);
  if (u.sa.sa_family == NGTCP2_AF_INET) {
    out->family = HS2N_FAMILY_IPV4;
    out->port = to_host(u.in.sin_port);
    memcpy(out->ip, &u.in.sin_addr, 4);
  } else if (u.sa.sa_family == NGTCP2_AF_INET6) {
    out->family = HS2N_FAMILY_IPV6;
    out->port = to_host(u.in6.sin6_port);
    out->scope = u.in6.sin6_scope_id;
    memcpy(out->ip, &u.in6.sin6_addr, 16);
  }
}
