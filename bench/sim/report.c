#include "report.h"

#include "json.h"

#include <stdio.h>
#include <time.h>

static uint64_t real_now(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double seconds(uint64_t ns) {
  return (double)ns / 1e9;
}

static double ms(uint64_t ns) {
  return (double)ns / 1e6;
}

static bool over_tcp(const struct options *o) {
  return o->run.transport == HS2N_TRANSPORT_TCP;
}

void report_begin(struct report *r, const struct options *o) {
  r->begun_ns = real_now();
  if (!o->quiet) {
    (void)printf("%u %s, network %s (%s), %s and TLS%s\n",
                 o->run.cluster.replicas,
                 o->run.kind == RUN_CLUSTER ? "replicas" : "nodes",
                 o->run.profile->name, o->run.profile->text,
                 over_tcp(o) ? "modelled TCP, real mux" : "real QUIC",
                 o->run.cached ? ", nothing of it computed twice" : "");
    (void)printf("%8s %16s %9s %9s %8s %7s %9s %9s %9s %7s\n", "seed", "hash",
                 "virtual s", "real s", "blocks", "txs", "p50 ms", "p99 ms",
                 "well ms", "faults");
  }
}

static uint64_t sum(const uint64_t *values, size_t n) {
  uint64_t total = 0;

  for (size_t i = 0; i < n; i++) {
    total += values[i];
  }
  return total;
}

static void print_line(const struct run_result *s) {
  (void)printf("%8llu %016llx %9.1f %9.2f %8llu %7llu %9.1f %9.1f ",
               (unsigned long long)s->seed, (unsigned long long)s->hash,
               seconds(s->virtual_ns), seconds(s->real_ns),
               (unsigned long long)s->height, (unsigned long long)s->txs,
               ms(s->latency_p50), ms(s->latency_p99));
  if (s->settled_ns == HS2N_TIME_NEVER) {
    (void)printf("%9s", "never");
  } else {
    (void)printf("%9.1f", ms(s->settled_ns));
  }
  (void)printf(" %7llu%s\n",
               (unsigned long long)sum(s->faults, HS2N_SIM_CHAOS_KINDS),
               s->failed ? " FAILED" : "");
  if (s->meshed_ns != HS2N_TIME_NEVER) {
    (void)printf("         all %llu connections stood after %.1f ms\n",
                 (unsigned long long)s->nodes * (s->nodes - 1) / 2,
                 ms(s->meshed_ns));
  }
}

static void add_known(struct known_counts *to, const struct known_counts *c) {
  to->signatures += c->signatures;
  to->signatures_known += c->signatures_known;
  to->keys += c->keys;
  to->keys_known += c->keys_known;
  to->secrets += c->secrets;
  to->secrets_known += c->secrets_known;
}

void report_add(struct report *r, const struct options *o,
                const struct run_result *s) {
  r->runs++;
  r->failed += s->failed ? 1 : 0;
  r->virtual_ns += s->virtual_ns;
  r->run_ns += s->real_ns;
  r->node_ns += s->virtual_ns * s->nodes;
  r->blocks += s->height;
  r->txs += s->txs;
  r->messages += s->messages;
  r->datagrams += s->datagrams;
  r->bytes += s->bytes;
  r->steps += s->steps;
  add_known(&r->known, &s->known);
  for (int i = 0; i < HS2N_SIM_CHAOS_KINDS; i++) {
    r->faults[i] += s->faults[i];
  }
  if (s->settled_ns != HS2N_TIME_NEVER && s->settled_ns > r->settled_max) {
    r->settled_max = s->settled_ns;
  }
  if (s->memory_peak > r->memory_peak) {
    r->memory_peak = s->memory_peak;
  }
  if (!o->quiet || s->failed) {
    print_line(s);
  }
  if (s->failed) {
    (void)printf("         %s\n", s->failure);
  }
  (void)fflush(stdout);
}

static void print_fault(uint64_t n, const char *text) {
  if (n > 0) {
    (void)printf("  %8llu  %s\n", (unsigned long long)n, text);
  }
}

static void print_known(const struct known_counts *c) {
  (void)printf("known before: %llu of %llu signatures, %llu of %llu keys, %llu "
               "of %llu shared secrets\n",
               (unsigned long long)c->signatures_known,
               (unsigned long long)c->signatures,
               (unsigned long long)c->keys_known, (unsigned long long)c->keys,
               (unsigned long long)c->secrets_known,
               (unsigned long long)c->secrets);
}

static void print_summary(const struct report *r, uint64_t real_ns) {
  (void)printf("\n%llu seeds, %llu failed\n", (unsigned long long)r->runs,
               (unsigned long long)r->failed);
  (void)printf("%.1f virtual s in %.1f real s of %.1f processor s: %.1f "
               "virtual a real second\n",
               seconds(r->virtual_ns), seconds(real_ns), seconds(r->run_ns),
               seconds(r->virtual_ns) / seconds(real_ns));
  (void)printf("%.2f node-hours, %.0f in a real hour\n",
               seconds(r->node_ns) / 3600,
               seconds(r->node_ns) / seconds(real_ns));
  (void)printf("%llu blocks, %llu transactions, %llu messages, %llu datagrams "
               "of %.1f MB\n",
               (unsigned long long)r->blocks, (unsigned long long)r->txs,
               (unsigned long long)r->messages,
               (unsigned long long)r->datagrams, (double)r->bytes / 1e6);
  (void)printf("all went on within %.1f ms of the network being well; a node "
               "held at most %.1f MB\n",
               ms(r->settled_max), (double)r->memory_peak / 1e6);
#define X(name, weight, text) \
  print_fault(r->faults[HS2N_SIM_CHAOS_##name], text);
  HS2N_SIM_CHAOS_LIST(X)
#undef X
}

struct summary {
  const struct report *report;
  const struct options *options;
  uint64_t real_ns;
};

static void write_known(struct json *j, const struct known_counts *c) {
  json_object(j, "known_before");
  json_u64(j, "signatures", c->signatures_known);
  json_u64(j, "signatures_asked", c->signatures);
  json_u64(j, "keys", c->keys_known);
  json_u64(j, "keys_asked", c->keys);
  json_u64(j, "shared_secrets", c->secrets_known);
  json_u64(j, "shared_secrets_asked", c->secrets);
  json_end(j);
}

static void write_fields(struct json *j, const void *data) {
  const struct summary *const s = data;
  const struct report *const r = s->report;
  const struct options *const o = s->options;
  const uint64_t real_ns = s->real_ns;

  json_text(j, "profile", o->run.profile->name);
  json_text(j, "transport", over_tcp(o) ? "tcp" : "quic");
  json_text(j, "cryptography", o->run.cached ? "cached" : "real");
  json_u64(j, "nodes", o->run.cluster.replicas);
  json_u64(j, "seeds", r->runs);
  json_u64(j, "failed", r->failed);
  json_number(j, "virtual_s", seconds(r->virtual_ns));
  json_number(j, "real_s", seconds(real_ns));
  json_number(j, "virtual_per_real", seconds(r->virtual_ns) / seconds(real_ns));
  json_number(j, "node_hours", seconds(r->node_ns) / 3600);
  json_number(j, "node_hours_per_hour", seconds(r->node_ns) / seconds(real_ns));
  json_u64(j, "blocks", r->blocks);
  json_u64(j, "transactions", r->txs);
  json_u64(j, "messages", r->messages);
  json_u64(j, "datagrams", r->datagrams);
  json_u64(j, "bytes", r->bytes);
  json_number(j, "well_again_ms_max", ms(r->settled_max));
  json_u64(j, "node_memory_peak_bytes", r->memory_peak);
  if (o->run.cached) {
    write_known(j, &r->known);
  }
  json_object(j, "faults");
#define X(name, weight, text) \
  json_u64(j, text, r->faults[HS2N_SIM_CHAOS_##name]);
  HS2N_SIM_CHAOS_LIST(X)
#undef X
  json_end(j);
}

bool report_end(struct report *r, const struct options *o) {
  const struct summary s = {r, o, real_now() - r->begun_ns};

  print_summary(r, s.real_ns);
  if (o->run.cached) {
    print_known(&r->known);
  }
  return (o->json == NULL ||
          json_file(o->json, "hs2net-sim", write_fields, &s)) &&
         r->failed == 0 && r->runs > 0;
}
