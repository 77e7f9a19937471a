#include "quic/endpoint.h"

#include <assert.h>

/* Whether ngtcp2 must not be called for c now: between the first write with
 * the MORE flag and the finished packet. */
static bool must_wait(const struct hs2ni_quic_conn *c) {
  return c->ep->packet_of == c;
}

static void out_of_memory(struct hs2ni_quic_conn *c) {
  hs2ni_quic_fail(c, HS2N_REASON_INTERNAL, NGTCP2_INTERNAL_ERROR);
}

static struct hs2ni_quic_deferred *find(struct hs2ni_quic *ep,
                                        enum hs2ni_quic_deferred_kind kind,
                                        uint64_t stream) {
  for (uint32_t i = 0; i < ep->deferred_n; i++) {
    if (ep->deferred[i].kind == kind && ep->deferred[i].stream == stream) {
      return &ep->deferred[i];
    }
  }
  return NULL;
}

static bool defer(struct hs2ni_quic_conn *c, enum hs2ni_quic_deferred_kind kind,
                  uint64_t stream, uint64_t value) {
  struct hs2ni_quic *ep = c->ep;
  struct hs2ni_quic_deferred *d = find(ep, kind, stream);

  if (d != NULL) {
    d->value = kind == HS2NI_QUIC_DEFER_CREDIT ? d->value + value : value;
    return true;
  }
  if (ep->deferred_n == HS2NI_QUIC_DEFERRED_MAX) {
    return false;
  }
  ep->deferred[ep->deferred_n++] = (struct hs2ni_quic_deferred){
      .kind = kind, .stream = stream, .value = value};
  return true;
}

bool hs2ni_quic_deferred_has(const struct hs2ni_quic *ep, uint64_t stream) {
  for (uint32_t i = 0; ep->deferred_opens > 0 && i < ep->deferred_n; i++) {
    if (ep->deferred[i].kind == HS2NI_QUIC_DEFER_OPEN &&
        ep->deferred[i].stream == stream) {
      return true;
    }
  }
  return false;
}

static int open_now(struct hs2ni_quic_conn *c, uint64_t *out_stream) {
  int64_t id;
  const int rv = ngtcp2_conn_open_uni_stream(c->ng, &id, NULL);

  if (rv == NGTCP2_ERR_STREAM_ID_BLOCKED) {
    c->opens_full = true;
    return HS2N_ERR_FULL;
  }
  if (rv != 0) {
    return HS2N_ERR_NO_MEMORY;
  }
  *out_stream = (uint64_t)id;
  c->next_stream = (uint64_t)id + 4;
  return HS2N_OK;
}

/* Ids go up by one step, so the id is known before ngtcp2 is asked. */
static int open_later(struct hs2ni_quic_conn *c, uint64_t *out_stream) {
  struct hs2ni_quic *ep = c->ep;

  if (ngtcp2_conn_get_streams_uni_left2(c->ng) <= ep->deferred_opens ||
      !defer(c, HS2NI_QUIC_DEFER_OPEN, c->next_stream, 0)) {
    c->opens_full = true;
    return HS2N_ERR_FULL;
  }
  ep->deferred_opens++;
  *out_stream = c->next_stream;
  c->next_stream += 4;
  return HS2N_OK;
}

int hs2ni_quic_stream_open(struct hs2ni_conn *conn, uint64_t *out_stream) {
  struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);

  if (!c->up || c->failed) {
    c->opens_full = true;
    return HS2N_ERR_FULL;
  }
  return must_wait(c) ? open_later(c, out_stream) : open_now(c, out_stream);
}

static void reset_now(struct hs2ni_quic_conn *c, uint64_t stream,
                      uint64_t code) {
  if (ngtcp2_conn_shutdown_stream_write(c->ng, 0, (int64_t)stream, code) ==
      NGTCP2_ERR_NOMEM) {
    out_of_memory(c);
  }
}

static void stop_now(struct hs2ni_quic_conn *c, uint64_t stream,
                     uint64_t code) {
  if (ngtcp2_conn_shutdown_stream_read(c->ng, 0, (int64_t)stream, code) ==
      NGTCP2_ERR_NOMEM) {
    out_of_memory(c);
  }
}

static void credit_now(struct hs2ni_quic_conn *c, uint64_t stream,
                       uint64_t len) {
  if (ngtcp2_conn_extend_max_stream_offset(c->ng, (int64_t)stream, len) ==
      NGTCP2_ERR_NOMEM) {
    out_of_memory(c);
  }
  ngtcp2_conn_extend_max_offset(c->ng, hs2ni_quic_window_credit(c, len));
}

static void later(struct hs2ni_quic_conn *c, enum hs2ni_quic_deferred_kind kind,
                  uint64_t stream, uint64_t value) {
  if (!defer(c, kind, stream, value)) {
    out_of_memory(c);
  }
}

void hs2ni_quic_stream_reset(struct hs2ni_conn *conn, uint64_t stream,
                             uint64_t code) {
  struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);

  if (must_wait(c)) {
    later(c, HS2NI_QUIC_DEFER_RESET, stream, code);
    return;
  }
  reset_now(c, stream, code);
  hs2ni_quic_conn_ready(c);
}

void hs2ni_quic_stream_stop(struct hs2ni_conn *conn, uint64_t stream,
                            uint64_t code) {
  struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);

  if (must_wait(c)) {
    later(c, HS2NI_QUIC_DEFER_STOP, stream, code);
    return;
  }
  stop_now(c, stream, code);
  hs2ni_quic_conn_ready(c);
}

void hs2ni_quic_credit(struct hs2ni_conn *conn, uint64_t stream, size_t len) {
  struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);

  if (must_wait(c)) {
    later(c, HS2NI_QUIC_DEFER_CREDIT, stream, len);
    return;
  }
  credit_now(c, stream, len);
  hs2ni_quic_conn_ready(c);
}

static void run(struct hs2ni_quic_conn *c,
                const struct hs2ni_quic_deferred *d) {
  uint64_t id;

  switch (d->kind) {
  case HS2NI_QUIC_DEFER_OPEN:
    if (open_now(c, &id) != HS2N_OK) {
      out_of_memory(c);
      return;
    }
    assert(id == d->stream);
    return;
  case HS2NI_QUIC_DEFER_RESET:
    reset_now(c, d->stream, d->value);
    return;
  case HS2NI_QUIC_DEFER_STOP:
    stop_now(c, d->stream, d->value);
    return;
  case HS2NI_QUIC_DEFER_CREDIT:
    credit_now(c, d->stream, d->value);
    return;
  }
}

void hs2ni_quic_deferred_run(struct hs2ni_quic_conn *c, bool alive) {
  struct hs2ni_quic *ep = c->ep;

  ep->packet_of = NULL;
  if (ep->deferred_n == 0) {
    return;
  }
  for (uint32_t i = 0; alive && i < ep->deferred_n && !c->failed; i++) {
    run(c, &ep->deferred[i]);
  }
  ep->deferred_n = 0;
  ep->deferred_opens = 0;
  hs2ni_quic_conn_ready(c);
}

/* Short header, 4 bytes of packet number, AEAD tag, frame type and length
 * (RFC 9221, 4). */
#define DATAGRAM_PACKET_OVERHEAD (1u + 4u + 16u)
#define DATAGRAM_FRAME_OVERHEAD (1u + 4u)

size_t hs2ni_quic_datagram_max(const struct hs2ni_conn *conn) {
  const struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);
  const ngtcp2_transport_params *peer =
      ngtcp2_conn_get_remote_transport_params2(c->ng);
  const size_t overhead = DATAGRAM_PACKET_OVERHEAD + DATAGRAM_FRAME_OVERHEAD +
                          ngtcp2_conn_get_dcid2(c->ng)->datalen;
  const size_t packet = hs2ni_quic_mtu_cap(
      c, ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->ng));
  uint64_t frame;

  if (!c->up || peer == NULL) {
    return 0;
  }
  frame = peer->max_datagram_frame_size;
  if (frame <= DATAGRAM_FRAME_OVERHEAD) {
    return 0;
  }
  frame -= DATAGRAM_FRAME_OVERHEAD;
  return frame < packet - overhead ? (size_t)frame : packet - overhead;
}
