/* replay.h: does again what a recording says (record.h): the same node, given
 * the same, in the same order.
 *
 * A replayed node has no network, no clock and no application: all that it asks
 * for comes from the recording, and what it does is compared with it.  So a
 * failure in the field is repeated under a debugger as often as one likes. */
#ifndef HS2N_REPLAY_H
#define HS2N_REPLAY_H

#include <hs2net/api.h>
#include <hs2net/identity.h>
#include <hs2net/node.h>
#include <hs2net/record.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hs2n_replay;

/* Where a replay stands. */
struct hs2n_replay_at {
  size_t struct_size;
  uint64_t offset;  /* bytes of the recording done */
  uint64_t entries; /* recv, tick, poll_tx and calls from outside done */
  hs2n_time now;    /* of the last of them */
  const char *text; /* what differed or was malformed, and what was expected
                       there; NULL: nothing; static */
};

/**
 * Makes the node of a recording again.
 *
 * Thread: any; the caller becomes the owner.
 *
 * \param out_replay  set on success; free with hs2n_replay_free.
 * \param recording   kept: must outlive the replay.
 * \param mem         kept.
 * \param identity    of the recorded node; kept.
 * \param log         hears what the node logs; may be NULL; kept.
 * \param log_data    passed to log.
 * \return HS2N_OK, HS2N_ERR_MALFORMED, HS2N_ERR_VERSION (another format or
 *         library), HS2N_ERR_CRYPTO (the key is not the recorded one),
 *         HS2N_ERR_NO_MEMORY, or what hs2n_node_new says.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_replay_new(struct hs2n_replay **out_replay, struct hs2n_span recording,
                const struct hs2n_mem *mem,
                const struct hs2n_identity *identity, hs2n_log_fn log,
                void *log_data);

/**
 * Does one entry, or one call that was made from outside of any.
 *
 * Thread: owner.
 *
 * \param replay  not NULL.
 * \return 1 when there may be more, 0 at the end of the recording (also where
 *         it breaks off in the middle of an entry: the node is then as the
 *         recorded one was), HS2N_ERR_MALFORMED, HS2N_ERR_NO_MEMORY, or
 *         HS2N_ERR_STATE when the node did something else than the recorded
 *         one: hs2n_replay_where says what.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_replay_step(struct hs2n_replay *replay);

/**
 * Where it stands.
 *
 * Thread: owner.
 *
 * \param replay  not NULL.
 * \param out     struct_size set by the caller.
 */
HS2N_API void hs2n_replay_where(const struct hs2n_replay *replay,
                                struct hs2n_replay_at *out);

/**
 * The node, to look at (hs2n_node_stats, hs2n_peer_info); only steps may
 * change it.
 *
 * Thread: owner.
 *
 * \param replay  not NULL.
 */
HS2N_API struct hs2n_node *hs2n_replay_node(const struct hs2n_replay *replay);

/**
 * Frees the node and the replay.
 *
 * Thread: owner.
 *
 * \param replay  may be NULL.
 */
HS2N_API void hs2n_replay_free(struct hs2n_replay *replay);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_REPLAY_H */
