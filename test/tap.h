/* tap: the whole test framework.  One program per file, TAP on stdout.
 *
 *   static void keeps_newest(void) { CHECK_EQ(f(3), 4); }
 *   int main(void) { RUN(keeps_newest); return tap_done(); }
 *
 * A failed check is printed and the case goes on, so that one run shows all
 * that is wrong; REQUIRE ends the case where going on would crash. */
#ifndef TAP_H
#define TAP_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_run, tap_bad;
static bool tap_case_ok;

/* Flushed line by line: what was printed before a crash is what explains it. */
#define TAP_SAY(...)     \
  do {                   \
    printf(__VA_ARGS__); \
    fflush(stdout);      \
  } while (0)

/* What is wrong goes to standard error: of a failed program Meson shows that,
 * not the lines of TAP. */
#define TAP_WRONG(...)            \
  do {                            \
    tap_case_ok = false;          \
    fprintf(stderr, __VA_ARGS__); \
  } while (0)

#define RUN(fn)                                                           \
  do {                                                                    \
    tap_case_ok = true;                                                   \
    fn();                                                                 \
    tap_run++;                                                            \
    tap_bad += !tap_case_ok;                                              \
    TAP_SAY("%s %d - %s\n", tap_case_ok ? "ok" : "not ok", tap_run, #fn); \
  } while (0)

/* For a case that this machine can't run; why is one line of text. */
#define SKIP(fn, why)                                       \
  do {                                                      \
    tap_run++;                                              \
    TAP_SAY("ok %d - %s # SKIP %s\n", tap_run, #fn, (why)); \
  } while (0)

#define CHECK(cond)                                          \
  do {                                                       \
    if (!(cond)) {                                           \
      TAP_WRONG("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
    }                                                        \
  } while (0)

#define REQUIRE(cond)                                        \
  do {                                                       \
    if (!(cond)) {                                           \
      TAP_WRONG("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
      return;                                                \
    }                                                        \
  } while (0)

#define CHECK_EQ(got, want)                                                 \
  do {                                                                      \
    const int64_t got_ = (int64_t)(got);                                    \
    const int64_t want_ = (int64_t)(want);                                  \
    if (got_ != want_) {                                                    \
      TAP_WRONG("# %s:%d: %s is %" PRId64 ", want %" PRId64 "\n", __FILE__, \
                __LINE__, #got, got_, want_);                               \
    }                                                                       \
  } while (0)

#define CHECK_TEXT(got, want)                                           \
  do {                                                                  \
    const char *got_ = (got);                                           \
    const char *want_ = (want);                                         \
    if (strcmp(got_, want_) != 0) {                                     \
      TAP_WRONG("# %s:%d: got\n%s# want\n%s", __FILE__, __LINE__, got_, \
                want_);                                                 \
    }                                                                   \
  } while (0)

#define CHECK_MEM(got, want, len)                                          \
  do {                                                                     \
    if (memcmp((got), (want), (len)) != 0) {                               \
      TAP_WRONG("# %s:%d: %s differs from %s\n", __FILE__, __LINE__, #got, \
                #want);                                                    \
    }                                                                      \
  } while (0)

static inline int tap_done(void) {
  TAP_SAY("1..%d\n", tap_run);
  return tap_bad == 0 ? 0 : 1;
}

#endif /* TAP_H */
