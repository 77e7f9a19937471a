#include "report.h"

#include "json.h"

#include <hs2net/node.h>
#include <inttypes.h>
#include <stdio.h>

static const char *storage_text(enum rep_store_sync storage) {
  switch (storage) {
  case REP_STORE_FSYNC:
    return "log synced before each vote";
  case REP_STORE_NO_FSYNC:
    return "log written, not synced";
  case REP_STORE_MEMORY:
    return "no log";
  }
  return "?";
}

static const char *storage_name(enum rep_store_sync storage) {
  switch (storage) {
  case REP_STORE_FSYNC:
    return "fsync";
  case REP_STORE_NO_FSYNC:
    return "file";
  case REP_STORE_MEMORY:
    return "memory";
  }
  return "?";
}

void report_title(const struct options *o) {
  char rate[32];

  (void)printf("hs2net-cluster %s: HotStuff-2 on %u replicas, a process each, "
               "over %s %s\n",
               hs2n_version(), (unsigned)o->replicas,
               o->transport == HS2N_TRANSPORT_TCP ? "TCP and TLS" : "QUIC",
               o->netns_fd < 0 ? "on loopback" : "between namespaces");
  if (o->sweep) {
    (void)printf("rising load of %u B transactions, %s\n\n",
                 (unsigned)o->tx_bytes, storage_text(o->storage));
  } else if (o->rate == 0) {
    (void)printf("%u B transactions as fast as they are committed, for "
                 "%.0f s, %s\n\n",
                 (unsigned)o->tx_bytes, (double)o->duration / 1e9,
                 storage_text(o->storage));
  } else {
    (void)printf("%s transactions a second of %u B for %.0f s, %s\n\n",
                 screen_count(o->rate, rate), (unsigned)o->tx_bytes,
                 (double)o->duration / 1e9, storage_text(o->storage));
  }
  (void)fflush(stdout);
}

/* ---- totals ------------------------------------------------------------- */

struct totals {
  uint64_t view;
  uint64_t timeouts;
  uint64_t bytes_sent;
  uint64_t cpu_us;
  uint64_t memory_max;
  uint64_t memory_bound;
  uint64_t flushes;
  uint64_t flush_ns;
};

static struct totals add_up(const struct cluster *c) {
  struct totals t = {0};

  for (uint32_t i = 0; i < c->options.replicas; i++) {
    const struct rep_status *const s = &c->children[i].status;

    t.view = s->view > t.view ? s->view : t.view;
    t.timeouts = s->timeouts > t.timeouts ? s->timeouts : t.timeouts;
    t.bytes_sent += s->bytes_sent;
    t.cpu_us += s->cpu_us;
    t.memory_max =
        s->memory_bytes > t.memory_max ? s->memory_bytes : t.memory_max;
    t.memory_bound = s->memory_bound_bytes;
    t.flushes += s->log_flushes;
    t.flush_ns += s->log_flush_ns;
  }
  return t;
}

static double tx_rate(const struct cluster *c) {
  return (double)c->txs_at_end * 1e9 / (double)(c->ended - c->began);
}

/* ---- for people --------------------------------------------------------- */

static void print_load(const struct cluster *c) {
  const struct ledger *const l = &c->ledger;
  char submitted[32];
  char committed[32];
  char rate[32];
  char p50[32];
  char p99[32];
  char most[32];

  (void)printf("  transactions   %s submitted, %s committed, none lost, none "
               "twice\n",
               screen_count(l->txs_submitted, submitted),
               screen_count(l->txs_committed, committed));
  (void)printf("  throughput     %s tx/s\n",
               screen_count((uint64_t)(tx_rate(c) + 0.5), rate));
  (void)printf("  commit latency p50 %s, p99 %s, worst %s, from when a "
               "transaction was due\n",
               screen_time(histogram_percentile(&l->latency, 0.5), p50),
               screen_time(histogram_percentile(&l->latency, 0.99), p99),
               screen_time(l->latency.max, most));
}

static void print_chain(const struct cluster *c) {
  const struct totals t = add_up(c);
  char height[32];
  char view[32];
  char flush[32];

  (void)printf("  agreement      %s blocks, the same at each height on all "
               "replicas\n",
               screen_count(c->ledger.height, height));
  (void)printf("  views          %s, of which %" PRIu64 " timed out%s\n",
               screen_count(t.view, view), t.timeouts,
               c->options.kill ? " (nearly all while one replica was dead)"
                               : "");
  if (t.flushes > 0) {
    (void)printf("  storage        %s for a write%s on average\n",
                 screen_time(t.flush_ns / t.flushes, flush),
                 c->options.storage == REP_STORE_FSYNC ? " and fdatasync" : "");
  }
}

static void print_victim(const struct cluster *c) {
  const struct victim *const v = &c->victim;
  char down[32];
  char up[32];
  char read[32];
  char blocks[32];

  if (!c->options.kill) {
    return;
  }
  (void)printf("  recovery       replica %u was dead for %s; %s after its "
               "restart it\n"
               "                 committed with the others again (log read in "
               "%s, %s blocks\n"
               "                 fetched from them)\n",
               (unsigned)v->index, screen_time(v->restarted - v->killed, down),
               screen_time(v->recovered - v->restarted, up),
               screen_time(v->ready - v->restarted, read),
               screen_count(c->children[v->index].status.sync_blocks, blocks));
}

void report_summary(const struct cluster *c) {
  const struct totals t = add_up(c);
  const double seconds = (double)(c->drained - c->began) / 1e9;
  char sent[32];
  char memory[32];
  char bound[32];

  (void)printf("\nAll checks passed.\n\n");
  print_load(c);
  print_chain(c);
  print_victim(c);
  (void)printf("  cost           %.2f cores and %s of memory at most a "
               "replica, %s sent\n",
               (double)t.cpu_us / 1e6 / seconds / c->options.replicas,
               screen_bytes((double)t.memory_max, memory),
               screen_bytes((double)t.bytes_sent, sent));
  (void)printf("  worst case     %s of memory for the library in a replica, "
               "whatever others do\n",
               screen_bytes((double)t.memory_bound, bound));
  (void)printf(
      "\nNext:  hs2net-cluster --replicas 7 --rate 1000    two may fail now\n"
      "       hs2net-cluster --sweep --storage memory   how much it takes\n"
      "       hs2net-cluster --help                     all options\n"
      "       bench/replica/net.c                       consensus on hs2net\n");
}

/* ---- JSON --------------------------------------------------------------- */

static void json_options(struct json *j, const struct options *o) {
  json_object(j, "options");
  json_u64(j, "replicas", o->replicas);
  json_u64(j, "rate", o->rate);
  json_u64(j, "tx_bytes", o->tx_bytes);
  json_number(j, "duration_s", (double)o->duration / 1e9);
  json_text(j, "transport",
            o->transport == HS2N_TRANSPORT_TCP ? "tcp" : "quic");
  json_text(j, "storage", storage_name(o->storage));
  json_bool(j, "kill", o->kill);
  json_u64(j, "block_txs_max", o->block_txs_max);
  json_u64(j, "block_bytes_max", o->block_bytes_max);
  json_u64(j, "timer_ms", o->timer_ms);
  json_u64(j, "uplink_mbit", o->uplink_mbit);
  json_u64(j, "seed", o->seed);
  json_end(j);
}

static void json_latency(struct json *j, const struct histogram *h) {
  json_object(j, "commit_latency_us");
  json_u64(j, "count", h->count);
  json_number(j, "min", (double)h->min / 1e3);
  json_number(j, "mean", (double)histogram_mean(h) / 1e3);
  json_number(j, "p50", (double)histogram_percentile(h, 0.5) / 1e3);
  json_number(j, "p90", (double)histogram_percentile(h, 0.9) / 1e3);
  json_number(j, "p99", (double)histogram_percentile(h, 0.99) / 1e3);
  json_number(j, "p999", (double)histogram_percentile(h, 0.999) / 1e3);
  json_number(j, "max", (double)h->max / 1e3);
  json_end(j);
}

static void json_victim(struct json *j, const struct victim *v) {
  json_object(j, "recovery");
  json_u64(j, "replica", v->index);
  json_number(j, "dead_ms", (double)(v->restarted - v->killed) / 1e6);
  json_number(j, "log_read_ms", (double)(v->ready - v->restarted) / 1e6);
  json_number(j, "recovered_ms", (double)(v->recovered - v->restarted) / 1e6);
  json_u64(j, "height_killed", v->height_killed);
  json_u64(j, "height_recovered", v->height_recovered);
  json_end(j);
}

static void json_replicas(struct json *j, const struct cluster *c) {
  json_array(j, "replicas");
  for (uint32_t i = 0; i < c->options.replicas; i++) {
    const struct rep_status *const s = &c->children[i].status;

    json_object(j, NULL);
#define X(field, text) json_u64(j, #field, s->field);
    REP_STATUS_LIST(X)
#undef X
    json_end(j);
  }
  json_end(j);
}

static void json_demo(struct json *j, const struct cluster *c) {
  const struct ledger *const l = &c->ledger;

  json_u64(j, "txs_submitted", l->txs_submitted);
  json_u64(j, "txs_committed", l->txs_committed);
  json_u64(j, "height", l->height);
  json_u64(j, "blocks_with_txs", l->blocks_with_txs);
  if (c->ended != 0) {
    json_number(j, "tx_per_s", tx_rate(c));
  }
  json_latency(j, &l->latency);
  if (c->victim.recovered != 0) {
    json_victim(j, &c->victim);
  }
}

static void json_index(struct json *j, const struct sweep *s, const char *key,
                       int step) {
  json_number(j, key, step < 0 ? 0.0 : s->steps[step].committed);
}

static void json_sweep(struct json *j, const struct sweep *s) {
  json_array(j, "steps");
  for (uint32_t i = 0; i < s->count; i++) {
    json_object(j, NULL);
    json_u64(j, "offered", s->steps[i].offered);
    json_number(j, "committed", s->steps[i].committed);
    json_number(j, "blocks", s->steps[i].blocks);
    json_number(j, "p50_us", (double)s->steps[i].p50 / 1e3);
    json_number(j, "p99_us", (double)s->steps[i].p99 / 1e3);
    json_number(j, "cores", s->steps[i].cpu);
    json_end(j);
  }
  json_end(j);
  json_index(j, s, "knee_tx_per_s", s->knee);
  json_index(j, s, "sustained_tx_per_s", s->sustained);
}

struct written {
  const struct cluster *cluster;
  const struct sweep *sweep; /* NULL: of a demo */
  bool passed;
};

static void json_members(struct json *j, const void *data) {
  const struct written *const w = data;
  const struct cluster *const c = w->cluster;

  json_text(j, "version", hs2n_version());
  json_bool(j, "passed", w->passed);
  json_text(j, "failure", w->passed ? NULL : c->wrong);
  json_options(j, &c->options);
  if (w->sweep != NULL) {
    json_sweep(j, w->sweep);
  } else {
    json_demo(j, c);
  }
  json_replicas(j, c);
}

bool report_json(const struct cluster *c, const struct sweep *sweep,
                 bool passed) {
  const struct written w = {c, sweep, passed};

  return c->options.json == NULL ||
         json_file(c->options.json, "hs2net-cluster", json_members, &w);
}
