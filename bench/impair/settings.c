#include "settings.h"

#include <stdlib.h>
#include <string.h>

void settings_init(struct settings_target *t, struct line *lines,
                   uint32_t nodes) {
  *t = (struct settings_target){.lines = lines, .nodes = nodes};
  for (size_t i = 0; i < (size_t)nodes * nodes; i++) {
    t->chosen[i] = true;
  }
}

/* ---- values -------------------------------------------------------------- */

struct unit {
  const char *name;
  double factor;
};

/* A number that is not negative, and one of the units behind it. */
static bool scaled(const char *text, const struct unit *units, double *out) {
  char *end;
  const double value = strtod(text, &end);

  if (text[0] < '0' || text[0] > '9') {
    return false;
  }
  for (; units->name != NULL; units++) {
    if (strcmp(end, units->name) == 0) {
      *out = value * units->factor;
      return *out < 1e15;
    }
  }
  return false;
}

bool settings_time(const char *text, uint64_t *out) {
  static const struct unit units[] = {
      {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {NULL, 0}};
  double value;

  if (!scaled(text, units, &value)) {
    return false;
  }
  *out = (uint64_t)(value + 0.5);
  return true;
}

static bool amount(const char *text, uint64_t *out) {
  static const struct unit units[] = {
      {"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};
  double value;

  if (!scaled(text, units, &value)) {
    return false;
  }
  *out = (uint64_t)(value + 0.5);
  return true;
}

static bool chance(const char *text, uint32_t *out) {
  static const struct unit units[] = {{"%", LINE_CERTAIN / 100.0}, {NULL, 0}};
  double value;

  if (!scaled(text, units, &value) || value > LINE_CERTAIN) {
    return false;
  }
  *out = (uint32_t)(value + 0.5);
  return true;
}

static bool two_chances(const char *text, uint32_t *first, uint32_t *second) {
  const char *const comma = strchr(text, ',');
  char head[32];

  if (comma == NULL || (size_t)(comma - text) >= sizeof(head)) {
    return false;
  }
  memcpy(head, text, (size_t)(comma - text));
  head[comma - text] = '\0';
  return chance(head, first) && chance(comma + 1, second);
}

/* ---- words --------------------------------------------------------------- */

static bool set_chance(struct line_settings *s, const char *name,
                       const char *value) {
  const struct {
    const char *name;
    uint32_t *out;
  } chances[] = {{"loss", &s->loss},
                 {"duplicate", &s->duplicate},
                 {"corrupt", &s->corrupt},
                 {"reorder", &s->reorder}};

  for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++) {
    if (strcmp(name, chances[i].name) == 0) {
      return chance(value, chances[i].out);
    }
  }
  return strcmp(name, "burst") == 0 &&
         two_chances(value, &s->burst_begin, &s->burst_end);
}

static bool set_value(struct line_settings *s, const char *name,
                      const char *value) {
  uint64_t number;

  if (strcmp(name, "delay") == 0) {
    return settings_time(value, &s->delay);
  }
  if (strcmp(name, "jitter") == 0) {
    return settings_time(value, &s->jitter);
  }
  if (strcmp(name, "rate") == 0) {
    return amount(value, &s->rate);
  }
  if (strcmp(name, "queue") == 0) {
    return amount(value, &s->queue_bytes);
  }
  if (strcmp(name, "mtu") == 0 && amount(value, &number) &&
      number <= UINT32_MAX) {
    s->mtu = (uint32_t)number;
    return true;
  }
  return set_chance(s, name, value);
}

static bool set(struct line_settings *s, const char *word) {
  const char *const equals = strchr(word, '=');
  char name[16];

  if (strcmp(word, "cut") == 0 || strcmp(word, "heal") == 0) {
    s->cut = word[0] == 'c';
    return true;
  }
  if (equals == NULL || (size_t)(equals - word) >= sizeof(name)) {
    return false;
  }
  memcpy(name, word, (size_t)(equals - word));
  name[equals - word] = '\0';
  return set_value(s, name, equals + 1);
}

/* ---- which lines --------------------------------------------------------- */

static bool node_number(const struct settings_target *t, const char **text,
                        uint32_t *out) {
  char *end;
  const unsigned long value = strtoul(*text, &end, 10);

  if (**text < '0' || **text > '9' || value >= t->nodes) {
    return false;
  }
  *text = end;
  *out = (uint32_t)value;
  return true;
}

static bool choose(struct settings_target *t, const char *word) {
  uint32_t a = UINT32_MAX;
  uint32_t b = UINT32_MAX;
  char how = '\0';

  if (strcmp(word, "all") != 0) {
    if (!node_number(t, &word, &a)) {
      return false;
    }
    how = *word;
    if (how != '\0') {
      word++;
      if ((how != '-' && how != ':') || !node_number(t, &word, &b) ||
          *word != '\0' || a == b) {
        return false;
      }
    }
  }
  for (uint32_t from = 0; from < t->nodes; from++) {
    for (uint32_t to = 0; to < t->nodes; to++) {
      t->chosen[from * t->nodes + to] =
          a == UINT32_MAX || (how == '\0' && (from == a || to == a)) ||
          (from == a && to == b) || (how == '-' && from == b && to == a);
    }
  }
  return true;
}

bool settings_word(struct settings_target *t, const char *word) {
  struct line_settings probe = {.cut = false};

  if (choose(t, word)) {
    return true;
  }
  if (!set(&probe, word)) {
    return false;
  }
  for (size_t i = 0; i < (size_t)t->nodes * t->nodes; i++) {
    if (t->chosen[i]) {
      (void)set(&t->lines[i].settings, word);
    }
  }
  return true;
}

const char *settings_text(struct settings_target *t, char *text) {
  char *rest = text;
  const char *word;

  while ((word = strsep(&rest, " \n")) != NULL) {
    if (*word != '\0' && !settings_word(t, word)) {
      return word;
    }
  }
  return NULL;
}
