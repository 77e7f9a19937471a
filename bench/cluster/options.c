#include "options.h"

#include <hs2net/node.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "Usage: hs2net-cluster [OPTION...]\n"
    "\n"
    "Runs a committee of HotStuff-2 replicas over hs2net, one process each, "
    "on\n"
    "this machine; loads it with transactions, kills a replica and brings it\n"
    "back, and checks all the while that no two replicas disagree.\n"
    "\n"
    "  --replicas N          replicas, 4 to 64; 3f+1 survive f (default 4)\n"
    "  --rate N              transactions a second; 0: as fast as it takes\n"
    "                        them (default 2000)\n"
    "  --tx-bytes N          size of a transaction, 8 to 65536 (default 512)\n"
    "  --duration TIME       such as 20s, 500ms or 2m (default 20s)\n"
    "  --no-kill             let all replicas live\n"
    "  --transport KIND      quic, or tcp: TCP and TLS 1.3 (default quic)\n"
    "  --storage KIND        fsync: votes wait for the disk; file: written,\n"
    "                        not synced; memory: nothing is kept, implies\n"
    "                        --no-kill (default fsync)\n"
    "  --fsync on|off        the same as --storage fsync or file\n"
    "  --block-max-txs N     transactions in a block (default 4096)\n"
    "  --block-max-bytes N   bytes of a block (default 2097152)\n"
    "  --timer-ms N          least time-out of a view (default 50)\n"
    "  --uplink-mbit N       what each replica is told of its uplink, Mbit/s;\n"
    "                        0: nothing (default 0)\n"
    "  --sweep               raise the rate until latency doubles, and show\n"
    "                        what was reached at each step\n"
    "  --base-port N         ports N, N+1, ...; 0: any free (default 0)\n"
    "  --netns FD            replica i runs in the network namespace open as\n"
    "                        descriptor FD + i, at 10.77.0.(i + 1), see\n"
    "                        hs2net-impair\n"
    "  --seed N              chooses the victim and the payloads (default 1)\n"
    "  --json FILE           also write the results as JSON\n"
    "  --keep                keep keys, logs and messages of the replicas\n"
    "  --help, --version\n"
    "\n"
    "Exit code: 0 all checks passed, 1 a check failed, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  hs2net-cluster\n"
    "  hs2net-cluster --replicas 7 --rate 500 --duration 1m\n"
    "  hs2net-cluster --transport tcp\n"
    "  hs2net-cluster --storage memory --sweep --json sweep.json\n";

static bool number(const char *text, uint64_t min, uint64_t max,
                   uint64_t *out) {
  char *end;
  unsigned long long value;

  errno = 0;
  value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
      value < min || value > max) {
    return false;
  }
  *out = value;
  return true;
}

static bool duration(const char *text, hs2n_time *out) {
  char *end;
  hs2n_time unit = HS2N_S(1);
  unsigned long long value;

  errno = 0;
  value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || errno != 0 || value == 0 ||
      value > 86400000) {
    return false;
  }
  if (strcmp(end, "ms") == 0) {
    unit = HS2N_MS(1);
  } else if (strcmp(end, "m") == 0) {
    unit = HS2N_S(60);
  } else if (strcmp(end, "s") != 0 && *end != '\0') {
    return false;
  }
  *out = value * unit;
  return *out >= HS2N_S(1) && *out <= HS2N_S(86400);
}

static bool transport(const char *text, enum hs2n_transport *out) {
  if (strcmp(text, "quic") == 0) {
    *out = HS2N_TRANSPORT_QUIC;
  } else if (strcmp(text, "tcp") == 0) {
    *out = HS2N_TRANSPORT_TCP;
  } else {
    return false;
  }
  return true;
}

static bool storage(const char *text, enum rep_store_sync *out) {
  if (strcmp(text, "fsync") == 0 || strcmp(text, "on") == 0) {
    *out = REP_STORE_FSYNC;
  } else if (strcmp(text, "file") == 0 || strcmp(text, "off") == 0) {
    *out = REP_STORE_NO_FSYNC;
  } else if (strcmp(text, "memory") == 0) {
    *out = REP_STORE_MEMORY;
  } else {
    return false;
  }
  return true;
}

/* An option with a value: its name, and what the value must be. */
enum name {
  REPLICAS,
  N,
  RATE,
  TX_BYTES,
  DURATION,
  TRANSPORT,
  STORAGE,
  FSYNC,
  BLOCK_TXS,
  BLOCK_BYTES,
  TIMER,
  UPLINK,
  BASE_PORT,
  NETNS,
  SEED,
  JSON_FILE,
  NAMES
};

static const struct {
  const char *name;
  const char *wants;
} valued[NAMES] = {
    [REPLICAS] = {"--replicas", "a number from 4 to 64"},
    [N] = {"--n", "a number from 4 to 64"},
    [RATE] = {"--rate", "a number from 0 to 10000000"},
    [TX_BYTES] = {"--tx-bytes", "a number from 8 to 65536"},
    [DURATION] = {"--duration", "a time of 1s or more, such as 20s or 2m"},
    [TRANSPORT] = {"--transport", "quic or tcp"},
    [STORAGE] = {"--storage", "fsync, file or memory"},
    [FSYNC] = {"--fsync", "on or off"},
    [BLOCK_TXS] = {"--block-max-txs", "a number from 1 to 100000"},
    [BLOCK_BYTES] = {"--block-max-bytes", "a number from 131072 to 16777216"},
    [TIMER] = {"--timer-ms", "a number from 20 to 60000"},
    [UPLINK] = {"--uplink-mbit", "a number from 0 to 1000000"},
    [BASE_PORT] = {"--base-port", "0, or a port from 1024 to 65000"},
    [NETNS] = {"--netns", "the number of an open descriptor"},
    [SEED] = {"--seed", "a number"},
    [JSON_FILE] = {"--json", "the name of a file to write"},
};

static bool set(struct options *o, enum name name, const char *text) {
  uint64_t value = 0;
  bool ok = false;

  switch (name) {
  case REPLICAS:
  case N:
    ok = number(text, 4, CLUSTER_N_MAX, &value);
    o->replicas = (uint32_t)value;
    break;
  case RATE:
    ok = number(text, 0, 10000000, &o->rate);
    break;
  case TX_BYTES:
    ok = number(text, 8, 65536, &value);
    o->tx_bytes = (uint32_t)value;
    break;
  case DURATION:
    ok = duration(text, &o->duration);
    break;
  case TRANSPORT:
    ok = transport(text, &o->transport);
    break;
  case STORAGE:
    ok = text[0] != 'o' && storage(text, &o->storage);
    break;
  case FSYNC:
    ok = text[0] == 'o' && storage(text, &o->storage);
    break;
  case BLOCK_TXS:
    ok = number(text, 1, 100000, &value);
    o->block_txs_max = (uint32_t)value;
    break;
  case BLOCK_BYTES:
    ok = number(text, 128u << 10, 16u << 20, &value);
    o->block_bytes_max = (uint32_t)value;
    break;
  case TIMER:
    ok = number(text, 20, 60000, &value);
    o->timer_ms = (uint32_t)value;
    break;
  case UPLINK:
    ok = number(text, 0, 1000000, &o->uplink_mbit);
    break;
  case BASE_PORT:
    ok = number(text, 0, 65000, &value) && (value == 0 || value >= 1024);
    o->base_port = (uint16_t)value;
    break;
  case NETNS:
    ok = number(text, 3, 1u << 20, &value);
    o->netns_fd = (int)value;
    break;
  case SEED:
    ok = number(text, 0, UINT64_MAX, &o->seed);
    break;
  case JSON_FILE:
    ok = text[0] != '\0';
    o->json = text;
    break;
  case NAMES:
    break;
  }
  return ok;
}

static bool set_flag(struct options *o, const char *arg) {
  if (strcmp(arg, "--no-kill") == 0) {
    o->kill = false;
  } else if (strcmp(arg, "--keep") == 0) {
    o->keep = true;
  } else if (strcmp(arg, "--sweep") == 0) {
    o->sweep = true;
  } else {
    return false;
  }
  return true;
}

static enum options_result wrong(const char *arg, const char *why) {
  (void)fprintf(stderr, "hs2net-cluster: %s: %s\n", arg, why);
  (void)fprintf(stderr, "hs2net-cluster --help lists all options\n");
  return OPTIONS_WRONG;
}

/* Takes the option at argv[*i], and its value, which may follow it or an
 * equals sign. */
static enum options_result take(struct options *o, int argc, char **argv,
                                int *i) {
  const char *const arg = argv[*i];
  const size_t len = strcspn(arg, "=");
  char why[96];

  if (set_flag(o, arg)) {
    return OPTIONS_RUN;
  }
  for (int k = 0; k < NAMES; k++) {
    const char *value = arg[len] == '=' ? arg + len + 1 : NULL;

    if (strlen(valued[k].name) != len ||
        strncmp(valued[k].name, arg, len) != 0) {
      continue;
    }
    if (value == NULL && *i + 1 < argc) {
      (*i)++;
      value = argv[*i];
    }
    if (value != NULL && set(o, (enum name)k, value)) {
      return OPTIONS_RUN;
    }
    (void)snprintf(why, sizeof(why), "wants %s", valued[k].wants);
    return wrong(valued[k].name, why);
  }
  return wrong(arg, "no such option");
}

/* Whether there is a descriptor for each; the replicas themselves need none
 * of them. */
static bool netns_open(const struct options *o) {
  for (uint32_t i = 0; o->netns_fd >= 0 && i < o->replicas; i++) {
    if (fcntl(o->netns_fd + (int)i, F_SETFD, FD_CLOEXEC) != 0) {
      return false;
    }
  }
  return true;
}

static enum options_result check(struct options *o) {
  if (o->tx_bytes + 8192 > o->block_bytes_max) {
    return wrong("--tx-bytes", "a transaction must fit into a block, see "
                               "--block-max-bytes");
  }
  if (o->base_port != 0 && o->base_port + o->replicas > 65535) {
    return wrong("--base-port", "leaves too few ports for all replicas");
  }
  if (o->transport == HS2N_TRANSPORT_TCP && o->uplink_mbit != 0) {
    return wrong("--uplink-mbit", "can't be known over TCP");
  }
  if (!netns_open(o)) {
    return wrong("--netns", "wants an open descriptor for each replica");
  }
  if (o->storage == REP_STORE_MEMORY || o->sweep) {
    o->kill = false;
  }
  if (o->json != NULL) { /* better now than after the run */
    FILE *const file = fopen(o->json, "ae");

    if (file == NULL) {
      return wrong(o->json, strerror(errno));
    }
    (void)fclose(file);
  }
  return OPTIONS_RUN;
}

enum options_result options_parse(struct options *out, int argc, char **argv) {
  struct options o = {.replicas = 4,
                      .rate = 2000,
                      .tx_bytes = 512,
                      .duration = HS2N_S(20),
                      .kill = true,
                      .storage = REP_STORE_FSYNC,
                      .block_txs_max = 4096,
                      .block_bytes_max = 2u << 20,
                      .timer_ms = 50,
                      .netns_fd = -1,
                      .seed = 1};
  enum options_result result = OPTIONS_RUN;

  for (int i = 1; i < argc && result == OPTIONS_RUN; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      (void)fputs(help, stdout);
      return OPTIONS_SHOWN;
    }
    if (strcmp(argv[i], "--version") == 0) {
      (void)printf("hs2net-cluster %s\n%s", hs2n_version(),
                   hs2n_version_long());
      return OPTIONS_SHOWN;
    }
    result = take(&o, argc, argv, &i);
  }
  if (result == OPTIONS_RUN) {
    result = check(&o);
  }
  *out = o;
  return result;
}
