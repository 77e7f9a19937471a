#include "tcp/endpoint.h"

#include <string.h>

static void on_record(struct hs2ni_tcp_conn *c, struct hs2n_span record) {
  struct hs2n_span content;

  switch (hs2ni_tls_stream_open(c->tls, record, c->ep->plain, &content)) {
  case HS2NI_TLS_NOTHING:
    return;
  case HS2NI_TLS_DONE:
    hs2ni_tcp_conn_introduce(c);
    return;
  case HS2NI_TLS_DATA:
    hs2ni_tcp_take_content(c, content);
    return;
  case HS2NI_TLS_ENDED:
  case HS2NI_TLS_ALERT:
    hs2ni_tcp_end_by_tls(c, true);
    return;
  case HS2NI_TLS_FAILED:
    hs2ni_tcp_end_by_tls(c, false);
    return;
  }
}

/* Length of the record at the front of bytes; 0: its head is not there, or
 * c has ended. */
static size_t record_len(struct hs2ni_tcp_conn *c, struct hs2n_span bytes) {
  size_t len;

  if (bytes.len < HS2NI_TLS_HEAD_LEN) {
    return 0;
  }
  len = hs2ni_tls_stream_record(c->tls, bytes.data);
  if (len == 0) {
    hs2ni_tcp_end_by_tls(c, false);
  }
  return len;
}

static void part_free(struct hs2ni_tcp_conn *c) {
  hs2ni_free(c->ep->env, c->part, c->part_capacity);
  c->part = NULL;
  c->part_len = c->part_capacity = 0;
}

/* Has room for len bytes of a record; what is there stays. */
static bool part_grow(struct hs2ni_tcp_conn *c, size_t len) {
  uint8_t *grown;

  if (len <= c->part_capacity) {
    return true;
  }
  grown = hs2ni_alloc(c->ep->env, len);
  if (grown == NULL) {
    hs2ni_tcp_fail(c);
    return false;
  }
  if (c->part_len > 0) {
    memcpy(grown, c->part, c->part_len);
  }
  hs2ni_free(c->ep->env, c->part, c->part_capacity);
  c->part = grown;
  c->part_capacity = len;
  return true;
}

/* Appends to the part as much of bytes as makes it `to` long. */
static void part_fill(struct hs2ni_tcp_conn *c, struct hs2n_span *bytes,
                      size_t to) {
  const size_t want = c->part_len < to ? to - c->part_len : 0;
  const size_t n = bytes->len < want ? bytes->len : want;

  if (n == 0 || !part_grow(c, to)) {
    return;
  }
  memcpy(c->part + c->part_len, bytes->data, n);
  c->part_len += n;
  bytes->data += n;
  bytes->len -= n;
}

static bool ended(const struct hs2ni_tcp_conn *c) {
  return c->state == HS2NI_TCP_ENDED;
}

/* Goes on with the record that has begun, until it is whole. */
static void finish_part(struct hs2ni_tcp_conn *c, struct hs2n_span *bytes) {
  size_t len;

  part_fill(c, bytes, HS2NI_TLS_HEAD_LEN);
  if (ended(c) || c->part_len < HS2NI_TLS_HEAD_LEN) {
    return;
  }
  len = record_len(c, (struct hs2n_span){c->part, c->part_len});
  if (len == 0) {
    return;
  }
  part_fill(c, bytes, len);
  if (!ended(c) && c->part_len == len) {
    c->part_len = 0;
    on_record(c, (struct hs2n_span){c->part, len});
  }
}

/* Whole records are opened where they are. */
static void take_bytes(struct hs2ni_tcp_conn *c, struct hs2n_span bytes) {
  while (bytes.len > 0 && !ended(c)) {
    size_t len;

    if (c->part_len > 0) {
      finish_part(c, &bytes);
      continue;
    }
    len = record_len(c, bytes);
    if (ended(c)) {
      return;
    }
    if (len == 0 || len > bytes.len) {
      part_fill(c, &bytes, len == 0 ? HS2NI_TLS_HEAD_LEN : len);
      return;
    }
    on_record(c, (struct hs2n_span){bytes.data, len});
    bytes.data += len;
    bytes.len -= len;
  }
  if (c->part_len == 0 && c->part != NULL && !ended(c)) {
    part_free(c);
  }
}

static void on_bytes(struct hs2ni_tcp_conn *c, const struct hs2n_rx *rx) {
  c->ep->env->stats.tcp_bytes_received += rx->len;
  if (ended(c)) {
    return;
  }
  c->last_heard = c->ep->env->now;
  take_bytes(c, (struct hs2n_span){rx->data, rx->len});
  if (!ended(c)) {
    hs2ni_tcp_ready(c);
    hs2ni_tcp_rearm(c);
  }
}

static void on_sent(struct hs2ni_tcp_conn *c, size_t len) {
  c->unsent -= len < c->unsent ? len : c->unsent;
  hs2ni_tcp_ready(c);
}

static void on_entry(struct hs2ni_tcp *ep, const struct hs2n_rx *rx) {
  struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_find(ep, rx->pipe);

  if (c == NULL) {
    if (rx->kind == HS2N_IO_OPEN && (rx->pipe & 1u) != 0) {
      hs2ni_tcp_admit(ep, rx);
    }
    return;
  }
  switch ((enum hs2n_io_kind)rx->kind) {
  case HS2N_IO_DATAGRAM:
  case HS2N_IO_OPEN:
    return;
  case HS2N_IO_BYTES:
    on_bytes(c, rx);
    return;
  case HS2N_IO_SENT:
    on_sent(c, rx->len);
    return;
  case HS2N_IO_CLOSE:
    hs2ni_tcp_end_by_pipe(c);
    hs2ni_tcp_reap(c);
    return;
  }
}

void hs2ni_tcp_recv(struct hs2ni_link *link, const struct hs2n_rx *rx,
                    size_t n) {
  struct hs2ni_tcp *ep = hs2ni_tcp_of(link);

  for (size_t i = 0; i < n; i++) {
    on_entry(ep, &rx[i]);
  }
}
