/* Calls of the application. */
#include "sim/replay.h"

#include <string.h>

#define ADDRS_MAX 16

/* ---- kept bodies ----------------------------------------------------------
 */

void hs2ni_replay_keep(struct hs2n_replay *r, uint64_t number,
                       struct hs2n_buf *body) {
  if (body == NULL || number != r->bodies) {
    hs2ni_replay_fail(r, HS2N_ERR_STATE,
                      "the application keeps a body that there is not");
    return;
  }
  if (r->kept_n == r->kept_capacity) {
    const size_t capacity = r->kept_capacity == 0 ? 64 : 2 * r->kept_capacity;
    struct hs2ni_replay_kept *grown =
        r->mem->alloc(r->mem->user_data, capacity * sizeof(*grown));

    if (grown == NULL) {
      hs2ni_replay_fail(r, HS2N_ERR_NO_MEMORY,
                        "no memory for the list of kept bodies");
      return;
    }
    if (r->kept_n > 0) {
      memcpy(grown, r->kept, r->kept_n * sizeof(*grown));
    }
    r->mem->release(r->mem->user_data, r->kept,
                    r->kept_capacity * sizeof(*grown));
    r->kept = grown;
    r->kept_capacity = capacity;
  }
  r->kept[r->kept_n++] =
      (struct hs2ni_replay_kept){.number = number, .buf = hs2n_buf_ref(body)};
}

static struct hs2ni_replay_kept *find_kept(const struct hs2n_replay *r,
                                           uint64_t number) {
  for (size_t i = 0; i < r->kept_n; i++) {
    if (r->kept[i].number == number) {
      return &r->kept[i];
    }
  }
  return NULL;
}

static void do_release(struct hs2n_replay *r) {
  struct hs2ni_replay_kept *k = find_kept(r, hs2ni_replay_uint(&r->in));

  (void)hs2ni_replay_uint(&r->in);
  if (r->in.cut) {
    return;
  }
  if (k == NULL) {
    hs2ni_replay_fail(r, HS2N_ERR_MALFORMED,
                      "a body is released that was not kept");
    return;
  }
  hs2n_buf_unref(k->buf);
  *k = r->kept[--r->kept_n];
}

/* ---- calls ----------------------------------------------------------------
 */

/* The error and tag of the call that was just made. */
static void check_return(struct hs2n_replay *r, int err, uint64_t tag) {
  if (hs2ni_replay_expect(r, HS2N_RECORD_RETURN, "a call has returned")) {
    hs2ni_replay_same(r, (uint64_t)-err, "a call returns another error");
    hs2ni_replay_same(r, tag, "a send gets another tag");
  }
}

static bool take_member(struct hs2ni_replay_cursor *c, struct hs2n_member *m,
                        struct hs2n_addr addrs[ADDRS_MAX]) {
  const struct hs2n_span key = hs2ni_replay_bytes(c);
  uint64_t n;

  if (key.len != sizeof(m->key.bytes)) {
    return false;
  }
  memcpy(m->key.bytes, key.data, key.len);
  m->weight = hs2ni_replay_uint(c);
  n = hs2ni_replay_uint(c);
  if (n > ADDRS_MAX) {
    return false;
  }
  for (uint64_t i = 0; i < n; i++) {
    addrs[i] = hs2ni_replay_addr(c);
  }
  m->addrs = n == 0 ? NULL : addrs;
  m->addrs_n = (size_t)n;
  return true;
}

struct committee {
  struct hs2n_member members[HS2NI_REPLAY_PEERS_MAX];
  struct hs2n_addr addrs[HS2NI_REPLAY_PEERS_MAX][ADDRS_MAX];
};

static void do_members(struct hs2n_replay *r) {
  const uint64_t epoch = hs2ni_replay_uint(&r->in);
  const uint64_t drop_below = hs2ni_replay_uint(&r->in);
  const uint64_t n = hs2ni_replay_uint(&r->in);
  struct committee *c = r->mem->alloc(r->mem->user_data, sizeof(*c));
  bool good = c != NULL && n <= HS2NI_REPLAY_PEERS_MAX;

  if (c == NULL) {
    hs2ni_replay_fail(r, HS2N_ERR_NO_MEMORY, "no memory for a committee");
    return;
  }
  memset(c, 0, sizeof(*c));
  for (uint64_t i = 0; good && i < n; i++) {
    good = take_member(&r->in, &c->members[i], c->addrs[i]);
  }
  if (!good) {
    hs2ni_replay_fail(r, HS2N_ERR_MALFORMED, "a committee");
  } else if (!r->in.cut) {
    check_return(r,
                 hs2n_set_members(r->node, epoch, n == 0 ? NULL : c->members,
                                  (size_t)n, drop_below),
                 0);
  }
  r->mem->release(r->mem->user_data, c, sizeof(*c));
}

/* Into r->peers. */
static size_t take_peers(struct hs2n_replay *r) {
  const uint64_t n = hs2ni_replay_uint(&r->in);

  if (n > HS2NI_REPLAY_PEERS_MAX) {
    hs2ni_replay_fail(r, HS2N_ERR_MALFORMED, "a list of peers");
    return 0;
  }
  for (uint64_t i = 0; i < n; i++) {
    r->peers[i].v = (uint32_t)hs2ni_replay_uint(&r->in);
  }
  return (size_t)n;
}

/* A reference of the caller's, or NULL. */
static struct hs2n_buf *take_body(struct hs2n_replay *r) {
  const uint64_t how = hs2ni_replay_uint(&r->in);
  struct hs2n_buf *buf = NULL;

  if (how == 1) {
    if (hs2n_buf_new(&buf, r->mem, hs2ni_replay_bytes(&r->in)) != HS2N_OK) {
      hs2ni_replay_fail(r, HS2N_ERR_NO_MEMORY, "no memory for a body");
    }
  } else if (how == 2) {
    const uint64_t number = hs2ni_replay_uint(&r->in);
    const struct hs2ni_replay_kept *k = find_kept(r, number);

    if (k != NULL) {
      buf = hs2n_buf_ref(k->buf);
    } else if (r->lent != NULL && number == r->bodies) {
      buf = hs2n_buf_ref(r->lent);
    } else {
      hs2ni_replay_fail(r, HS2N_ERR_MALFORMED,
                        "a body is sent that was not kept");
    }
  } else if (how != 0) {
    hs2ni_replay_fail(r, HS2N_ERR_MALFORMED, "a body");
  }
  return buf;
}

/* hs2n_send or hs2n_request. */
static void do_message(struct hs2n_replay *r,
                       int (*call)(struct hs2n_node *, const struct hs2n_dst *,
                                   const struct hs2n_msg *,
                                   struct hs2n_tag *)) {
  const bool tagged = hs2ni_replay_uint(&r->in) != 0;
  struct hs2n_dst dst = {.kind = (enum hs2n_dst_kind)hs2ni_replay_uint(&r->in),
                         .peers = r->peers};
  struct hs2n_tag tag = {0};
  struct hs2n_msg msg = {0};

  dst.count = take_peers(r);
  dst.peer = r->peers[0];
  dst.epoch = hs2ni_replay_uint(&r->in);
  msg.type = (uint8_t)hs2ni_replay_uint(&r->in);
  msg.flags = (uint32_t)hs2ni_replay_uint(&r->in);
  msg.view = hs2ni_replay_uint(&r->in);
  msg.deadline = hs2ni_replay_uint(&r->in);
  msg.quorum_weight = hs2ni_replay_uint(&r->in);
  msg.key = hs2ni_replay_uint(&r->in);
  msg.body = take_body(r);
  if (r->err == HS2N_OK && !r->in.cut) {
    const int err = call(r->node, &dst, &msg, tagged ? &tag : NULL);

    check_return(r, err, err == HS2N_OK ? tag.v : 0);
  }
  hs2n_buf_unref(msg.body);
}

static void do_send(struct hs2n_replay *r) {
  do_message(r, hs2n_send);
}

static void do_request(struct hs2n_replay *r) {
  do_message(r, hs2n_request);
}

static struct hs2n_msg_id take_id(struct hs2ni_replay_cursor *c) {
  struct hs2n_msg_id id = {.incarnation = hs2ni_replay_uint(c)};

  id.seq = hs2ni_replay_uint(c);
  id.lane = (uint8_t)hs2ni_replay_uint(c);
  id.unordered = hs2ni_replay_uint(c) != 0;
  return id;
}

static void do_respond(struct hs2n_replay *r) {
  struct hs2n_req req = {.from = {(uint32_t)hs2ni_replay_uint(&r->in)}};
  struct hs2n_buf *body;
  uint32_t status;

  req.id = take_id(&r->in);
  status = (uint32_t)hs2ni_replay_uint(&r->in);
  body = take_body(r);
  if (r->err == HS2N_OK && !r->in.cut) {
    check_return(r, hs2n_respond(r->node, req, status, body), 0);
  }
  hs2n_buf_unref(body);
}

static void do_enter_view(struct hs2n_replay *r) {
  const uint64_t view = hs2ni_replay_uint(&r->in);
  const size_t n = take_peers(r);

  if (r->err == HS2N_OK && !r->in.cut) {
    check_return(r, hs2n_enter_view(r->node, view, n == 0 ? NULL : r->peers, n),
                 0);
  }
}

static void do_judge(struct hs2n_replay *r) {
  const struct hs2n_peer from = {(uint32_t)hs2ni_replay_uint(&r->in)};
  const struct hs2n_msg_id id = take_id(&r->in);
  const uint64_t verdict = hs2ni_replay_uint(&r->in);
  const uint64_t cost_ns = hs2ni_replay_uint(&r->in);

  if (!r->in.cut) {
    check_return(
        r, hs2n_judge(r->node, from, id, (enum hs2n_verdict)verdict, cost_ns),
        0);
  }
}

static void do_cancel(struct hs2n_replay *r) {
  const struct hs2n_tag tag = {hs2ni_replay_uint(&r->in)};

  if (!r->in.cut) {
    check_return(r, hs2n_cancel(r->node, tag), 0);
  }
}

static void do_stop(struct hs2n_replay *r) {
  const hs2n_time now = hs2ni_replay_uint(&r->in);

  if (!r->in.cut) {
    hs2n_node_stop(r->node, now);
  }
}

bool hs2ni_replay_call(struct hs2n_replay *r) {
  static void (*const calls[])(struct hs2n_replay *) = {
      [HS2N_RECORD_MEMBERS] = do_members,
      [HS2N_RECORD_SEND] = do_send,
      [HS2N_RECORD_CANCEL] = do_cancel,
      [HS2N_RECORD_ENTER_VIEW] = do_enter_view,
      [HS2N_RECORD_JUDGE] = do_judge,
      [HS2N_RECORD_STOP] = do_stop,
      [HS2N_RECORD_RELEASE] = do_release,
      [HS2N_RECORD_REQUEST] = do_request,
      [HS2N_RECORD_RESPOND] = do_respond,
  };
  const unsigned kind = hs2ni_replay_peek(&r->in);

  if (r->err != HS2N_OK || r->in.cut ||
      kind >= sizeof(calls) / sizeof(calls[0]) || calls[kind] == NULL) {
    return false;
  }
  r->in.at++;
  calls[kind](r);
  return true;
}

void hs2ni_replay_calls(struct hs2n_replay *r) {
  while (hs2ni_replay_call(r)) {
  }
}
