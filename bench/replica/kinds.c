/* kinds: prints docs/replica-messages.md from the types that a replica
 * declares, so that the page can't differ from the code.  `meson test`
 * compares them. */
#include "net.h"

#include <inttypes.h>
#include <stdio.h>

static const char *lane_name(enum hs2n_lane lane) {
  switch (lane) {
  case HS2N_LANE_CONTROL:
    return "CONTROL";
  case HS2N_LANE_VOTE:
    return "VOTE";
  case HS2N_LANE_CERT:
    return "CERT";
  case HS2N_LANE_PROPOSAL:
    return "PROPOSAL";
  case HS2N_LANE_SYNC:
    return "SYNC";
  case HS2N_LANE_BULK:
    return "BULK";
  }
  return "?";
}

static void print(const struct hs2n_type *type, uint64_t views,
                  const char *what) {
  printf("| %u | %s | %s | %" PRIu32 " | ", (unsigned)type->id, type->name,
         lane_name(type->lane), type->size_max);
  if (views == REP_ALL_VIEWS) {
    printf("any view");
  } else if (views == 0) {
    printf("its own view");
  } else {
    printf("%" PRIu64 " more view%s", views, views == 1 ? "" : "s");
  }
  printf(" | %s |\n", what);
}

int main(void) {
  static struct rep_net net;
  struct rep_config config;

  rep_config_default(&config);
  rep_net_init(&net, &config, NULL, NULL);
  printf("# Messages of the reference replica\n\n"
         "What `bench/replica` says, with the limits of its default "
         "configuration: type on the\nwire, lane, largest body in bytes, and "
         "how long a message lives. It is let go at both\nends when they enter "
         "a view above that. A certificate has no message of its own: it\n"
         "comes in the proposal, new-view or time-out that is based on it.\n\n"
         "Printed by `build/bench/replica/kinds`; a test compares this page "
         "with the code.\n\n"
         "| type | name | lane | bytes | lives for | |\n"
         "|---|---|---|---|---|---|\n");
#define X(kind, name, lane, views, text) \
  print(&net.types[REP_##kind], views, text);
  REP_KIND_LIST(X)
#undef X
  return 0;
}
