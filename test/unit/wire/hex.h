/* hex: bytes written as text in tests: "86 01 02", spaces as one likes. */
#ifndef HEX_H
#define HEX_H

#include <hs2net/types.h>
#include <stdbool.h>
#include <string.h>

static inline int hex_digit(char c) {
  const char *digits = "0123456789abcdef";
  const char *at = c == '\0' ? NULL : strchr(digits, c);

  return at == NULL ? -1 : (int)(at - digits);
}

/* Returns how many bytes text has; out must have room for them. */
static inline size_t hex_read(const char *text, uint8_t *out) {
  size_t n = 0;

  for (; *text != '\0'; text++) {
    if (hex_digit(text[0]) >= 0 && hex_digit(text[1]) >= 0) {
      out[n++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
      text++;
    }
  }
  return n;
}

/* "860102": the way back, into 2 * bytes.len + 1 characters. */
static inline const char *hex_write(struct hs2n_span bytes, char *out) {
  for (size_t i = 0; i < bytes.len; i++) {
    out[2 * i] = "0123456789abcdef"[bytes.data[i] >> 4];
    out[2 * i + 1] = "0123456789abcdef"[bytes.data[i] & 15];
  }
  out[2 * bytes.len] = '\0';
  return out;
}

#endif /* HEX_H */
