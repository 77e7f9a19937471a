#include "node/record.h"

#include "base/buf.h"
#include "base/recorder.h"
#include "node/inside.h"

#include <string.h>

static const struct hs2ni_recorder *of(const struct hs2n_node *node) {
  return &node->env.recorder;
}

/* ---- the node ------------------------------------------------------------ */

static struct hs2n_span text(const char *s) {
  return (struct hs2n_span){(const uint8_t *)s, strlen(s)};
}

static void put_limits(struct hs2ni_record_out *r,
                       const struct hs2n_limits *limits) {
  uint64_t n = 0;

#define X(type, field, def, min, max, text) n++;
  HS2N_LIMITS_LIST(X)
#undef X
  hs2ni_record_uint(r, n);
#define X(type, field, def, min, max, text) hs2ni_record_uint(r, limits->field);
  HS2N_LIMITS_LIST(X)
#undef X
}

static void put_types(struct hs2ni_record_out *r, const struct hs2n_type *types,
                      size_t n) {
  hs2ni_record_uint(r, n);
  for (size_t i = 0; i < n; i++) {
    hs2ni_record_uint(r, types[i].id);
    hs2ni_record_uint(r, types[i].lane);
    hs2ni_record_uint(r, types[i].size_max);
    hs2ni_record_uint(r, types[i].compression);
    hs2ni_record_uint(r, types[i].flags);
    hs2ni_record_uint(r, types[i].role);
    hs2ni_record_uint(r, types[i].response);
  }
}

void hs2ni_record_node(struct hs2n_node *node, const struct hs2ni_config *c,
                       hs2n_time now) {
  const struct hs2n_config *g = &c->given;
  const struct hs2n_key key = hs2n_identity_key(g->identity);
  struct hs2ni_record_out r;

  node->env.recorder =
      (struct hs2ni_recorder){.fn = g->record, .user_data = g->record_data};
  if (!hs2ni_recording(of(node))) {
    return;
  }
  node->rand = g->rand;
  node->rand_data = g->rand_data;
  node->env.rand = hs2ni_record_rand;
  node->env.rand_data = node;
  r = hs2ni_record_begin(of(node), HS2N_RECORD_NODE);
  hs2ni_record_uint(&r, HS2N_RECORD_FORMAT);
  hs2ni_record_bytes(&r, text(hs2n_version()));
  hs2ni_record_uint(&r, now);
  hs2ni_record_bytes(&r, (struct hs2n_span){key.bytes, sizeof(key.bytes)});
  hs2ni_record_bytes(&r, text(c->chain_id));
  hs2ni_record_uint(&r, g->incarnation);
  hs2ni_record_uint(&r, g->seed);
  hs2ni_record_bytes(&r,
                     (struct hs2n_span){g->reset_key, sizeof(g->reset_key)});
  hs2ni_record_addr(&r, &g->local);
  hs2ni_record_uint(&r, (uint64_t)g->unix_time_s);
  hs2ni_record_uint(&r, g->congestion);
  hs2ni_record_uint(&r, g->udp_payload_max);
  hs2ni_record_uint(&r, g->uplink_bits_per_s);
  hs2ni_record_uint(&r, g->transport);
  put_limits(&r, &c->limits);
  put_types(&r, c->types, g->types_n);
  hs2ni_record_end(&r);
}

int hs2ni_record_rand(void *user_data, uint8_t *out, size_t len) {
  struct hs2n_node *node = user_data;
  const int rv = node->rand(node->rand_data, out, len);
  struct hs2ni_record_out r = hs2ni_record_begin(of(node), HS2N_RECORD_RAND);

  hs2ni_record_uint(&r, rv == 0 ? 0 : 1);
  hs2ni_record_bytes(&r, (struct hs2n_span){out, rv == 0 ? len : 0});
  hs2ni_record_end(&r);
  return rv;
}

/* ---- entries ------------------------------------------------------------- */

static void put_rx(struct hs2ni_record_out *r, const struct hs2n_rx *rx) {
  const struct hs2n_span data = {rx->data, rx->len};

  hs2ni_record_uint(r, rx->kind);
  if (rx->kind != HS2N_IO_DATAGRAM) {
    hs2ni_record_uint(r, rx->pipe);
  }
  if (rx->kind == HS2N_IO_DATAGRAM || rx->kind == HS2N_IO_OPEN) {
    hs2ni_record_addr(r, &rx->local);
    hs2ni_record_addr(r, &rx->remote);
  }
  if (rx->kind == HS2N_IO_DATAGRAM) {
    hs2ni_record_uint(r, rx->ecn);
    hs2ni_record_uint(r, rx->segment_len);
  }
  if (rx->kind == HS2N_IO_DATAGRAM || rx->kind == HS2N_IO_BYTES) {
    hs2ni_record_bytes(r, data);
  } else if (rx->kind == HS2N_IO_SENT) {
    hs2ni_record_uint(r, rx->len);
  }
}

void hs2ni_record_recv(const struct hs2n_node *node, const struct hs2n_rx *rx,
                       size_t n, hs2n_time now, uint64_t posts) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_RECV);
  hs2ni_record_uint(&r, now);
  hs2ni_record_uint(&r, posts);
  hs2ni_record_uint(&r, n);
  for (size_t i = 0; i < n; i++) {
    put_rx(&r, &rx[i]);
  }
  hs2ni_record_end(&r);
}

void hs2ni_record_tick(const struct hs2n_node *node, hs2n_time now,
                       uint64_t posts) {
  hs2ni_record_pair(of(node), HS2N_RECORD_TICK, now, posts);
}

void hs2ni_record_poll(const struct hs2n_node *node, const struct hs2n_tx *tx,
                       size_t n, hs2n_time now) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_POLL);
  hs2ni_record_uint(&r, now);
  hs2ni_record_uint(&r, n);
  for (size_t i = 0; i < n; i++) {
    hs2ni_record_uint(&r, tx[i].capacity);
  }
  hs2ni_record_end(&r);
}

void hs2ni_record_written(const struct hs2n_node *node,
                          const struct hs2n_tx *tx, size_t written) {
  if (hs2ni_recording(of(node))) {
    hs2ni_record_pair(of(node), HS2N_RECORD_END, written,
                      hs2n_record_hash(tx, written));
  }
}

void hs2ni_record_left(const struct hs2n_node *node) {
  hs2ni_record_pair(of(node), HS2N_RECORD_END, 0, 0);
}

/* ---- calls --------------------------------------------------------------- */

static void put_member(struct hs2ni_record_out *r,
                       const struct hs2n_member *m) {
  hs2ni_record_bytes(r, (struct hs2n_span){m->key.bytes, sizeof(m->key.bytes)});
  hs2ni_record_uint(r, m->weight);
  hs2ni_record_uint(r, m->addrs == NULL ? 0 : m->addrs_n);
  for (size_t i = 0; m->addrs != NULL && i < m->addrs_n; i++) {
    hs2ni_record_addr(r, &m->addrs[i]);
  }
}

void hs2ni_record_members(const struct hs2n_node *node, uint64_t epoch,
                          const struct hs2n_member *members, size_t n,
                          uint64_t drop_below) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_MEMBERS);
  hs2ni_record_uint(&r, epoch);
  hs2ni_record_uint(&r, drop_below);
  hs2ni_record_uint(&r, n);
  for (size_t i = 0; i < n; i++) {
    put_member(&r, &members[i]);
  }
  hs2ni_record_end(&r);
}

static void put_peers(struct hs2ni_record_out *r, const struct hs2n_peer *peers,
                      size_t n) {
  hs2ni_record_uint(r, n);
  for (size_t i = 0; i < n; i++) {
    hs2ni_record_uint(r, peers[i].v);
  }
}

static void put_dst(struct hs2ni_record_out *r, const struct hs2n_dst *dst) {
  hs2ni_record_uint(r, dst->kind);
  if (dst->kind == HS2N_DST_SOME) {
    put_peers(r, dst->peers, dst->peers == NULL ? 0 : dst->count);
  } else {
    put_peers(r, &dst->peer, dst->kind == HS2N_DST_PEER ? 1 : 0);
  }
  hs2ni_record_uint(r, dst->epoch);
}

static void put_body(struct hs2ni_record_out *r, const struct hs2n_buf *body) {
  const uint64_t number = body == NULL ? 0 : hs2ni_buf_number(body);

  if (body == NULL) {
    hs2ni_record_uint(r, 0);
  } else if (number != 0) {
    hs2ni_record_uint(r, 2);
    hs2ni_record_uint(r, number);
  } else {
    hs2ni_record_uint(r, 1);
    hs2ni_record_bytes(r, hs2n_buf_span(body));
  }
}

static void put_msg(struct hs2ni_record_out *r, const struct hs2n_msg *msg) {
  hs2ni_record_uint(r, msg->type);
  hs2ni_record_uint(r, msg->flags);
  hs2ni_record_uint(r, msg->view);
  hs2ni_record_uint(r, msg->deadline);
  hs2ni_record_uint(r, msg->quorum_weight);
  hs2ni_record_uint(r, msg->key);
  put_body(r, msg->body);
}

void hs2ni_record_send(const struct hs2n_node *node, const struct hs2n_dst *dst,
                       const struct hs2n_msg *msg, bool tagged) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_SEND);
  hs2ni_record_uint(&r, tagged ? 1 : 0);
  put_dst(&r, dst);
  put_msg(&r, msg);
  hs2ni_record_end(&r);
}

void hs2ni_record_request(const struct hs2n_node *node,
                          const struct hs2n_dst *any_of,
                          const struct hs2n_msg *msg, bool tagged) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_REQUEST);
  hs2ni_record_uint(&r, tagged ? 1 : 0);
  put_dst(&r, any_of);
  put_msg(&r, msg);
  hs2ni_record_end(&r);
}

void hs2ni_record_cancel(const struct hs2n_node *node, struct hs2n_tag tag) {
  if (hs2ni_recording(of(node))) {
    struct hs2ni_record_out r =
        hs2ni_record_begin(of(node), HS2N_RECORD_CANCEL);

    hs2ni_record_uint(&r, tag.v);
    hs2ni_record_end(&r);
  }
}

void hs2ni_record_enter_view(const struct hs2n_node *node, uint64_t view,
                             const struct hs2n_peer *leaders, size_t n) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_ENTER_VIEW);
  hs2ni_record_uint(&r, view);
  put_peers(&r, leaders, leaders == NULL ? 0 : n);
  hs2ni_record_end(&r);
}

static void put_id(struct hs2ni_record_out *r, struct hs2n_peer peer,
                   struct hs2n_msg_id id) {
  hs2ni_record_uint(r, peer.v);
  hs2ni_record_uint(r, id.incarnation);
  hs2ni_record_uint(r, id.seq);
  hs2ni_record_uint(r, id.lane);
  hs2ni_record_uint(r, id.unordered ? 1 : 0);
}

void hs2ni_record_respond(const struct hs2n_node *node, struct hs2n_req req,
                          uint32_t status, const struct hs2n_buf *body) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_RESPOND);
  put_id(&r, req.from, req.id);
  hs2ni_record_uint(&r, status);
  put_body(&r, body);
  hs2ni_record_end(&r);
}

void hs2ni_record_judge(const struct hs2n_node *node, struct hs2n_peer from,
                        struct hs2n_msg_id id, enum hs2n_verdict verdict,
                        uint64_t cost_ns) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_JUDGE);
  put_id(&r, from, id);
  hs2ni_record_uint(&r, (uint32_t)verdict);
  hs2ni_record_uint(&r, cost_ns);
  hs2ni_record_end(&r);
}

void hs2ni_record_stop(const struct hs2n_node *node, hs2n_time now) {
  if (hs2ni_recording(of(node))) {
    struct hs2ni_record_out r = hs2ni_record_begin(of(node), HS2N_RECORD_STOP);

    hs2ni_record_uint(&r, now);
    hs2ni_record_end(&r);
  }
}

int hs2ni_record_return(const struct hs2n_node *node, int err, uint64_t tag) {
  hs2ni_record_pair(of(node), HS2N_RECORD_RETURN, (uint64_t)-err, tag);
  return err;
}

/* ---- upcalls ------------------------------------------------------------- */

void hs2ni_record_on_message(struct hs2n_node *node, struct hs2n_peer from,
                             struct hs2n_msg_id id,
                             const struct hs2n_msg *msg) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  if (msg->body != NULL) {
    node->env.recorder.bodies++;
    hs2ni_buf_lend(msg->body, node->env.recorder.bodies);
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_ON_MESSAGE);
  put_id(&r, from, id);
  hs2ni_record_uint(&r, msg->type);
  hs2ni_record_uint(&r, msg->body == NULL ? 0 : hs2n_buf_span(msg->body).len);
  hs2ni_record_end(&r);
}

void hs2ni_record_on_done(const struct hs2n_node *node, struct hs2n_tag tag,
                          enum hs2n_outcome outcome) {
  hs2ni_record_pair(of(node), HS2N_RECORD_ON_DONE, tag.v, outcome);
}

void hs2ni_record_on_peer(const struct hs2n_node *node, struct hs2n_peer peer,
                          enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct hs2ni_record_out r;

  if (!hs2ni_recording(of(node))) {
    return;
  }
  r = hs2ni_record_begin(of(node), HS2N_RECORD_ON_PEER);
  hs2ni_record_uint(&r, peer.v);
  hs2ni_record_uint(&r, state);
  hs2ni_record_uint(&r, reason);
  hs2ni_record_end(&r);
}

void hs2ni_record_verdict(const struct hs2n_node *node,
                          enum hs2n_verdict verdict, struct hs2n_buf *body) {
  if (hs2ni_recording(of(node))) {
    hs2ni_record_pair(of(node), HS2N_RECORD_VERDICT, verdict,
                      body == NULL ? 0 : hs2ni_buf_lent(body));
  }
}

void hs2ni_record_post(const struct hs2n_node *node) {
  if (hs2ni_recording(of(node))) {
    struct hs2ni_record_out r = hs2ni_record_begin(of(node), HS2N_RECORD_POST);

    hs2ni_record_end(&r);
  }
}
