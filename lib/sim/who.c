/* Who is who: nodes by peer id, by handle, and as members. */
#include "sim/inside.h"

#include <string.h>

/* ---- by peer id
 * --------------------------------------------------------------------- */

static size_t slot_of(const struct hs2n_sim *sim,
                      const struct hs2n_peer_id *id) {
  size_t i = 0;

  for (size_t k = 0; k < sizeof(i); k++) {
    i |= (size_t)id->bytes[k] << (8 * k);
  }
  return i & (sim->by_id_size - 1);
}

void hs2ni_by_id_add(struct hs2n_sim *sim, uint32_t node) {
  size_t i = slot_of(sim, &sim->nodes[node].id);

  while (sim->by_id[i] != 0) {
    i = (i + 1) & (sim->by_id_size - 1);
  }
  sim->by_id[i] = node + 1;
}

static uint32_t by_id(const struct hs2n_sim *sim,
                      const struct hs2n_peer_id *id) {
  for (size_t i = slot_of(sim, id); sim->by_id[i] != 0;
       i = (i + 1) & (sim->by_id_size - 1)) {
    const uint32_t node = sim->by_id[i] - 1;

    if (memcmp(sim->nodes[node].id.bytes, id->bytes, sizeof(id->bytes)) == 0) {
      return node;
    }
  }
  return HS2N_SIM_ALL;
}

/* ---- by handle
 * ------------------------------------------------------------------------ */

static void remember(struct hs2ni_sim_node *n, struct hs2n_peer peer,
                     uint32_t node) {
  size_t capacity = n->peers_capacity;

  if (hs2ni_sim_grow(n->sim, (void **)&n->peers, &capacity, sizeof(*n->peers),
                     (size_t)peer.v + 1)) {
    n->peers_capacity = (uint32_t)capacity;
    n->peers[peer.v] = node + 1;
  }
}

uint32_t hs2n_sim_index(struct hs2n_sim *sim, uint32_t node,
                        struct hs2n_peer peer) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};
  uint32_t i;

  if (peer.v < n->peers_capacity && n->peers[peer.v] != 0) {
    return n->peers[peer.v] - 1;
  }
  if (n->node == NULL || hs2n_peer_info(n->node, peer, &info) != HS2N_OK) {
    return HS2N_SIM_ALL;
  }
  i = by_id(sim, &info.id);
  if (i != HS2N_SIM_ALL) {
    remember(n, peer, i);
  }
  return i;
}

int hs2n_sim_peer(const struct hs2n_sim *sim, uint32_t node, uint32_t peer,
                  struct hs2n_peer *out_peer) {
  const struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  return n->node == NULL
             ? HS2N_ERR_NO_PEER
             : hs2n_peer_find(n->node, &hs2ni_sim_at(sim, peer)->id, out_peer);
}

/* ---- as members
 * -------------------------------------------------------------------------- */

/* The addresses of one key, at each node that has it; those first made come
 * first. */
void hs2ni_addrs_refresh(struct hs2n_sim *sim, uint32_t key_of) {
  struct hs2n_addr addrs[HS2NI_SIM_ADDRS_MAX];
  uint32_t n = 0;

  for (uint32_t i = key_of; i < sim->n && n < HS2NI_SIM_ADDRS_MAX; i++) {
    if (sim->nodes[i].sim != NULL && sim->nodes[i].key_of == key_of) {
      addrs[n++] = hs2ni_net_addr(&sim->nodes[i]);
    }
  }
  for (uint32_t i = key_of; i < sim->n; i++) {
    if (sim->nodes[i].sim != NULL && sim->nodes[i].key_of == key_of) {
      memcpy(sim->nodes[i].addrs, addrs, n * sizeof(addrs[0]));
      sim->nodes[i].addrs_n = n;
    }
  }
}

struct hs2n_member hs2n_sim_member(const struct hs2n_sim *sim, uint32_t node) {
  const struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  return (struct hs2n_member){
      .key = n->key, .weight = 1, .addrs = n->addrs, .addrs_n = n->addrs_n};
}
