/* crc32c: the Castagnoli checksum (RFC 3720, appendix B.4), eight bytes at a
 * time. */
#ifndef REP_CRC32C_H
#define REP_CRC32C_H

#include <hs2net/types.h>

struct rep_crc32c {
  uint32_t table[8][256];
};

void rep_crc32c_init(struct rep_crc32c *crc);

/* Continues a checksum over more bytes; begins with 0. */
uint32_t rep_crc32c(const struct rep_crc32c *crc, uint32_t sum,
                    struct hs2n_span bytes);

#endif /* REP_CRC32C_H */
