/* The parts of the simulator against naive models. */
#include "world.h"

#include "sim/inside.h"

#include <string.h>

/* ---- the heaps
 * ----------------------------------------------------------------
 */

#define EVENTS 2000

struct expected {
  hs2n_time at;
  int order;
};

static int by_time(const void *a, const void *b) {
  const struct expected *x = a;
  const struct expected *y = b;

  return x->at != y->at ? (x->at < y->at ? -1 : 1)
                        : (x->order > y->order) - (x->order < y->order);
}

static struct hs2n_sim *empty(uint32_t nodes) {
  struct hs2n_sim_config config;
  struct hs2n_sim *sim = NULL;

  world_config(&config, nodes, 1);
  CHECK_EQ(hs2n_sim_new(&sim, &config), HS2N_OK);
  return sim;
}

static void call(struct hs2n_sim *sim, void *arg) {
  (void)sim;
  (void)arg;
}

static void events_come_by_time_and_then_in_order(void) {
  static struct expected expected[EVENTS];
  struct hs2n_sim *sim = empty(1);
  struct hs2ni_chance c = hs2ni_chance_of(1, 1);

  for (int i = 0; i < EVENTS; i++) {
    expected[i] = (struct expected){
        .at = sim->now + hs2ni_chance_below(&c, 100), .order = i};
    CHECK_EQ(hs2n_sim_at(sim, expected[i].at, call, &expected[i]), HS2N_OK);
  }
  qsort(expected, EVENTS, sizeof(expected[0]), by_time);
  for (int i = 0; i < EVENTS; i++) {
    const struct hs2ni_event e = hs2ni_event_pop(sim);

    CHECK_EQ(e.at, expected[i].at);
    CHECK_EQ(e.order, expected[i].order);
  }
  CHECK(hs2ni_event_next(sim) == HS2N_TIME_NEVER);
  hs2n_sim_free(sim);
}

static void the_node_that_is_due_first_is_found(void) {
  hs2n_time due[50];
  struct hs2n_sim *sim = empty(50);
  struct hs2ni_chance c = hs2ni_chance_of(2, 1);

  for (int i = 0; i < 50; i++) {
    due[i] = HS2N_TIME_NEVER;
  }
  for (int i = 0; i < 20000; i++) {
    const uint32_t node = (uint32_t)hs2ni_chance_below(&c, 50);
    uint32_t first = 0;

    due[node] = hs2ni_chance_below(&c, 4) == 0 ? HS2N_TIME_NEVER
                                               : hs2ni_chance_below(&c, 200);
    hs2ni_wake_at(sim, &sim->nodes[node], due[node]);
    for (uint32_t k = 1; k < 50; k++) {
      first = due[k] < due[first] ? k : first;
    }
    CHECK(hs2ni_wake_next(sim) == due[first]);
    CHECK(due[first] == HS2N_TIME_NEVER || sim->waking[0] == first);
  }
  hs2n_sim_free(sim);
}

/* ---- links
 * ------------------------------------------------------------------------
 */

static void many_changes_of_links_leave_what_was_said_last(void) {
  hs2n_time said[6][6];
  struct hs2n_sim *sim = empty(6);
  struct hs2ni_chance c = hs2ni_chance_of(3, 1);

  for (int i = 0; i < 6; i++) {
    for (int k = 0; k < 6; k++) {
      said[i][k] = HS2N_MS(1);
    }
  }
  for (int round = 0; round < 20000; round++) {
    uint32_t from = (uint32_t)hs2ni_chance_below(&c, 7);
    uint32_t to = (uint32_t)hs2ni_chance_below(&c, 7);
    const struct hs2n_sim_link link = {.delay = hs2ni_chance_below(&c, 1000)};

    for (uint32_t i = 0; i < 6; i++) {
      for (uint32_t k = 0; k < 6; k++) {
        if ((from == 6 || from == i) && (to == 6 || to == k)) {
          said[i][k] = link.delay;
        }
      }
    }
    from = from == 6 ? HS2N_SIM_ALL : from;
    to = to == 6 ? HS2N_SIM_ALL : to;
    CHECK_EQ(hs2n_sim_set_link(sim, from, to, &link), HS2N_OK);
    for (uint32_t i = 0; i < 36; i++) {
      const struct hs2n_sim_link *l =
          hs2ni_shared_get(&sim->links, sim->ways[i].link);

      CHECK_EQ(l->delay, said[i / 6][i % 6]);
    }
  }
  CHECK(sim->links.n <= 38); /* values that nobody has are used again */
  hs2n_sim_free(sim);
}

/* ---- clocks
 * ---------------------------------------------------------------------------
 */

static void a_clock_and_its_inverse_agree(void) {
  struct hs2n_sim *sim = empty(1);
  struct hs2ni_sim_node *n = &sim->nodes[0];
  struct hs2ni_chance c = hs2ni_chance_of(4, 1);

  for (int i = 0; i < 20000; i++) {
    hs2n_time shown;
    hs2n_time at;

    hs2n_sim_set_drift(sim, 0,
                       (int32_t)hs2ni_chance_below(&c, 1900001) - 900000);
    sim->now += hs2ni_chance_below(&c, HS2N_S(1));
    shown = hs2n_sim_clock(sim, 0) + hs2ni_chance_below(&c, HS2N_S(86400));
    at = hs2ni_clock_inverse(n, shown);
    CHECK(hs2ni_clock_at(n, at) >= shown);
    CHECK(at == n->base_at || hs2ni_clock_at(n, at - 1) < shown);
  }
  CHECK(hs2ni_clock_inverse(n, HS2N_TIME_NEVER) == HS2N_TIME_NEVER);
  CHECK(hs2ni_clock_inverse(n, HS2N_TIME_NEVER - 1) > HS2N_S(1000000));
  hs2n_sim_free(sim);
}

/* ---- open completions
 * -------------------------------------------------------------------
 */

static void completions_end_in_any_order(void) {
  static bool open[500];
  struct hs2n_sim *sim = empty(2);
  struct hs2ni_sim_node *n = &sim->nodes[0];
  struct hs2ni_chance c = hs2ni_chance_of(5, 1);
  const struct hs2n_sim_msg msg = {.to = 1};
  const struct hs2n_done done = {.struct_size = sizeof(done),
                                 .outcome = HS2N_DONE_EXPIRED};
  size_t count = 0;

  for (int i = 0; i < 20000; i++) {
    const uint64_t tag = 1 + hs2ni_chance_below(&c, 499);

    if (open[tag]) {
      hs2ni_model_done(n, (struct hs2n_tag){tag}, &done);
    } else {
      hs2ni_model_open(n, &msg, 1, tag);
    }
    open[tag] = !open[tag];
    count = open[tag] ? count + 1 : count - 1;
    CHECK_EQ(n->opens.n, count);
    CHECK(hs2n_sim_failure(sim) == NULL);
  }
  hs2n_sim_free(sim);
}

/* ---- text
 * ----------------------------------------------------------------------------------
 */

static void an_event_reads_as_a_line(void) {
  struct hs2n_sim_event e = {.at = HS2N_MS(1234) + HS2N_US(56),
                             .kind = HS2N_SIM_MESSAGE,
                             .node = 3,
                             .peer = 12,
                             .a = (uint64_t)HS2N_LANE_VOTE << 56 | 7,
                             .b = 150,
                             .text = ""};
  char line[HS2N_SIM_EVENT_TEXT_MAX];
  char words[2 * HS2N_SIM_EVENT_TEXT_MAX];

  CHECK_TEXT(hs2n_sim_event_text(&e, line),
             "     1234.056 ms n3   MESSAGE   n12 VOTE 7, 150 bytes");
  e.kind = HS2N_SIM_DOWN;
  e.a = HS2N_REASON_IDLE_TIMEOUT;
  CHECK_TEXT(
      hs2n_sim_event_text(&e, line),
      "     1234.056 ms n3   DOWN      n12 (no answer for the idle time)");
  e = (struct hs2n_sim_event){.at = 0,
                              .kind = HS2N_SIM_CLOCK,
                              .node = 0,
                              .peer = HS2N_SIM_ALL,
                              .a = (uint64_t)-5,
                              .b = 10,
                              .text = "x"};
  CHECK_TEXT(hs2n_sim_event_text(&e, line),
             "        0.000 ms n0   CLOCK     by -5 ns, 10 ppm x");
  memset(words, 'w', sizeof(words) - 1);
  words[sizeof(words) - 1] = '\0';
  e.kind = HS2N_SIM_NOTE;
  e.text = words;
  CHECK_EQ(strlen(hs2n_sim_event_text(&e, line)), sizeof(line) - 1);
}

/* ---- the command line
 * -------------------------------------------------------------------------
 */

static int parse(struct hs2n_sim_options *out, const char *words) {
  static char text[200];
  char *argv[16] = {NULL};
  int argc = 0;
  const char *bad = NULL;
  int err;

  (void)snprintf(text, sizeof(text), "program %s", words);
  for (char *p = text; *p != '\0';) {
    argv[argc++] = p;
    p += strcspn(p, " ");
    if (*p != '\0') {
      *p++ = '\0';
    }
  }
  err = hs2n_sim_options_parse(out, argc, argv, &bad);
  CHECK((bad != NULL) == (err != HS2N_OK));
  return err;
}

static void options_are_understood(void) {
  struct hs2n_sim_options o;

  CHECK_EQ(parse(&o, ""), HS2N_OK);
  CHECK_EQ(o.first_seed, 1);
  CHECK_EQ(o.last_seed, 1);
  CHECK(o.story == NULL);
  CHECK_EQ(parse(&o, "--seed 18446744073709551615 --trace"), HS2N_OK);
  CHECK(o.first_seed == UINT64_MAX && o.last_seed == UINT64_MAX);
  CHECK_EQ(o.trace, 2);
  CHECK_EQ(parse(&o, "--seeds 3..17 --twice --trace 3 some_story"), HS2N_OK);
  CHECK_EQ(o.first_seed, 3);
  CHECK_EQ(o.last_seed, 17);
  CHECK(o.twice);
  CHECK_EQ(o.trace, 3);
  CHECK_TEXT(o.story, "some_story");
  CHECK_EQ(parse(&o, "--minutes 90"), HS2N_OK);
  CHECK_EQ(o.at_most, HS2N_S(5400));
  CHECK_EQ(parse(&o, "--trace story"), HS2N_OK);
  CHECK_TEXT(o.story, "story");
  CHECK_EQ(o.transport, HS2N_TRANSPORT_QUIC);
  CHECK_EQ(parse(&o, "--transport tcp story"), HS2N_OK);
  CHECK_EQ(o.transport, HS2N_TRANSPORT_TCP);
  CHECK_TEXT(o.story, "story");
  CHECK_EQ(parse(&o, "--transport quic"), HS2N_OK);
  CHECK_EQ(o.transport, HS2N_TRANSPORT_QUIC);
}

static void nonsense_on_the_command_line_is_refused(void) {
  static const char *const nonsense[] = {
      "--seed",
      "--seed x",
      "--seed 1x",
      "--seed -1",
      "--seeds 3",
      "--seeds 3..",
      "--seeds ..3",
      "--seeds 4..3",
      "--seeds 1...3",
      "--minutes",
      "--minutes 1.5",
      "--seed 18446744073709551616",
      "--what",
      "one two",
      "--minutes 99999999999999999",
      "-",
      "--seeds 1..2x",
      "--transport",
      "--transport story",
  };
  struct hs2n_sim_options o = {.first_seed = 99};

  for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
    CHECK_EQ(parse(&o, nonsense[i]), HS2N_ERR_INVALID);
    CHECK_EQ(o.first_seed, 99);
  }
}

struct heard {
  char lines[8][300];
  unsigned n, traces;
  hs2n_time clock;
};

static void hear(void *self, const char *line) {
  struct heard *h = self;

  if (strstr(line, " ms n") != NULL && strstr(line, "FAILED") == NULL) {
    h->traces++;
  } else if (h->n < 8) {
    (void)snprintf(h->lines[h->n++], sizeof(h->lines[0]), "%s", line);
  }
}

static hs2n_time a_second_later(void *self) {
  struct heard *h = self;

  h->clock += HS2N_S(1);
  return h->clock;
}

static void well(void *arg, struct hs2n_sim *sim) {
  ++*(int *)arg;
  hs2n_sim_run(sim, HS2N_MS(5));
}

static void badly(void *arg, struct hs2n_sim *sim) {
  (void)arg;
  (void)!hs2n_sim_start(sim, 0);
  hs2n_sim_fail(sim, 0, "it rains");
}

/* Differs from run to run, as no story should. */
static void fickle(void *arg, struct hs2n_sim *sim) {
  hs2n_sim_run(sim, HS2N_MS(5));
  hs2n_sim_note(sim, HS2N_SIM_ALL, ++*(int *)arg % 2 == 0 ? "odd" : "even");
}

static void stories_are_told_by_seed(void) {
  int times = 0;
  const struct hs2n_sim_story story = {
      .name = "a_b", .nodes = 1, .tell = well, .arg = &times};
  struct hs2n_sim_options o = {.first_seed = 1, .last_seed = 5};
  struct heard h = {0};
  const struct hs2n_sim_host host = {
      .self = &h, .print = hear, .clock = a_second_later};

  CHECK_EQ(hs2n_sim_tell(&story, 1, &o, &host), 0);
  CHECK_EQ(times, 5);
  CHECK(strstr(h.lines[0], "a_b seed 1 hash ") == h.lines[0]);
  CHECK(strstr(h.lines[0], "5 ms virtual in 1000 ms real") != NULL);
  CHECK(strcmp(h.lines[0] + 20, h.lines[1] + 20) != 0);
  o.twice = true;
  CHECK_EQ(hs2n_sim_tell(&story, 1, &o, &host), 0);
  CHECK_EQ(times, 15);
  o = (struct hs2n_sim_options){.first_seed = 1, .at_most = HS2N_S(20)};
  CHECK_EQ(hs2n_sim_tell(&story, 1, &o, &host), 0);
  CHECK(times > 18 && times < 30);
  o.story = "c";
  CHECK_EQ(hs2n_sim_tell(&story, 1, &o, &host), 1); /* no such story */
}

static void a_failing_story_says_how_to_repeat_it(void) {
  const struct hs2n_sim_story story = {
      .name = "bad", .nodes = 1, .tell = badly};
  const struct hs2n_sim_options o = {.first_seed = 7, .last_seed = 7};
  struct heard h = {0};
  const struct hs2n_sim_host host = {
      .self = &h, .print = hear, .clock = a_second_later};

  CHECK_EQ(hs2n_sim_tell(&story, 1, &o, &host), 1);
  CHECK(h.traces >= 2); /* the start and the failure at least */
  CHECK(strstr(h.lines[0], "it rains") != NULL);
  CHECK_TEXT(h.lines[1], "again with: --seed 7 --trace bad");
}

static void a_run_that_differs_is_noticed(void) {
  int times = 0;
  const struct hs2n_sim_story story = {
      .name = "fickle", .nodes = 1, .tell = fickle, .arg = &times};
  const struct hs2n_sim_options o = {
      .first_seed = 1, .last_seed = 1, .twice = true};
  struct heard h = {0};
  const struct hs2n_sim_host host = {
      .self = &h, .print = hear, .clock = a_second_later};

  CHECK_EQ(hs2n_sim_tell(&story, 1, &o, &host), 1);
  CHECK_TEXT(h.lines[2], "FAILED: the second run differs");
}

static void a_bad_configuration_is_refused(void) {
  static const uint32_t forward[] = {1, 1};
  static const uint32_t chain[] = {0, 0, 1};
  struct hs2n_sim_config c;
  struct hs2n_sim *sim = NULL;
  struct {
    struct hs2n_sim_config c;
    uint64_t more;
  } newer = {.more = 0};

  world_config(&c, 0, 1);
  CHECK_EQ(hs2n_sim_new(&sim, &c), HS2N_ERR_INVALID);
  world_config(&c, HS2N_SIM_NODES_MAX + 1, 1);
  CHECK_EQ(hs2n_sim_new(&sim, &c), HS2N_ERR_INVALID);
  world_config(&c, 2, 1);
  c.key_of = forward;
  CHECK_EQ(hs2n_sim_new(&sim, &c), HS2N_ERR_INVALID);
  world_config(&c, 3, 1);
  c.key_of = chain;
  CHECK_EQ(hs2n_sim_new(&sim, &c), HS2N_ERR_INVALID);
  world_config(&c, 3, 1);
  c.trace_ring = 0;
  CHECK_EQ(hs2n_sim_new(&sim, &c), HS2N_ERR_INVALID);
  world_config(&newer.c, 3, 1);
  newer.c.struct_size = sizeof(newer);
  newer.more = 1;
  CHECK_EQ(hs2n_sim_new(&sim, &newer.c), HS2N_ERR_VERSION);
  newer.more = 0;
  CHECK_EQ(hs2n_sim_new(&sim, &newer.c), HS2N_OK);
  hs2n_sim_free(sim);
}

int main(void) {
  RUN_OVER(events_come_by_time_and_then_in_order);
  RUN_OVER(the_node_that_is_due_first_is_found);
  RUN_OVER(many_changes_of_links_leave_what_was_said_last);
  RUN_OVER(a_clock_and_its_inverse_agree);
  RUN_OVER(completions_end_in_any_order);
  RUN_OVER(an_event_reads_as_a_line);
  RUN_OVER(options_are_understood);
  RUN_OVER(nonsense_on_the_command_line_is_refused);
  RUN_OVER(stories_are_told_by_seed);
  RUN_OVER(a_failing_story_says_how_to_repeat_it);
  RUN_OVER(a_run_that_differs_is_noticed);
  RUN_OVER(a_bad_configuration_is_refused);
  return tap_done();
}
