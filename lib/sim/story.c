/* The command line of stories. */
#include "sim/inside.h"

#include <hs2net/sim_story.h>

#include <stdio.h>
#include <string.h>

#define MINUTE HS2N_S(60)
#define LINE_MAX_ 512

/* ---- options
 * ------------------------------------------------------------------------- */

/* Digits up to end, which a caller may look at. */
static bool number(const char *text, uint64_t *out, const char **end) {
  uint64_t x = 0;
  const char *p = text;

  for (; *p >= '0' && *p <= '9'; p++) {
    const uint64_t digit = (uint64_t)(*p - '0');

    if (x > (UINT64_MAX - digit) / 10) {
      return false;
    }
    x = x * 10 + digit;
  }
  *out = x;
  *end = p;
  return p != text;
}

static bool only_number(const char *text, uint64_t *out) {
  const char *end;

  return text != NULL && number(text, out, &end) && *end == '\0';
}

static bool range(const char *text, uint64_t *first, uint64_t *last) {
  const char *end;

  return text != NULL && number(text, first, &end) &&
         strncmp(end, "..", 2) == 0 && only_number(end + 2, last) &&
         *first <= *last;
}

static bool minutes(const char *text, struct hs2n_sim_options *o) {
  uint64_t m;

  if (!only_number(text, &m) || m > UINT64_MAX / MINUTE) {
    return false;
  }
  o->at_most = m * MINUTE;
  return true;
}

static bool transport(const char *text, enum hs2n_transport *out) {
  const bool tcp = text != NULL && strcmp(text, "tcp") == 0;

  *out = tcp ? HS2N_TRANSPORT_TCP : HS2N_TRANSPORT_QUIC;
  return tcp || (text != NULL && strcmp(text, "quic") == 0);
}

/* How many arguments it took; 0: it is not understood. */
static int option(struct hs2n_sim_options *o, const char *name,
                  const char *value) {
  uint64_t level;

  if (strcmp(name, "--seed") == 0) {
    const bool good = only_number(value, &o->first_seed);

    o->last_seed = o->first_seed;
    return good ? 2 : 0;
  }
  if (strcmp(name, "--seeds") == 0) {
    return range(value, &o->first_seed, &o->last_seed) ? 2 : 0;
  }
  if (strcmp(name, "--minutes") == 0) {
    return minutes(value, o) ? 2 : 0;
  }
  if (strcmp(name, "--transport") == 0) {
    return transport(value, &o->transport) ? 2 : 0;
  }
  if (strcmp(name, "--twice") == 0) {
    o->twice = true;
    return 1;
  }
  if (strcmp(name, "--trace") == 0) {
    const bool given = only_number(value, &level) && level >= 1 && level <= 3;

    o->trace = given ? (int)level : 2;
    return given ? 2 : 1;
  }
  if (name[0] == '-' || o->story != NULL) {
    return 0;
  }
  o->story = name;
  return 1;
}

int hs2n_sim_options_parse(struct hs2n_sim_options *out, int argc, char **argv,
                           const char **out_bad) {
  struct hs2n_sim_options o = {.first_seed = 1, .last_seed = 1};

  for (int i = 1; i < argc;) {
    const int took = option(&o, argv[i], i + 1 < argc ? argv[i + 1] : NULL);

    if (took == 0) {
      if (out_bad != NULL) {
        *out_bad = argv[i];
      }
      return HS2N_ERR_INVALID;
    }
    i += took;
  }
  *out = o;
  return HS2N_OK;
}

/* ---- one run
 * ----------------------------------------------------------------------------
 */

struct run {
  const struct hs2n_sim_story *story;
  const struct hs2n_sim_options *options;
  const struct hs2n_sim_host *host;
  uint64_t seed;
  uint64_t hash;
};

static void say_event(void *user_data, const struct hs2n_sim_event *event) {
  const struct hs2n_sim_host *host = user_data;
  char line[HS2N_SIM_EVENT_TEXT_MAX];

  host->print(host->self, hs2n_sim_event_text(event, line));
}

static void say_failure(const struct run *r, const struct hs2n_sim *sim) {
  char line[LINE_MAX_];

  if (r->options->trace == 0) {
    hs2n_sim_trace(sim, say_event, (void *)(uintptr_t)r->host);
  }
  (void)snprintf(line, sizeof(line), "FAILED %s: %s", r->story->name,
                 hs2n_sim_failure(sim));
  r->host->print(r->host->self, line);
  (void)snprintf(
      line, sizeof(line), "again with: %s--seed %llu --trace %s",
      r->options->transport == HS2N_TRANSPORT_TCP ? "--transport tcp " : "",
      (unsigned long long)r->seed, r->story->name);
  r->host->print(r->host->self, line);
}

static void say_end(const struct run *r, const struct hs2n_sim *sim,
                    hs2n_time begun, hs2n_time real) {
  const hs2n_time virtual_ms = (hs2n_sim_now(sim) - begun) / HS2N_MS(1);
  const hs2n_time real_ms = real / HS2N_MS(1);
  char line[LINE_MAX_];

  (void)snprintf(line, sizeof(line),
                 "%s seed %llu hash %016llx: %llu steps, %llu datagrams, %llu "
                 "messages, %llu ms virtual in %llu ms real",
                 r->story->name, (unsigned long long)r->seed,
                 (unsigned long long)sim->hash,
                 (unsigned long long)sim->stats.steps,
                 (unsigned long long)sim->stats.datagrams,
                 (unsigned long long)sim->stats.messages,
                 (unsigned long long)virtual_ms, (unsigned long long)real_ms);
  r->host->print(r->host->self, line);
}

static bool tell_once(struct run *r) {
  const hs2n_time real = r->host->clock(r->host->self);
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;
  hs2n_time begun;
  bool good;

  hs2n_sim_config_default(&config, r->story->nodes, r->seed);
  config.transport = r->options->transport;
  if (r->options->trace > 0) {
    config.trace = say_event;
    config.trace_data = (void *)(uintptr_t)r->host;
    config.trace_level = r->options->trace;
  }
  if (r->story->configure != NULL) {
    r->story->configure(r->story->arg, &config);
  }
  if (hs2n_sim_new(&sim, &config) != HS2N_OK) {
    r->host->print(r->host->self, "the world can't be made");
    return false;
  }
  begun = hs2n_sim_now(sim);
  r->story->tell(r->story->arg, sim);
  good = hs2n_sim_failure(sim) == NULL;
  if (!good) {
    say_failure(r, sim);
  }
  r->hash = hs2n_sim_hash(sim);
  say_end(r, sim, begun, r->host->clock(r->host->self) - real);
  hs2n_sim_free(sim);
  return good;
}

static bool tell(struct run *r) {
  uint64_t first;
  bool good = tell_once(r);

  if (good && r->options->twice) {
    first = r->hash;
    good = tell_once(r) && r->hash == first;
    if (!good) {
      r->host->print(r->host->self, "FAILED: the second run differs");
    }
  }
  return good;
}

/* ---- all
 * ------------------------------------------------------------------------------------
 */

unsigned hs2n_sim_tell(const struct hs2n_sim_story *stories, size_t n,
                       const struct hs2n_sim_options *options,
                       const struct hs2n_sim_host *host) {
  const hs2n_time begun = host->clock(host->self);
  unsigned told = 0;
  unsigned bad = 0;

  for (uint64_t seed = options->first_seed;; seed++) {
    for (size_t i = 0; i < n; i++) {
      struct run r = {
          .story = &stories[i], .options = options, .host = host, .seed = seed};

      if (options->story == NULL ||
          strstr(stories[i].name, options->story) != NULL) {
        told++;
        bad += !tell(&r);
      }
    }
    if (options->at_most > 0
            ? host->clock(host->self) - begun >= options->at_most
            : seed == options->last_seed) {
      break;
    }
  }
  if (told == 0) {
    host->print(host->self, "no such story");
    bad++;
  }
  return bad;
}
