#include "process.h"

#include "crypto_hs2n.h"
#include "file.h"
#include "outside.h"
#include "port.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define STATUS_EVERY HS2N_MS(250)
#define MEASURE_EVERY HS2N_MS(50)
#define STOP_WITHIN HS2N_MS(500)

struct process {
  const struct rep_setup *setup;
  struct hs2n_identity *identity;
  struct rep_keys keys;
  struct rep_file file;
  struct hs2n_io *io;
  struct rep_outside out;
  struct rep_core *core;
  struct rep_port port;
  hs2n_time status_next;
  hs2n_time measure_next;
};

static volatile sig_atomic_t terminated;

static void on_signal(int number) {
  (void)number;
  terminated = 1;
}

static int complain(const char *what, const char *why) {
  (void)fprintf(stderr, "replica: %s: %s\n", what, why);
  return 1;
}

/* ---- what its client hears --------------------------------------------- */

static void report_commit(void *self, const struct rep_block *block,
                          const bool *fresh) {
  struct process *const p = self;
  struct rep_reader r = rep_reader_of(block->txs);
  struct hs2n_span tx;
  struct rep_writer w;
  uint32_t count = 0;
  size_t len;
  uint8_t *at;

  for (uint32_t i = 0; i < block->txs_count; i++) {
    count += fresh[i] ? 1 : 0;
  }
  len = REP_CLIENT_COMMIT_HEAD + (size_t)count * REP_CLIENT_ID_LEN;
  at = rep_port_frame(&p->port, REP_CLIENT_COMMIT, len);
  if (at == NULL) {
    return;
  }
  w = rep_writer_of(at, len);
  rep_write_be(&w, block->height, 8);
  rep_write_be(&w, block->view, 8);
  rep_write_copy(&w, block->hash.bytes, HS2N_HASH_LEN);
  rep_write_be(&w, count, 4);
  for (uint32_t i = 0; rep_tx_next(&r, &tx); i++) {
    if (fresh[i]) {
      uint8_t id[REP_CLIENT_ID_LEN] = {0};

      memcpy(id, tx.data, tx.len < sizeof(id) ? tx.len : sizeof(id));
      rep_write_copy(&w, id, sizeof(id));
    }
  }
}

/* ---- starting ----------------------------------------------------------- */

static int open_store(struct process *p) {
  const bool keeps = p->setup->storage != REP_STORE_MEMORY;
  const struct rep_medium medium = rep_file_medium(&p->file);
  const struct rep_store_config config = {.medium = keeps ? &medium : NULL,
                                          .committee =
                                              p->setup->config.committee,
                                          .crypto = rep_crypto_hs2n(&p->keys)};
  const bool sync = p->setup->storage == REP_STORE_FSYNC;
  const char *wrong = NULL;

  if (keeps && rep_file_open(&p->file, p->setup->log, sync) != 0) {
    wrong = strerror(errno);
  }
  if (wrong == NULL) {
    wrong = rep_store_open(&p->out.store, &config);
  }
  return wrong == NULL ? 0 : complain(p->setup->log, wrong);
}

static int make_core(struct process *p) {
  const struct rep_env env = rep_outside_env(&p->out);
  const struct rep_crypto crypto = rep_crypto_hs2n(&p->keys);
  struct rep_config config = p->setup->config;

  if (hs2n_rand_system(NULL, config.mempool_secret,
                       sizeof(config.mempool_secret)) != 0) {
    return complain("mempool", "no randomness");
  }
  p->core = rep_core_new(&config, &env, &crypto);
  if (p->core == NULL) {
    return complain("core", "out of memory");
  }
  p->out.net.core = p->core;
  if (!rep_store_restore(p->out.store, p->core, config.mempool.window_txs)) {
    return complain(p->setup->log, "can't be read back");
  }
  return 0;
}

static void log_line(void *user_data, enum hs2n_log_level level,
                     const char *event, const char *text) {
  const struct timespec *const start = user_data;
  struct timespec t;

  if (level > HS2N_LOG_INFO) {
    return;
  }
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  (void)fprintf(stderr, "%8.3f %s %s\n",
                (double)(t.tv_sec - start->tv_sec) +
                    (double)(t.tv_nsec - start->tv_nsec) / 1e9,
                event, text);
}

static hs2n_time io_now(void *self) {
  (void)self;
  return hs2n_io_now();
}

static int open_node(struct process *p) {
  static struct timespec start;
  struct hs2n_io_config io_config;
  struct hs2n_config config;
  const char *field = "";
  int err;

  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  hs2n_io_config_default(&io_config);
  hs2n_config_default(&config);
  io_config.listen = p->setup->addrs[p->setup->config.committee.me];
  io_config.log = config.log = log_line;
  io_config.log_data = config.log_data = &start;
  config.identity = p->identity;
  config.transport = p->setup->transport;
  config.uplink_bits_per_s = p->setup->uplink_bits_per_s;
  rep_net_init(&p->out.net, &p->setup->config, io_now, NULL);
  rep_net_configure(&p->out.net, &p->setup->config, &config);
  errno = 0;
  err = hs2n_io_new(&p->io, &io_config, &config, &field);
  if (err != HS2N_OK) {
    (void)fprintf(stderr, "replica: node: %s %s %s\n", hs2n_err_text(err),
                  err == HS2N_ERR_INVALID ? field : "",
                  err == HS2N_ERR_SYSTEM ? strerror(errno) : "");
    return 1;
  }
  p->out.net.node = hs2n_io_node(p->io);
  return 0;
}

static int name_members(struct process *p) {
  struct hs2n_member members[REP_N_MAX];
  int err;

  for (uint32_t i = 0; i < p->setup->members; i++) {
    members[i] = (struct hs2n_member){.key = p->setup->keys[i],
                                      .weight = 1,
                                      .addrs = &p->setup->addrs[i],
                                      .addrs_n = 1};
  }
  err = rep_net_set_members(&p->out.net, members);
  return err == HS2N_OK ? 0 : complain("members", hs2n_err_text(err));
}

static int begin(struct process *p, int client) {
  int err;

  if (!rep_port_init(&p->port, client)) {
    return complain("client", "out of memory");
  }
  err = hs2n_identity_load(&p->identity, p->setup->identity);
  if (err != HS2N_OK) {
    return complain(p->setup->identity, hs2n_err_text(err));
  }
  p->keys.identity = p->identity;
  p->keys.n = p->setup->members;
  memcpy(p->keys.keys, p->setup->keys, sizeof(p->keys.keys));
  if (open_store(p) != 0 || open_node(p) != 0 || name_members(p) != 0) {
    return 1;
  }
  return make_core(p);
}

static void end(struct process *p) {
  hs2n_io_free(p->io); /* before the core, which it calls */
  rep_core_free(p->core);
  rep_store_close(p->out.store);
  rep_file_close(&p->file);
  rep_port_fini(&p->port);
  hs2n_identity_free(p->identity);
}

/* ---- telling ------------------------------------------------------------ */

static void report_ready(struct process *p) {
  const size_t len = 8 + HS2N_HASH_LEN;
  uint8_t *const at = rep_port_frame(&p->port, REP_CLIENT_READY, len);
  struct rep_core_info info;

  rep_core_info(p->core, &info);
  if (at != NULL) {
    rep_put_be(at, info.committed.height, 8);
    memcpy(at + 8, info.committed.hash.bytes, HS2N_HASH_LEN);
  }
}

static void fill_core(const struct process *p, struct rep_status *s) {
  struct rep_core_info info;

  rep_core_info(p->core, &info);
  s->view = info.view;
  s->height = info.committed.height;
  s->pending_txs = info.pending_txs;
  s->held_txs = info.held_txs;
  s->view_timeout_ns = info.view_timeout;
  s->views = info.counters.views;
  s->timeouts = info.counters.timeouts;
  s->view_changes = info.counters.view_changes;
  s->proposals = info.counters.proposals;
  s->votes = info.counters.votes;
  s->txs = info.counters.txs;
  s->txs_repeated = info.counters.txs_repeated;
  s->sync_requests = info.counters.sync_requests;
  s->sync_blocks = info.counters.sync_blocks;
  s->wrong = info.counters.wrong;
  s->dropped = info.counters.dropped;
}

static void fill_network(struct process *p, struct rep_status *s) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};
  struct hs2n_io_stats io = {.struct_size = sizeof(io)};
  struct hs2n_memory worst = {.struct_size = sizeof(worst)};

  hs2n_limits_memory(&p->out.net.limits, p->out.net.types, REP_KINDS, &worst);
  s->memory_bound_bytes = worst.total_bytes;
  hs2n_node_stats(p->out.net.node, &stats);
  hs2n_io_stats(p->io, &io);
  s->peers_up = rep_signers_count(&p->out.net.connected);
  s->rtt_ns = p->out.net.quorum_delay;
  s->bytes_sent = stats.udp_bytes_sent + stats.tcp_bytes_sent;
  s->bytes_received = stats.udp_bytes_received + stats.tcp_bytes_received;
  s->datagrams_sent = stats.udp_datagrams_sent;
  s->datagrams_received = stats.udp_datagrams_received;
  s->messages_sent = stats.messages_sent;
  s->messages_received = stats.messages_received;
  s->messages_refused = stats.messages_refused;
  s->sends_full = p->out.net.full;
  s->kernel_drops = io.receive_drops;
}

static void report_status(struct process *p) {
  struct rep_store_counters log;
  struct rep_status status = {0};
  struct rusage usage;
  struct rep_writer w;
  uint8_t *at;

  fill_core(p, &status);
  fill_network(p, &status);
  rep_store_counters(p->out.store, &log);
  status.log_bytes = log.bytes;
  status.log_flushes = log.flushes;
  status.log_flush_ns = p->file.flush_ns;
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    status.cpu_us =
        (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
        (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    status.memory_bytes = (uint64_t)usage.ru_maxrss * 1024u;
  }
  at = rep_port_frame(&p->port, REP_CLIENT_STATUS, REP_STATUS_LEN);
  if (at != NULL) {
    w = rep_writer_of(at, REP_STATUS_LEN);
    rep_status_write(&w, &status);
  }
}

/* ---- the loop ----------------------------------------------------------- */

static int turn_io(struct process *p) {
  const int err = hs2n_io_turn(p->io, 0);

  return err == HS2N_OK ? 0 : complain("network", hs2n_err_text(err));
}

/* Makes stable what was appended, and lets go what waited for that. */
static int settle_store(struct process *p) {
  uint64_t seq;
  const int err = rep_store_flush(p->out.store, &seq);

  if (err != 0) {
    return complain(p->setup->log, strerror(err));
  }
  rep_core_stored(p->core, seq, hs2n_io_now());
  return 0;
}

/* What the core has put off in favour of its vote.  When the vote waits for a
 * disk, this goes first: commits do not wait for it. */
static void settle_core(struct process *p) {
  if (rep_core_deadline(p->core) == 0) {
    rep_core_tick(p->core, hs2n_io_now());
  }
  if (rep_port_wants_write(&p->port)) {
    rep_port_write(&p->port);
  }
}

/* Takes in and sends until nothing more was sent: a vote that completes a
 * quorum at home makes a proposal, which makes another vote. */
static int turn_core(struct process *p) {
  uint64_t sends;

  do {
    if (turn_io(p) != 0) {
      return 1;
    }
    sends = p->out.net.sends;
    if (p->setup->storage == REP_STORE_FSYNC) {
      settle_core(p);
    }
    if (settle_store(p) != 0) {
      return 1;
    }
  } while (p->out.net.sends != sends || rep_store_dirty(p->out.store));
  return 0;
}

static int do_due(struct process *p) {
  const uint64_t sends = p->out.net.sends;
  const hs2n_time now = hs2n_io_now();

  if (now >= p->measure_next) {
    p->measure_next = now + MEASURE_EVERY;
    rep_net_measure(&p->out.net);
  }
  if (now >= p->status_next && p->port.fd >= 0) {
    p->status_next = now + STATUS_EVERY;
    report_status(p);
  }
  if (rep_core_deadline(p->core) > now) {
    return 0;
  }
  rep_core_tick(p->core, now);
  return p->out.net.sends != sends || rep_store_dirty(p->out.store)
             ? turn_core(p)
             : 0;
}

static hs2n_time next_due(const struct process *p) {
  hs2n_time due = rep_core_deadline(p->core);

  due = p->measure_next < due ? p->measure_next : due;
  return p->port.fd >= 0 && p->status_next < due ? p->status_next : due;
}

static void wait_for_work(const struct process *p, struct pollfd fds[2]) {
  const hs2n_time now = hs2n_io_now();
  const hs2n_time due = next_due(p);
  const hs2n_time wait = due > now ? due - now : 0;
  const struct timespec timeout = {(time_t)(wait / HS2N_S(1)),
                                   (long)(wait % HS2N_S(1))};

  fds[0] = (struct pollfd){.fd = hs2n_io_fd(p->io), .events = POLLIN};
  fds[1] = (struct pollfd){.fd = p->port.fd};
  if (rep_port_wants_read(&p->port, p->core)) {
    fds[1].events = POLLIN;
  }
  if (rep_port_wants_write(&p->port)) {
    fds[1].events |= POLLOUT;
  }
  if (fds[1].events == 0) {
    fds[1].fd = -1; /* a hang-up shows when there is room to read again */
  }
  if (ppoll(fds, 2, &timeout, NULL) < 0) {
    fds[0].revents = fds[1].revents = 0;
  }
}

static int run(struct process *p) {
  struct pollfd fds[2];

  rep_core_start(p->core, hs2n_io_now());
  report_ready(p);
  if (turn_core(p) != 0) {
    return 1;
  }
  while (!terminated && !p->port.ended) {
    wait_for_work(p, fds);
    if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      rep_port_read(&p->port, p->core, hs2n_io_now());
    }
    if (fds[0].revents != 0 && turn_core(p) != 0) {
      return 1;
    }
    if (do_due(p) != 0) {
      return 1;
    }
    if (rep_port_wants_write(&p->port)) {
      rep_port_write(&p->port);
    }
  }
  return 0;
}

/* Says goodbye to the peers. */
static void stop(struct process *p) {
  const hs2n_time until = hs2n_io_now() + STOP_WITHIN;

  hs2n_node_stop(p->out.net.node, hs2n_io_now());
  while (!hs2n_node_stopped(p->out.net.node) && hs2n_io_now() < until) {
    if (hs2n_io_turn(p->io, HS2N_MS(10)) != HS2N_OK) {
      break;
    }
  }
}

int rep_process_run(const struct rep_setup *setup, int client) {
  const struct sigaction action = {.sa_handler = on_signal};
  struct process *const p = calloc(1, sizeof(*p));
  int code;

  if (p == NULL) {
    return complain("start", "out of memory");
  }
  (void)sigaction(SIGTERM, &action, NULL);
  p->setup = setup;
  p->out.self = p;
  p->out.commits = report_commit;
  p->port.fd = -1;
  p->file.fd = -1;
  code = begin(p, client);
  if (code == 0) {
    code = run(p);
    stop(p);
  }
  end(p);
  free(p);
  return code;
}
