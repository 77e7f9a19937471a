/* hs2net-cluster: a committee of HotStuff-2 replicas on one machine. */
#include "cluster.h"
#include "process.h"
#include "report.h"
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* hs2net-cluster --replica-process FILE FD: what the harness starts. */
static int replica_main(const char *config, const char *fd) {
  struct rep_setup *const setup = calloc(1, sizeof(*setup));
  char text[REP_WRONG_MAX];
  const char *wrong;
  int code;

  if (setup == NULL) {
    return EXIT_FAILED;
  }
  wrong = rep_setup_read(setup, config, text);
  if (wrong != NULL) {
    (void)fprintf(stderr, "replica: %s\n", wrong);
    code = EXIT_USAGE;
  } else {
    code = rep_process_run(setup, (int)strtol(fd, NULL, 10));
  }
  free(setup);
  return code;
}

static void report_sweep(const struct sweep *s) {
  if (s->knee >= 0) {
    (void)printf("\nAll checks passed.\n\n"
                 "  %.0f tx/s before the median latency has doubled\n"
                 "  %.0f tx/s sustained\n",
                 s->steps[s->knee].committed, s->steps[s->sustained].committed);
  }
}

static bool run(struct cluster *c, const struct options *o,
                struct sweep *sweep) {
  (void)printf("starting %u replicas ...\n", (unsigned)o->replicas);
  (void)fflush(stdout);
  if (!cluster_start(c, o)) {
    return false;
  }
  (void)printf("all connected, each to each; the first blocks are "
               "committed\n\n");
  (void)fflush(stdout);
  return o->sweep ? sweep_run(c, sweep) : cluster_demo(c);
}

static int finish(struct cluster *c, const struct sweep *sweep, bool passed) {
  const bool stopped = !passed && c->wrong[0] == '\0';

  if (stopped) {
    (void)cluster_fail(c, "interrupted");
  }
  if (passed && c->options.sweep) {
    report_sweep(sweep);
  } else if (passed) {
    report_summary(c);
  } else {
    (void)fflush(stdout);
    (void)fprintf(stderr, "\nhs2net-cluster: %s%s\n",
                  stopped ? "" : "FAILED: ", c->wrong);
  }
  if (c->options.keep && c->folder.path[0] != '\0') {
    (void)printf("\nkept: %s\n", c->folder.path);
  }
  if (!report_json(c, c->options.sweep ? sweep : NULL, passed)) {
    passed = false;
  }
  return passed ? EXIT_SUCCESS : EXIT_FAILED;
}

int main(int argc, char **argv) {
  struct sweep sweep = {.count = 0};
  struct options options;
  struct cluster *c;
  bool passed;
  int code;

  if (argc == 4 && strcmp(argv[1], "--replica-process") == 0) {
    return replica_main(argv[2], argv[3]);
  }
  switch (options_parse(&options, argc, argv)) {
  case OPTIONS_SHOWN:
    return EXIT_SUCCESS;
  case OPTIONS_WRONG:
    return EXIT_USAGE;
  case OPTIONS_RUN:
    break;
  }
  c = calloc(1, sizeof(*c));
  if (c == NULL) {
    (void)fprintf(stderr, "hs2net-cluster: out of memory\n");
    return EXIT_FAILED;
  }
  cluster_catch_signals();
  screen_init(&c->screen);
  report_title(&options);
  passed = run(c, &options, &sweep);
  code = finish(c, &sweep, passed);
  cluster_stop(c);
  free(c);
  return code;
}
