/* reference: prints docs/reference.md from the lists in the public headers,
 * so that the page can't differ from the code.  `meson test` compares them;
 * `build/tools/reference > docs/reference.md` brings the page up to date. */
#include <hs2net/hs2net.h>
#include <hs2net/sim.h>
#include <inttypes.h>
#include <stdio.h>

static void limits(void) {
  printf("## Limits\n\n"
         "Fields of `struct hs2n_limits`. `hs2n_limits_check` names the first "
         "field that is out\nof range.\n\n"
         "| field | default | least | most | unit and meaning |\n"
         "|---|---|---|---|---|\n");
#define X(type, field, def, min, max, text)                                   \
  printf("| `%s` | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %s |\n", #field, \
         (uint64_t)(def), (uint64_t)(min), (uint64_t)(max), text);
  HS2N_LIMITS_LIST(X)
#undef X
}

static void errors(void) {
  printf("\n## Errors\n\nWhat a call returns.\n\n"
         "| name | value | meaning |\n|---|---|---|\n");
#define X(name, value, text) printf("| `%s` | %d | %s |\n", #name, value, text);
  HS2N_ERR_LIST(X)
#undef X
}

static void reasons(void) {
  printf("\n## Reasons\n\nWhy a connection ended or a message was refused. "
         "Those below 0x100 are also QUIC\napplication error codes on the "
         "wire.\n\n| name | value | meaning |\n|---|---|---|\n");
#define X(name, value, text) \
  printf("| `%s` | 0x%02x | %s |\n", #name, (unsigned)(value), text);
  HS2N_REASON_LIST(X)
#undef X
}

static void counters(void) {
  printf("\n## Counters\n\nOf a node (`hs2n_node_stats`), totals since it was "
         "made.\n\n| field | counts |\n|---|---|\n");
#define X(field, text) printf("| `%s` | %s |\n", #field, text);
  HS2N_STATS_LIST(X)
  printf(
      "\nOf the driver (`hs2n_io_stats`).\n\n| field | counts |\n|---|---|\n");
  HS2N_IO_STATS_LIST(X)
  printf(
      "\nOf a simulation (`hs2n_sim_stats`).\n\n| field | counts |\n|---|---|"
      "\n");
  HS2N_SIM_STATS_LIST(X)
#undef X
}

static void simulator(void) {
  printf("\n## Simulator\n\nEvents of a trace. Level 1 is the story, 2 are "
         "messages, 3 is each datagram and\ntimer.\n\n| event | level | "
         "meaning |\n|---|---|---|\n");
#define X(name, level, text) \
  printf("| `HS2N_SIM_%s` | %d | %s |\n", #name, level, text);
  HS2N_SIM_EVENT_LIST(X)
#undef X
  printf(
      "\nFaults of `hs2n_sim_chaos`, and how often each is drawn.\n\n| kind | "
      "weight | meaning |\n|---|---|---|\n");
#define X(name, weight, text) \
  printf("| `HS2N_SIM_CHAOS_%s` | %d | %s |\n", #name, weight, text);
  HS2N_SIM_CHAOS_LIST(X)
#undef X
}

int main(void) {
  printf("# Reference\n\nPrinted by `build/tools/reference`; a test compares "
         "this page with the headers.\n\n");
  limits();
  errors();
  reasons();
  counters();
  simulator();
  return 0;
}
