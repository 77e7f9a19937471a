/* env: what the owner of a node hands to every module: memory, time,
 * randomness, limits, counters, log.
 *
 * now is set once per entry of the node, so that all code of one entry sees
 * one time, and it never goes backwards.  Nothing below reads a clock. */
#ifndef HS2NI_BASE_ENV_H
#define HS2NI_BASE_ENV_H

#include "base/recorder.h"
#include "base/rng.h"
#include "base/share.h"
#include "base/uplink.h"

#include <hs2net/identity.h>
#include <hs2net/limits.h>
#include <hs2net/mem.h>
#include <hs2net/node.h>

struct hs2ni_env {
  const struct hs2n_mem *mem;
  hs2n_time now;
  bool entered; /* now is the time of this very moment, not of the last entry */
  struct hs2n_limits limits;
  struct hs2n_stats stats;
  struct hs2ni_rng rng; /* jitter and tie choices; never secrets */
  hs2n_rand_fn rand;    /* secrets; returns 0 on success */
  void *rand_data;
  struct hs2ni_recorder recorder;
  struct hs2ni_uplink uplink;  /* what the node may send, when */
  struct hs2ni_share rx_share; /* of limits.rx_shared_bytes */
  hs2n_log_fn log;             /* may be NULL */
  void *log_data;
};

/* Zeroed memory from env->mem, or NULL with the failure counted. */
void *hs2ni_alloc(struct hs2ni_env *env, size_t len);
/* Gives back what hs2ni_alloc gave with the same len.  ptr may be NULL. */
void hs2ni_free(struct hs2ni_env *env, void *ptr, size_t len);

/* Logs one event; costs a NULL check when nobody listens.  event is a stable
 * id ("peer.up"), the rest is printf-like "key=value" text, cut at 512. */
void hs2ni_log(struct hs2ni_env *env, enum hs2n_log_level level,
               const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif /* HS2NI_BASE_ENV_H */
