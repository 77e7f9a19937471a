/* addr: addresses of the socket API and our own.
 *
 * A socket of AF_INET6 speaks IPv4 through v4-mapped addresses (RFC 4291,
 * 2.5.5.2).  That is a matter of the socket: towards the node an IPv4
 * address is always HS2N_FAMILY_IPV4. */
#ifndef HS2NI_IO_ADDR_H
#define HS2NI_IO_ADDR_H

#include <hs2net/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

union hs2ni_sockaddr {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* Returns the length of *out, or 0 when a socket of this family (AF_INET or
 * AF_INET6) can't reach addr; *out is untouched then. */
socklen_t hs2ni_addr_to_socket(const struct hs2n_addr *addr, int family,
                               union hs2ni_sockaddr *out);

/* Any other family gives HS2N_FAMILY_NONE. */
struct hs2n_addr hs2ni_addr_from_socket(const union hs2ni_sockaddr *in);

/* An address of AF_INET6 alone, such as that of IPV6_PKTINFO. */
struct hs2n_addr hs2ni_addr_from_ip6(const struct in6_addr *ip, uint16_t port,
                                     uint32_t scope);
struct in6_addr hs2ni_addr_to_ip6(const struct hs2n_addr *addr);

/* All zero: no particular address. */
bool hs2ni_addr_ip_is_any(const struct hs2n_addr *addr);

#endif /* HS2NI_IO_ADDR_H */
