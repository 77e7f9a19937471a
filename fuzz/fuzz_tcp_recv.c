/* Bytes become what happens to a link over TCP: a peer that has shown its key
 * says any frames, strangers say anything on pipes of their own, time goes on,
 * and the user sends, resets, stops and gives credit.  TLS is real.
 *
 * Nothing may crash, leak or grow beyond bounds.  The user of link_world stops
 * the program where an upcall comes that must not. */
/* covers: H77 */
#include "unit/tcp/raw.h"

#include <stdlib.h>

#define INPUT_MAX 1400 /* fewer frames than link_world has streams */
#define LIVE_BYTES_MAX ((int64_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

struct input {
  const uint8_t *at;
  size_t left;
};

static uint8_t byte_of(struct input *in) {
  if (in->left == 0) {
    return 0;
  }
  in->left--;
  return *in->at++;
}

static struct hs2n_span bytes_of(struct input *in) {
  const size_t want = byte_of(in);
  const size_t n = want < in->left ? want : in->left;
  const struct hs2n_span bytes = {in->at, n};

  in->at += n;
  in->left -= n;
  return bytes;
}

static struct world w;
static struct raw r;
static size_t stranger;

static void user_acts(struct world_conn *c, uint8_t what) {
  if (c->conn == NULL) {
    return;
  }
  switch (what % 6) {
  case 0:
    if (c->out_n < 100) {
      (void)world_send(c, (uint64_t)what * 100);
    }
    return;
  case 1:
    for (size_t i = 0; i < c->out_n; i++) {
      if (!c->out[i].done && !c->out[i].reset && !c->out[i].stopped) {
        c->out[i].reset = true;
        c->conn->ops->stream_reset(c->conn, c->out[i].id, what);
        return;
      }
    }
    return;
  case 2:
    if (c->in_n > 0) {
      c->conn->ops->stream_stop(c->conn, c->in[what % c->in_n].id, what);
    }
    return;
  case 3:
    c->node->no_credit = !c->node->no_credit;
    return;
  case 4:
    c->datagrams_to_send = 1;
    c->datagram_len = what;
    c->conn->ops->want_tx(c->conn, HS2NI_RANK_FIRST);
    return;
  default:
    c->conn->ops->probe(c->conn, HS2N_MS(what));
    return;
  }
}

static void stranger_says(struct hs2n_span bytes) {
  static const struct hs2n_addr addr = {
      .family = HS2N_FAMILY_IPV4, .ip = {10, 7, 7, 7}, .port = 7};

  if (stranger == 0 || w.pipes[stranger].heard_end) {
    stranger = world_pipe_open(&w, 1, &addr);
  }
  world_pipe_send(&w, stranger, bytes);
}

static void act(struct input *in) {
  const uint8_t op = byte_of(in);

  switch (op % 6) {
  case 0:
  case 1:
    if (hs2ni_tls_stream_ready(r.stream) && !w.pipes[r.pipe].heard_end) {
      raw_say(&r, bytes_of(in));
    }
    return;
  case 2:
    stranger_says(bytes_of(in));
    return;
  case 3:
    world_run(&w, HS2N_MS(byte_of(in)) * (1u + op % 4u * 8u));
    return;
  case 4:
    user_acts(w.nodes[1].conns[0], byte_of(in));
    return;
  default:
    raw_run(&r);
    return;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct input in = {data, len};

  if (len > INPUT_MAX) {
    return 0;
  }
  stranger = 0;
  world_init_over(&w, 2, 5, &world_tcp);
  w.nodes[1].te.env.limits.peers_max = 4;
  w.nodes[1].te.env.limits.half_open_max = 8;
  expect(world_start_all(&w));
  expect(raw_meet(&r, &w));
  while (in.left > 0) {
    act(&in);
    expect(w.nodes[1].te.mem.live_bytes < LIVE_BYTES_MAX);
  }
  world_run(&w, HS2N_MS(50));
  expect(!w.stuck);
  raw_fini(&r);
  world_fini(&w);
  expect(w.nodes[1].te.mem.live_bytes == 0);
  return 0;
}
