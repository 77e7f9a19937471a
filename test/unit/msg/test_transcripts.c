/* Exchanges that were recorded by the versions that wrote them, and that this
 * version must still read as they were meant: the same messages, completions,
 * acks and refusals.
 *
 *   test_msg_transcripts FOLDER          replays those that FOLDER/list names
 *   test_msg_transcripts FOLDER record   records this version's into FOLDER */
#include "tap.h"
#include "transcript.h"

#include <stdlib.h>

static const char *folder;

/* ---- recording ----------------------------------------------------------- */

struct pair {
  struct transcript ends[2];
  bool lossy; /* datagrams vanish */
  bool plain; /* end 1 can read nothing but the rest of the page */
};

static void say(struct pair *p, int end, const char *line) {
  transcript_line(&p->ends[end], line);
}

static void connect(struct pair *p, uint64_t incarnation) {
  char *line = malloc(2 * HS2NI_HELLO_MAX + 16);

  for (int i = 0; i < 2; i++) {
    strcpy(line, "hello ");
    transcript_hello(&p->ends[1 - i], incarnation,
                     i == 0 && p->plain ? 0 : UINT64_MAX, line + strlen(line));
    say(p, i, line);
  }
  free(line);
}

static void cut(struct pair *p) {
  for (int i = 0; i < 2; i++) {
    transcript_forget_units(&p->ends[i]);
    say(p, i, "detach");
  }
}

static void carry(struct pair *p, int to, const struct unit *u) {
  char *line = malloc(2 * u->len + 64);
  int n = 0;

  switch (u->kind) {
  case UNIT_DATA:
    n = sprintf(line, "data %" PRIu64 " %d ", u->stream, u->fin);
    break;
  case UNIT_DATAGRAM:
    n = sprintf(line, "datagram ");
    break;
  case UNIT_RESET:
    n = sprintf(line, "reset %" PRIu64, u->stream);
    break;
  case UNIT_STOP:
    n = sprintf(line, "stopped %" PRIu64, u->stream);
    break;
  }
  for (size_t i = 0; i < u->len; i++) {
    n += sprintf(line + n, "%02x", u->bytes[i]);
  }
  if (u->kind != UNIT_DATAGRAM || !p->lossy) {
    say(p, to, line);
  }
  free(line);
}

/* Whether there was anything. */
static bool move(struct pair *p, int from) {
  struct transcript *t = &p->ends[from];
  const size_t n = t->units_n;
  struct unit *units = calloc(n + 1, sizeof(*units));

  memcpy(units, t->units, n * sizeof(*units));
  t->units_n = 0;
  for (size_t i = 0; i < n; i++) {
    carry(p, 1 - from, &units[i]);
    free(units[i].bytes);
  }
  free(units);
  return n > 0;
}

/* Until both are quiet; each takes all it gets with the verdict. */
static void settle(struct pair *p, const char *fetch) {
  bool acted = true;

  while (acted) {
    acted = false;
    for (int i = 0; i < 2; i++) {
      say(p, i, "write");
      acted = move(p, i) || acted;
    }
    for (int i = 0; i < 2; i++) {
      while (hs2ni_msgs_pending(p->ends[i].msgs)) {
        say(p, i, fetch);
        acted = true;
      }
    }
  }
}

#define ACCEPT "fetch 1"
#define IGNORE "fetch 2"
#define REJECT "fetch 3"
#define LATER "fetch 4"
#define BUSY "fetch 5"

/* send TYPE FLAGS VIEW KEY LEN FILL */
static void small(struct pair *p) {
  connect(p, 7);
  say(p, 0, "send 0 0 1 0 100 65");
  say(p, 0, "send 1 5 1 0 150 66"); /* ACK, VIEW_BOUND */
  say(p, 0, "send 1 1 2 0 0 0");    /* empty */
  say(p, 1, "send 4 1 900 0 1000 67");
  settle(p, ACCEPT);
  say(p, 0, "send 4 1 3 0 3000 68");
  settle(p, REJECT);
  say(p, 1, "send 1 1 3 0 20 69");
  say(p, 1, "send 1 1 3 0 20 70");
  settle(p, LATER);
  say(p, 0, "judge 1 2 1");
  settle(p, ACCEPT);
  say(p, 0, "judge 1 1 3");
  settle(p, ACCEPT);
  say(p, 0, "send 1 1 4 0 30 71");
  say(p, 0, "send 1 1 4 0 30 72");
  say(p, 0, "write");
  (void)move(p, 0);
  say(p, 1, BUSY);
  settle(p, ACCEPT);
  say(p, 0, "time 20");
  settle(p, IGNORE);
}

static void large(struct pair *p) {
  connect(p, 7);
  say(p, 0, "send 4 1 1 0 5000 80");
  say(p, 0, "send 4 1 1 0 100 81");
  say(p, 1, "send 4 1 1 0 9000 82");
  settle(p, ACCEPT);
  say(p, 0, "send 4 4 1 0 6000 83"); /* VIEW_BOUND */
  say(p, 0, "send 4 1 1 0 50 84");
  say(p, 0, "write");
  say(p, 0, "view 2");
  settle(p, ACCEPT);
  say(p, 1, "view 9"); /* it does not want what is below */
  say(p, 0, "send 4 5 8 0 7000 85");
  settle(p, ACCEPT);
  say(p, 0, "send 4 9 9 1 7000 86"); /* SUPERSEDE */
  say(p, 0, "send 4 9 9 1 6000 87");
  settle(p, ACCEPT);
}

static void datagrams(struct pair *p) {
  connect(p, 7);
  say(p, 0, "send 1 17 1 0 150 90"); /* DATAGRAM_OK, ACK */
  say(p, 0, "send 1 17 1 0 150 91");
  say(p, 1, "send 1 21 1 0 150 92");
  settle(p, ACCEPT);
  p->lossy = true;
  say(p, 0, "send 1 17 2 0 150 93");
  settle(p, ACCEPT);
  say(p, 0, "time 100");
  settle(p, ACCEPT);
  p->lossy = false;
  say(p, 1, "send 1 17 2 0 150 94");
  settle(p, BUSY);
  say(p, 1, "time 20");
  settle(p, REJECT);
}

static void forms(struct pair *p) {
  connect(p, 7);
  say(p, 0, "send 2 1 5 0 200 100"); /* signed */
  say(p, 0, "send 2 5 5 0 6000 101");
  say(p, 1, "send 2 16 6 0 200 102"); /* signed, in a datagram */
  settle(p, ACCEPT);
  say(p, 0, "send 3 1 5 0 4000 103"); /* LZ4 */
  say(p, 0, "send 3 1 5 0 400000 104");
  say(p, 1, "send 3 33 5 0 2000 105"); /* SECRET */
  settle(p, ACCEPT);
}

/* A peer without capabilities gets what it can read. */
static void plain(struct pair *p) {
  p->plain = true;
  connect(p, 7);
  say(p, 0, "send 1 17 1 0 150 115");
  say(p, 0, "send 2 1 1 0 150 116");
  say(p, 0, "send 3 1 1 0 2000 117");
  say(p, 1, "send 1 1 1 0 150 118");
  settle(p, ACCEPT);
}

static void zstd(struct pair *p) {
  connect(p, 7);
  say(p, 0, "send 5 1 5 0 4000 110");
  say(p, 0, "send 5 1 5 0 300000 111");
  settle(p, ACCEPT);
}

static void reconnect(struct pair *p) {
  connect(p, 7);
  say(p, 0, "send 1 1 1 0 100 120");
  say(p, 0, "send 4 1 1 0 5000 121");
  say(p, 1, "send 1 17 1 0 100 122");
  say(p, 0, "write");
  (void)move(p, 0);
  say(p, 1, ACCEPT); /* its ack is lost */
  say(p, 1, "write");
  cut(p);
  connect(p, 7);
  settle(p, ACCEPT);
  say(p, 0, "send 1 1 2 0 100 123");
  say(p, 0, "write");
  (void)move(p, 0);
  cut(p);
  connect(p, 8); /* new processes: numbers begin again, as far as the others
                    can tell */
  settle(p, ACCEPT);
}

/* request TYPE FLAGS VIEW LEN FILL, respond LANE SEQ STATUS LEN FILL */
static void requests(struct pair *p) {
  connect(p, 7);
  say(p, 0, "request 6 4 3 100 130"); /* VIEW_BOUND */
  settle(p, ACCEPT);
  say(p, 1, "respond 4 1 0 5000 131");
  settle(p, ACCEPT);
  say(p, 0, "request 6 0 1 0 0");
  settle(p, IGNORE); /* it is refused */
  say(p, 0, "request 6 0 1 200 132");
  settle(p, ACCEPT);
  say(p, 1, "respond 4 3 7 20 133");
  settle(p, REJECT);
  say(p, 0, "request 6 0 1 50 134");
  settle(p, ACCEPT);
  cut(p); /* the question is known, the answer goes over a new connection */
  say(p, 1, "respond 4 4 0 0 0");
  connect(p, 7);
  settle(p, ACCEPT);
}

/* Short messages that are queued together go as one record. */
static void batches(struct pair *p) {
  connect(p, 7);
  for (int i = 0; i < 12; i++) {
    char line[64];

    (void)snprintf(line, sizeof(line), "send 3 %d 5 0 %d %d",
                   i % 4 == 1 ? 5 : 1, 200 + i, 140 + i);
    say(p, 0, line);
  }
  say(p, 0, "send 2 1 5 0 600 152"); /* signed */
  say(p, 0, "send 2 1 5 0 700 153");
  say(p, 0, "send 2 1 5 0 0 154");
  say(p, 0, "request 6 0 1 600 155");
  say(p, 0, "request 6 0 1 600 156");
  settle(p, ACCEPT);
  for (int i = 0; i < 8; i++) {
    char line[64];

    (void)snprintf(line, sizeof(line), "send 3 1 5 0 300 %d", 160 + i);
    say(p, 0, line);
  }
  say(p, 0, "write");
  (void)move(p, 0);
  say(p, 1, ACCEPT);
  say(p, 1, "view 6");
  settle(p, BUSY);
  say(p, 0, "time 20");
  settle(p, ACCEPT);
}

static const struct {
  const char *name;
  void (*play)(struct pair *p);
} scenes[] = {
    {"small", small},         {"plain", plain},       {"large", large},
    {"datagrams", datagrams}, {"forms", forms},       {"zstd", zstd},
    {"reconnect", reconnect}, {"requests", requests}, {"batches", batches},
};
#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static void save(const char *name, struct pair *p) {
  for (int i = 0; i < 2; i++) {
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/v%u-%s-%d.txt", folder, HS2NI_PROTOCOL_MAX,
             name, i);
    f = fopen(path, "w");
    if (f == NULL || fputs(transcript_text(&p->ends[i]), f) < 0 ||
        fclose(f) != 0) {
      perror(path);
      exit(1);
    }
    printf("v%u-%s-%d.txt\n", HS2NI_PROTOCOL_MAX, name, i);
  }
}

static void record(void) {
  for (size_t i = 0; i < SCENES; i++) {
    struct pair *p = calloc(1, sizeof(*p));

    transcript_init(&p->ends[0], 0);
    transcript_init(&p->ends[1], 1);
    scenes[i].play(p);
    save(scenes[i].name, p);
    transcript_fini(&p->ends[0]);
    transcript_fini(&p->ends[1]);
    free(p);
  }
}

/* ---- replaying ----------------------------------------------------------- */

/* The whole file, to be freed. */
static char *read_file(const char *name) {
  char path[4096];
  char *text = NULL;
  size_t len = 0;
  FILE *f;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  f = fopen(path, "r");
  if (f == NULL || getdelim(&text, &len, '\0', f) <= 0) {
    perror(path);
    exit(1);
  }
  fclose(f);
  return text;
}

/* Says where two texts begin to differ. */
static void compare(const char *name, const char *got, const char *want) {
  unsigned line = 1;

  if (strcmp(got, want) == 0) {
    return;
  }
  while (*got == *want) {
    line += *got == '\n';
    got++;
    want++;
  }
  TAP_WRONG("# %s:%u: got \"%.60s\", want \"%.60s\"\n", name, line, got, want);
}

static void replay(const char *name) {
  struct transcript *t = calloc(1, sizeof(*t));
  char *want = read_file(name), *lines = strdup(want), *at = lines, *line;

  transcript_init(t, (uint32_t)(name[strlen(name) - 5] - '0'));
  while ((line = strsep(&at, "\n")) != NULL) {
    if (line[0] != '\0' && line[0] != '=') {
      transcript_line(t, line);
      transcript_forget_units(t);
    }
  }
  compare(name, transcript_text(t), want);
  CHECK(strstr(want, "= message") != NULL || strstr(want, "= done") != NULL);
  transcript_fini(t);
  CHECK_EQ(t->mem.live_bytes, 0);
  free(t);
  free(lines);
  free(want);
}

/* covers: P12 */
static void what_earlier_versions_wrote_is_read_as_it_was_meant(void) {
  char *names = read_file("list"), *at = names, *name;
  unsigned n = 0;

  while ((name = strsep(&at, "\n")) != NULL) {
#ifndef TEST_ZSTD
    if (strstr(name, "zstd") != NULL) {
      continue;
    }
#endif
    if (name[0] != '\0') {
      replay(name);
      n++;
    }
  }
  CHECK(n >= 2 * (SCENES - 1));
  free(names);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: test_msg_transcripts FOLDER [record]\n");
    return 2;
  }
  folder = argv[1];
  if (argc == 3 && strcmp(argv[2], "record") == 0) {
    record();
    return 0;
  }
  RUN(what_earlier_versions_wrote_is_read_as_it_was_meant);
  return tap_done();
}
