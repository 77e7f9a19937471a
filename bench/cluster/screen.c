#include "screen.h"

#include "cluster.h"

#include <hs2net/io.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define TERMINAL_EVERY HS2N_MS(250)
#define PLAIN_EVERY HS2N_S(1)

void screen_init(struct screen *s) {
  *s = (struct screen){.terminal = isatty(STDOUT_FILENO) == 1};
}

/* ---- numbers ------------------------------------------------------------ */

const char *screen_count(uint64_t value, char out[32]) {
  char digits[24];
  const int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
  int at = 0;

  for (int i = 0; i < len; i++) {
    if (i > 0 && (len - i) % 3 == 0) {
      out[at++] = ' ';
    }
    out[at++] = digits[i];
  }
  out[at] = '\0';
  return out;
}

const char *screen_time(uint64_t ns, char out[32]) {
  if (ns == 0) {
    (void)snprintf(out, 32, "-");
  } else if (ns < 1000000) {
    (void)snprintf(out, 32, "%.0f us", (double)ns / 1e3);
  } else if (ns < 100000000) {
    (void)snprintf(out, 32, "%.2f ms", (double)ns / 1e6);
  } else if (ns < 1000000000) {
    (void)snprintf(out, 32, "%.0f ms", (double)ns / 1e6);
  } else {
    (void)snprintf(out, 32, "%.2f s", (double)ns / 1e9);
  }
  return out;
}

const char *screen_bytes(double bytes, char out[32]) {
  if (bytes < 1e3) {
    (void)snprintf(out, 32, "%.0f B", bytes);
  } else if (bytes < 1e6) {
    (void)snprintf(out, 32, "%.1f kB", bytes / 1e3);
  } else if (bytes < 1e9) {
    (void)snprintf(out, 32, "%.1f MB", bytes / 1e6);
  } else {
    (void)snprintf(out, 32, "%.2f GB", bytes / 1e9);
  }
  return out;
}

/* ---- the table ---------------------------------------------------------- */

static const char *state_name(const struct cluster *c,
                              const struct child *child) {
  const struct victim *const v = &c->victim;

  switch (child->state) {
  case CHILD_DOWN:
    return v->killed != 0 && v->index == child->index ? "killed" : "down";
  case CHILD_STARTING:
    return "starting";
  case CHILD_UP:
    return v->restarted != 0 && v->recovered == 0 && v->index == child->index
               ? "catching up"
               : "up";
  }
  return "?";
}

/* A report tells the view of its time; blocks have come since. */
static uint64_t view_of(const struct cluster *c, const struct child *child) {
  const uint64_t view = c->ledger.view[child->index];

  return view > child->status.view ? view : child->status.view;
}

/* How much a field grew in a second, from the last two reports. */
#define RATE(child, field)                                           \
  ((child)->statuses < 2                                             \
       ? 0.0                                                         \
       : (double)((child)->status.field - (child)->previous.field) * \
             4.0) /* replicas report four times a second */

static void draw_row(struct cluster *c, const struct child *child) {
  const struct histogram *const at = c->ledger.at[child->index];
  char p50[32];
  char p99[32];
  char out[32];
  char in[32];
  char rtt[32];

  if (child->state == CHILD_DOWN) {
    (void)printf("\033[K  %-3u %-11s\n", (unsigned)child->index,
                 state_name(c, child));
    return;
  }
  (void)printf("\033[K  %-3u %-11s %9" PRIu64 " %9" PRIu64
               " %8.0f %9s %9s %9s %9s %8s %2" PRIu64 "/%u\n",
               (unsigned)child->index, state_name(c, child), child->status.view,
               ledger_height_of(&c->ledger, child->index), RATE(child, txs),
               screen_time(histogram_percentile(at, 0.5), p50),
               screen_time(histogram_percentile(at, 0.99), p99),
               screen_bytes(RATE(child, bytes_sent), out),
               screen_bytes(RATE(child, bytes_received), in),
               screen_time(child->status.rtt_ns, rtt), child->status.peers_up,
               (unsigned)(c->options.replicas - 1));
}

static void draw_table(struct cluster *c, hs2n_time now, double rate) {
  char submitted[32];
  char committed[32];
  char tx_rate[32];
  char p50[32];
  char p99[32];

  if (c->screen.lines > 0) {
    (void)printf("\033[%uA", (unsigned)c->screen.lines);
  }
  (void)printf(
      "\033[K\n\033[K  %5.1f s   %s of %s committed   %s tx/s   "
      "latency p50 %s  p99 %s\n\033[K\n",
      (double)(now - c->began) / 1e9,
      screen_count(c->ledger.txs_committed, committed),
      screen_count(c->ledger.txs_submitted, submitted),
      screen_count((uint64_t)rate, tx_rate),
      screen_time(histogram_percentile(&c->ledger.interval, 0.5), p50),
      screen_time(histogram_percentile(&c->ledger.interval, 0.99), p99));
  (void)printf("\033[K  %-3s %-11s %9s %9s %8s %9s %9s %9s %9s %8s %s\n", "#",
               "replica", "view", "height", "tx/s", "p50", "p99", "sent/s",
               "recv/s", "RTT", "peers");
  for (uint32_t i = 0; i < c->options.replicas; i++) {
    draw_row(c, &c->children[i]);
  }
  c->screen.lines = 4 + c->options.replicas;
}

static void draw_line(struct cluster *c, hs2n_time now, double rate) {
  char committed[32];
  char p50[32];
  char p99[32];
  uint64_t view = 0;
  uint32_t up = 0;

  for (uint32_t i = 0; i < c->options.replicas; i++) {
    up += c->children[i].state == CHILD_UP ? 1 : 0;
    if (view_of(c, &c->children[i]) > view) {
      view = view_of(c, &c->children[i]);
    }
  }
  (void)printf(
      "%6.1f s  %u/%u up  view %-8" PRIu64 " height %-8" PRIu64
      " %s tx  %.0f tx/s  p50 %s  p99 %s\n",
      (double)(now - c->began) / 1e9, (unsigned)up,
      (unsigned)c->options.replicas, view, c->ledger.height,
      screen_count(c->ledger.txs_committed, committed), rate,
      screen_time(histogram_percentile(&c->ledger.interval, 0.5), p50),
      screen_time(histogram_percentile(&c->ledger.interval, 0.99), p99));
}

void screen_draw(struct cluster *c, hs2n_time now) {
  struct screen *const s = &c->screen;
  double rate = 0;

  if (now < s->next || c->began == 0 || c->ended != 0) {
    return;
  }
  if (s->drawn != 0 && now > s->drawn) {
    rate = (double)(c->ledger.txs_committed - s->txs_drawn) * 1e9 /
           (double)(now - s->drawn);
  }
  if (s->drawn != 0) {
    if (s->terminal) {
      draw_table(c, now, rate);
    } else {
      draw_line(c, now, rate);
    }
  }
  (void)fflush(stdout);
  s->drawn = now;
  s->txs_drawn = c->ledger.txs_committed;
  s->next = now + (s->terminal ? TERMINAL_EVERY : PLAIN_EVERY);
  ledger_new_interval(&c->ledger);
}

void screen_clear(struct cluster *c) {
  if (c->screen.lines > 0) {
    (void)printf("\033[%uA\033[J", (unsigned)c->screen.lines);
    c->screen.lines = 0;
  }
  (void)fflush(stdout);
}

void screen_say(struct cluster *c, const char *format, ...) {
  va_list args;

  screen_clear(c);
  if (c->began != 0) {
    (void)printf("%6.1f s  ", (double)(hs2n_io_now() - c->began) / 1e9);
  }
  va_start(args, format);
  (void)vprintf(format, args);
  va_end(args);
  (void)printf("\n");
  (void)fflush(stdout);
}
