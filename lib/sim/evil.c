/* Nodes that misbehave on the network, below their own code. */
#include "sim/inside.h"

#include <string.h>

#define FLOOD_BYTES 1200

/* ---- replaying
 * ------------------------------------------------------------------- */

static void remember(struct hs2n_sim *sim, struct hs2ni_sim_node *n,
                     const struct hs2ni_packet *p) {
  const uint32_t i = n->kept_n % HS2NI_SIM_KEPT;

  if (n->kept[i] != NULL) {
    hs2ni_packet_free(sim, n->kept[i]);
  }
  n->kept[i] = hs2ni_packet_copy(sim, p);
  n->kept_n++;
}

void hs2ni_evil_forget(struct hs2ni_sim_node *n) {
  for (uint32_t i = 0; i < HS2NI_SIM_KEPT; i++) {
    if (n->kept[i] != NULL) {
      hs2ni_packet_free(n->sim, n->kept[i]);
      n->kept[i] = NULL;
    }
  }
  n->kept_n = 0;
}

/* Past the sender's own hands, so that a replay is not replayed. */
static void release(struct hs2n_sim *sim, void *arg) {
  struct hs2ni_packet *p = arg;

  p->to = hs2ni_net_to(sim, p);
  if (p->to == sim->n) {
    hs2ni_packet_free(sim, p);
  } else {
    (void)hs2ni_event_packet(sim, sim->now + HS2N_MS(1), p);
  }
}

static void replay(struct hs2n_sim *sim, struct hs2ni_sim_node *n) {
  const uint64_t all = n->kept_n < HS2NI_SIM_KEPT ? n->kept_n : HS2NI_SIM_KEPT;
  const uint64_t i = hs2ni_chance_below(&sim->fault_chance, all);
  struct hs2ni_packet *p;

  if (n->kept[i] == NULL) {
    return; /* there was no memory for it */
  }
  p = hs2ni_packet_copy(sim, n->kept[i]);
  if (p != NULL) {
    sim->stats.replayed++;
    release(sim, p);
  }
}

bool hs2ni_evil_send(struct hs2n_sim *sim, const struct hs2ni_packet *p,
                     hs2n_time *at) {
  struct hs2ni_sim_node *n = &sim->nodes[p->from];

  if (n->evil.replay_ppm > 0) {
    remember(sim, n, p);
    if (hs2ni_chance_hits(&sim->fault_chance, n->evil.replay_ppm)) {
      replay(sim, n);
    }
  }
  *at += n->evil.hold;
  return !n->evil.silent;
}

/* ---- flooding
 * --------------------------------------------------------------------- */

static void fill(struct hs2n_sim *sim, uint8_t *out, size_t len) {
  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)hs2ni_chance_next(&sim->fault_chance);
  }
}

/* Of three kinds in turn: an Initial of an unknown connection (RFC 9000,
 * 17.2.2), a short header, noise. */
static struct hs2ni_packet *forge(struct hs2n_sim *sim, uint64_t turn) {
  static const uint8_t initial[] = {0xc3, 0, 0, 0, 1, 8};
  struct hs2ni_packet *p = hs2ni_packet_new(sim, FLOOD_BYTES);

  if (p == NULL) {
    return NULL;
  }
  fill(sim, p->data, p->len);
  if (turn % 3 == 0) {
    memcpy(p->data, initial, sizeof(initial));
    p->data[14] = 8;    /* source id */
    p->data[23] = 0;    /* no token */
    p->data[24] = 0x44; /* the rest: 1200 - 26 */
    p->data[25] = (FLOOD_BYTES - 26) & 0xff;
  } else if (turn % 3 == 1) {
    p->data[0] = (uint8_t)(0x40 | (p->data[0] & 0x3f));
  }
  return p;
}

static void flood_once(struct hs2n_sim *sim, struct hs2ni_sim_node *n) {
  const uint32_t turn = n->evil_turn++;
  uint32_t victim = n->evil.flood_victim;
  struct hs2ni_packet *p;

  if (victim == HS2N_SIM_ALL) {
    victim = turn / 3 % sim->n;
  }
  p = forge(sim, turn);
  if (victim == n->index || p == NULL) {
    if (p != NULL) {
      hs2ni_packet_free(sim, p);
    }
    return;
  }
  p->from = n->index;
  p->src = hs2ni_net_addr(n);
  p->dst = hs2ni_net_addr(&sim->nodes[victim]);
  if (n->evil.flood_spoofed) {
    p->src.ip[0] = 172;
    fill(sim, p->src.ip + 1, 3);
  }
  sim->stats.flooded++;
  release(sim, p);
}

static void flood(struct hs2n_sim *sim, void *arg) {
  struct hs2ni_sim_node *n = arg;

  if (n->evil.flood_per_s == 0 || sim->now < n->flood_next) {
    return; /* it ended, or another chain of calls goes on */
  }
  flood_once(sim, n);
  /* Rounded up, so that time goes on at any rate. */
  n->flood_next = sim->now + HS2N_S(1) / n->evil.flood_per_s + 1;
  (void)hs2ni_event_call(sim, n->flood_next, flood, n);
}

/* ---- beginning and end
 * --------------------------------------------------------------- */

void hs2n_sim_misbehave(struct hs2n_sim *sim, uint32_t node,
                        const struct hs2n_sim_evil *evil) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  n->dishonest = evil != NULL;
  n->evil = evil == NULL ? (struct hs2n_sim_evil){0} : *evil;
  hs2ni_evil_forget(n);
  hs2ni_trace(sim, HS2N_SIM_MISBEHAVE, node, HS2N_SIM_ALL, 0, 0,
              evil == NULL ? "ends" : "begins");
  if (n->evil.flood_per_s > 0 && n->flood_next <= sim->now) {
    n->flood_next = sim->now;
    (void)hs2ni_event_call(sim, sim->now, flood, n);
  }
}
