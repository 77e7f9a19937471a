/* compress: what compression of batches of transactions saves and costs, next
 * to none: two nodes in this process, on virtual time, over a link with a rate
 * and a delay of its own.  The batch is a body of the application, or as many
 * messages of one transaction each, which the library puts together.
 *
 * A transaction is made like those of real chains: addresses of which some are
 * seen often, small numbers in wide fields, a call with its arguments padded,
 * and a signature, which is noise. */
#include "micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ACCOUNTS 1000u
#define RATE_BITS 10000000u
#define DELAY HS2N_MS(20)
#define WIRE_MAX 4096u /* datagrams on their way */
#define DATAGRAM 1500u
#define LARGEST (1u << 20)
#define MANY 1000u /* messages queued at once */
#define SMALL_LEN 256u

enum { NODES = 2, CODECS = 3 };

static const struct hs2n_type types[CODECS] = {
    {.id = 0, .lane = HS2N_LANE_BULK, .size_max = LARGEST},
    {.id = 1,
     .lane = HS2N_LANE_BULK,
     .size_max = LARGEST,
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = 2,
     .lane = HS2N_LANE_BULK,
     .size_max = LARGEST,
     .compression = HS2N_COMPRESSION_ZSTD},
};

struct flight {
  hs2n_time at;
  size_t len;
  uint8_t bytes[DATAGRAM];
};

/* One direction of the link. */
struct wire {
  struct flight *ring;
  size_t first, n;
  hs2n_time free_at; /* when the last bit has left */
};

struct end {
  struct world *world;
  struct hs2n_node *node;
  struct hs2n_addr addr;
  struct wire out;
  struct hs2n_peer peer;
  bool up;
  uint64_t messages, done;
};

struct world {
  struct end ends[NODES];
  hs2n_time now;
  bool fast; /* the link has no rate: for CPU */
};

/* ---- transactions -------------------------------------------------------- */

static uint64_t next(uint64_t *state) { /* xorshift64*, any seed but 0 */
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 0x2545f4914f6cdd1dull;
}

static uint8_t *put_noise(uint8_t *at, uint64_t seed, size_t len) {
  uint64_t state = seed * 2 + 1;

  for (size_t i = 0; i < len; i++) {
    *at++ = (uint8_t)(next(&state) >> 56);
  }
  return at;
}

static uint8_t *put_number(uint8_t *at, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; i++) {
    at[width - 1 - i] = (uint8_t)(i < 8 ? value >> (8 * i) : 0);
  }
  return at + width;
}

/* A few accounts are in most transactions. */
static uint64_t account(uint64_t *state) {
  const uint64_t r = next(state);

  return 1 + (r % 4 != 0 ? (r >> 8) % (ACCOUNTS / 50) : (r >> 8) % ACCOUNTS);
}

enum { TX_LEN = 4 + 8 + 8 + 20 + 20 + 16 + 4 + 32 + 32 + 64 };

static void put_transaction(uint8_t *at, uint64_t *state) {
  at = put_number(at, 0x02000001, 4);              /* kind, chain */
  at = put_number(at, next(state) % 5000, 8);      /* nonce */
  at = put_number(at, 21000 + next(state) % 9, 8); /* fee */
  at = put_noise(at, account(state), 20);          /* from */
  at = put_noise(at, account(state), 20);          /* to, a contract */
  at = put_number(at, 0, 16);                      /* value */
  at = put_number(at, 0xa9059cbb, 4);              /* transfer(to, amount) */
  at = put_number(at, 0, 12);
  at = put_noise(at, account(state), 20);
  at = put_number(at, next(state) % 100000 * 10000, 32);
  (void)put_noise(at, next(state), 64); /* signature */
}

static struct hs2n_buf *batch(size_t len) {
  uint64_t state = 88172645463325252ull;
  struct hs2n_buf *buf;
  uint8_t *data;

  must("batch", hs2n_buf_alloc(&buf, hs2n_mem_libc(), len, &data));
  memset(data, 0, len);
  for (size_t at = 0; at + TX_LEN <= len; at += TX_LEN) {
    put_transaction(data + at, &state);
  }
  return buf;
}

/* A transaction with a memo. */
static struct hs2n_buf *small(uint64_t *state) {
  struct hs2n_buf *buf;
  uint8_t *data;

  must("small", hs2n_buf_alloc(&buf, hs2n_mem_libc(), SMALL_LEN, &data));
  put_transaction(data, state);
  data = put_noise(data + TX_LEN, next(state), 16);
  (void)put_number(data, 0, SMALL_LEN - TX_LEN - 16);
  return buf;
}

/* ---- the nodes ----------------------------------------------------------- */

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  (void)from, (void)id, (void)msg;
  ((struct end *)self)->messages++;
  return HS2N_ACCEPT;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  (void)tag;
  ((struct end *)self)->done += done->outcome == HS2N_DONE_ACKED;
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct end *e = self;

  (void)reason;
  if (state == HS2N_PEER_UP) {
    e->peer = peer;
    e->up = true;
  }
}

static void open_end(struct world *w, const struct micro *m, size_t i) {
  struct end *e = &w->ends[i];
  const struct hs2n_consensus consensus = {.struct_size = sizeof(consensus),
                                           .self = e,
                                           .on_message = on_message,
                                           .on_done = on_done,
                                           .on_peer = on_peer};
  struct hs2n_config c;

  hs2n_config_default(&c);
  e->world = w;
  e->addr = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                               .ip = {127, 0, 0, (uint8_t)(i + 1)},
                               .port = 7000};
  e->out.ring = calloc(WIRE_MAX, sizeof(struct flight));
  must_system("calloc", e->out.ring != NULL);
  c.identity = m->ids[i];
  c.chain_id = "compress";
  c.incarnation = 1;
  c.types = types;
  c.types_n = CODECS;
  c.consensus = &consensus;
  c.rand = hs2n_rand_system;
  c.seed = 1 + i;
  c.local = e->addr;
  c.unix_time_s = (int64_t)time(NULL);
  must("node", hs2n_node_new(&e->node, &c, w->now, NULL));
}

static void name_members(struct world *w, const struct micro *m) {
  for (size_t i = 0; i < NODES; i++) {
    struct hs2n_member members[NODES];

    for (size_t k = 0; k < NODES; k++) {
      members[k] = (struct hs2n_member){.key = hs2n_identity_key(m->ids[k]),
                                        .weight = 1,
                                        .addrs = &w->ends[k].addr,
                                        .addrs_n = 1};
    }
    must("members", hs2n_set_members(w->ends[i].node, 1, members, NODES, 0));
  }
}

/* ---- the link ------------------------------------------------------------ */

static void leave(struct world *w, struct end *e) {
  struct wire *wire = &e->out;

  while (wire->n < WIRE_MAX) {
    struct flight *f = &wire->ring[(wire->first + wire->n) % WIRE_MAX];
    struct hs2n_tx tx = {.data = f->bytes, .capacity = sizeof(f->bytes)};

    if (hs2n_node_poll_tx(e->node, &tx, 1, w->now) == 0) {
      return;
    }
    f->len = tx.len;
    if (w->fast) {
      f->at = w->now + DELAY;
    } else {
      const hs2n_time begin = wire->free_at > w->now ? wire->free_at : w->now;

      wire->free_at = begin + HS2N_S(1) * 8 * tx.len / RATE_BITS;
      f->at = wire->free_at + DELAY;
    }
    wire->n++;
  }
}

static void arrive(struct world *w, struct end *from, struct end *to) {
  struct wire *wire = &from->out;

  while (wire->n > 0 && wire->ring[wire->first].at <= w->now) {
    const struct flight *f = &wire->ring[wire->first];
    const struct hs2n_rx rx = {.local = to->addr,
                               .remote = from->addr,
                               .data = f->bytes,
                               .len = f->len};

    hs2n_node_recv(to->node, &rx, 1, w->now);
    wire->first = (wire->first + 1) % WIRE_MAX;
    wire->n--;
  }
}

static hs2n_time soonest(const struct world *w) {
  hs2n_time t = HS2N_TIME_NEVER;

  for (size_t i = 0; i < NODES; i++) {
    const struct end *e = &w->ends[i];
    const hs2n_time deadline = hs2n_node_deadline(e->node);

    t = deadline < t ? deadline : t;
    if (e->out.n > 0 && e->out.ring[e->out.first].at < t) {
      t = e->out.ring[e->out.first].at;
    }
  }
  return t;
}

static void step(struct world *w) {
  const hs2n_time t = soonest(w);

  w->now = t > w->now ? t : w->now;
  for (size_t i = 0; i < NODES; i++) {
    arrive(w, &w->ends[1 - i], &w->ends[i]);
    if (hs2n_node_deadline(w->ends[i].node) <= w->now) {
      hs2n_node_tick(w->ends[i].node, w->now);
    }
    leave(w, &w->ends[i]);
  }
}

/* ---- measuring ----------------------------------------------------------- */

struct figures {
  double udp_bytes, send_ns, cpu_ns, link_ms;
};

static uint64_t sent_bytes(const struct end *e) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(e->node, &stats);
  return stats.udp_bytes_sent;
}

/* What is queued at once. */
struct load {
  struct hs2n_buf *bodies[MANY];
  size_t n;
};

static void send_all(struct end *e, uint8_t type, const struct load *load) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = e->peer};

  for (size_t i = 0; i < load->n; i++) {
    const struct hs2n_msg msg = {
        .type = type, .flags = HS2N_MSG_ACK, .body = load->bodies[i]};
    struct hs2n_tag tag;

    must("send", hs2n_send(e->node, &dst, &msg, &tag));
  }
}

/* Sends the load until it is acked, n times one after the other. */
static void transfer(struct world *w, uint8_t type, const struct load *load,
                     unsigned n, struct figures *out) {
  struct end *e = &w->ends[0];
  const uint64_t bytes = sent_bytes(e), cpu = cpu_ns();
  const hs2n_time begin = w->now;
  uint64_t send_ns = 0;

  for (unsigned i = 0; i < n; i++) {
    const uint64_t goal = e->done + load->n, before = cpu_ns();

    send_all(e, type, load);
    send_ns += cpu_ns() - before;
    while (e->done < goal) {
      step(w);
    }
  }
  out->udp_bytes = (double)(sent_bytes(e) - bytes) / n;
  out->send_ns = (double)send_ns / n;
  out->cpu_ns = (double)(cpu_ns() - cpu) / n;
  out->link_ms = (double)(w->now - begin) / n / 1e6;
}

static void close_world(struct world *w) {
  for (size_t i = 0; i < NODES; i++) {
    hs2n_node_free(w->ends[i].node);
    free(w->ends[i].out.ring);
  }
}

static void open_world(struct world *w, const struct micro *m, bool fast) {
  *w = (struct world){.now = HS2N_S(1), .fast = fast};
  for (size_t i = 0; i < NODES; i++) {
    open_end(w, m, i);
  }
  name_members(w, m);
  while (!w->ends[0].up || !w->ends[1].up) {
    step(w);
  }
}

static const char *const names[3][CODECS][4] = {
    {{"64 KiB, plain: body / UDP bytes", "64 KiB, plain: hs2n_send",
      "64 KiB, plain: CPU of both ends", "64 KiB, plain: at 10 Mbit/s, 40 ms"},
     {"64 KiB, LZ4: body / UDP bytes", "64 KiB, LZ4: hs2n_send",
      "64 KiB, LZ4: CPU of both ends", "64 KiB, LZ4: at 10 Mbit/s, 40 ms"},
     {"64 KiB, Zstandard: body / UDP bytes", "64 KiB, Zstandard: hs2n_send",
      "64 KiB, Zstandard: CPU of both ends",
      "64 KiB, Zstandard: at 10 Mbit/s, 40 ms"}},
    {{"1 MiB, plain: body / UDP bytes", "1 MiB, plain: hs2n_send",
      "1 MiB, plain: CPU of both ends", "1 MiB, plain: at 10 Mbit/s, 40 ms"},
     {"1 MiB, LZ4: body / UDP bytes", "1 MiB, LZ4: hs2n_send",
      "1 MiB, LZ4: CPU of both ends", "1 MiB, LZ4: at 10 Mbit/s, 40 ms"},
     {"1 MiB, Zstandard: body / UDP bytes", "1 MiB, Zstandard: hs2n_send",
      "1 MiB, Zstandard: CPU of both ends",
      "1 MiB, Zstandard: at 10 Mbit/s, 40 ms"}},
    {{"1000 x 256, plain: bodies / UDP bytes", "1000 x 256, plain: hs2n_send",
      "1000 x 256, plain: CPU of both ends",
      "1000 x 256, plain: at 10 Mbit/s, 40 ms"},
     {"1000 x 256, LZ4: bodies / UDP bytes", "1000 x 256, LZ4: hs2n_send",
      "1000 x 256, LZ4: CPU of both ends",
      "1000 x 256, LZ4: at 10 Mbit/s, 40 ms"},
     {"1000 x 256, Zstandard: bodies / UDP bytes",
      "1000 x 256, Zstandard: hs2n_send",
      "1000 x 256, Zstandard: CPU of both ends",
      "1000 x 256, Zstandard: at 10 Mbit/s, 40 ms"}},
};

static void measure(struct micro *m, size_t size, struct load *load) {
  const size_t len = load->n * hs2n_buf_span(load->bodies[0]).len;
  const unsigned n = m->quick ? 4 : 40;

  for (uint8_t type = 0; type < CODECS; type++) {
    struct figures fast, slow;
    struct world w;

    open_world(&w, m, true);
    transfer(&w, type, load, n / 4, &fast); /* windows have opened */
    transfer(&w, type, load, n, &fast);
    close_world(&w);
    open_world(&w, m, false);
    transfer(&w, type, load, 2, &slow);
    transfer(&w, type, load, 4, &slow);
    close_world(&w);
    micro_add(m, names[size][type][0], "x", (double)len / fast.udp_bytes);
    micro_add(m, names[size][type][1], "ns/byte", fast.send_ns / (double)len);
    micro_add(m, names[size][type][2], "ns/byte", fast.cpu_ns / (double)len);
    micro_add(m, names[size][type][3], "ms", slow.link_ms);
  }
  for (size_t i = 0; i < load->n; i++) {
    hs2n_buf_unref(load->bodies[i]);
  }
}

void bench_compress(struct micro *m) {
  uint64_t state = 88172645463325252ull;
  struct load *load = calloc(1, sizeof(*load));

  must_system("calloc", load != NULL);
  load->n = 1;
  load->bodies[0] = batch(64u << 10);
  measure(m, 0, load);
  load->bodies[0] = batch(LARGEST);
  measure(m, 1, load);
  for (load->n = 0; load->n < MANY; load->n++) {
    load->bodies[load->n] = small(&state);
  }
  measure(m, 2, load);
  free(load);
}
