#include "report.h"

#include "json.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB 1048576.0

void report_head(void) {
  printf("      |   RSS MiB    |   live MiB   | other |     |      messages of"
         " this minute       |  and of their connections\n"
         "  min |   low   peak |   low   peak |   MiB | cpu |   sent delivered"
         "  acked expired | resent copied  conns  full\n");
  fflush(stdout);
}

static void print_memory(struct gauge_range range) {
  printf(" %5.2f %6.2f |", (double)range.low / MIB, (double)range.peak / MIB);
}

void report_minute(struct report *r, struct soak *s, hs2n_time now) {
  const struct gauge_minute *const m = gauge_minute(&s->gauge, now);
  const struct soak_sums sums = soak_sums(s);
  const struct ledger *const l = &s->ledger;
  const struct hs2n_stats *const nodes = &sums.nodes;
  const struct hs2n_stats *const before = &r->sums.nodes;

  printf("%5" PRIu32 " |", s->gauge.minutes_n);
  print_memory(m->rss);
  print_memory(m->live);
  printf(" %5.2f | %2.0f%% | %6" PRIu64 " %9" PRIu64 " %6" PRIu64 " %7" PRIu64,
         (double)m->other / MIB, 100 * m->cpu,
         l->receivers - r->ledger.receivers, l->delivered - r->ledger.delivered,
         l->acked - r->ledger.acked, l->expired - r->ledger.expired);
  printf(" | %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %5" PRIu64 "\n",
         nodes->messages_resent - before->messages_resent,
         nodes->messages_copied - before->messages_copied,
         (nodes->connections_opened - before->connections_opened) / 2,
         sums.fulls - r->sums.fulls);
  fflush(stdout);
  *r = (struct report){.ledger = *l, .sums = sums};
}

void report_judge(struct verdict *v, const struct soak *s) {
  const struct ledger *const l = &s->ledger;

  v->growth = gauge_growth(&s->gauge);
  v->left = s->gauge.live;
  v->open = l->opens_n + v->sums.fulls - v->sums.writables;
  v->good = v->drained && v->open == 0 && v->left == 0 && v->growth.flat &&
            ledger_faults(l) == 0 && l->accepted == l->completed &&
            v->sums.nodes.protocol_errors == 0 && l->acked > 0 &&
            l->quorums > 0 && l->answered > 0 && l->held > 0 &&
            v->sums.nodes.batches_compressed > 0;
}

static void print_count(const char *name, uint64_t value, const char *text) {
  printf("%-12s %12" PRIu64 "  %s\n", name, value, text);
}

void report_verdict(const struct verdict *v, const struct soak *s) {
  const struct ledger *const l = &s->ledger;

#define X(field, text) print_count(#field, l->field, text);
  LEDGER_COUNTS(X)
  LEDGER_FAULTS(X)
#undef X
  print_count("open", v->open, "sends without completion, peers left full");
  print_count("full", v->sums.fulls, "times that a peer was FULL");
  print_count("writable", v->sums.writables, "of these, WRITABLE again");
  print_count("ended", v->sums.unjudged,
              "LATERs and requests that ended before their verdict or answer");
  print_count("left", v->left, "bytes not given back in the end");
  print_count("dropped", s->relay.dropped, "datagrams that met a broken link");
  print_count("carried", s->relay.carried, "the others");
  if (v->growth.known) {
    printf("Growth of the last third over the middle one, in bytes: live low "
           "%" PRId64 ", live peak %" PRId64 ", other %" PRId64
           ", RSS low %" PRId64 ".\n",
           v->growth.live_low, v->growth.live_peak, v->growth.other,
           v->growth.rss_low);
  }
  printf("%s\n", !v->good          ? "BAD"
                 : v->growth.known ? "GOOD: nothing lost, nothing doubled, "
                                     "memory flat"
                                   : "GOOD: nothing lost, nothing doubled; "
                                     "too short to say that memory is flat");
}

static void write_range(struct json *j, const char *key,
                        struct gauge_range range) {
  json_object(j, key);
  json_u64(j, "low", range.low);
  json_u64(j, "peak", range.peak);
  json_end(j);
}

static void write_minutes(struct json *j, const struct gauge *g) {
  json_array(j, "minutes");
  for (uint32_t i = 0; i < g->minutes_n; i++) {
    json_object(j, NULL);
    write_range(j, "rss_bytes", g->minutes[i].rss);
    write_range(j, "live_bytes", g->minutes[i].live);
    json_u64(j, "other_bytes", g->minutes[i].other);
    json_number(j, "cpu", g->minutes[i].cpu);
    json_end(j);
  }
  json_end(j);
}

static void write_nodes(struct json *j, const struct hs2n_stats *nodes) {
  json_object(j, "nodes");
#define X(field, text) json_u64(j, #field, nodes->field);
  HS2N_STATS_LIST(X)
#undef X
  json_end(j);
}

struct written {
  const struct verdict *verdict;
  const struct soak *soak;
};

static void write_members(struct json *j, const void *data) {
  const struct written *const w = data;
  const struct verdict *const v = w->verdict;
  const struct soak *const s = w->soak;

  json_text(j, "versions", hs2n_version_long());
  json_bool(j, "good", v->good);
#define X(field, text) json_u64(j, #field, s->ledger.field);
  LEDGER_COUNTS(X)
  LEDGER_FAULTS(X)
#undef X
  json_u64(j, "open", v->open);
  json_u64(j, "full", v->sums.fulls);
  json_u64(j, "writable", v->sums.writables);
  json_u64(j, "left_bytes", v->left);
  write_nodes(j, &v->sums.nodes);
  write_minutes(j, &s->gauge);
}

bool report_json(const char *path, const struct verdict *v,
                 const struct soak *s) {
  const struct written w = {v, s};

  return json_file(path, "hs2net-soak", write_members, &w);
}
