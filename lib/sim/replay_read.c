#include "sim/replay.h"

#include <string.h>

uint64_t hs2ni_replay_uint(struct hs2ni_replay_cursor *c) {
  uint64_t value = 0;

  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (c->at == c->end) {
      break;
    }
    value |= (uint64_t)(*c->at & 0x7f) << shift;
    c->at++;
    if ((c->at[-1] & 0x80) == 0) {
      return value;
    }
  }
  c->cut = true;
  c->at = c->end;
  return 0;
}

struct hs2n_span hs2ni_replay_bytes(struct hs2ni_replay_cursor *c) {
  const uint64_t len = hs2ni_replay_uint(c);
  struct hs2n_span bytes = {c->at, 0};

  if (len > (uint64_t)(c->end - c->at)) {
    c->cut = true;
    c->at = c->end;
    return bytes;
  }
  bytes.len = (size_t)len;
  c->at += len;
  return bytes;
}

struct hs2n_addr hs2ni_replay_addr(struct hs2ni_replay_cursor *c) {
  struct hs2n_addr addr = {.family = (uint8_t)hs2ni_replay_uint(c)};
  const size_t len = addr.family == HS2N_FAMILY_IPV6 ? 16 : 4;

  if (addr.family == HS2N_FAMILY_NONE) {
    return addr;
  }
  if (len > (size_t)(c->end - c->at)) {
    c->cut = true;
    c->at = c->end;
    return addr;
  }
  memcpy(addr.ip, c->at, len);
  c->at += len;
  addr.port = (uint16_t)hs2ni_replay_uint(c);
  addr.scope = (uint32_t)hs2ni_replay_uint(c);
  return addr;
}

unsigned hs2ni_replay_peek(const struct hs2ni_replay_cursor *c) {
  return c->at == c->end ? 0 : *c->at;
}

void hs2ni_replay_fail(struct hs2n_replay *r, int err, const char *text) {
  if (r->err == HS2N_OK && !r->in.cut) {
    r->err = err;
    r->where.text = text;
    r->where.offset = (uint64_t)(r->in.at - r->in.start);
  }
}

bool hs2ni_replay_expect(struct hs2n_replay *r, enum hs2n_record_kind kind,
                         const char *text) {
  if (r->err != HS2N_OK || r->in.cut) {
    return false;
  }
  if (r->in.at == r->in.end) {
    r->in.cut = true;
    return false;
  }
  if (hs2ni_replay_peek(&r->in) != (unsigned)kind) {
    hs2ni_replay_fail(r, HS2N_ERR_STATE, text);
    return false;
  }
  r->in.at++;
  return true;
}

void hs2ni_replay_same(struct hs2n_replay *r, uint64_t now, const char *text) {
  const uint64_t then = hs2ni_replay_uint(&r->in);

  if (!r->in.cut && then != now) {
    hs2ni_replay_fail(r, HS2N_ERR_STATE, text);
  }
}
