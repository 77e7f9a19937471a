#include "gauge.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What may lie between two thirds of a run without anything growing: of the
 * lows, what happened to be on its way at the quietest time; of the RSS, what
 * malloc keeps; of the rest, what it keeps in its caches for small pieces. */
#define LIVE_LOW_SLACK (512 << 10)
#define LIVE_PEAK_SLACK_PERCENT 25
#define RSS_SLACK (2 << 20)
#define OTHER_SLACK (512 << 10)
#define MINUTES_MIN 6

static void note(struct gauge_range *s, uint64_t value) {
  s->low = value < s->low ? value : s->low;
  s->peak = value > s->peak ? value : s->peak;
}

/* ---- memory of the nodes --------------------------------------------------
 */

static void *count_alloc(void *user_data, size_t len) {
  struct gauge *const g = user_data;
  void *const p = calloc(1, len);

  if (p != NULL) {
    g->live += len;
    note(&g->now.live, g->live);
  }
  return p;
}

static void count_release(void *user_data, void *ptr, size_t len) {
  struct gauge *const g = user_data;

  if (ptr != NULL) {
    g->live -= len;
    note(&g->now.live, g->live);
    free(ptr);
  }
}

/* ---- the process ----------------------------------------------------------
 */

/* 0 when it can't be read. */
static uint64_t rss_bytes(void) {
  FILE *in = fopen("/proc/self/statm", "re");
  unsigned long long pages = 0;

  if (in == NULL) {
    return 0;
  }
  if (fscanf(in, "%*u %llu", &pages) != 1) {
    pages = 0;
  }
  fclose(in);
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What the process has of malloc; 0 where that can't be said. */
static uint64_t malloc_bytes(void) {
#ifdef HAVE_MALLINFO2
  const struct mallinfo2 info = mallinfo2();

  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

static uint64_t ns_of(struct timeval t) {
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

static uint64_t cpu_ns(void) {
  struct rusage usage;

  getrusage(RUSAGE_SELF, &usage);
  return ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
}

static void begin(struct gauge *g, uint64_t now) {
  const uint64_t rss = rss_bytes();

  g->now.live = (struct gauge_range){.low = g->live, .peak = g->live};
  g->now.rss = (struct gauge_range){.low = rss, .peak = rss};
  g->cpu_ns = cpu_ns();
  g->wall_ns = now;
}

void gauge_init(struct gauge *g, uint64_t now) {
  memset(g, 0xff, sizeof(*g)); /* touches it all */
  g->mem = (struct hs2n_mem){
      .user_data = g, .alloc = count_alloc, .release = count_release};
  g->live = 0;
  g->minutes_n = 0;
  begin(g, now);
}

void gauge_sample(struct gauge *g) {
  note(&g->now.rss, rss_bytes());
}

const struct gauge_minute *gauge_minute(struct gauge *g, uint64_t now) {
  struct gauge_minute *const m = &g->minutes[g->minutes_n];
  const uint64_t all = malloc_bytes();

  assert(g->minutes_n < GAUGE_MINUTES_MAX);
  gauge_sample(g);
  g->now.cpu = (double)(cpu_ns() - g->cpu_ns) / (double)(now - g->wall_ns + 1);
  g->now.other = all > g->live ? all - g->live : 0;
  *m = g->now;
  g->minutes_n++;
  begin(g, now);
  return m;
}

/* ---- the verdict ----------------------------------------------------------
 */

struct third {
  uint64_t live_low;
  uint64_t live_peak;
  uint64_t rss_low;
  uint64_t other;
};

static struct third third_of(const struct gauge *g, uint32_t from,
                             uint32_t to) {
  struct third t = {
      .live_low = UINT64_MAX, .rss_low = UINT64_MAX, .other = UINT64_MAX};

  for (uint32_t i = from; i < to; i++) {
    const struct gauge_minute *const m = &g->minutes[i];

    t.live_low = m->live.low < t.live_low ? m->live.low : t.live_low;
    t.live_peak = m->live.peak > t.live_peak ? m->live.peak : t.live_peak;
    t.other = m->other < t.other ? m->other : t.other;
    t.rss_low = m->rss.low < t.rss_low ? m->rss.low : t.rss_low;
  }
  return t;
}

struct gauge_growth gauge_growth(const struct gauge *g) {
  const uint32_t n = g->minutes_n;
  const struct third a = third_of(g, n / 3, n - n / 3);
  const struct third b = third_of(g, n - n / 3, n);
  struct gauge_growth out = {.known = n >= MINUTES_MIN, .flat = true};

  if (!out.known) {
    return out;
  }
  out.live_low = (int64_t)(b.live_low - a.live_low);
  out.live_peak = (int64_t)(b.live_peak - a.live_peak);
  out.other = (int64_t)(b.other - a.other);
  out.rss_low = (int64_t)(b.rss_low - a.rss_low);
  out.flat =
      out.live_low <= LIVE_LOW_SLACK &&
      out.live_peak <= (int64_t)(a.live_peak * LIVE_PEAK_SLACK_PERCENT / 100) &&
      out.other <= OTHER_SLACK && out.rss_low <= RSS_SLACK;
  return out;
}
