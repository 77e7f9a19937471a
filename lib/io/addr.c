#include "io/addr.h"

#include <arpa/inet.h>
#include <string.h>

#define MAPPED_PREFIX_LEN 12

bool hs2ni_addr_ip_is_any(const struct hs2n_addr *addr) {
  static const uint8_t zero[16];

  return memcmp(addr->ip, zero, addr->family == HS2N_FAMILY_IPV4 ? 4 : 16) == 0;
}

struct in6_addr hs2ni_addr_to_ip6(const struct hs2n_addr *addr) {
  struct in6_addr ip = IN6ADDR_ANY_INIT;

  if (addr->family == HS2N_FAMILY_IPV4) {
    ip.s6_addr[10] = 0xff;
    ip.s6_addr[11] = 0xff;
    memcpy(ip.s6_addr + MAPPED_PREFIX_LEN, addr->ip, 4);
  } else {
    memcpy(ip.s6_addr, addr->ip, 16);
  }
  return ip;
}

struct hs2n_addr hs2ni_addr_from_ip6(const struct in6_addr *ip, uint16_t port,
                                     uint32_t scope) {
  struct hs2n_addr addr = {.port = port};

  if (IN6_IS_ADDR_V4MAPPED(ip)) {
    addr.family = HS2N_FAMILY_IPV4;
    memcpy(addr.ip, ip->s6_addr + MAPPED_PREFIX_LEN, 4);
  } else {
    addr.family = HS2N_FAMILY_IPV6;
    memcpy(addr.ip, ip->s6_addr, 16);
    addr.scope = IN6_IS_ADDR_LINKLOCAL(ip) ? scope : 0;
  }
  return addr;
}

socklen_t hs2ni_addr_to_socket(const struct hs2n_addr *addr, int family,
                               union hs2ni_sockaddr *out) {
  if (addr->family != HS2N_FAMILY_IPV4 && addr->family != HS2N_FAMILY_IPV6) {
    return 0;
  }
  if (family == AF_INET6) {
    out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                    .sin6_port = htons(addr->port),
                                    .sin6_addr = hs2ni_addr_to_ip6(addr),
                                    .sin6_scope_id = addr->scope};
    return sizeof(out->v6);
  }
  if (addr->family != HS2N_FAMILY_IPV4) {
    return 0;
  }
  out->v4 = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons(addr->port)};
  memcpy(&out->v4.sin_addr, addr->ip, 4);
  return sizeof(out->v4);
}

struct hs2n_addr hs2ni_addr_from_socket(const union hs2ni_sockaddr *in) {
  struct hs2n_addr addr = {.family = HS2N_FAMILY_NONE};

  if (in->any.sa_family == AF_INET6) {
    return hs2ni_addr_from_ip6(&in->v6.sin6_addr, ntohs(in->v6.sin6_port),
                               in->v6.sin6_scope_id);
  }
  if (in->any.sa_family == AF_INET) {
    addr.family = HS2N_FAMILY_IPV4;
    addr.port = ntohs(in->v4.sin_port);
    memcpy(addr.ip, &in->v4.sin_addr, 4);
  }
  return addr;
}
