#include "stories.h"

#include <stdarg.h>
#include <stdio.h>
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

int story_main(const struct hs2n_sim_story *stories, size_t n, int argc,
               char **argv) {
  const struct hs2n_sim_host host = {.print = print, .clock = now};
  struct hs2n_sim_options options;
  const char *bad = "";

  if (hs2n_sim_options_parse(&options, argc, argv, &bad) != HS2N_OK) {
    fprintf(stderr,
            "%s is not understood\n"
            "usage: %s [--seed N | --seeds A..B] [--minutes M] [--twice] "
            "[--trace [LEVEL]] [STORY]\n",
            bad, argv[0]);
    return 2;
  }
  return hs2n_sim_tell(stories, n, &options, &host) == 0 ? 0 : 1;
}
