#include "stories.h"

#include "../over.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void story_say(const char *format, ...) {
  va_list args;

  va_start(args, format);
  fputs("# ", stdout);
  (void)vprintf(format, args);
  fputs("\n", stdout);
  va_end(args);
}

static void print(void *self, const char *line) {
  (void)self;
  puts(line);
}

static hs2n_time now(void *self) {
  struct timespec t;

  (void)self;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return HS2N_S(t.tv_sec) + (hs2n_time)t.tv_nsec;
}

/* Copies those that are told over this transport. */
static size_t choose(const struct hs2n_sim_story *stories, size_t n,
                     enum hs2n_transport transport,
                     struct hs2n_sim_story *out) {
  size_t chosen = 0;

  for (size_t i = 0; i < n; i++) {
    const char *why_not = over_why_not(stories[i].name, transport);

    if (why_not == NULL) {
      out[chosen++] = stories[i];
    } else {
      story_say("%s: not over TCP: %s", stories[i].name, why_not);
    }
  }
  return chosen;
}

int story_main(const struct hs2n_sim_story *stories, size_t n, int argc,
               char **argv) {
  const struct hs2n_sim_host host = {.print = print, .clock = now};
  struct hs2n_sim_options options;
  struct hs2n_sim_story *chosen;
  const char *bad = "";
  unsigned failed;

  if (hs2n_sim_options_parse(&options, argc, argv, &bad) != HS2N_OK) {
    fprintf(stderr,
            "%s is not understood\n"
            "usage: %s [--seed N | --seeds A..B] [--minutes M] [--twice] "
            "[--trace [LEVEL]] [--transport quic|tcp] [STORY]\n",
            bad, argv[0]);
    return 2;
  }
  chosen = calloc(n, sizeof(*chosen));
  if (chosen == NULL) {
    return 2;
  }
  n = choose(stories, n, options.transport, chosen);
  failed = hs2n_sim_tell(chosen, n, &options, &host);
  free(chosen);
  return failed == 0 ? 0 : 1;
}
