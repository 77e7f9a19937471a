/* over: which transport tests of nodes run over, and which of them are about
 * QUIC alone.
 *
 * The same programs run over QUIC and, with HS2N_TEST_TRANSPORT=tcp (stories:
 * --transport tcp), over TCP; test/meson.build names both.  What is left out
 * over TCP is in this table, by its name, with the reason. */
#ifndef OVER_H
#define OVER_H

#include <hs2net/node.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  const char *why;
} over_quic_alone[] = {
    /* node */
    {"a_vote_burst_to_a_leader_idle_for_a_minute_takes_one_round_trip",
     "counts packets of QUIC"},
    {"an_answer_leaves_together_with_the_acknowledgement",
     "counts packets of QUIC"},
    {"a_vote_overtakes_a_proposal_whose_view_has_ended",
     "what a socket has taken can't be called back"},
    {"a_vote_waits_for_no_more_than_what_has_left_when_a_view_ends",
     "what a socket has taken can't be called back"},
    {"half_a_small_body_of_a_dead_view_does_no_harm",
     "what a socket has taken can't be called back"},
    /* scenario */
    {"paths_that_swallow_large_packets_do_not_stall",
     "segments fit the path, see test_pipe.c"},
    {"paths_that_narrow_do_not_stall",
     "segments fit the path, see test_pipe.c"},
    {"eleven_nodes_mesh_while_three_in_a_row_are_lost",
     "time-outs of TCP double beyond the idle time"},
    {"blackouts_of_two_seconds_close_nothing",
     "time-outs of TCP double beyond the idle time"},
    {"an_idle_hour_of_100_peers_takes_keep_alives_and_no_memory",
     "counts packets of QUIC"},
    /* sim */
    {"a_small_mtu_is_found", "segments fit the path, see test_pipe.c"},
    {"connections_survive_a_nat_that_forgets", "migration is QUIC's"},
    {"a_port_marks_before_it_loses", "the simulator's TCP has no ECN"},
    {"a_socket_has_an_end", "who does not read a pipe stops who writes"},
    {"a_flood_from_one_address_stops_nobody", "a flood of datagrams"},
    {"a_flood_from_everywhere_stops_nobody", "a flood of datagrams"},
};

static inline enum hs2n_transport over_transport(void) {
  const char *name = getenv("HS2N_TEST_TRANSPORT");

  return name != NULL && strcmp(name, "tcp") == 0 ? HS2N_TRANSPORT_TCP
                                                  : HS2N_TRANSPORT_QUIC;
}

/* Why a test is not run over this transport; NULL: it is. */
static inline const char *over_why_not(const char *test,
                                       enum hs2n_transport transport) {
  for (size_t i = 0; i < sizeof(over_quic_alone) / sizeof(over_quic_alone[0]) &&
                     transport == HS2N_TRANSPORT_TCP;
       i++) {
    if (strcmp(over_quic_alone[i].name, test) == 0) {
      return over_quic_alone[i].why;
    }
  }
  return NULL;
}

/* In place of RUN (tap.h). */
#define RUN_OVER(fn)                                            \
  do {                                                          \
    const char *why_not_ = over_why_not(#fn, over_transport()); \
                                                                \
    if (why_not_ == NULL) {                                     \
      RUN(fn);                                                  \
    } else {                                                    \
      SKIP(fn, why_not_);                                       \
    }                                                           \
  } while (0)

#endif /* OVER_H */
