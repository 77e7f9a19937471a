/* hs2net-micro: one number each.
 *
 *   hs2net-micro [--quick] [--only BENCH] [--json FILE] */
#include "json.h"
#include "micro.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const struct {
  const char *name;
  void (*run)(struct micro *m);
} benches[] = {
    {"pingpong", bench_pingpong},
    {"oneway", bench_oneway},
    {"bulk", bench_bulk},
    {"broadcast", bench_broadcast},
    {"connect", bench_connect},
    {"memory", bench_memory},
    {"allocations", bench_allocations},
    {"copies", bench_copies},
    {"compress", bench_compress},
    {"wire", bench_wire},
    {"transports", bench_transports},
};
#define BENCHES (sizeof(benches) / sizeof(benches[0]))

void micro_add(struct micro *m, const char *name, const char *unit,
               double value) {
  must_system("too many rows", m->rows_n < ROWS_MAX);
  m->rows[m->rows_n] = (struct row){
      .bench = m->bench, .name = name, .unit = unit, .value = value};
  m->rows_n++;
  printf("%-12s %-48s %14.2f %s\n", m->bench, name, value, unit);
  fflush(stdout);
}

void micro_promise_zero(struct micro *m, const char *name, double value) {
  micro_add(m, name, "", value);
  if (value > 0) {
    fprintf(stderr, "hs2net-micro: %s must be 0\n", name);
    m->broken = true;
  }
}

static void write_rows(struct json *j, const void *data) {
  const struct micro *const m = data;
  struct utsname machine;

  must_system("uname", uname(&machine) == 0);
  json_text(j, "versions", hs2n_version_long());
  json_text(j, "kernel", machine.release);
  json_u64(j, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
  json_bool(j, "quick", m->quick);
  json_array(j, "rows");
  for (size_t i = 0; i < m->rows_n; i++) {
    json_object(j, NULL);
    json_text(j, "bench", m->rows[i].bench);
    json_text(j, "name", m->rows[i].name);
    json_text(j, "unit", m->rows[i].unit);
    json_number(j, "value", m->rows[i].value);
    json_end(j);
  }
  json_end(j);
}

static int usage(FILE *out) {
  fprintf(out, "usage: hs2net-micro [--quick] [--only BENCH] [--json FILE]\n"
               "benches:");
  for (size_t i = 0; i < BENCHES; i++) {
    fprintf(out, " %s", benches[i].name);
  }
  fprintf(out, "\n");
  return out == stdout ? 0 : 2;
}

static bool is_bench(const char *name) {
  for (size_t i = 0; i < BENCHES; i++) {
    if (strcmp(name, benches[i].name) == 0) {
      return true;
    }
  }
  return false;
}

static void make_identities(struct micro *m) {
  for (size_t i = 0; i <= PEERS_MAX; i++) {
    must("identity", hs2n_identity_generate(&m->ids[i], hs2n_mem_libc(),
                                            hs2n_rand_system, NULL));
  }
}

static void finish(struct micro *m) {
  for (size_t i = 0; i <= PEERS_MAX; i++) {
    hs2n_identity_free(m->ids[i]);
  }
  free(m);
}

int main(int argc, char **argv) {
  struct micro *m = calloc(1, sizeof(*m));
  const char *json_path = NULL;
  bool broken;

  must_system("calloc", m != NULL);
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      return usage(stdout);
    }
    if (strcmp(argv[i], "--quick") == 0) {
      m->quick = true;
    } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc &&
               is_bench(argv[i + 1])) {
      m->only = argv[++i];
    } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json_path = argv[++i];
    } else {
      return usage(stderr);
    }
  }
  make_identities(m);
  for (size_t i = 0; i < BENCHES; i++) {
    if (m->only == NULL || strcmp(m->only, benches[i].name) == 0) {
      m->bench = benches[i].name;
      benches[i].run(m);
    }
  }
  if (json_path != NULL &&
      !json_file(json_path, "hs2net-micro", write_rows, m)) {
    return 1;
  }
  broken = m->broken;
  finish(m);
  return broken ? 1 : 0;
}
