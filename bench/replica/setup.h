/* setup: the configuration file of one replica's process.
 *
 * Lines of "key = value"; # begins a comment.  The members come in the order
 * of their numbers, this replica among them:
 *
 *   chain = demo
 *   me = 0
 *   identity = /etc/hs2net/0.pem
 *   log = /var/lib/hs2net/0.log
 *   storage = fsync            (or file, or memory)
 *   transport = quic           (or tcp: the same for all members)
 *   member = <public key, 64 hex digits> 192.0.2.1:7000
 *   member = ...
 *
 * and, where the defaults do not do, timer_min_ms, timer_max_ms, idle_ms,
 * block_txs_max, block_bytes_max, mempool_txs_max, window_txs; and where the
 * line out of the machine is narrow uplink_bits_per_s, as in hs2n_config. */
#ifndef REP_SETUP_H
#define REP_SETUP_H

#include "core.h"

#include <hs2net/hs2net.h>

#define REP_PATH_MAX 512
#define REP_WRONG_MAX 256

enum rep_store_sync {
  REP_STORE_FSYNC,    /* survives a power cut */
  REP_STORE_NO_FSYNC, /* survives a crash of the process */
  REP_STORE_MEMORY,   /* keeps nothing: for measuring without storage */
};

struct rep_setup {
  struct rep_config config; /* without mempool_secret */
  char identity[REP_PATH_MAX];
  char log[REP_PATH_MAX];
  enum rep_store_sync storage;
  enum hs2n_transport transport;
  uint64_t uplink_bits_per_s; /* 0: not known */
  uint32_t members;           /* how many were named */
  struct hs2n_key keys[REP_N_MAX];
  struct hs2n_addr addrs[REP_N_MAX];
};

/* Reads and checks a file.  Returns NULL, or what is wrong and where, in
 * text. */
const char *rep_setup_read(struct rep_setup *out, const char *path,
                           char text[REP_WRONG_MAX]);

/* Writes a file that rep_setup_read reads.  Returns 0 or an errno value. */
int rep_setup_write(const struct rep_setup *s, const char *path);

#endif /* REP_SETUP_H */
