/* The words of hs2net-impair. */
#include "settings.h"

#include <tap.h>

#define NODES 3

static struct line lines[NODES * NODES];
static struct settings_target target;

static void begin(void) {
  for (size_t i = 0; i < NODES * NODES; i++) {
    line_init(&lines[i], i);
  }
  settings_init(&target, lines, NODES);
}

/* NULL, or the word that makes no sense. */
static const char *say(const char *text) {
  static char copy[256];

  (void)snprintf(copy, sizeof(copy), "%s", text);
  return settings_text(&target, copy);
}

/* Lines that are cut, "from:to" each. */
static const char *cuts(void) {
  static char text[128];
  size_t len = 0;

  text[0] = '\0';
  for (unsigned i = 0; i < NODES * NODES; i++) {
    if (lines[i].settings.cut && i / NODES != i % NODES) {
      len += (size_t)snprintf(text + len, sizeof(text) - len, "%u:%u ",
                              i / NODES, i % NODES);
    }
  }
  return text;
}

static void words_name_all_lines_some_or_one(void) {
  begin();
  CHECK(say("cut") == NULL);
  CHECK_TEXT(cuts(), "0:1 0:2 1:0 1:2 2:0 2:1 ");
  CHECK(say("0 heal") == NULL);
  CHECK_TEXT(cuts(), "1:2 2:1 ");
  CHECK(say("all heal 0:1 cut") == NULL);
  CHECK_TEXT(cuts(), "0:1 ");
  CHECK(say("all heal 0-2 cut") == NULL);
  CHECK_TEXT(cuts(), "0:2 2:0 ");
}

static void every_setting_has_its_word(void) {
  const struct line_settings *const s = &lines[1].settings;

  begin();
  CHECK(say("delay=80ms jitter=1.5us loss=1% burst=0.5%,20% duplicate=2% "
            "corrupt=0.1% reorder=100% rate=10M queue=64k mtu=1280 cut") ==
        NULL);
  CHECK_EQ(s->delay, 80000000);
  CHECK_EQ(s->jitter, 1500);
  CHECK_EQ(s->loss, 10000);
  CHECK_EQ(s->burst_begin, 5000);
  CHECK_EQ(s->burst_end, 200000);
  CHECK_EQ(s->duplicate, 20000);
  CHECK_EQ(s->corrupt, 1000);
  CHECK_EQ(s->reorder, LINE_CERTAIN);
  CHECK_EQ(s->rate, 10000000);
  CHECK_EQ(s->queue_bytes, 64000);
  CHECK_EQ(s->mtu, 1280);
  CHECK(s->cut);
}

static void what_makes_no_sense_is_named_and_changes_nothing(void) {
  static const char *const words[] = {
      "3",
      "0-0",
      "0-3",
      "1:",
      "0:1x",
      "0~1",
      "delay",
      "delay=",
      "delay=5",
      "delay=x",
      "loss=1",
      "loss=101%",
      "loss=-1%",
      "burst=1%",
      "burst=,1%",
      "rate=1x",
      "mtu=5G",
      "cut=1",
      "averyveryverylongname=1",
      "burst=0.0000000000000000000000000000000001%,1%"};

  begin();
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    const char *const wrong = say(words[i]);

    CHECK(wrong != NULL && strcmp(wrong, words[i]) == 0);
  }
  CHECK_EQ(lines[1].settings.delay + lines[1].settings.loss, 0);
  CHECK_TEXT(cuts(), "");
}

int main(void) {
  RUN(words_name_all_lines_some_or_one);
  RUN(every_setting_has_its_word);
  RUN(what_makes_no_sense_is_named_and_changes_nothing);
  return tap_done();
}
