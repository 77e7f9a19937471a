#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char help[] =
    "Usage: hs2net-sim [OPTION...]\n"
    "\n"
    "Runs HotStuff-2 replicas, each on a real hs2net node with real TLS and\n"
    "QUIC or a modelled TCP, in one process on virtual time, lets faults "
    "happen to them, and\n"
    "checks that they never disagree and go on once the network is well.\n"
    "A run is a function of its seed.\n"
    "\n"
    "  --replicas N       4 to 1000 nodes; replicas up to 128 (default 7)\n"
    "  --profile NAME     the network, see below (default wan10)\n"
    "  --transport NAME   quic or tcp (default quic)\n"
    "  --seed N           one seed (default 1)\n"
    "  --seeds A..B       these seeds\n"
    "  --minutes N        seeds from the first on for so long\n"
    "  --seconds N        virtual seconds with faults (default 60)\n"
    "  --settle N         virtual seconds in which all must go on afterwards\n"
    "                     (default 60)\n"
    "  --faults-every MS  on average; 0: no faults (default 500)\n"
    "  --faults A,B       only these kinds, see below\n"
    "  --rate N           transactions a second, to all replicas (default 5)\n"
    "  --tx-bytes N       of a transaction, 40 to 65536 (default 200)\n"
    "  --twin             one replica runs twice with the same key\n"
    "  --cached           of handshakes and certificates, do not compute what "
    "this\n"
    "                     process has computed before; every hash stays what "
    "it "
    "is\n"
    "  --load             no replicas: every node sends votes of --tx-bytes "
    "to\n"
    "                     all, --rate a second, and a tenth as many messages "
    "of\n"
    "                     64 to 128 KiB\n"
    "  --twice            run each seed twice and compare the hashes\n"
    "  --jobs N           processes (default 1)\n"
    "  --trace N          print events up to level 1, 2 or 3\n"
    "  --quiet            only the summary and what failed\n"
    "  --record FILE      record the first life of a node, of the only seed\n"
    "  --record-node N    which (default 0)\n"
    "  --replay FILE      simulate nothing, but do again what a recording "
    "says;\n"
    "                     --trace 1 prints what the node logs\n"
    "  --identity PEM     key of the recorded node: written by --record, read "
    "by\n"
    "                     --replay\n"
    "  --json FILE        also write the summary as JSON\n"
    "  --help, --version\n"
    "\n"
    "Exit code: 0 all seeds passed, 1 one failed, or a replay differed,\n"
    "2 wrong usage.\n";

/* Names in the header are in capitals; what is typed need not be. */
static const struct {
  const char *name;
  const char *text;
} faults[] = {
#define X(name, weight, text) {#name, text},
    HS2N_SIM_CHAOS_LIST(X)
#undef X
};

static void print_help(void) {
  (void)fputs(help, stdout);
  (void)puts("\nNetworks:");
  for (size_t i = 0; i < profiles_n; i++) {
    (void)printf("  %-10s  %s\n", profiles[i].name, profiles[i].text);
  }
  (void)puts("\nFaults:");
  for (size_t i = 0; i < HS2N_SIM_CHAOS_KINDS; i++) {
    (void)printf("  %-10s  %s\n", faults[i].name, faults[i].text);
  }
}

static bool number_until(const char *text, const char **out_end, uint64_t min,
                         uint64_t max, uint64_t *out) {
  unsigned long long value;
  char *end;

  errno = 0;
  value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || errno != 0 || value < min ||
      value > max) {
    return false;
  }
  *out_end = end;
  *out = value;
  return true;
}

static bool number(const char *text, uint64_t min, uint64_t max,
                   uint64_t *out) {
  const char *end;

  return number_until(text, &end, min, max, out) && *end == '\0';
}

static bool small(const char *text, uint32_t min, uint32_t max, uint32_t *out) {
  uint64_t value;

  if (!number(text, min, max, &value)) {
    return false;
  }
  *out = (uint32_t)value;
  return true;
}

static bool scaled(const char *text, uint64_t max, hs2n_time unit,
                   hs2n_time *out) {
  uint64_t value;

  if (!number(text, 0, max, &value)) {
    return false;
  }
  *out = value * unit;
  return true;
}

static bool range(const char *text, uint64_t *out_first, uint64_t *out_last) {
  const char *end;

  return number_until(text, &end, 0, UINT64_MAX - 1, out_first) &&
         end[0] == '.' && end[1] == '.' &&
         number(end + 2, *out_first, UINT64_MAX - 1, out_last);
}

enum {
  REPLICAS = 256,
  PROFILE,
  TRANSPORT,
  SEED,
  SEEDS,
  MINUTES,
  SECONDS,
  SETTLE,
  FAULTS_EVERY,
  FAULTS,
  RATE,
  TX_BYTES,
  TWIN,
  CACHED,
  LOAD,
  TWICE,
  JOBS,
  TRACE,
  QUIET,
  RECORD,
  RECORD_NODE,
  REPLAY,
  IDENTITY,
  JSON,
  HELP,
  VERSION,
};

static const struct option table[] = {
    {"replicas", required_argument, NULL, REPLICAS},
    {"profile", required_argument, NULL, PROFILE},
    {"transport", required_argument, NULL, TRANSPORT},
    {"seed", required_argument, NULL, SEED},
    {"seeds", required_argument, NULL, SEEDS},
    {"minutes", required_argument, NULL, MINUTES},
    {"seconds", required_argument, NULL, SECONDS},
    {"settle", required_argument, NULL, SETTLE},
    {"faults-every", required_argument, NULL, FAULTS_EVERY},
    {"faults", required_argument, NULL, FAULTS},
    {"rate", required_argument, NULL, RATE},
    {"tx-bytes", required_argument, NULL, TX_BYTES},
    {"twin", no_argument, NULL, TWIN},
    {"cached", no_argument, NULL, CACHED},
    {"load", no_argument, NULL, LOAD},
    {"twice", no_argument, NULL, TWICE},
    {"jobs", required_argument, NULL, JOBS},
    {"trace", required_argument, NULL, TRACE},
    {"quiet", no_argument, NULL, QUIET},
    {"record", required_argument, NULL, RECORD},
    {"record-node", required_argument, NULL, RECORD_NODE},
    {"replay", required_argument, NULL, REPLAY},
    {"identity", required_argument, NULL, IDENTITY},
    {"json", required_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

static bool transport(const char *text, enum hs2n_transport *out) {
  const bool tcp = strcmp(text, "tcp") == 0;

  *out = tcp ? HS2N_TRANSPORT_TCP : HS2N_TRANSPORT_QUIC;
  return tcp || strcmp(text, "quic") == 0;
}

static bool take_network(struct options *o, int option, const char *text) {
  struct run_config *const r = &o->run;

  switch (option) {
  case REPLICAS:
    return small(text, 4, HS2N_SIM_NODES_MAX, &r->cluster.replicas);
  case PROFILE:
    r->profile = profile_find(text);
    return r->profile != NULL;
  case TRANSPORT:
    return transport(text, &r->transport);
  case SECONDS:
    return scaled(text, 1u << 20, HS2N_S(1), &r->length);
  case SETTLE:
    return scaled(text, 1u << 20, HS2N_S(1), &r->settle);
  case FAULTS_EVERY:
    return scaled(text, 1u << 20, HS2N_MS(1), &r->faults_every);
  case RATE:
    return small(text, 0, 1000000, &r->cluster.tx_per_s);
  case TX_BYTES:
    return small(text, HS2N_SIM_BODY_MIN, 65536, &r->cluster.tx_bytes);
  case TWIN:
    r->cluster.twin = true;
    return true;
  case CACHED:
    r->cached = true;
    return true;
  case LOAD:
    r->kind = RUN_LOAD;
    return true;
  default:
    return false;
  }
}

static bool take_recording(struct options *o, int option, const char *text) {
  switch (option) {
  case RECORD:
    o->run.record = text;
    return true;
  case RECORD_NODE:
    return small(text, 0, HS2N_SIM_NODES_MAX - 1, &o->run.record_node);
  case REPLAY:
    o->replay = text;
    return true;
  case IDENTITY:
    o->run.identity = text;
    return true;
  default:
    return take_network(o, option, text);
  }
}

static bool one_fault(const char *name, size_t len, uint32_t *kinds) {
  for (size_t i = 0; i < HS2N_SIM_CHAOS_KINDS; i++) {
    if (strlen(faults[i].name) == len &&
        strncasecmp(faults[i].name, name, len) == 0) {
      *kinds |= 1u << i;
      return true;
    }
  }
  return false;
}

static bool some_faults(const char *text, uint32_t *out_kinds) {
  uint32_t kinds = 0;

  for (;;) {
    const size_t len = strcspn(text, ",");

    if (!one_fault(text, len, &kinds)) {
      return false;
    }
    if (text[len] == '\0') {
      *out_kinds = kinds;
      return true;
    }
    text += len + 1;
  }
}

static bool one_seed(const char *text, struct options *o) {
  const bool good = number(text, 0, UINT64_MAX - 1, &o->first);

  o->last = o->first;
  return good;
}

static bool trace_level(const char *text, int *out) {
  uint32_t value;

  if (!small(text, 1, 3, &value)) {
    return false;
  }
  *out = (int)value;
  return true;
}

static bool take(struct options *o, int option, const char *text) {
  switch (option) {
  case SEED:
    return one_seed(text, o);
  case SEEDS:
    return range(text, &o->first, &o->last);
  case MINUTES:
    o->last = UINT64_MAX - 1;
    return small(text, 1, 100000, &o->minutes);
  case TWICE:
    o->twice = true;
    return true;
  case JOBS:
    return small(text, 1, 256, &o->jobs);
  case TRACE:
    return trace_level(text, &o->run.trace);
  case FAULTS:
    return some_faults(text, &o->run.faults);
  case QUIET:
    o->quiet = true;
    return true;
  case JSON:
    o->json = text;
    return true;
  default:
    return take_recording(o, option, text);
  }
}

static const char *name_of(int option) {
  for (size_t i = 0; table[i].name != NULL; i++) {
    if (table[i].val == option) {
      return table[i].name;
    }
  }
  return "?";
}

static int wrong(const char *what) {
  (void)fprintf(stderr, "hs2net-sim: %s; try --help\n", what);
  return 2;
}

static int check_recording(const struct options *o) {
  if ((o->run.record != NULL || o->replay != NULL) && o->run.identity == NULL) {
    return wrong("--record and --replay need --identity");
  }
  if (o->run.record != NULL && (o->first != o->last || o->twice)) {
    return wrong("--record needs one seed, run once");
  }
  if (o->run.record_node >= o->run.cluster.replicas) {
    return wrong("--record-node is no node");
  }
  return -1;
}

static int check(const struct options *o) {
  if (o->run.kind == RUN_CLUSTER && o->run.cluster.replicas > REP_N_MAX) {
    return wrong("--replicas is at most 128 without --load");
  }
  if (o->run.kind == RUN_LOAD && o->run.cluster.twin) {
    return wrong("--twin needs replicas");
  }
  return check_recording(o);
}

int options_read(struct options *out, int argc, char **argv) {
  int option;

  *out = (struct options){
      .run = {.cluster = {.replicas = 7, .tx_per_s = 5, .tx_bytes = 200},
              .profile = profile_find("wan10"),
              .length = HS2N_S(60),
              .settle = HS2N_S(60),
              .faults_every = HS2N_MS(500)},
      .first = 1,
      .last = 1,
      .jobs = 1};
  while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
    if (option == HELP) {
      print_help();
      return 0;
    }
    if (option == VERSION) {
      (void)printf("hs2net-sim %s\n", hs2n_version_long());
      return 0;
    }
    if (option == '?') {
      return wrong("unknown option, or one without its value");
    }
    if (!take(out, option, optarg)) {
      (void)fprintf(stderr, "hs2net-sim: --%s %s: not possible; try --help\n",
                    name_of(option), optarg == NULL ? "" : optarg);
      return 2;
    }
  }
  if (optind < argc) {
    return wrong("takes no arguments but options");
  }
  return check(out);
}
