#include "quic/endpoint.h"

/* One packet under construction: the arguments that ngtcp2 wants to see
 * unchanged until it is complete. */
struct packet {
  struct hs2ni_quic_conn *c;
  ngtcp2_path *path;
  ngtcp2_pkt_info *pi;
  uint8_t *dest;
  size_t destlen;
  ngtcp2_tstamp ts;
  uint32_t refusals; /* blocked upcalls in this packet */
  bool offered;      /* the user has something for it */
  bool fed;          /* and some of it went in */
  bool urgent;       /* and it is not to wait for the rest of a packet */
};

/* A user that keeps offering what is blocked is not asked for ever. */
#define REFUSALS_MAX 1024u

/* Bytes of a lower lane in the packet of a vote. */
#define LITTLE 64u

static bool listening(const struct hs2ni_quic_conn *c) {
  return c->up && !c->closing && !c->failed;
}

static void sent(struct hs2ni_quic_conn *c, uint64_t stream, size_t len,
                 bool fin) {
  if (listening(c)) {
    c->ep->user->sent(c->user, stream, len, fin);
  }
}

/* Goes on with something else. */
static ngtcp2_ssize blocked(struct packet *p, uint64_t stream) {
  p->refusals++;
  p->offered = false;
  p->c->stream_blocked |= stream != HS2NI_DATAGRAM;
  if (listening(p->c)) {
    p->c->ep->user->blocked(p->c->user, stream);
  }
  return NGTCP2_ERR_WRITE_MORE;
}

static size_t vectors(ngtcp2_vec vec[HS2NI_CHUNK_PARTS],
                      const struct hs2ni_chunk *chunk, size_t *out_total) {
  size_t n = 0;

  *out_total = 0;
  for (size_t i = 0; i < chunk->parts_n; i++) {
    const struct hs2n_span *part = &chunk->parts[i];

    if (part->len > 0) {
      /* ngtcp2 only reads, but its type does not say so. */
      vec[n].base = (uint8_t *)(uintptr_t)part->data;
      vec[n].len = part->len;
      n++;
      *out_total += part->len;
    }
  }
  return n;
}

/* Completes the packet with what is in it.  Padding it to full size makes
 * the next one of equal size, which is what segmentation offload joins: worth
 * it only when a next one follows. */
static ngtcp2_ssize finish(struct packet *p, bool more_waits) {
  return ngtcp2_conn_writev_stream(p->c->ng, p->path, p->pi, p->dest,
                                   p->destlen, NULL,
                                   more_waits ? NGTCP2_WRITE_STREAM_FLAG_PADDING
                                              : NGTCP2_WRITE_STREAM_FLAG_NONE,
                                   -1, NULL, 0, p->ts);
}

/* A packet takes as long as all that is in it: on a slow path a proposal that
 * fills a vote's packet costs the vote ten times its own length.  Of control
 * messages most are acks, which may share where time is not known to be dear.
 */
static bool is_urgent(const struct hs2ni_quic_conn *c) {
  const unsigned lane = hs2ni_rank_lane(c->rank);

  return lane == HS2N_LANE_VOTE ||
         (lane < HS2N_LANE_VOTE && c->ep->env->uplink.bits_per_s != 0);
}

static void fed(struct packet *p, bool taken) {
  p->fed = p->fed || taken;
  p->urgent = p->urgent || (taken && is_urgent(p->c));
}

static ngtcp2_ssize put_datagram(struct packet *p,
                                 const struct hs2ni_chunk *chunk) {
  struct hs2ni_quic_conn *c = p->c;
  ngtcp2_vec vec[HS2NI_CHUNK_PARTS];
  size_t total;
  const size_t n = vectors(vec, chunk, &total);
  int accepted = 0;
  ngtcp2_ssize rv;

  if (total > hs2ni_quic_datagram_max(&c->base)) {
    return blocked(p, HS2NI_DATAGRAM);
  }
  rv = ngtcp2_conn_writev_datagram(
      c->ng, p->path, p->pi, p->dest, p->destlen, &accepted,
      NGTCP2_WRITE_DATAGRAM_FLAG_MORE | NGTCP2_WRITE_DATAGRAM_FLAG_PADDING, 0,
      vec, n, p->ts);
  if (rv == NGTCP2_ERR_WRITE_MORE) {
    c->ep->packet_of = c;
  } else if (rv == NGTCP2_ERR_INVALID_STATE ||
             rv == NGTCP2_ERR_INVALID_ARGUMENT) {
    return blocked(p, HS2NI_DATAGRAM);
  }
  fed(p, accepted != 0);
  sent(c, HS2NI_DATAGRAM, accepted ? total : 0, false);
  return rv;
}

static ngtcp2_ssize
put_stream(struct packet *p, const struct hs2ni_chunk *chunk, uint32_t flags) {
  struct hs2ni_quic_conn *c = p->c;
  ngtcp2_vec vec[HS2NI_CHUNK_PARTS];
  size_t total;
  const size_t n = vectors(vec, chunk, &total);
  ngtcp2_ssize taken = -1;
  ngtcp2_ssize rv;

  if (total > 0 && ngtcp2_conn_get_max_data_left2(c->ng) == 0) {
    c->conn_blocked = true;
    return blocked(p, chunk->stream);
  }
  rv = ngtcp2_conn_writev_stream(
      c->ng, p->path, p->pi, p->dest, p->destlen, &taken,
      flags | (chunk->fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0u),
      (int64_t)chunk->stream, vec, n, p->ts);
  switch (rv) {
  case NGTCP2_ERR_STREAM_DATA_BLOCKED:
    c->ep->packet_of = c;
    return blocked(p, chunk->stream);
  case NGTCP2_ERR_STREAM_NOT_FOUND:
  case NGTCP2_ERR_STREAM_SHUT_WR:
    return blocked(p, chunk->stream);
  case NGTCP2_ERR_WRITE_MORE:
    c->ep->packet_of = c;
    break;
  default:
    break;
  }
  fed(p, taken >= 0);
  sent(c, chunk->stream, taken < 0 ? 0 : (size_t)taken,
       chunk->fin && taken >= 0 && (size_t)taken == total);
  return rv;
}

/* Asks the user for the next bytes. */
static bool pull(struct packet *p, struct hs2ni_chunk *chunk) {
  struct hs2ni_quic_conn *c = p->c;

  if (!c->wants_tx || !listening(c) || p->refusals >= REFUSALS_MAX) {
    return false;
  }
  chunk->parts_n = 0;
  chunk->fin = false;
  chunk->rank = HS2NI_RANK_FIRST;
  if (!c->ep->user->next(c->user, chunk)) {
    c->wants_tx = false;
    return false;
  }
  c->rank = chunk->rank;
  if (!hs2ni_quic_may_offer(c, chunk->rank, p->fed || c->owes_ack)) {
    c->put_back = true;
    sent(c, chunk->stream, 0, false);
    return false;
  }
  p->offered = true;
  return listening(c);
}

static void cut(struct hs2ni_chunk *chunk, size_t max) {
  size_t left = max;

  for (size_t i = 0; i < chunk->parts_n; i++) {
    struct hs2n_span *part = &chunk->parts[i];

    if (part->len > left) {
      part->len = left;
      chunk->fin = false;
    }
    left -= part->len;
  }
}

/* Completes a packet that is not to wait for what the user has besides.  Some
 * bytes of that go with it: from a packet without stream data ngtcp2 would
 * conclude that the application has no more to send, and ignore for a round
 * trip what it learns of the path. */
static ngtcp2_ssize put_little(struct packet *p, struct hs2ni_chunk *chunk) {
  cut(chunk, LITTLE);
  return put_stream(p, chunk, NGTCP2_WRITE_STREAM_FLAG_NONE);
}

static ngtcp2_ssize put(struct packet *p) {
  const bool urgent = p->urgent;
  struct hs2ni_chunk chunk;

  if (!pull(p, &chunk)) {
    return finish(p, false);
  }
  if (chunk.stream == HS2NI_DATAGRAM) {
    return put_datagram(p, &chunk);
  }
  if (hs2ni_quic_deferred_has(p->c->ep, chunk.stream)) {
    /* Opened while this packet was filled: it begins in the next one. */
    sent(p->c, chunk.stream, 0, false);
    return finish(p, !urgent);
  }
  if (urgent && hs2ni_rank_lane(chunk.rank) > HS2N_LANE_VOTE) {
    return put_little(p, &chunk);
  }
  return put_stream(p, &chunk,
                    NGTCP2_WRITE_STREAM_FLAG_MORE |
                        NGTCP2_WRITE_STREAM_FLAG_PADDING);
}

ngtcp2_ssize hs2ni_quic_packet_write(ngtcp2_conn *ng, ngtcp2_path *path,
                                     ngtcp2_pkt_info *pi, uint8_t *dest,
                                     size_t destlen, ngtcp2_tstamp ts,
                                     void *user_data) {
  struct packet p = {
      .c = user_data,
      .path = path,
      .pi = pi,
      .dest = dest,
      .destlen = hs2ni_quic_mtu_cap(user_data, destlen),
      .ts = ts,
  };
  ngtcp2_ssize rv = 0;

  (void)ng;
  if (p.c->closing || p.c->failed || hs2ni_quic_yields(p.c)) {
    return 0; /* earlier packets of the batch still go out */
  }
  if (hs2ni_quic_pace_is_ours(p.c)) {
    rv = finish(&p, false); /* see pace.c; 0 unless there was something */
    p.offered = rv > 0 && p.c->wants_tx;
  }
  if (rv == 0) {
    do {
      rv = put(&p);
    } while (rv == NGTCP2_ERR_WRITE_MORE);
  }
  p.c->resending = rv > 0 && p.offered && !p.fed;
  if (rv > 0) {
    p.c->owes_ack = false;
  }
  hs2ni_quic_deferred_run(p.c, rv >= 0);
  return rv;
}
