/* memory: what an idle connection holds, what a vote allocates, and whether a
 * broadcast copies. */
#include "endpoint.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* An hs2n_mem that counts. */
struct counting {
  struct hs2n_mem mem;
  uint64_t live_bytes;
  uint64_t peak_bytes;
  uint64_t requests;
};

static void *counting_alloc(void *user_data, size_t len) {
  struct counting *c = user_data;

  c->requests++;
  c->live_bytes += len;
  if (c->live_bytes > c->peak_bytes) {
    c->peak_bytes = c->live_bytes;
  }
  return calloc(1, len);
}

static void counting_release(void *user_data, void *ptr, size_t len) {
  struct counting *c = user_data;

  if (ptr != NULL) {
    c->live_bytes -= len;
    free(ptr);
  }
}

static void counting_init(struct counting *c) {
  *c = (struct counting){.mem = {.user_data = c,
                                 .alloc = counting_alloc,
                                 .release = counting_release}};
}

static uint64_t rss_bytes(void) {
  FILE *f = fopen("/proc/self/statm", "re");
  unsigned long size = 0;
  unsigned long pages = 0;

  if (f != NULL) {
    if (fscanf(f, "%lu %lu", &size, &pages) != 2) {
      pages = 0;
    }
    fclose(f);
  }
  return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- idle connections --------------------------------------------------- */

static void be_dialled(const struct micro *m, const struct pair *p, size_t n) {
  struct crowd c;

  crowd_open(&c, n, m->ids + 1, (struct endpoint_config){.spin_us = 0});
  pair_meet(p);
  for (size_t i = 0; i < n; i++) {
    const struct member_at members[] = {
        {.identity = m->ids[0],
         .port = (uint16_t)atomic_load(&p->shared->ports[0])},
        {.identity = m->ids[i + 1]}};

    endpoint_members(&c.e[i], 1, members, 2);
    must("turn", hs2n_io_turn(c.e[i].io, 0));
  }
  while (atomic_load(&p->shared->numbers[0]) == 0) {
    crowd_turn(&c);
  }
  pair_meet(p);
  crowd_close(&c);
}

static void settle(struct endpoint *e, hs2n_time how_long) {
  const hs2n_time end = hs2n_io_now() + how_long;

  while (hs2n_io_now() < end) {
    must("turn", hs2n_io_turn(e->io, end - hs2n_io_now()));
  }
}

void bench_memory(struct micro *m) {
  const size_t n = m->quick ? 100 : peers_possible();
  struct member_at *members = calloc(n + 1, sizeof(*members));
  struct counting mem;
  struct endpoint e;
  struct pair p;
  uint64_t rss;
  uint64_t held;
  uint64_t heap;

  must_system("calloc", members != NULL);
  pair_fork(&p);
  if (p.far) {
    be_dialled(m, &p, n);
    pair_end(&p);
  }
  counting_init(&mem);
  endpoint_open(&e, (struct endpoint_config){.identity = m->ids[0],
                                             .peers_max = (uint32_t)n + 1,
                                             .mem = &mem.mem});
  for (size_t i = 0; i <= n; i++) {
    members[i] = (struct member_at){.identity = m->ids[i]};
  }
  endpoint_members(&e, 1, members, n + 1);
  held = mem.live_bytes;
  rss = rss_bytes();
  heap = mallinfo2().uordblks + mallinfo2().hblkhd;
  atomic_store(&p.shared->ports[0], endpoint_port(&e));
  pair_meet(&p);
  endpoint_until_up(&e, (unsigned)n);
  settle(&e, HS2N_MS(500));
  heap = mallinfo2().uordblks + mallinfo2().hblkhd - heap;
  held = mem.live_bytes - held;
  rss = rss_bytes() - rss;
  atomic_store(&p.shared->numbers[0], 1);
  micro_add(m, "idle connections held", "", (double)n);
  micro_add(m, "hs2n_mem per idle connection", "KiB",
            (double)held / (double)n / 1024);
  micro_add(m, "heap per idle connection", "KiB",
            (double)heap / (double)n / 1024);
  micro_add(m, "RSS per idle connection", "KiB",
            (double)rss / (double)n / 1024);
  pair_meet(&p);
  endpoint_close(&e);
  pair_end(&p);
  free(members);
}

/* ---- allocations -------------------------------------------------------- */

/* A round in which a machine with other work stalls, and packets are sent
 * again, may fill a pool further: the best of some is the steady state. */
#define VOTES 2000
#define ROUNDS 4

/* Votes with one body, one at a time, so that queues stay as they are; every
 * other one in a datagram. */
static void vote(struct endpoint *e, struct hs2n_buf *body, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    const uint64_t goal = e->done + 1;
    const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = e->peer};
    const struct hs2n_msg msg = {
        .type = TYPE_SMALL,
        .flags = HS2N_MSG_ACK | (i % 2 == 0 ? HS2N_MSG_DATAGRAM_OK : 0u),
        .body = body};
    struct hs2n_tag tag;

    must("send", hs2n_send(e->node, &dst, &msg, &tag));
    endpoint_until(e, &e->done, goal);
  }
}

static uint64_t vote_round(const struct pair *p, struct endpoint *e,
                           struct hs2n_buf *body) {
  const uint64_t goal = e->messages + VOTES;
  const uint64_t before = allocation_count();

  if (p->far) {
    endpoint_until(e, &e->messages, goal);
    must("turn", hs2n_io_turn(e->io, 0));
  } else {
    vote(e, body, VOTES);
  }
  return allocation_count() - before;
}

void bench_allocations(struct micro *m) {
  static const uint8_t bytes[150];
  struct hs2n_buf *body;
  struct endpoint e;
  struct pair p;
  uint64_t calls = UINT64_MAX;

  pair_fork(&p);
  duo_open(&e, m, &p, (struct endpoint_config){.spin_us = 0});
  must("body",
       hs2n_buf_wrap(&body, hs2n_mem_libc(),
                     (struct hs2n_span){bytes, sizeof(bytes)}, NULL, NULL));
  for (unsigned i = 0; i < ROUNDS; i++) { /* pools fill in the first ones */
    const uint64_t n = vote_round(&p, &e, body);

    calls = n < calls ? n : calls;
    pair_meet(&p);
  }
  if (p.far) {
    atomic_store(&p.shared->numbers[0], calls);
  }
  pair_meet(&p);
  if (!p.far) {
    micro_promise_zero(m, "allocations per sent vote", (double)calls / VOTES);
    micro_promise_zero(m, "allocations per received vote",
                       (double)atomic_load(&p.shared->numbers[0]) / VOTES);
  }
  hs2n_buf_unref(body);
  endpoint_close(&e);
  pair_end(&p);
}

/* ---- copies ------------------------------------------------------------- */

#define RECEIVERS 8
#define BODY_LEN (1u << 20)

static void count_release(void *user_data, const uint8_t *data, size_t len) {
  uint64_t *released = user_data;

  (void)data;
  (void)len;
  (*released)++;
}

/* One node sends, eight of the same process receive. */
void bench_copies(struct micro *m) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = 1};
  struct member_at members[RECEIVERS + 1];
  struct hs2n_msg msg = {.type = TYPE_LARGE, .flags = HS2N_MSG_ACK};
  struct counting mem;
  struct endpoint e;
  struct crowd c;
  struct hs2n_tag tag;
  uint8_t *bytes = calloc(1, BODY_LEN);
  uint64_t released = 0;
  uint64_t before;

  must_system("calloc", bytes != NULL);
  counting_init(&mem);
  crowd_open(&c, RECEIVERS, m->ids + 1, (struct endpoint_config){.spin_us = 0});
  endpoint_open(&e, (struct endpoint_config){.identity = m->ids[0],
                                             .peers_max = RECEIVERS + 1,
                                             .mem = &mem.mem});
  for (size_t i = 0; i <= RECEIVERS; i++) {
    members[i].identity = m->ids[i];
    members[i].port = i == 0 ? endpoint_port(&e) : endpoint_port(&c.e[i - 1]);
  }
  endpoint_members(&e, 1, members, RECEIVERS + 1);
  for (size_t i = 0; i < RECEIVERS; i++) {
    const struct member_at both[] = {members[0], members[i + 1]};

    endpoint_members(&c.e[i], 1, both, 2);
  }
  while (e.ups < RECEIVERS) {
    must("turn", hs2n_io_turn(e.io, 0));
    crowd_start(&c);
  }
  before = mem.live_bytes;
  mem.peak_bytes = before;
  must("body", hs2n_buf_wrap(&msg.body, hs2n_mem_libc(),
                             (struct hs2n_span){bytes, BODY_LEN}, count_release,
                             &released));
  must("send", hs2n_send(e.node, &dst, &msg, &tag));
  hs2n_buf_unref(msg.body);
  while (e.done < 1 || released < 1) {
    must("turn", hs2n_io_turn(e.io, 0));
    crowd_start(&c);
  }
  micro_add(m, "peers of a broadcast of 1 MiB", "", RECEIVERS);
  micro_add(m, "sender's memory above rest meanwhile, per peer", "KiB",
            (double)(mem.peak_bytes - before) / RECEIVERS / 1024);
  micro_promise_zero(m, "copies of the body held",
                     (double)((mem.peak_bytes - before) / BODY_LEN));
  micro_add(m, "releases of the body", "", (double)released);
  endpoint_close(&e);
  crowd_close(&c);
  free(bytes);
}
