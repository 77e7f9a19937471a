#include "base/addr.h"

#include <assert.h>
#include <hs2net/error.h>
#include <hs2net/node.h>
#include <string.h>

#define GROUPS 8u /* of 16 bits in an IPv6 address */

size_t hs2ni_addr_ip_len(uint8_t family) {
  return family == HS2N_FAMILY_IPV4 ? 4 : family == HS2N_FAMILY_IPV6 ? 16 : 0;
}

bool hs2ni_addr_equal(const struct hs2n_addr *a, const struct hs2n_addr *b) {
  return a->family == b->family && a->port == b->port && a->scope == b->scope &&
         memcmp(a->ip, b->ip, hs2ni_addr_ip_len(a->family)) == 0;
}

/* ---- reading: each part moves *at behind what it took, or says no -------- */

static bool take(const char **at, char c) {
  if (**at != c) {
    return false;
  }
  (*at)++;
  return true;
}

/* A decimal number without leading zeros: "010" is 8 to some readers. */
static bool take_decimal(const char **at, uint32_t max, uint32_t *out) {
  const char *first = *at;
  uint64_t value = 0;

  for (; **at >= '0' && **at <= '9'; (*at)++) {
    value = value * 10 + (uint64_t)(**at - '0');
    if (value > max || (*at > first && *first == '0')) {
      return false;
    }
  }
  *out = (uint32_t)value;
  return *at > first;
}

static bool take_ipv4(const char **at, uint8_t ip[4]) {
  for (int i = 0; i < 4; i++) {
    uint32_t byte;

    if ((i > 0 && !take(at, '.')) || !take_decimal(at, 255, &byte)) {
      return false;
    }
    ip[i] = (uint8_t)byte;
  }
  return true;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One to four hexadecimal digits. */
static bool take_group(const char **at, uint8_t out[2]) {
  unsigned value = 0;
  int digits = 0;

  for (; digits < 4 && hex_value(**at) >= 0; digits++) {
    value = value << 4 | (unsigned)hex_value(**at);
    (*at)++;
  }
  out[0] = (uint8_t)(value >> 8);
  out[1] = (uint8_t)value;
  return digits > 0 && hex_value(**at) < 0;
}

/* At most max groups with colons between them; an IPv4 address may stand for
 * the last two of the whole (RFC 4291, 2.2), so in front of a "::" only when
 * no room is left for one.  Returns how many there are, 0 for a mistake. */
static size_t take_groups(const char **at, uint8_t *out, size_t max) {
  const bool behind_gap = max < GROUPS;
  size_t n = 0;

  while (n < max) {
    const char *start = *at;

    if ((n + 2 == max || (behind_gap && n + 2 < max)) &&
        take_ipv4(at, out + 2 * n)) {
      return n + 2;
    }
    *at = start;
    if (!take_group(at, out + 2 * n)) {
      return 0;
    }
    n++;
    /* A colon of "::" or before "]" is not one between groups. */
    if ((*at)[0] != ':' || hex_value((*at)[1]) < 0) {
      break;
    }
    (*at)++;
  }
  return n;
}

/* "::" and what is behind it; it stands for one group of zeros or more. */
static bool take_gap_and_tail(const char **at, size_t head_n, uint8_t ip[16]) {
  uint8_t tail[2 * GROUPS] = {0};
  size_t n;

  if (strncmp(*at, "::", 2) != 0) {
    return false;
  }
  *at += 2;
  if (hex_value(**at) < 0) {
    return true;
  }
  n = take_groups(at, tail, GROUPS - 1 - head_n);
  memcpy(ip + 16 - 2 * n, tail, 2 * n);
  return n > 0;
}

static bool take_ipv6(const char **at, uint8_t ip[16]) {
  size_t n = 0;

  if (**at != ':') {
    n = take_groups(at, ip, GROUPS);
    if (n == 0) {
      return false;
    }
  }
  return n == GROUPS || take_gap_and_tail(at, n, ip);
}

static bool take_scope(const char **at, uint32_t *out) {
  if (!take(at, '%')) {
    return true;
  }
  return take_decimal(at, UINT32_MAX, out) && *out != 0;
}

int hs2n_addr_parse(const char *text, struct hs2n_addr *out_addr) {
  struct hs2n_addr addr = {.family = HS2N_FAMILY_IPV4};
  uint32_t port;
  bool good;

  if (take(&text, '[')) {
    addr.family = HS2N_FAMILY_IPV6;
    good = take_ipv6(&text, addr.ip) && take_scope(&text, &addr.scope) &&
           take(&text, ']');
  } else {
    good = take_ipv4(&text, addr.ip);
  }
  if (!good || !take(&text, ':') || !take_decimal(&text, UINT16_MAX, &port) ||
      *text != '\0') {
    return HS2N_ERR_MALFORMED;
  }
  addr.port = (uint16_t)port;
  *out_addr = addr;
  return HS2N_OK;
}

/* ---- writing, in the form of RFC 5952; each returns where it ends ---------
 */

/* "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535" is the longest,
 * as an IPv4 tail comes with zeros before it. */
static_assert(HS2N_ADDR_TEXT_MAX > 1 + 39 + 1 + 10 + 2 + 5,
              "nothing below needs to look where the text ends");

static char *put_text(char *at, const char *text) {
  while (*text != '\0') {
    *at++ = *text++;
  }
  return at;
}

static char *put_number(char *at, uint32_t value, uint32_t base) {
  char digits[10];
  size_t n = 0;

  do {
    digits[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value > 0);
  while (n > 0) {
    *at++ = digits[--n];
  }
  return at;
}

static char *put_ipv4(char *at, const uint8_t ip[4]) {
  for (int i = 0; i < 4; i++) {
    at = put_number(i > 0 ? put_text(at, ".") : at, ip[i], 10);
  }
  return at;
}

static uint32_t group(const uint8_t ip[16], size_t i) {
  return (uint32_t)ip[2 * i] << 8 | ip[2 * i + 1];
}

static char *put_groups(char *at, const uint8_t ip[16], size_t first,
                        size_t end) {
  for (size_t i = first; i < end; i++) {
    at = put_number(i > first ? put_text(at, ":") : at, group(ip, i), 16);
  }
  return at;
}

static size_t zeros_from(const uint8_t ip[16], size_t first) {
  size_t i = first;

  while (i < GROUPS && group(ip, i) == 0) {
    i++;
  }
  return i - first;
}

static char *put_ipv6(char *at, const uint8_t ip[16]) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  size_t gap = 0;
  size_t gap_len;

  if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
    return put_ipv4(put_text(at, "::ffff:"), ip + sizeof(mapped));
  }
  for (size_t i = 1; i < GROUPS; i++) {
    gap = zeros_from(ip, i) > zeros_from(ip, gap) ? i : gap;
  }
  gap_len = zeros_from(ip, gap);
  if (gap_len < 2) {
    return put_groups(at, ip, 0, GROUPS);
  }
  at = put_text(put_groups(at, ip, 0, gap), "::");
  return put_groups(at, ip, gap + gap_len, GROUPS);
}

static char *put_host(char *at, const struct hs2n_addr *addr) {
  if (addr->family == HS2N_FAMILY_IPV4) {
    return put_ipv4(at, addr->ip);
  }
  at = put_ipv6(put_text(at, "["), addr->ip);
  if (addr->scope != 0) {
    at = put_number(put_text(at, "%"), addr->scope, 10);
  }
  return put_text(at, "]");
}

const char *hs2n_addr_text(const struct hs2n_addr *addr,
                           char out[HS2N_ADDR_TEXT_MAX]) {
  char *at = out;

  if (hs2ni_addr_ip_len(addr->family) == 0) {
    at = put_text(at, "none");
  } else {
    at = put_text(put_host(at, addr), ":");
    at = put_number(at, addr->port, 10);
  }
  *at = '\0';
  return out;
}
