/* The disk of a node: one file, of which a crash leaves a prefix that holds
 * at least what was durable. */
#include "sim/inside.h"

#include <string.h>

void hs2n_sim_set_disk(struct hs2n_sim *sim, uint32_t node,
                       const struct hs2n_sim_disk_limits *limits) {
  for (uint32_t i = 0; i < sim->n; i++) {
    if (node == HS2N_SIM_ALL || node == i) {
      sim->nodes[i].disk.limits = *limits;
    }
  }
  hs2ni_trace(sim, HS2N_SIM_DISK, node, HS2N_SIM_ALL, limits->bytes_max,
              limits->sync_max, "limits");
}

struct hs2n_sim_disk *hs2n_sim_disk(struct hs2n_sim *sim, uint32_t node) {
  return &hs2ni_sim_at(sim, node)->disk;
}

int hs2n_sim_disk_append(struct hs2n_sim_disk *disk, struct hs2n_span bytes) {
  const uint64_t max = disk->limits.bytes_max;

  if (max > 0 && (disk->len > max || bytes.len > max - disk->len)) {
    hs2ni_trace(disk->sim, HS2N_SIM_DISK, disk->node, HS2N_SIM_ALL, bytes.len,
                0, "full");
    return HS2N_ERR_FULL;
  }
  if (!hs2ni_sim_grow(disk->sim, (void **)&disk->bytes, &disk->capacity, 1,
                      disk->len + bytes.len)) {
    return HS2N_ERR_NO_MEMORY;
  }
  if (bytes.len > 0) {
    memcpy(disk->bytes + disk->len, bytes.data, bytes.len);
  }
  disk->len += bytes.len;
  return HS2N_OK;
}

/* How many of the syncs under way have ended; they end in order. */
static size_t ended(const struct hs2n_sim_disk *disk) {
  size_t n = 0;

  while (n < disk->syncs_n && disk->syncs[n].at <= disk->sim->now) {
    n++;
  }
  return n;
}

static void settle(struct hs2n_sim_disk *disk) {
  const size_t n = ended(disk);

  if (n > 0) {
    disk->durable = disk->syncs[n - 1].len;
    disk->syncs_n -= n;
    memmove(disk->syncs, disk->syncs + n, disk->syncs_n * sizeof(*disk->syncs));
  }
}

static hs2n_time sync_end(struct hs2n_sim_disk *disk) {
  const struct hs2n_sim_disk_limits *l = &disk->limits;
  const hs2n_time span =
      l->sync_max > l->sync_min ? l->sync_max - l->sync_min : 0;
  hs2n_time at = disk->sim->now;

  if (disk->syncs_n > 0) {
    at = disk->syncs[disk->syncs_n - 1].at;
  }
  return at + l->sync_min +
         (span == 0 ? 0
                    : hs2ni_chance_below(&disk->sim->fault_chance, span + 1));
}

hs2n_time hs2n_sim_disk_sync(struct hs2n_sim_disk *disk) {
  struct hs2n_sim *sim = disk->sim;
  hs2n_time at;

  settle(disk);
  at = sync_end(disk);
  if (!hs2ni_sim_grow(sim, (void **)&disk->syncs, &disk->syncs_capacity,
                      sizeof(*disk->syncs), disk->syncs_n + 1)) {
    hs2ni_sim_starved(sim);
    return HS2N_TIME_NEVER;
  }
  disk->syncs[disk->syncs_n++] =
      (struct hs2ni_sync){.at = at, .len = disk->len};
  hs2ni_trace(sim, HS2N_SIM_DISK, disk->node, HS2N_SIM_ALL, disk->len,
              at - sim->now, "sync");
  return hs2ni_clock_at(&sim->nodes[disk->node], at);
}

struct hs2n_span hs2n_sim_disk_bytes(const struct hs2n_sim_disk *disk) {
  return (struct hs2n_span){disk->bytes, disk->len};
}

size_t hs2n_sim_disk_durable(const struct hs2n_sim_disk *disk) {
  const size_t n = ended(disk);

  return n > 0 ? disk->syncs[n - 1].len : disk->durable;
}

void hs2n_sim_disk_truncate(struct hs2n_sim_disk *disk, size_t len) {
  settle(disk);
  if (len < disk->len) {
    disk->len = len;
    disk->durable = disk->durable < len ? disk->durable : len;
    for (size_t i = 0; i < disk->syncs_n; i++) {
      disk->syncs[i].len = disk->syncs[i].len < len ? disk->syncs[i].len : len;
    }
  }
}

void hs2ni_disk_crash(struct hs2n_sim_disk *disk, bool lose_all) {
  settle(disk);
  if (lose_all) {
    disk->len = 0;
  } else if (disk->len > disk->durable) {
    disk->len = disk->durable + hs2ni_chance_below(&disk->sim->fault_chance,
                                                   disk->len - disk->durable);
  }
  disk->durable = disk->len; /* what is left is there */
  disk->syncs_n = 0;
}

void hs2ni_disk_fini(struct hs2n_sim_disk *disk) {
  hs2ni_sim_free(disk->sim, disk->bytes, disk->capacity);
  hs2ni_sim_free(disk->sim, disk->syncs,
                 disk->syncs_capacity * sizeof(*disk->syncs));
}
