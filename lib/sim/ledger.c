/* What a node holds of memory, and requests that fail. */
#include "sim/inside.h"

static bool made_to_fail(struct hs2ni_sim_node *n) {
  struct hs2ni_sim_ledger *l = &n->ledger;
  const bool counted = l->fail_in > 0 && --l->fail_in == 0;

  return counted || hs2ni_chance_hits(&n->sim->fault_chance, l->fail_ppm);
}

static void *ledger_alloc(void *user_data, size_t len) {
  struct hs2ni_sim_node *n = user_data;
  struct hs2ni_sim_ledger *l = &n->ledger;
  const struct hs2n_mem *mem = n->sim->config.mem;
  void *ptr;

  l->requests++;
  if (made_to_fail(n)) {
    n->sim->stats.allocations_failed++;
    l->failed++;
    return NULL;
  }
  ptr = mem->alloc(mem->user_data, len);
  if (ptr == NULL) {
    l->failed++;
    return NULL;
  }
  l->live += len;
  l->peak = l->live > l->peak ? l->live : l->peak;
  if (l->limit > 0 && l->live > l->limit) {
    hs2ni_failf(n->sim, n->index, "holds %llu bytes, worst case is %llu",
                (unsigned long long)l->live, (unsigned long long)l->limit);
  }
  return ptr;
}

static void ledger_release(void *user_data, void *ptr, size_t len) {
  struct hs2ni_sim_node *n = user_data;
  const struct hs2n_mem *mem = n->sim->config.mem;

  if (ptr != NULL) {
    n->ledger.live -= len;
    mem->release(mem->user_data, ptr, len);
  }
}

void hs2ni_sim_ledger_init(struct hs2ni_sim_node *n) {
  n->ledger.mem = (struct hs2n_mem){
      .user_data = n, .alloc = ledger_alloc, .release = ledger_release};
}

void hs2n_sim_memory(const struct hs2n_sim *sim, uint32_t node,
                     struct hs2n_sim_memory *out) {
  const struct hs2ni_sim_ledger *l = &hs2ni_sim_at(sim, node)->ledger;

  out->live_bytes = l->live;
  out->peak_bytes = l->peak;
  out->limit_bytes = l->limit;
  out->requests = l->requests;
}
