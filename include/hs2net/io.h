/* io.h: the ready-made driver of a node: sockets, epoll and clocks.
 *
 * Three ways to run it: hs2n_io_run in a thread of yours, hs2n_io_fd inside
 * your own event loop, or hs2n_io_start for a thread of its own.  Linux.
 *
 * A driver takes four descriptors and some 4 MiB of address space, 8 over TCP,
 * of which only what has been sent and received has touched is memory.  Over
 * TCP it takes one descriptor more for each connection, at most 2 * peers_max +
 * half_open_max + 64, and tcp_unsent_bytes for each whose socket was full once.
 * It raises no signal and takes none.  After a fork the child must leave the
 * driver alone: both processes would read one socket.  exec closes the
 * descriptors. */
#ifndef HS2N_IO_H
#define HS2N_IO_H

#include <hs2net/api.h>
#include <hs2net/node.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hs2n_io;

enum hs2n_offload {
  HS2N_OFFLOAD_AUTO = 0, /* UDP_SEGMENT and UDP_GRO where they work */
  HS2N_OFFLOAD_OFF,
};

/* Start from hs2n_io_config_default. */
struct hs2n_io_config {
  size_t struct_size;
  struct hs2n_addr listen;   /* port 0: any free one.  [::] takes IPv4 too,
                                and IPv4 alone on a machine without IPv6.  Over
                                TCP also where connections are dialled from, with
                                another port */
  uint32_t rcvbuf_bytes;     /* asked of the kernel; default 4 MiB.  Less is
                                granted above net.core.rmem_max: see the log.
                                Over TCP of each connection, but the default then
                                leaves it to the kernel, which fits it to each
                                path */
  uint32_t sndbuf_bytes;     /* the same with net.core.wmem_max */
  enum hs2n_offload offload; /* not used over TCP */
  uint32_t spin_us;          /* busy-wait this long before sleeping; default 0.
                                Trades a core for some 50 us of latency. */
  hs2n_log_fn log; /* may be NULL; kept.  Called by the owner only; events
                      io.rcvbuf, io.sndbuf, io.offload, io.send, io.failed,
                      over TCP io.files and io.accept */
  void *log_data;
};

/**
 * Fills in the defaults; listen is [::]:0 for both families.
 *
 * Thread: any.
 *
 * \param out  written whole, struct_size included.
 */
HS2N_API void hs2n_io_config_default(struct hs2n_io_config *out);

/**
 * Opens the socket, as node_config.transport says, and makes a node on it.
 * Of node_config the driver sets local, rand, seed, incarnation and unix_time_s
 * itself where they are zero.
 *
 * Thread: any; the caller becomes the owner of the node.
 *
 * \param out_io       set on success; free with hs2n_io_free.
 * \param config       borrowed for the call, but for log.
 * \param node_config  see hs2n_node_new.
 * \param out_field    as in hs2n_node_new, also for fields of config; may
 *                     be NULL.
 * \return HS2N_OK, HS2N_ERR_SYSTEM (errno says which: EADDRINUSE, EACCES,
 *         EMFILE ...), HS2N_ERR_INVALID, HS2N_ERR_VERSION,
 *         HS2N_ERR_NO_MEMORY, HS2N_ERR_RANDOM, or what hs2n_node_new returns.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_io_new(struct hs2n_io **out_io,
                                         const struct hs2n_io_config *config,
                                         const struct hs2n_config *node_config,
                                         const char **out_field);

/**
 * Stops a running thread, frees the node and closes the sockets at once.
 *
 * Thread: owner, or any after hs2n_io_start.
 *
 * \param io  may be NULL.
 */
HS2N_API void hs2n_io_free(struct hs2n_io *io);

/**
 * The node.  After hs2n_io_start it belongs to the io thread: reach it by
 * hs2n_post.
 *
 * Thread: any.
 *
 * \param io  not NULL.
 */
HS2N_API struct hs2n_node *hs2n_io_node(const struct hs2n_io *io);

/**
 * The address that the socket is bound to, with its real port.
 *
 * Thread: any.
 *
 * \param io  not NULL.
 */
HS2N_API struct hs2n_addr hs2n_io_local(const struct hs2n_io *io);

/**
 * The monotonic clock that the driver gives to the node.
 *
 * Thread: any.
 */
HS2N_API hs2n_time hs2n_io_now(void);

/**
 * Runs until the node has stopped, after hs2n_io_stop or hs2n_node_stop, and
 * over TCP until what it gave has left, at most 2 s.
 *
 * Thread: the caller becomes the owner.  Callback-safe: no.
 *
 * \param io  not NULL, not started.
 * \return HS2N_OK, HS2N_ERR_STATE (started, or called from an upcall) or
 *         HS2N_ERR_SYSTEM with errno.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_io_run(struct hs2n_io *io);

/**
 * Sends what waits to be sent, waits at most wait_max for something to do,
 * does it and returns.  For loops with a turn of their own.
 *
 * Thread: owner.  Callback-safe: no.
 *
 * \param io        not NULL, not started.
 * \param wait_max  ns; 0: do not wait.
 * \return HS2N_OK, HS2N_ERR_STATE (started, or called from an upcall) or
 *         HS2N_ERR_SYSTEM with errno.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_io_turn(struct hs2n_io *io,
                                          hs2n_time wait_max);

/**
 * A descriptor that is readable whenever hs2n_io_turn(io, 0) has work:
 * nest it in a poll, epoll, libuv or any other loop.  Call hs2n_io_turn(io, 0)
 * once at the start, and after sending from outside an upcall: turns without
 * a wait set the timer behind the descriptor, others need none.
 *
 * Thread: owner.
 *
 * \param io  not NULL, not started.
 */
HS2N_API int hs2n_io_fd(const struct hs2n_io *io);

/**
 * Starts a thread that owns the node and runs it.
 *
 * Thread: owner until the call returns HS2N_OK.
 *
 * \param io  not NULL, not started.
 * \return HS2N_OK, HS2N_ERR_STATE (started, or called from an upcall) or
 *         HS2N_ERR_SYSTEM with errno.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_io_start(struct hs2n_io *io);

/**
 * Asks the loop to end in order (hs2n_node_stop); hs2n_io_run or the thread
 * returns when the node has stopped.
 *
 * Thread: any.  Async-signal-safe: yes.
 *
 * \param io  not NULL.
 */
HS2N_API void hs2n_io_stop(struct hs2n_io *io);

/**
 * Waits for the thread of hs2n_io_start to end; the caller is the owner
 * afterwards.  Should the thread have failed, the log says io.failed.
 *
 * Thread: any but the io thread, one at a time.
 *
 * \param io  not NULL.
 */
HS2N_API void hs2n_io_join(struct hs2n_io *io);

/* What the driver counts.  X(field, text); append only. */
#define HS2N_IO_STATS_LIST(X)                                           \
  X(send_calls, "sendmmsg calls; over TCP, send calls")                 \
  X(recv_calls, "recvmmsg calls; over TCP, recv calls")                 \
  X(receive_drops, "datagrams the kernel dropped (SO_RXQ_OVFL)")        \
  X(offload_fallbacks, "batches sent again singly after EIO or EINVAL") \
  X(send_blocked, "times a socket was full")                            \
  X(send_errors, "datagrams given up, such as EMSGSIZE or EPERM")       \
  X(rcvbuf_bytes, "receive buffer granted by the kernel")               \
  X(sndbuf_bytes, "send buffer granted by the kernel")                  \
  X(tcp_open, "TCP connections open now")                               \
  X(tcp_accepted, "TCP connections accepted")                           \
  X(tcp_dialled, "TCP connections begun")                               \
  X(tcp_accept_pauses, "times no TCP connection could be accepted")     \
  X(tcp_cut, "TCP connections whose end the peer did not follow in time")

struct hs2n_io_stats {
  size_t struct_size;
#define X(field, text) uint64_t field;
  HS2N_IO_STATS_LIST(X)
#undef X
};

/**
 * Copies the counters.
 *
 * Thread: owner.
 *
 * \param io   not NULL.
 * \param out  struct_size set by the caller.
 */
HS2N_API void hs2n_io_stats(const struct hs2n_io *io,
                            struct hs2n_io_stats *out);

/**
 * Reads an identity from a PEM file of mode 0600 that the caller owns.
 *
 * Thread: any.
 *
 * \param out_identity  set on success; free with hs2n_identity_free.
 * \param path          the file.
 * \return HS2N_OK, HS2N_ERR_SYSTEM with errno (ELOOP: a symbolic link),
 *         HS2N_ERR_FILE_MODE (others can reach it, another user owns it, or
 *         it is not a regular file), HS2N_ERR_TOO_BIG (over 64 KiB),
 *         HS2N_ERR_NO_MEMORY, or what hs2n_identity_from_pem returns.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_identity_load(struct hs2n_identity **out_identity, const char *path);

/**
 * Writes an identity to a new file of mode 0600 and syncs it.
 *
 * Thread: any.
 *
 * \param identity  not NULL.
 * \param path      must not exist yet: a key is never overwritten.
 * \return HS2N_OK, or HS2N_ERR_SYSTEM with errno (EEXIST ...).
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_identity_save(const struct hs2n_identity *identity, const char *path);

/**
 * An hs2n_rand_fn over the system's generator (getrandom).
 *
 * Thread: any.
 *
 * \param user_data  not used.
 * \param out        filled with len bytes on success.
 * \param len        how many.
 * \return 0, or -1 when the system has no randomness to give.
 */
HS2N_API int hs2n_rand_system(void *user_data, uint8_t *out, size_t len);

/* A recording (record.h) in a file: a ring that keeps the last bytes, whatever
 * ends the process.  A recording can be replayed as long as the ring has not
 * come round to its own beginning. */
struct hs2n_recording;

/**
 * Makes a file for a recording, or empties it, with mode 0600: it will hold
 * secrets of connections.
 *
 * Thread: any.
 *
 * \param out_recording  set on success; close with hs2n_recording_close.
 * \param path           of the file.
 * \param bytes          capacity, 1..2^40; the disk must have room for all.
 * \return HS2N_OK, HS2N_ERR_INVALID, HS2N_ERR_NO_MEMORY or HS2N_ERR_SYSTEM
 *         with errno.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_recording_open(struct hs2n_recording **out_recording, const char *path,
                    uint64_t bytes);

/**
 * Appends: give it as hs2n_config.record, with the recording as record_data.
 *
 * Thread: one at a time.
 *
 * \param recording  a struct hs2n_recording.
 * \param bytes      borrowed.
 */
HS2N_API void hs2n_recording_write(void *recording, struct hs2n_span bytes);

/**
 * Closes the file, which stays.  Free the node before.
 *
 * Thread: any.
 *
 * \param recording  may be NULL.
 */
HS2N_API void hs2n_recording_close(struct hs2n_recording *recording);

/**
 * Reads what a file holds, oldest first.
 *
 * Thread: any.
 *
 * \param path      of the file.
 * \param mem       gives *out_data.
 * \param out_data  set on success and with HS2N_ERR_STALE; give it back as
 *                  *out_len + 1 bytes.
 * \param out_len   likewise.
 * \return HS2N_OK, HS2N_ERR_STALE (the beginning has been overwritten: what is
 *         left begins anywhere), HS2N_ERR_MALFORMED (no recording),
 *         HS2N_ERR_TRUNCATED, HS2N_ERR_NO_MEMORY or HS2N_ERR_SYSTEM with errno.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_recording_read(const char *path,
                                                 const struct hs2n_mem *mem,
                                                 uint8_t **out_data,
                                                 size_t *out_len);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_IO_H */
