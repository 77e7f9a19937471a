/* beat: heartbeats, for both ends of a channel.
 *
 * Every limits.heartbeat_ms the layer signs one, and each channel whose peer
 * reads heartbeats sends it on its stream of acks as soon as that has room.
 * What could not leave before the next is due is replaced by it.
 *
 * A peer that has sent one is silent when no other comes for two and a half
 * of the intervals that it named: two in a row are missing, with half an
 * interval for the way, so that it is found out within three of its last. */
#ifndef HS2NI_MSG_BEAT_H
#define HS2NI_MSG_BEAT_H

#include "base/timer.h"

#include <hs2net/identity.h>
#include <stdbool.h>

struct hs2ni_chan;
struct hs2ni_record;

/* Of a layer: what it says itself. */
struct hs2ni_beats {
  struct hs2ni_timer timer;
  uint64_t incarnation;
  uint64_t unix_ms_at; /* wall clock at `at` */
  hs2n_time at;
  uint64_t view; /* as signed last, like all below */
  uint64_t unix_ms;
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

/* Of a channel: whether it must go out, and what came. */
struct hs2ni_beat {
  bool due;
  struct hs2ni_timer silence;
  hs2n_time silent_at; /* when silence is set for */
  hs2n_time checked;   /* when one was verified last; 0: never */
  bool known;          /* what is below, of the peer's incarnation */
  hs2n_time heard;
  uint64_t view;
  uint64_t unix_ms;
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

void hs2ni_beat_init(struct hs2ni_chan *chan);
void hs2ni_beat_attach(struct hs2ni_chan *chan);
void hs2ni_beat_detach(struct hs2ni_chan *chan);
/* Forgets what the peer's process said. */
void hs2ni_beat_void(struct hs2ni_chan *chan);
/* The record to send; the signature is borrowed from the layer. */
struct hs2ni_record hs2ni_beat_take(struct hs2ni_chan *chan);
/* Returns false when it breaks the protocol. */
bool hs2ni_beat_rx(struct hs2ni_chan *chan, const struct hs2ni_record *record);

#endif /* HS2NI_MSG_BEAT_H */
