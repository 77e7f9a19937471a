/* world_run: the time of a world, and the clients that load it. */
#include "world_int.h"

/* ---- time --------------------------------------------------------------- */

/* Nothing is too late for who is down. */
static uint64_t view_of(const struct world_replica *r) {
  struct rep_core_info info = {.view = 0};

  if (r->up) {
    rep_core_info(r->core, &info);
  }
  return info.view;
}

static enum rep_verdict receive(struct world_replica *r,
                                const struct world_event *event) {
  switch (event->kind) {
  case REP_SYNC_REQUEST:
    return world_serve(r, event);
  case REP_SYNC_RESPONSE:
    return world_answer(r, event);
  default:
    return rep_core_receive(r->core, event->from, event->kind, event->body,
                            r->world->now);
  }
}

static void happen(struct world *w, const struct world_event *event) {
  struct world_replica *const r = &w->replicas[event->to];

  if (event->body == NULL && event->question != 0) {
    if (event->life == r->life && r->up) {
      world_end_of_try(r, event);
    }
    return;
  }
  if (event->body == NULL) {
    if (event->life == r->life && r->disk_full) {
      world_crash(w, event->to);
    } else if (event->life == r->life) {
      r->durable = event->records > r->durable ? event->records : r->durable;
      rep_core_stored(r->core, event->seq, w->now);
    }
    return;
  }
  if (r->up && event->view >= view_of(r) &&
      event->view >= view_of(&w->replicas[event->from])) {
    const enum rep_verdict verdict = receive(r, event);

    if (verdict == REP_WRONG && (int32_t)event->from != w->liar) {
      world_breaks(w, "an honest replica was called wrong");
    }
  }
  rep_bytes_unref(event->body);
}

/* Who is paused gets everything at once when it goes on. */
static bool put_off(struct world *w, const struct world_event *event) {
  const struct world_replica *const r = &w->replicas[event->to];
  struct world_event later = *event;

  if (event->when >= r->paused_until) {
    return false;
  }
  later.when = r->paused_until;
  world_push(w, later);
  return true;
}

static hs2n_time next_tick(const struct world *w, uint32_t *out_who) {
  hs2n_time best = HS2N_TIME_NEVER;

  for (uint32_t i = 0; i < w->n; i++) {
    if (w->replicas[i].up) {
      const struct world_replica *const r = &w->replicas[i];
      hs2n_time deadline = rep_core_deadline(r->core);

      if (deadline < r->paused_until) {
        deadline = r->paused_until;
      }
      if (deadline < best) {
        best = deadline;
        *out_who = i;
      }
    }
  }
  return best;
}

void world_run(struct world *w, hs2n_time duration) {
  const hs2n_time end = w->now + duration;

  while (w->broken == NULL) {
    uint32_t who = 0;
    const hs2n_time tick = next_tick(w, &who);
    const hs2n_time event =
        w->events_count > 0 ? w->events[0].when : HS2N_TIME_NEVER;
    const hs2n_time next = tick < event ? tick : event;

    if (next > end) {
      break;
    }
    w->now = next > w->now ? next : w->now;
    if (tick < event) {
      rep_core_tick(w->replicas[who].core, w->now);
    } else {
      const struct world_event top = world_pop(w);

      if (!put_off(w, &top)) {
        happen(w, &top);
      }
    }
  }
  w->now = end;
}

void world_fill_disk(struct world *w, uint32_t i) {
  w->replicas[i].disk_full = true;
}

void world_pause(struct world *w, uint32_t i, hs2n_time duration) {
  struct world_replica *const r = &w->replicas[i];
  const hs2n_time until = w->now + duration;

  r->paused_until = until > r->paused_until ? until : r->paused_until;
}

/* ---- clients ------------------------------------------------------------ */

static void submit(struct world *w, uint32_t id) {
  uint8_t tx[32] = {0};

  rep_put_be(tx, id, 8);
  for (uint32_t i = 0; i < w->n; i++) {
    if (w->replicas[i].up) {
      (void)rep_core_submit(w->replicas[i].core,
                            (struct hs2n_span){tx, sizeof(tx)}, w->now);
    }
  }
}

void world_submit(struct world *w) {
  if (w->txs_submitted < WORLD_TXS_MAX) {
    submit(w, w->txs_submitted++);
  }
}

static uint8_t honest(const struct world *w) {
  uint8_t mask = (uint8_t)((1u << w->n) - 1);

  if (w->liar >= 0) {
    mask = (uint8_t)(mask & ~(1u << w->liar));
  }
  return mask;
}

void world_resubmit(struct world *w) {
  for (uint32_t id = 0; id < w->txs_submitted; id++) {
    if ((w->tx_replicas[id] & honest(w)) != honest(w)) {
      submit(w, id);
    }
  }
}

void world_heal(struct world *w) {
  w->net.loss_percent = 0;
  w->net.repeat_percent = 0;
  for (uint32_t i = 0; i < w->n; i++) {
    w->group[i] = 0;
    w->replicas[i].paused_until = 0;
    w->replicas[i].sync_more = 0;
    w->replicas[i].disk_full = false;
    world_restart(w, i);
  }
}

bool world_all_executed(const struct world *w) {
  for (uint32_t id = 0; id < w->txs_submitted; id++) {
    if ((w->tx_replicas[id] & honest(w)) != honest(w)) {
      return false;
    }
  }
  return true;
}

uint64_t world_lowest_height(const struct world *w) {
  uint64_t lowest = UINT64_MAX;

  for (uint32_t i = 0; i < w->n; i++) {
    if ((int32_t)i != w->liar && w->replicas[i].height < lowest) {
      lowest = w->replicas[i].height;
    }
  }
  return lowest;
}
