#include "outside.h"

static void says(const struct rep_outside *o, enum rep_kind kind, uint64_t view,
                 struct rep_bytes *body) {
  if (o->says != NULL) {
    o->says(o->self, kind, view, rep_bytes_span(body));
  }
}

static void env_send(void *self, uint32_t to, enum rep_kind kind, uint64_t view,
                     struct rep_bytes *body) {
  struct rep_outside *const o = self;

  says(o, kind, view, body);
  rep_net_send(&o->net, to, kind, view, body);
}

static void env_broadcast(void *self, enum rep_kind kind, uint64_t view,
                          struct rep_bytes *body) {
  struct rep_outside *const o = self;

  says(o, kind, view, body);
  rep_net_broadcast(&o->net, kind, view, body);
}

static bool env_ask(void *self, const uint32_t *whom, uint32_t count,
                    struct rep_bytes *body, hs2n_time deadline) {
  struct rep_outside *const o = self;

  return rep_net_ask(&o->net, whom, count, body, deadline);
}

static void env_enter_view(void *self, uint64_t view,
                           const uint32_t leaders[REP_LEADERS]) {
  struct rep_outside *const o = self;

  rep_net_enter_view(&o->net, view, leaders);
}

static uint64_t env_append_block(void *self, const struct rep_block *block) {
  struct rep_outside *const o = self;

  if (o->takes_up != NULL) {
    o->takes_up(o->self, block);
  }
  return rep_store_append_block(o->store, block);
}

static void env_append_state(void *self, uint64_t seq,
                             const struct rep_state *state) {
  struct rep_outside *const o = self;

  rep_store_append_state(o->store, seq, state);
}

static void env_commit(void *self, struct rep_block *block, uint64_t log_pos,
                       const bool *fresh) {
  struct rep_outside *const o = self;

  rep_store_commit(o->store, block, log_pos);
  if (o->commits != NULL) {
    o->commits(o->self, block, fresh);
  }
}

static struct rep_bytes *env_load(void *self, uint64_t height) {
  struct rep_outside *const o = self;

  return rep_store_load(o->store, height);
}

struct rep_env rep_outside_env(struct rep_outside *outside) {
  return (struct rep_env){.self = outside,
                          .send = env_send,
                          .broadcast = env_broadcast,
                          .ask = env_ask,
                          .enter_view = env_enter_view,
                          .append_block = env_append_block,
                          .append_state = env_append_state,
                          .commit = env_commit,
                          .load = env_load};
}
