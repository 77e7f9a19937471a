#include "tcp/frame.h"

#include <string.h>

/* Types on the wire. */
#define RESET_STREAM 0x04u
#define STOP_SENDING 0x05u
#define STREAM 0x08u /* with the bits below */
#define STREAM_FIN 0x01u
#define STREAM_LEN 0x02u
#define STREAM_OFF 0x04u
#define MAX_DATA 0x10u
#define MAX_STREAM_DATA 0x11u
#define MAX_STREAMS_UNI 0x13u
#define CLOSE_TRANSPORT 0x1cu
#define CLOSE_APPLICATION 0x1du
#define DATAGRAM 0x30u
#define DATAGRAM_LEN 0x31u
#define HELD 0x3au     /* ours */
#define HELD_ALL 0x3bu /* ours */
#define QX_PARAMS UINT64_C(0x3f5153300d0a0d0a)
#define QX_PING UINT64_C(0x348c67529ef8c7bd)
#define QX_PONG UINT64_C(0x348c67529ef8c7be)

/* Transport parameters */
#define PARAM_MAX_DATA 0x04u
#define PARAM_MAX_STREAM_DATA_UNI 0x07u
#define PARAM_MAX_STREAMS_UNI 0x09u
#define PARAM_MAX_DATAGRAM 0x20u
#define PARAMS_BYTES_MAX 1024u
#define STREAMS_MAX (UINT64_C(1) << 60) /* RFC 9000, 4.6 */

/* ---- reading --------------------------------------------------------------
 */

/* A cursor that remembers failure. */
struct reader {
  const uint8_t *at;
  size_t left;
  bool cut;
};

static uint64_t get(struct reader *r) {
  uint64_t value;
  size_t len;

  if (r->left == 0) {
    r->cut = true;
    return 0;
  }
  len = (size_t)1 << (r->at[0] >> 6);
  if (r->left < len) {
    r->left = 0;
    r->cut = true;
    return 0;
  }
  value = r->at[0] & 0x3fu;
  for (size_t i = 1; i < len; i++) {
    value = value << 8 | r->at[i];
  }
  r->at += len;
  r->left -= len;
  return value;
}

static struct hs2n_span get_bytes(struct reader *r, uint64_t len) {
  struct hs2n_span bytes = {r->at, (size_t)len};

  if (len > r->left) {
    r->left = 0;
    r->cut = true;
    return (struct hs2n_span){NULL, 0};
  }
  r->at += bytes.len;
  r->left -= bytes.len;
  return bytes;
}

static size_t varint_len(uint64_t value) {
  return value < 64 ? 1 : value < 16384 ? 2 : value < (1u << 30) ? 4 : 8;
}

static uint64_t *param_of(struct hs2ni_tcp_params *p, uint64_t id,
                          unsigned *out_bit) {
  switch (id) {
  case PARAM_MAX_DATA:
    *out_bit = 1;
    return &p->max_data;
  case PARAM_MAX_STREAM_DATA_UNI:
    *out_bit = 2;
    return &p->max_stream_data;
  case PARAM_MAX_STREAMS_UNI:
    *out_bit = 4;
    return &p->max_streams;
  case PARAM_MAX_DATAGRAM:
    *out_bit = 8;
    return &p->max_datagram;
  default:
    return NULL;
  }
}

static bool params_good(const struct hs2ni_tcp_params *p) {
  return p->max_data >= HS2NI_TCP_LEAST_DATA &&
         p->max_stream_data >= HS2NI_TCP_LEAST_STREAM_DATA &&
         p->max_streams >= HS2NI_TCP_LEAST_STREAMS &&
         p->max_streams <= STREAMS_MAX;
}

static int read_params(struct hs2n_span bytes, struct hs2ni_tcp_params *out) {
  struct reader r = {.at = bytes.data, .left = bytes.len};
  unsigned seen = 0;

  if (bytes.len > PARAMS_BYTES_MAX) {
    return HS2N_ERR_MALFORMED;
  }
  *out = (struct hs2ni_tcp_params){
      .max_data = HS2NI_TCP_LEAST_DATA,
      .max_stream_data = HS2NI_TCP_LEAST_STREAM_DATA,
      .max_streams = HS2NI_TCP_LEAST_STREAMS,
  };
  while (r.left > 0) {
    const uint64_t id = get(&r);
    const uint64_t len = get(&r);
    const struct hs2n_span value = get_bytes(&r, len);
    struct reader v = {.at = value.data, .left = value.len};
    unsigned bit = 0;
    uint64_t *param = param_of(out, id, &bit);

    if (r.cut || (seen & bit) != 0) {
      return HS2N_ERR_MALFORMED;
    }
    seen |= bit;
    if (param != NULL) {
      *param = get(&v);
      if (v.cut || v.left > 0) {
        return HS2N_ERR_MALFORMED;
      }
    }
  }
  return params_good(out) ? HS2N_OK : HS2N_ERR_MALFORMED;
}

static void read_stream(struct reader *r, unsigned type,
                        struct hs2ni_tcp_frame *f) {
  f->kind = HS2NI_TCP_STREAM;
  f->stream = get(r);
  f->offset = (type & STREAM_OFF) != 0 ? get(r) : 0;
  f->bytes = get_bytes(r, (type & STREAM_LEN) != 0 ? get(r) : r->left);
  f->fin = (type & STREAM_FIN) != 0;
}

static void read_close(struct reader *r, bool application,
                       struct hs2ni_tcp_frame *f) {
  f->kind = HS2NI_TCP_CONNECTION_CLOSE;
  f->fin = application;
  f->code = get(r);
  if (!application) {
    (void)get(r); /* the frame that was wrong */
  }
  (void)get_bytes(r, get(r)); /* a phrase for people */
}

/* Those with one or two numbers.  Returns whether type is one of them. */
static bool read_short(struct reader *r, uint64_t type,
                       struct hs2ni_tcp_frame *f) {
  switch (type) {
  case STOP_SENDING:
    f->kind = HS2NI_TCP_STOP_SENDING;
    f->stream = get(r);
    f->code = get(r);
    return true;
  case MAX_DATA:
    f->kind = HS2NI_TCP_MAX_DATA;
    f->offset = get(r);
    return true;
  case MAX_STREAM_DATA:
    f->kind = HS2NI_TCP_MAX_STREAM_DATA;
    f->stream = get(r);
    f->offset = get(r);
    return true;
  case MAX_STREAMS_UNI:
    f->kind = HS2NI_TCP_MAX_STREAMS;
    f->offset = get(r);
    return true;
  case HELD:
  case HELD_ALL:
    f->kind = HS2NI_TCP_HELD;
    f->fin = type == HELD_ALL;
    f->stream = get(r);
    f->offset = get(r);
    return true;
  case QX_PING:
  case QX_PONG:
    f->kind = type == QX_PING ? HS2NI_TCP_PING : HS2NI_TCP_PONG;
    f->code = get(r);
    return true;
  default:
    return false;
  }
}

static int read_body(struct reader *r, uint64_t type,
                     struct hs2ni_tcp_frame *f) {
  if (type >= STREAM && type < STREAM + 8) {
    read_stream(r, (unsigned)type, f);
    return HS2N_OK;
  }
  switch (type) {
  case RESET_STREAM:
    f->kind = HS2NI_TCP_RESET_STREAM;
    f->stream = get(r);
    f->code = get(r);
    f->offset = get(r);
    return HS2N_OK;
  case CLOSE_TRANSPORT:
  case CLOSE_APPLICATION:
    read_close(r, type == CLOSE_APPLICATION, f);
    return HS2N_OK;
  case DATAGRAM:
  case DATAGRAM_LEN:
    f->kind = HS2NI_TCP_DATAGRAM;
    f->bytes = get_bytes(r, type == DATAGRAM_LEN ? get(r) : r->left);
    return HS2N_OK;
  case QX_PARAMS:
    f->kind = HS2NI_TCP_PARAMS;
    f->bytes = get_bytes(r, get(r));
    return r->cut ? HS2N_OK : read_params(f->bytes, &f->params);
  default:
    return read_short(r, type, f) ? HS2N_OK : HS2N_ERR_MALFORMED;
  }
}

int hs2ni_tcp_frame_read(struct hs2n_span *rest, struct hs2ni_tcp_frame *out) {
  struct reader r = {.at = rest->data, .left = rest->len};
  struct hs2ni_tcp_frame f = {.fin = false};
  const uint64_t type = get(&r);
  int rv;

  if (r.cut) {
    return HS2N_ERR_TRUNCATED;
  }
  /* RFC 9000, 12.4: types in their shortest form. */
  if (rest->len - r.left != varint_len(type)) {
    return HS2N_ERR_MALFORMED;
  }
  rv = read_body(&r, type, &f);
  if (rv != HS2N_OK) {
    return rv;
  }
  if (r.cut) {
    return HS2N_ERR_TRUNCATED;
  }
  *rest = (struct hs2n_span){r.at, r.left};
  *out = f;
  return HS2N_OK;
}

/* ---- writing --------------------------------------------------------------
 */

static uint8_t *put(uint8_t *out, uint64_t value) {
  const size_t len = varint_len(value);

  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
  }
  out[0] |= (uint8_t)(len == 1 ? 0 : len == 2 ? 0x40 : len == 4 ? 0x80 : 0xc0);
  return out + len;
}

static uint8_t *put_param(uint8_t *out, uint64_t id, uint64_t value) {
  out = put(out, id);
  out = put(out, varint_len(value));
  return put(out, value);
}

static uint8_t *put_params(uint8_t *out, const struct hs2ni_tcp_params *p) {
  uint8_t *const body = put(out, QX_PARAMS) + 1;
  uint8_t *at = body;

  at = put_param(at, PARAM_MAX_DATA, p->max_data);
  at = put_param(at, PARAM_MAX_STREAM_DATA_UNI, p->max_stream_data);
  at = put_param(at, PARAM_MAX_STREAMS_UNI, p->max_streams);
  at = put_param(at, PARAM_MAX_DATAGRAM, p->max_datagram);
  body[-1] = (uint8_t)(at - body); /* below 64 */
  return at;
}

static uint8_t *put_stream(uint8_t *out, const struct hs2ni_tcp_frame *f) {
  out = put(out, STREAM | STREAM_LEN | (f->offset > 0 ? STREAM_OFF : 0u) |
                     (f->fin ? STREAM_FIN : 0u));
  out = put(out, f->stream);
  if (f->offset > 0) {
    out = put(out, f->offset);
  }
  return put(out, f->bytes.len);
}

static uint8_t *put_three(uint8_t *out, uint64_t a, uint64_t b, uint64_t c) {
  out = put(out, a);
  out = put(out, b);
  return put(out, c);
}

static uint8_t *put_close(uint8_t *out, const struct hs2ni_tcp_frame *f) {
  if (f->fin) {
    return put_three(out, CLOSE_APPLICATION, f->code, 0);
  }
  return put(put_three(out, CLOSE_TRANSPORT, f->code, 0), 0);
}

static uint8_t *put_frame(uint8_t *out, const struct hs2ni_tcp_frame *f) {
  switch (f->kind) {
  case HS2NI_TCP_PARAMS:
    return put_params(out, &f->params);
  case HS2NI_TCP_STREAM:
    return put_stream(out, f);
  case HS2NI_TCP_RESET_STREAM:
    return put(put_three(out, RESET_STREAM, f->stream, f->code), f->offset);
  case HS2NI_TCP_STOP_SENDING:
    return put_three(out, STOP_SENDING, f->stream, f->code);
  case HS2NI_TCP_MAX_DATA:
    return put(put(out, MAX_DATA), f->offset);
  case HS2NI_TCP_MAX_STREAM_DATA:
    return put_three(out, MAX_STREAM_DATA, f->stream, f->offset);
  case HS2NI_TCP_MAX_STREAMS:
    return put(put(out, MAX_STREAMS_UNI), f->offset);
  case HS2NI_TCP_DATAGRAM:
    return put(put(out, DATAGRAM_LEN), f->bytes.len);
  case HS2NI_TCP_PING:
    return put(put(out, QX_PING), f->code);
  case HS2NI_TCP_PONG:
    return put(put(out, QX_PONG), f->code);
  case HS2NI_TCP_HELD:
    return put_three(out, f->fin ? HELD_ALL : HELD, f->stream, f->offset);
  case HS2NI_TCP_CONNECTION_CLOSE:
    return put_close(out, f);
  }
  return out;
}

size_t hs2ni_tcp_frame_write(uint8_t *out,
                             const struct hs2ni_tcp_frame *frame) {
  return (size_t)(put_frame(out, frame) - out);
}
