/* hs2net-soak: hours on real sockets with a slow reader, a stopped reader and
 * a flapping link: memory stays flat and nothing is lost.
 *
 *   hs2net-soak [--minutes N | --seconds N] [--json FILE] */
#include "report.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTES_DEFAULT 30
#define DRAIN_MAX HS2N_S(45)
#define SAMPLE_EVERY HS2N_MS(500)

/* Each large body is a mapping of its own, so that what is given back is seen
 * in the RSS. */
#define MMAP_FROM (256 << 10)

struct options {
  uint32_t seconds;
  const char *json_path;
};

static const char help[] =
    "usage: hs2net-soak [--minutes N | --seconds N] [--json FILE]\n"
    "\n"
    "Five nodes in one process, on loopback: a sender, a prompt reader, a "
    "slow\n"
    "one, one that stops for long, and one behind a link that goes down.\n"
    "\n"
    "Exit code: 0 when nothing was lost or doubled and memory was flat (that "
    "is\n"
    "judged from 6 minutes on), 1 when not, 2 wrong usage.\n";

static int usage(FILE *out) {
  fputs(help, out);
  return out == stdout ? 0 : 2;
}

static bool number(const char *text, uint32_t max, uint32_t *out) {
  char *end;
  const unsigned long value = strtoul(text, &end, 10);

  if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < 1 ||
      value > max) {
    return false;
  }
  *out = (uint32_t)value;
  return true;
}

/* Each option has a value. */
static bool read_options(struct options *o, int argc, char **argv) {
  for (int i = 1; i < argc; i += 2) {
    const char *const value = i + 1 < argc ? argv[i + 1] : "";
    bool ok = false;

    if (strcmp(argv[i], "--minutes") == 0) {
      ok = number(value, GAUGE_MINUTES_MAX, &o->seconds);
      o->seconds *= 60;
    } else if (strcmp(argv[i], "--seconds") == 0) {
      ok = number(value, GAUGE_MINUTES_MAX * 60, &o->seconds);
    } else if (strcmp(argv[i], "--json") == 0) {
      ok = value[0] != '\0';
      o->json_path = value;
    }
    if (!ok) {
      return false;
    }
  }
  return true;
}

static bool run_minute(struct soak *s, hs2n_time end) {
  hs2n_time sample = 0;

  for (hs2n_time now = hs2n_io_now(); now < end; now = hs2n_io_now()) {
    if (now >= sample) {
      gauge_sample(&s->gauge);
      sample = now + SAMPLE_EVERY;
    }
    if (!soak_turn(s)) {
      return false;
    }
  }
  return true;
}

static bool run(struct soak *s, uint32_t minutes) {
  struct report report = {.ledger = s->ledger};

  report_head();
  for (uint32_t i = 1; i <= minutes; i++) {
    if (!run_minute(s, s->begun + i * s->period)) {
      return false;
    }
    report_minute(&report, s, hs2n_io_now());
  }
  return true;
}

static bool drain(struct soak *s) {
  const hs2n_time end = hs2n_io_now() + DRAIN_MAX;

  while (!soak_is_over(s)) {
    if (hs2n_io_now() > end || !soak_calm(s)) {
      return false;
    }
  }
  return true;
}

/* A run that is no whole number of minutes has shorter ones. */
static bool soak(struct soak *s, const struct options *o) {
  const uint32_t minutes = (o->seconds + 59) / 60;
  struct verdict v;

  if (!soak_open(s, HS2N_S(o->seconds) / minutes)) {
    soak_close(s);
    return false;
  }
  v.drained = run(s, minutes) && drain(s);
  v.sums = soak_sums(s);
  soak_close(s);
  report_judge(&v, s);
  report_verdict(&v, s);
  if (o->json_path != NULL && !report_json(o->json_path, &v, s)) {
    return false;
  }
  return v.good;
}

int main(int argc, char **argv) {
  struct options o = {.seconds = 60 * MINUTES_DEFAULT};
  struct soak *s;
  bool good;

  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    return usage(stdout);
  }
  if (!read_options(&o, argc, argv)) {
    return usage(stderr);
  }
  (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM);
  s = calloc(1, sizeof(*s));
  if (s == NULL) {
    perror("hs2net-soak");
    return 1;
  }
  good = soak(s, &o);
  free(s);
  return good ? 0 : 1;
}
