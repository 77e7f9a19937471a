/* sim_fault.h: the network between simulated nodes, and what befalls it and
 * them.  See sim.h. */
#ifndef HS2N_SIM_FAULT_H
#define HS2N_SIM_FAULT_H

#include <hs2net/api.h>
#include <hs2net/sim_world.h>
#include <hs2net/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the network -----------------------------------------------------------
 */

/* The way from one node to another, one direction. */
struct hs2n_sim_link {
  hs2n_time delay;
  hs2n_time jitter;     /* added at random, uniform in [0, jitter] */
  bool overtake;        /* jitter may reorder */
  uint64_t bytes_per_s; /* 0: no limit */
  uint32_t queue_bytes; /* in front of that rate; more are lost */
  uint32_t mtu;         /* UDP payload bytes; larger are lost, segments of TCP
                           are made to fit; 0: any */
};

/* What goes wrong on it. */
struct hs2n_sim_noise {
  uint32_t loss_ppm;
  uint32_t burst_ppm;     /* a burst of losses begins (Gilbert 1960) */
  uint32_t burst_end_ppm; /* it ends after this datagram; 0 counts as 1 */
  uint32_t duplicate_ppm;
  uint32_t reorder_ppm; /* held back by reorder_delay */
  hs2n_time reorder_delay;
  uint32_t corrupt_ppm; /* one to eight bits flipped */
};

/* What a node is attached with; shared by all its links. */
struct hs2n_sim_port {
  uint64_t bytes_per_s; /* 0: no limit */
  uint32_t queue_bytes; /* more are lost */
  uint32_t mark_bytes;  /* queue above which ECN says CE; 0: never */
};

/**
 * Sets the link from one node to another.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param from  a node or HS2N_SIM_ALL.
 * \param to    a node or HS2N_SIM_ALL.
 * \param link  copied.
 * \return HS2N_OK or HS2N_ERR_NO_MEMORY, which is a failure of the
 *         simulation too.
 */
HS2N_API int hs2n_sim_set_link(struct hs2n_sim *sim, uint32_t from, uint32_t to,
                               const struct hs2n_sim_link *link);

/**
 * Sets what goes wrong from one node to another.
 *
 * Thread: owner.
 *
 * \param sim    not NULL.
 * \param from   a node or HS2N_SIM_ALL.
 * \param to     a node or HS2N_SIM_ALL.
 * \param noise  copied; NULL: nothing goes wrong any more.
 * \return as hs2n_sim_set_link.
 */
HS2N_API int hs2n_sim_set_noise(struct hs2n_sim *sim, uint32_t from,
                                uint32_t to,
                                const struct hs2n_sim_noise *noise);

/**
 * Sets the delay of all links by the regions of their ends.
 *
 * Thread: owner.
 *
 * \param sim        not NULL.
 * \param rtt        regions * regions round-trip times, ns, by rows; a
 *                   datagram takes half.
 * \param regions    >= 1; node i lies in region i % regions.
 * \param jitter     ns, of each link.
 * \return as hs2n_sim_set_link.
 */
HS2N_API int hs2n_sim_set_regions(struct hs2n_sim *sim, const hs2n_time *rtt,
                                  uint32_t regions, hs2n_time jitter);

/**
 * Sets what a node sends or receives through.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  a node or HS2N_SIM_ALL.
 * \param up    copied; NULL: no limit.
 * \param down  copied; NULL: no limit.
 */
HS2N_API void hs2n_sim_set_ports(struct hs2n_sim *sim, uint32_t node,
                                 const struct hs2n_sim_port *up,
                                 const struct hs2n_sim_port *down);

/**
 * Loses what goes from one node to another, or no more; one direction.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param from  a node or HS2N_SIM_ALL.
 * \param to    a node or HS2N_SIM_ALL.
 * \param cut   whether.
 */
HS2N_API void hs2n_sim_cut(struct hs2n_sim *sim, uint32_t from, uint32_t to,
                           bool cut);

/**
 * Loses what goes from one group of nodes to another.
 *
 * Thread: owner.
 *
 * \param sim    not NULL.
 * \param group  a number for each node; NULL: no partition any more.
 */
HS2N_API void hs2n_sim_partition(struct hs2n_sim *sim, const uint8_t *group);

/**
 * Ends cuts, the partition and all noise.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 */
HS2N_API void hs2n_sim_heal(struct hs2n_sim *sim);

/**
 * The NAT in front of a node forgets: what the node sends comes from another
 * port from now on, until it restarts, and the port before leads nowhere.  The
 * first call puts the NAT there: nobody can dial the node any more, two such
 * nodes not each other.  Connections that it dialled survive; those that others
 * dialled do not, since a QUIC server must not move (RFC 9000, 9).  Of TCP none
 * does.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 */
HS2N_API void hs2n_sim_rebind(struct hs2n_sim *sim, uint32_t node);

/**
 * Gives a node another address; the one before leads nowhere.  Nobody is
 * told; nodes that start from now on know it.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 */
HS2N_API void hs2n_sim_move(struct hs2n_sim *sim, uint32_t node);

/* ---- faults of a node ------------------------------------------------------
 */

/**
 * A node does nothing for a while; what comes in waits in its socket.
 *
 * Thread: owner.
 *
 * \param sim     not NULL.
 * \param node    ignored when it does not run.
 * \param length  ns.
 */
HS2N_API void hs2n_sim_pause(struct hs2n_sim *sim, uint32_t node,
                             hs2n_time length);

/**
 * Sets how much too fast a node's clock is.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \param ppm   -900000..1000000.
 */
HS2N_API void hs2n_sim_set_drift(struct hs2n_sim *sim, uint32_t node,
                                 int32_t ppm);

/**
 * A node's clock jumps.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \param ns    negative: backwards, not below 0.
 */
HS2N_API void hs2n_sim_jump(struct hs2n_sim *sim, uint32_t node, int64_t ns);

/**
 * Has requests of a node for memory fail.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \param ppm   the chance of each.
 * \param at    this one, counted from the next as 1, fails too; 0: none.
 */
HS2N_API void hs2n_sim_fail_alloc(struct hs2n_sim *sim, uint32_t node,
                                  uint32_t ppm, uint64_t at);

/* How a node misbehaves, below its code: all zero is honest.  Equivocation
 * is two nodes with one key, see hs2n_sim_config.key_of. */
struct hs2n_sim_evil {
  bool silent;           /* nothing of it arrives */
  hs2n_time hold;        /* what it sends leaves this much later */
  uint32_t replay_ppm;   /* of what it sent, an earlier datagram follows */
  uint32_t flood_per_s;  /* forged datagrams a second, which TCP ignores */
  uint32_t flood_victim; /* a node or HS2N_SIM_ALL: each in turn */
  bool flood_spoofed;    /* from addresses that it does not have */
};

/**
 * Makes a node misbehave, or be honest again.  Invariants that ask something
 * of it no longer count; those that protect others do.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \param evil  copied; NULL: honest.
 */
HS2N_API void hs2n_sim_misbehave(struct hs2n_sim *sim, uint32_t node,
                                 const struct hs2n_sim_evil *evil);

/* ---- the disk of a node
 * ------------------------------------------------------ */

/* One append-only file that outlives a crash as far as it was durable.  What
 * a replica's storage asks; the network code has no use for it. */
struct hs2n_sim_disk_limits {
  hs2n_time sync_min; /* hs2n_sim_disk_sync takes at random between these */
  hs2n_time sync_max;
  uint64_t bytes_max; /* 0: never full */
};

/**
 * Makes a disk slow or full.
 *
 * Thread: owner.
 *
 * \param sim     not NULL.
 * \param node    a node or HS2N_SIM_ALL.
 * \param limits  copied.
 */
HS2N_API void hs2n_sim_set_disk(struct hs2n_sim *sim, uint32_t node,
                                const struct hs2n_sim_disk_limits *limits);

/**
 * The disk of a node, as on_start has it.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 */
HS2N_API struct hs2n_sim_disk *hs2n_sim_disk(struct hs2n_sim *sim,
                                             uint32_t node);

/**
 * Writes behind the end.  Not durable before a hs2n_sim_disk_sync has ended.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param disk   not NULL.
 * \param bytes  copied.
 * \return HS2N_OK, HS2N_ERR_FULL (nothing is written) or HS2N_ERR_NO_MEMORY.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_sim_disk_append(struct hs2n_sim_disk *disk,
                                                  struct hs2n_span bytes);

/**
 * Begins to make durable what is written.  It is when the node's clock shows
 * the time returned; a crash before may lose it, the later bytes first.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param disk  not NULL.
 * \return the node's own clock.
 */
HS2N_API hs2n_time hs2n_sim_disk_sync(struct hs2n_sim_disk *disk);

/**
 * What is written, durable or not.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param disk  not NULL.
 * \return borrowed until the next append or truncate.
 */
HS2N_API struct hs2n_span hs2n_sim_disk_bytes(const struct hs2n_sim_disk *disk);

/**
 * How much of it survives a crash now.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param disk  not NULL.
 * \return bytes.
 */
HS2N_API size_t hs2n_sim_disk_durable(const struct hs2n_sim_disk *disk);

/**
 * Drops what is behind len, durably at once.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param disk  not NULL.
 * \param len   bytes; more than there are changes nothing.
 */
HS2N_API void hs2n_sim_disk_truncate(struct hs2n_sim_disk *disk, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_SIM_FAULT_H */
