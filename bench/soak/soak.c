#include "soak.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IDLE_MS_MIN 1000
#define IDLE_MS_MAX 4000
#define STEP_MS 10

/* What epoll says of the relay, beside the parties. */
#define RELAY_SIDES PARTIES

/* ---- setting up -----------------------------------------------------------
 */

static hs2n_time at_most(hs2n_time a, hs2n_time b) {
  return a < b ? a : b;
}

static struct flow *add_flow(struct flow *f, uint32_t from, uint32_t to,
                             struct party_message message, hs2n_time every) {
  *f = (struct flow){
      .from = from, .to = to, .message = message, .burst = 1, .every = every};
  return f + 1;
}

static const struct party_message vote = {.type = TYPE_VOTE},
                                  loose_vote = {.type = TYPE_VOTE,
                                                .flags = HS2N_MSG_DATAGRAM_OK},
                                  cert = {.type = TYPE_CERT},
                                  proposal = {.type = TYPE_PROPOSAL,
                                              .flags = HS2N_MSG_QUORUM},
                                  body = {.type = TYPE_BODY},
                                  tx = {.type = TYPE_TX},
                                  ask = {.type = TYPE_ASK},
                                  new_view = {.type = TYPE_NEW_VIEW,
                                              .flags = HS2N_MSG_VIEW_BOUND};

static struct flow *add_sender(struct flow *f, hs2n_time period) {
  const uint32_t all = ALL_BUT_SENDER;

  f = add_flow(f, SENDER, all, loose_vote, HS2N_MS(10));
  f[-1].within = HS2N_S(3);
  f = add_flow(f, SENDER, all, vote, HS2N_MS(10));
  f = add_flow(f, SENDER, all, cert, HS2N_MS(50));
  f = add_flow(f, SENDER, all, proposal, HS2N_MS(100));
  f[-1].within = HS2N_S(10);
  /* A short period meets its limits too. */
  f = add_flow(f, SENDER, all, body, at_most(period / 20, HS2N_S(1)));
  f = add_flow(f, SENDER, all, tx, HS2N_MS(40));
  f[-1].within = HS2N_S(4);
  f[-1].burst = 8;
  f = add_flow(f, SENDER, all, new_view, HS2N_MS(50));
  f = add_flow(f, SENDER, all, ask, HS2N_MS(50));
  f[-1].within = HS2N_S(5);
  return f;
}

static void set_flows(struct soak *s) {
  struct flow *f = add_sender(s->flows, s->period);

  for (uint32_t i = 1; i < PARTIES; i++) {
    f = add_flow(f, i, 1u << SENDER, i % 2 == 0 ? vote : loose_vote,
                 HS2N_MS(40));
    f = add_flow(f, i, 1u << SENDER, ask, HS2N_MS(200));
    f[-1].within = HS2N_S(5);
  }
  s->flows_n = (size_t)(f - s->flows);
}

static bool watch(const struct soak *s, int fd, uint32_t what) {
  struct epoll_event ev = {.events = EPOLLIN, .data = {.u32 = what}};

  return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static bool open_parties(struct soak *s) {
  static const enum manner manners[PARTIES] = {
      MANNER_PROMPT, MANNER_PROMPT, MANNER_SLOW, MANNER_STOPPED, MANNER_PROMPT};
  const uint32_t idle_ms = (uint32_t)(s->period / HS2N_MS(15));

  for (uint32_t i = 0; i < PARTIES; i++) {
    const struct party_config config = {
        .index = i,
        .manner = manners[i],
        .ledger = &s->ledger,
        .mem = &s->gauge.mem,
        .idle_ms = idle_ms < IDLE_MS_MIN   ? IDLE_MS_MIN
                   : idle_ms > IDLE_MS_MAX ? IDLE_MS_MAX
                                           : idle_ms};

    if (!party_open(&s->parties[i], &config) ||
        !watch(s, hs2n_io_fd(s->parties[i].io), i)) {
      return false;
    }
  }
  return true;
}

static bool open_relay(struct soak *s) {
  if (!relay_open(&s->relay)) {
    return false;
  }
  s->relay.ends[0] = hs2n_io_local(s->parties[SENDER].io);
  s->relay.ends[1] = hs2n_io_local(s->parties[FLAPPING].io);
  return watch(s, s->relay.fds[0], RELAY_SIDES) &&
         watch(s, s->relay.fds[1], RELAY_SIDES + 1);
}

/* The sender knows all; the others know it and themselves. */
static bool join_all(struct soak *s) {
  struct party_peer all[PARTIES];

  for (uint32_t i = 0; i < PARTIES; i++) {
    all[i] = (struct party_peer){.party = &s->parties[i],
                                 .addr = hs2n_io_local(s->parties[i].io)};
  }
  all[FLAPPING].addr = s->relay.addrs[0];
  if (!party_join(&s->parties[SENDER], all, PARTIES)) {
    return false;
  }
  for (uint32_t i = 1; i < PARTIES; i++) {
    struct party_peer two[] = {all[SENDER], all[i]};

    if (i == FLAPPING) {
      two[0].addr = s->relay.addrs[1];
    }
    if (!party_join(&s->parties[i], two, 2)) {
      return false;
    }
  }
  return true;
}

bool soak_open(struct soak *s, hs2n_time period) {
  s->period = period;
  s->epoll_fd = -1;
  s->relay.fds[0] = s->relay.fds[1] = -1;
  s->begun = hs2n_io_now();
  gauge_init(&s->gauge, s->begun);
  s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (s->epoll_fd < 0 || !ledger_init(&s->ledger) || !open_parties(s) ||
      !open_relay(s) || !join_all(s)) {
    fprintf(stderr, "hs2net-soak: can't begin\n");
    return false;
  }
  set_flows(s);
  return true;
}

void soak_close(struct soak *s) {
  for (uint32_t i = 0; i < PARTIES; i++) {
    party_close(&s->parties[i]);
  }
  relay_close(&s->relay);
  ledger_fini(&s->ledger);
  if (s->epoll_fd >= 0) {
    close(s->epoll_fd);
  }
}

/* ---- turning --------------------------------------------------------------
 */

/* Whether a part of the period from `from` to `to`, in sixtieths, is now. */
static bool is_between(const struct soak *s, hs2n_time now, unsigned from,
                       unsigned to) {
  const hs2n_time at = (now - s->begun) % s->period;

  return at >= s->period / 60 * from && at < s->period / 60 * to;
}

static void set_phase(struct soak *s, hs2n_time now) {
  s->parties[STOPPING].stopped = is_between(s, now, 8, 28);
  s->relay.down = is_between(s, now, 3, 4) || is_between(s, now, 20, 23) ||
                  is_between(s, now, 30, 46) || is_between(s, now, 50, 56);
}

/* What a late turn has missed is not made up for. */
static bool send_due(struct soak *s, hs2n_time now) {
  for (size_t i = 0; i < s->flows_n; i++) {
    struct flow *const f = &s->flows[i];
    bool ok = true;

    if (now < f->due) {
      continue;
    }
    f->due = now - now % f->every + f->every;
    f->message.deadline = f->within == 0 ? 0 : now + f->within;
    for (uint32_t k = 0; ok && k < f->burst; k++) {
      ok = party_send(&s->parties[f->from], f->to, &f->message);
    }
    if (!ok) {
      fprintf(stderr, "hs2net-soak: a send failed\n");
      return false;
    }
  }
  return true;
}

/* A view is a sixtieth of the period, and comes to all at one time. */
static bool enter_views(struct soak *s, hs2n_time now) {
  const uint64_t view = (now - s->begun) / (s->period / 60);

  for (uint32_t i = 0; i < PARTIES; i++) {
    if (s->parties[i].view < view && !party_enter_view(&s->parties[i], view)) {
      fprintf(stderr, "hs2net-soak: no view\n");
      return false;
    }
  }
  return true;
}

static void release_due(struct soak *s, hs2n_time now) {
  for (uint32_t i = 0; i < PARTIES; i++) {
    struct party *const p = &s->parties[i];
    const bool goes_on = p->manner == MANNER_STOPPED && !p->stopped;

    (void)party_release(p, goes_on ? HS2N_TIME_NEVER : now);
  }
}

/* What was sent, or judged, from outside needs a turn. */
static bool turn_all(const struct soak *s) {
  for (uint32_t i = 0; i < PARTIES; i++) {
    if (hs2n_io_turn(s->parties[i].io, 0) != HS2N_OK) {
      return false;
    }
  }
  return true;
}

static bool turn_ready(struct soak *s) {
  struct epoll_event events[PARTIES + 2];
  const int n = epoll_wait(s->epoll_fd, events, PARTIES + 2, STEP_MS);

  for (int i = 0; i < n; i++) {
    const uint32_t what = events[i].data.u32;

    if (what >= RELAY_SIDES) {
      relay_turn(&s->relay, (int)(what - RELAY_SIDES));
    } else if (hs2n_io_turn(s->parties[what].io, 0) != HS2N_OK) {
      return false;
    }
  }
  return true;
}

bool soak_turn(struct soak *s) {
  const hs2n_time now = hs2n_io_now();

  set_phase(s, now);
  release_due(s, now);
  return enter_views(s, now) && send_due(s, now) && turn_all(s) &&
         turn_ready(s);
}

bool soak_calm(struct soak *s) {
  s->parties[STOPPING].stopped = false;
  s->relay.down = false;
  release_due(s, hs2n_io_now());
  return enter_views(s, hs2n_io_now()) && turn_all(s) && turn_ready(s);
}

bool soak_is_over(const struct soak *s) {
  for (uint32_t i = 0; i < PARTIES; i++) {
    if (s->parties[i].full != 0 || s->parties[i].count > 0) {
      return false;
    }
  }
  return s->ledger.opens_n == 0;
}

/* ---- looking --------------------------------------------------------------
 */

struct soak_sums soak_sums(const struct soak *s) {
  struct soak_sums sums = {.fulls = 0};

  for (uint32_t i = 0; i < PARTIES; i++) {
    const struct party *const p = &s->parties[i];
    struct hs2n_stats stats = {.struct_size = sizeof(stats)};

    hs2n_node_stats(p->node, &stats);
#define X(field, text) sums.nodes.field += stats.field;
    HS2N_STATS_LIST(X)
#undef X
    sums.fulls += p->writables + (uint64_t)__builtin_popcount(p->full);
    sums.writables += p->writables;
    sums.unjudged += p->unjudged;
  }
  return sums;
}
