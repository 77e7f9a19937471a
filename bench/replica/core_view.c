/* core_view: certificates, views and time-outs. */
#include "core_int.h"

static void send_new_view(struct rep_core *core, uint32_t to) {
  const struct rep_new_view nv = {
      .view = core->view, .high = core->lock, .tc = core->entry_tc};
  struct rep_bytes *const body = rep_new_view_encode(&nv);

  if (body == NULL) {
    core->counters.dropped++;
    return;
  }
  core->env.send(core->env.self, to, REP_NEW_VIEW,
                 core->view + REP_NEW_VIEW_VIEWS, body);
  rep_bytes_unref(body);
}

void rep_announce_view(struct rep_core *core) {
  const struct rep_node *const node =
      rep_tree_find(&core->tree, &core->lock->block);
  uint32_t leaders[REP_LEADERS] = {rep_turn_of(core, core->view),
                                   rep_turn_of(core, core->view + 1)};
  struct rep_line line;

  if (node != NULL && core->lock->view + 1 == core->view) {
    leaders[0] = rep_leader_after(core, node);
    line = node->line;
    rep_line_extend(&line, &core->config.committee, true, leaders[0]);
    leaders[1] = rep_line_leader(&line, &core->config.committee, core->lock,
                                 core->view + 1);
  }
  core->env.enter_view(core->env.self, core->view, leaders);
}

static void set_view(struct rep_core *core, uint64_t view, struct rep_tc *tc,
                     hs2n_time now) {
  struct rep_tc *const old = core->entry_tc;

  core->view = view;
  core->entry_tc = tc != NULL ? rep_tc_ref(tc) : NULL;
  rep_tc_unref(old);
  core->new_views = (struct rep_signers){{0}};
  core->counters.views++;
  core->unsettled = true;
  rep_pacemaker_enter(&core->pacemaker, now);
  rep_announce_view(core);
}

/* A certificate ends the view as it should.  One that was entered by a TC says
 * little of others, since its leader waits for word from a quorum. */
static void measure_view(struct rep_core *core, const struct rep_cert *cert,
                         hs2n_time now) {
  const struct rep_node *const node = rep_tree_find(&core->tree, &cert->block);

  if (cert->view == core->view && core->entry_tc == NULL && node != NULL) {
    rep_pacemaker_good(&core->pacemaker, &core->config.committee,
                       rep_leader_after(core, node), now);
  }
}

void rep_take_cert(struct rep_core *core, struct rep_cert *cert,
                   hs2n_time now) {
  if (cert->view > core->lock->view) {
    struct rep_cert *const old = core->lock;

    core->lock = rep_cert_ref(cert);
    rep_cert_unref(old);
    core->unsettled = true;
  }
  if (cert->view >= core->view) {
    measure_view(core, cert, now);
    set_view(core, cert->view + 1, NULL, now);
    rep_try_propose(core, now);
  }
}

void rep_take_tc(struct rep_core *core, struct rep_tc *tc, hs2n_time now) {
  if (tc->view < core->view) {
    return;
  }
  rep_pacemaker_fail(&core->pacemaker);
  set_view(core, tc->view + 1, tc, now);
  core->counters.view_changes++;
  if (rep_turn_of(core, core->view) == rep_me(core)) {
    rep_signers_add(&core->new_views, rep_me(core));
    rep_try_propose(core, now);
  } else {
    send_new_view(core, rep_turn_of(core, core->view));
  }
}

/* Verifies and takes a certificate that a message came with, if it is news. */
static bool learn_cert(struct rep_core *core, struct rep_cert *cert,
                       hs2n_time now) {
  if (cert->view <= core->lock->view) {
    return true;
  }
  if (!rep_verify_cert(&core->verifier, cert)) {
    return false;
  }
  rep_take_cert(core, cert, now);
  return true;
}

/* ---- votes -------------------------------------------------------------- */

void rep_count_vote(struct rep_core *core, const struct rep_vote *vote,
                    hs2n_time now) {
  struct rep_cert *cert;

  if (!rep_votes_wants(&core->votes, vote->voter, vote->view)) {
    return;
  }
  rep_votes_add(&core->votes, vote);
  cert = rep_votes_cert(&core->votes, &core->config.committee, vote->view,
                        &vote->block);
  if (cert != NULL) {
    rep_verifier_trust_cert(&core->verifier, cert);
    rep_take_cert(core, cert, now);
    rep_cert_unref(cert);
  }
}

/* Whether this replica leads the view after that of the vote.  It can't tell
 * without the block, which may come later. */
static bool is_for_me(const struct rep_core *core,
                      const struct rep_vote *vote) {
  const struct rep_node *const node = rep_tree_find(&core->tree, &vote->block);

  return node == NULL || (node->block->view == vote->view &&
                          rep_leader_after(core, node) == rep_me(core));
}

enum rep_verdict rep_on_vote(struct rep_core *core, uint32_t from,
                             struct hs2n_span body, hs2n_time now) {
  struct rep_vote vote;

  if (!rep_vote_decode(body, &vote) || vote.voter != from ||
      vote.view == UINT64_MAX) {
    return REP_WRONG;
  }
  if (vote.view <= core->lock->view ||
      !rep_votes_wants(&core->votes, from, vote.view)) {
    return REP_STALE;
  }
  if (!is_for_me(core, &vote) || !rep_verify_vote(&core->verifier, &vote)) {
    return REP_WRONG;
  }
  rep_count_vote(core, &vote, now);
  return REP_TAKEN;
}

/* ---- time-outs ---------------------------------------------------------- */

static struct rep_bytes *timeout_encode(struct rep_core *core, uint64_t view) {
  struct rep_timeout timeout = {
      .view = view, .voter = rep_me(core), .high = core->lock};
  struct rep_signed text;
  struct rep_bytes *body;
  struct rep_writer w;

  rep_timeout_text(&core->config.committee, view, core->lock->view, &text);
  if (!core->crypto.sign(core->crypto.self, rep_signed_span(&text),
                         timeout.signature)) {
    return NULL;
  }
  body = rep_bytes_new(rep_timeout_len(&timeout));
  if (body != NULL) {
    w = rep_writer_of(body->data, body->len);
    rep_timeout_write(&w, &timeout);
  }
  return body;
}

void rep_time_out(struct rep_core *core, uint64_t view, hs2n_time now) {
  struct rep_bytes *body;

  if (view > core->view) {
    set_view(core, view, NULL, now);
  }
  rep_pacemaker_again(&core->pacemaker, now);
  if (view > core->timed_out) {
    core->timed_out = view;
    core->counters.timeouts++;
  }
  if (view > core->last_voted) {
    core->last_voted = view; /* no vote in this view any more */
  }
  body = timeout_encode(core, view);
  if (body == NULL) {
    core->counters.dropped++;
    return;
  }
  rep_store_and_send(core, REP_TIMEOUT, REP_TO_ALL, view + REP_TIMEOUT_VIEWS,
                     body);
  rep_bytes_unref(body);
}

void rep_count_timeout(struct rep_core *core, const struct rep_timeout *timeout,
                       hs2n_time now) {
  struct rep_tc *tc;
  uint64_t joined;

  if (!rep_timeouts_wants(&core->timeouts, timeout->voter, timeout->view)) {
    return;
  }
  rep_timeouts_add(&core->timeouts, timeout);
  tc = rep_timeouts_tc(&core->timeouts, &core->config.committee, timeout->view);
  if (tc != NULL) {
    rep_take_tc(core, tc, now);
    rep_tc_unref(tc);
  }
  joined = rep_timeouts_joined(&core->timeouts, &core->config.committee);
  if (joined >= core->view && joined > core->timed_out) {
    rep_time_out(core, joined, now);
  }
}

static enum rep_verdict consider_timeout(struct rep_core *core,
                                         const struct rep_timeout *timeout,
                                         hs2n_time now) {
  if (!learn_cert(core, timeout->high, now)) {
    return REP_WRONG;
  }
  if (timeout->view < core->view) {
    /* It is behind, perhaps because what moved us was lost on the way to it,
     * and repeats itself: show it the way.  One answer for one message. */
    send_new_view(core, timeout->voter);
    return REP_STALE;
  }
  if (!rep_timeouts_wants(&core->timeouts, timeout->voter, timeout->view)) {
    return REP_STALE;
  }
  if (!rep_verify_timeout(&core->verifier, timeout)) {
    return REP_WRONG;
  }
  rep_count_timeout(core, timeout, now);
  return REP_TAKEN;
}

enum rep_verdict rep_on_timeout(struct rep_core *core, uint32_t from,
                                struct hs2n_span body, hs2n_time now) {
  struct rep_timeout timeout;
  enum rep_verdict verdict;

  if (!rep_timeout_decode(body, &timeout)) {
    return REP_WRONG;
  }
  verdict =
      timeout.voter == from && timeout.view < UINT64_MAX - REP_TIMEOUT_VIEWS
          ? consider_timeout(core, &timeout, now)
          : REP_WRONG;
  rep_cert_unref(timeout.high);
  return verdict;
}

/* ---- new-view ----------------------------------------------------------- */

static enum rep_verdict consider_new_view(struct rep_core *core, uint32_t from,
                                          const struct rep_new_view *nv,
                                          hs2n_time now) {
  if (!learn_cert(core, nv->high, now)) {
    return REP_WRONG;
  }
  if (nv->tc != NULL && nv->tc->view >= core->view) {
    if (!rep_verify_tc(&core->verifier, nv->tc)) {
      return REP_WRONG;
    }
    rep_take_tc(core, nv->tc, now);
  }
  if (nv->view != core->view || rep_turn_of(core, core->view) != rep_me(core)) {
    return REP_STALE;
  }
  rep_signers_add(&core->new_views, from);
  rep_try_propose(core, now);
  return REP_TAKEN;
}

enum rep_verdict rep_on_new_view(struct rep_core *core, uint32_t from,
                                 struct hs2n_span body, hs2n_time now) {
  struct rep_new_view nv;
  enum rep_verdict verdict;

  if (!rep_new_view_decode(body, &nv)) {
    return REP_WRONG;
  }
  verdict = consider_new_view(core, from, &nv, now);
  rep_new_view_fini(&nv);
  return verdict;
}
