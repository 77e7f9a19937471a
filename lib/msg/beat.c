#include "msg/beat.h"

#include "base/sized.h"
#include "msg/chan.h"
#include "wire/beat.h"

#include <assert.h>
#include <string.h>

/* ---- saying -------------------------------------------------------------- */

static bool listens(const struct hs2ni_chan *chan) {
  return chan->conn != NULL && (chan->peer_caps & HS2NI_CAP_HEARTBEAT) != 0;
}

static struct hs2ni_chan *chan_of(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_chan, node);
}

static bool sign(struct hs2ni_msgs *msgs) {
  struct hs2ni_beats *b = &msgs->beats;
  const uint64_t passed_ms = (msgs->env->now - b->at) / HS2N_MS(1);
  const struct hs2ni_beat_text text = {
      .chain_id = msgs->signer.chain_id,
      .sender = msgs->signer.id,
      .incarnation = b->incarnation,
      .view = msgs->view,
      .unix_ms = b->unix_ms_at + passed_ms,
  };
  uint8_t bytes[HS2NI_BEAT_MAX];
  uint8_t signature[HS2N_SIGNATURE_LEN];
  const size_t len = hs2ni_beat_encode(&text, bytes);

  if (hs2n_sign(msgs->signer.identity, (struct hs2n_span){bytes, len},
                signature) != HS2N_OK) {
    return false; /* no memory: the next may be more lucky */
  }
  b->view = text.view;
  b->unix_ms = text.unix_ms;
  memcpy(b->signature, signature, sizeof(signature));
  return true;
}

/* Stops when nobody listens; the next to attach starts it again. */
static void fire(struct hs2ni_timer *timer) {
  struct hs2ni_msgs *msgs =
      HS2NI_CONTAINER(timer, struct hs2ni_msgs, beats.timer);
  struct hs2ni_list_node *n = msgs->chans.head;

  while (n != NULL && !listens(chan_of(n))) {
    n = n->next;
  }
  if (n == NULL) {
    return;
  }
  hs2ni_timer_set(&msgs->timers, timer,
                  msgs->env->now + HS2N_MS(msgs->env->limits.heartbeat_ms));
  if (!sign(msgs)) {
    return;
  }
  for (; n != NULL; n = n->next) {
    if (listens(chan_of(n))) {
      chan_of(n)->beat.due = true;
      hs2ni_chan_want(chan_of(n));
    }
  }
}

void hs2ni_msgs_beat(struct hs2ni_msgs *msgs, uint64_t incarnation,
                     uint64_t unix_ms) {
  assert(msgs->signer.identity != NULL);
  msgs->beats = (struct hs2ni_beats){.timer = {.fire = fire},
                                     .incarnation = incarnation,
                                     .unix_ms_at = unix_ms,
                                     .at = msgs->env->now};
}

void hs2ni_beat_attach(struct hs2ni_chan *chan) {
  struct hs2ni_msgs *msgs = chan->msgs;

  if (msgs->env->limits.heartbeat_ms != 0 && listens(chan) &&
      msgs->beats.timer.fire != NULL && msgs->beats.timer.slot == 0) {
    hs2ni_timer_set(&msgs->timers, &msgs->beats.timer, msgs->env->now);
  }
}

struct hs2ni_record hs2ni_beat_take(struct hs2ni_chan *chan) {
  const struct hs2ni_beats *b = &chan->msgs->beats;

  assert(chan->beat.due);
  chan->beat.due = false;
  hs2ni_chan_env(chan)->stats.heartbeats_sent++;
  return (struct hs2ni_record){
      .kind = HS2NI_RECORD_HEARTBEAT,
      .view = b->view,
      .unix_ms = b->unix_ms,
      .interval_ms = hs2ni_chan_env(chan)->limits.heartbeat_ms,
      .signature = {b->signature, sizeof(b->signature)},
  };
}

/* ---- hearing ------------------------------------------------------------- */

static void expect_by(struct hs2ni_chan *chan, hs2n_time at) {
  chan->beat.silent_at = at;
  hs2ni_timer_set(&chan->msgs->timers, &chan->beat.silence, at);
}

/* When we come too late ourselves, what the peer sent may still wait in the
 * socket behind this tick. */
static void on_silence(struct hs2ni_timer *timer) {
  struct hs2ni_chan *chan =
      HS2NI_CONTAINER(timer, struct hs2ni_chan, beat.silence);
  const hs2n_time grace = HS2N_MS(HS2NI_HEARTBEAT_MIN_MS / 2);
  const hs2n_time now = hs2ni_chan_env(chan)->now;

  if (now - chan->beat.silent_at > grace) {
    expect_by(chan, now + grace);
    return;
  }
  hs2ni_chan_env(chan)->stats.peers_silent++;
  hs2ni_chan_give_up(chan, HS2N_REASON_SILENT);
}

void hs2ni_beat_init(struct hs2ni_chan *chan) {
  chan->beat.silence.fire = on_silence;
}

void hs2ni_beat_detach(struct hs2ni_chan *chan) {
  chan->beat.due = false;
  hs2ni_timer_cancel(&chan->msgs->timers, &chan->beat.silence);
}

void hs2ni_beat_void(struct hs2ni_chan *chan) {
  chan->beat.known = false;
}

static int check(const struct hs2ni_beat_text *text, const struct hs2n_key *key,
                 const uint8_t *signature) {
  uint8_t bytes[HS2NI_BEAT_MAX];
  const size_t len = hs2ni_beat_encode(text, bytes);
  const int err = hs2n_verify(key, (struct hs2n_span){bytes, len}, signature);

  return err == HS2N_ERR_BAD_KEY ? HS2N_ERR_BAD_SIGNATURE : err;
}

/* HS2N_OK, HS2N_ERR_STALE or what check returns. */
static int judge(const struct hs2ni_chan *chan, const struct hs2ni_record *r) {
  const struct hs2ni_beat_text text = {
      .chain_id = chan->msgs->signer.chain_id,
      .sender = chan->signee.id,
      .incarnation = chan->incarnation,
      .view = r->view,
      .unix_ms = r->unix_ms,
  };

  if (chan->beat.known &&
      (r->view < chan->beat.view || r->unix_ms < chan->beat.unix_ms)) {
    return HS2N_ERR_STALE;
  }
  return check(&text, &chan->signee.key, r->signature.data);
}

bool hs2ni_beat_rx(struct hs2ni_chan *chan, const struct hs2ni_record *record) {
  const hs2n_time interval = HS2N_MS(record->interval_ms);
  struct hs2ni_env *env = hs2ni_chan_env(chan);
  struct hs2ni_beat *b = &chan->beat;
  int err;

  if (chan->msgs->signer.identity == NULL) {
    return false; /* no chain was named: nobody offered to read it */
  }
  expect_by(chan, env->now + interval * 5 / 2);
  if (b->checked != 0 && env->now - b->checked < interval / 2) {
    return true; /* verifying costs; a burst after a loss is no crime */
  }
  b->checked = env->now;
  err = judge(chan, record);
  if (err == HS2N_ERR_STALE || err == HS2N_ERR_BAD_SIGNATURE) {
    env->stats.heartbeats_refused++;
    return false;
  }
  if (err == HS2N_OK) {
    env->stats.heartbeats_received++;
    b->known = true;
    b->heard = env->now;
    b->view = record->view;
    b->unix_ms = record->unix_ms;
    memcpy(b->signature, record->signature.data, sizeof(b->signature));
  }
  return true;
}

/* ---- for whoever asks ---------------------------------------------------- */

bool hs2ni_chan_heartbeat(const struct hs2ni_chan *chan,
                          struct hs2n_heartbeat *out) {
  const struct hs2ni_beat *b = &chan->beat;

  if (!b->known) {
    return false;
  }
  *out = (struct hs2n_heartbeat){
      .struct_size = sizeof(*out),
      .signer = chan->signee.key,
      .incarnation = chan->incarnation,
      .view = b->view,
      .unix_ms = b->unix_ms,
      .heard = b->heard,
  };
  memcpy(out->signature, b->signature, sizeof(out->signature));
  return true;
}

int hs2n_heartbeat_verify(const struct hs2n_heartbeat *heartbeat,
                          const char *chain_id) {
  struct hs2n_heartbeat h;
  const int err = hs2ni_sized_copy(&h, sizeof(h), sizeof(h), heartbeat);
  const size_t len = hs2ni_chain_len(chain_id);
  struct hs2ni_beat_text text;

  if (err != HS2N_OK) {
    return err;
  }
  if (len == 0 || h.incarnation == 0) {
    return HS2N_ERR_INVALID;
  }
  text = (struct hs2ni_beat_text){
      .chain_id = {(const uint8_t *)chain_id, len},
      .sender = hs2n_key_peer_id(&h.signer),
      .incarnation = h.incarnation,
      .view = h.view,
      .unix_ms = h.unix_ms,
  };
  return check(&text, &h.signer, h.signature);
}
