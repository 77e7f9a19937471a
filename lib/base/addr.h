/* addr: small helpers of struct hs2n_addr. */
#ifndef HS2NI_BASE_ADDR_H
#define HS2NI_BASE_ADDR_H

#include <hs2net/types.h>
#include <stdbool.h>

/* Bytes of ip that a family uses: 4, 16, or 0 for any other number. */
size_t hs2ni_addr_ip_len(uint8_t family);
/* Same family, IP, port and scope. */
bool hs2ni_addr_equal(const struct hs2n_addr *a, const struct hs2n_addr *b);

#endif /* HS2NI_BASE_ADDR_H */
