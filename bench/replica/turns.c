#include "turns.h"

void rep_line_extend(struct rep_line *line, const struct rep_committee *c,
                     bool consecutive, uint32_t author) {
  const uint32_t keep = rep_faulty_max(c);

  if (!consecutive) {
    line->run = 0;
  }
  if (line->run < REP_TURNS_RUN) {
    line->run++;
  }
  if (line->authors_count < keep) {
    line->authors_count++;
  }
  memmove(&line->authors[1], &line->authors[0], line->authors_count - 1u);
  line->authors[0] = (uint8_t)author;
}

static bool is_author(const struct rep_line *line, uint32_t i) {
  for (uint32_t k = 0; k < line->authors_count; k++) {
    if (line->authors[k] == i) {
      return true;
    }
  }
  return false;
}

/* Views that follow each other should not favour anybody (splitmix64). */
static uint64_t mix(uint64_t view) {
  uint64_t z = view * 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

uint32_t rep_line_leader(const struct rep_line *line,
                         const struct rep_committee *c,
                         const struct rep_cert *justify, uint64_t view) {
  uint32_t candidates[REP_N_MAX];
  uint32_t count = 0;

  for (uint32_t i = 0; i < c->n && line->run == REP_TURNS_RUN; i++) {
    if (rep_signers_has(&justify->signers, i) && !is_author(line, i)) {
      candidates[count] = i;
      count++;
    }
  }
  return count > 0 ? candidates[mix(view) % count] : rep_leader(c, view);
}
