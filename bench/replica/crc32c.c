#include "crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

void rep_crc32c_init(struct rep_crc32c *crc) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t sum = i;

    for (int bit = 0; bit < 8; bit++) {
      sum = sum >> 1 ^ ((sum & 1u) != 0 ? POLYNOMIAL : 0);
    }
    crc->table[0][i] = sum;
  }
  for (uint32_t i = 0; i < 256; i++) {
    for (int k = 1; k < 8; k++) {
      const uint32_t before = crc->table[k - 1][i];

      crc->table[k][i] = before >> 8 ^ crc->table[0][before & 0xff];
    }
  }
}

uint32_t rep_crc32c(const struct rep_crc32c *crc, uint32_t sum,
                    struct hs2n_span bytes) {
  const uint8_t *at = bytes.data;
  size_t left = bytes.len;

  sum = ~sum;
  for (; left >= 8; left -= 8, at += 8) {
    const uint32_t low = sum ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 |
                                (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);

    sum = crc->table[7][low & 0xff] ^ crc->table[6][low >> 8 & 0xff] ^
          crc->table[5][low >> 16 & 0xff] ^ crc->table[4][low >> 24] ^
          crc->table[3][at[4]] ^ crc->table[2][at[5]] ^ crc->table[1][at[6]] ^
          crc->table[0][at[7]];
  }
  for (; left > 0; left--, at++) {
    sum = sum >> 8 ^ crc->table[0][(sum ^ *at) & 0xff];
  }
  return ~sum;
}
