/* cast: from a destination to its receivers, and in which order they are
 * served.
 *
 * Broadcast is direct: each receiver gets the message from its sender.
 * Receivers are served one after the other, next leaders first, then by
 * round-trip time, nearest first, because a quorum is reached sooner when
 * near peers hold the whole message early than when all get it at once.
 *
 * The way back is the opposite: what all members of a large committee send to
 * one leader at one moment is spread (see spread.h).
 *
 * Of several peers that could answer a request the one is asked first whose
 * answer is expected soonest: by round-trip time, times the questions that it
 * has open, so that many requests spread over the peers that are near. */
#ifndef HS2NI_CAST_CAST_H
#define HS2NI_CAST_CAST_H

#include "base/env.h"
#include "msg/msgs.h"
#include "peer/peer.h"

/* Leaders that are remembered from hs2n_enter_view. */
#define HS2NI_CAST_LEADERS_MAX 8u

/* A leader of whom nothing was heard for so long is probed when a view is
 * entered. */
#define HS2NI_CAST_WARM_AFTER HS2N_MS(200)

struct hs2ni_cast;

/* All three are kept.  Returns HS2N_OK or HS2N_ERR_NO_MEMORY. */
HS2N_MUST_CHECK int hs2ni_cast_new(struct hs2ni_cast **out,
                                   struct hs2ni_env *env,
                                   struct hs2ni_peers *peers,
                                   struct hs2ni_msgs *msgs);
void hs2ni_cast_free(struct hs2ni_cast *cast);
uint64_t hs2ni_cast_footprint(const struct hs2n_limits *limits);

/* The channel of a live member, made when it is needed first, so that naming
 * members can't fail halfway.  NULL when memory runs out; the next need tries
 * again. */
struct hs2ni_chan *hs2ni_cast_channel(struct hs2ni_cast *cast,
                                      struct hs2ni_peer *peer);

/* See hs2n_send. */
HS2N_MUST_CHECK int hs2ni_cast_send(struct hs2ni_cast *cast,
                                    const struct hs2n_dst *dst,
                                    const struct hs2n_msg *msg,
                                    struct hs2n_tag *out_tag);
/* See hs2n_request. */
HS2N_MUST_CHECK int hs2ni_cast_request(struct hs2ni_cast *cast,
                                       const struct hs2n_dst *any_of,
                                       const struct hs2n_msg *msg,
                                       struct hs2n_tag *out_tag);
/* See hs2n_quorum_delay; permille is in range. */
HS2N_MUST_CHECK int hs2ni_cast_delay(struct hs2ni_cast *cast, uint64_t epoch,
                                     uint64_t weight, uint32_t permille,
                                     hs2n_time *out_ns);
/* A view is entered; who leads it and the next ones, of whom those beyond the
 * first HS2NI_CAST_LEADERS_MAX are ignored.  Returns HS2N_OK or
 * HS2N_ERR_NO_PEER, with nothing changed. */
HS2N_MUST_CHECK int hs2ni_cast_enter_view(struct hs2ni_cast *cast,
                                          uint64_t view,
                                          const struct hs2n_peer *leaders,
                                          size_t n);

#endif /* HS2NI_CAST_CAST_H */
