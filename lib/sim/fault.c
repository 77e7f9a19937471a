/* What befalls a node: pauses, clocks, addresses, memory, ports. */
#include "sim/inside.h"

/* ---- pause
 * ------------------------------------------------------------------------- */

static void resume(struct hs2n_sim *sim, void *arg) {
  struct hs2ni_sim_node *n = arg;
  struct hs2ni_packet *p = n->socket_first;

  if (n->paused_until == 0 || n->paused_until > sim->now) {
    return; /* it died meanwhile, or is paused for longer */
  }
  n->paused_until = 0;
  n->socket_first = NULL;
  n->socket_bytes = 0;
  hs2ni_trace(sim, HS2N_SIM_RESUME, n->index, HS2N_SIM_ALL, 0, 0, "");
  while (p != NULL) {
    struct hs2ni_packet *next = p->next;

    (void)hs2ni_event_packet(sim, sim->now, p);
    p = next;
  }
  hs2ni_node_settle(n);
}

void hs2n_sim_pause(struct hs2n_sim *sim, uint32_t node, hs2n_time length) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);
  const hs2n_time until = sim->now + length;

  if (n->node == NULL || until <= n->paused_until) {
    return;
  }
  n->paused_until = until;
  hs2ni_wake_at(sim, n, HS2N_TIME_NEVER);
  hs2ni_trace(sim, HS2N_SIM_PAUSE, node, HS2N_SIM_ALL, length, 0, "");
  (void)hs2ni_event_call(sim, until, resume, n);
}

/* ---- clock
 * -------------------------------------------------------------------------- */

#define MILLION 1000000u

hs2n_time hs2ni_clock_at(const struct hs2ni_sim_node *n, hs2n_time at) {
  const uint64_t d = at - n->base_at;
  const uint64_t rate = (uint64_t)((int64_t)MILLION + n->drift_ppm);

  return n->base + d / MILLION * rate + d % MILLION * rate / MILLION;
}

hs2n_time hs2ni_clock_inverse(const struct hs2ni_sim_node *n, hs2n_time shown) {
  const uint64_t rate = (uint64_t)((int64_t)MILLION + n->drift_ppm);
  uint64_t d;

  if (shown == HS2N_TIME_NEVER || shown <= n->base) {
    return shown == HS2N_TIME_NEVER ? shown : n->base_at;
  }
  d = shown - n->base;
  if (d / rate >= (HS2N_TIME_NEVER - n->base_at) / MILLION - 1) {
    return HS2N_TIME_NEVER - 1;
  }
  return n->base_at + d / rate * MILLION +
         (d % rate * MILLION + rate - 1) / rate;
}

hs2n_time hs2n_sim_clock(const struct hs2n_sim *sim, uint32_t node) {
  return hs2ni_clock_at(hs2ni_sim_at(sim, node), sim->now);
}

static void change_clock(struct hs2ni_sim_node *n, hs2n_time shown,
                         int32_t drift_ppm, int64_t jump) {
  n->base_at = n->sim->now;
  n->base = shown;
  n->drift_ppm = drift_ppm;
  hs2ni_trace(n->sim, HS2N_SIM_CLOCK, n->index, HS2N_SIM_ALL, (uint64_t)jump,
              (uint64_t)(int64_t)drift_ppm, "");
  hs2ni_node_settle(n);
}

void hs2n_sim_set_drift(struct hs2n_sim *sim, uint32_t node, int32_t ppm) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);
  const int32_t least = -900000;
  const int32_t most = 1000000;

  ppm = ppm < least ? least : ppm > most ? most : ppm;
  change_clock(n, hs2ni_clock_at(n, sim->now), ppm, 0);
}

void hs2n_sim_jump(struct hs2n_sim *sim, uint32_t node, int64_t ns) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);
  const hs2n_time shown = hs2ni_clock_at(n, sim->now);
  const hs2n_time back = 0 - (uint64_t)ns;

  change_clock(n,
               ns >= 0        ? shown + (uint64_t)ns
               : back > shown ? 0
                              : shown - back,
               n->drift_ppm, ns);
}

/* ---- addresses
 * ------------------------------------------------------------------------- */

#define NAT_PORT 20000

void hs2n_sim_rebind(struct hs2n_sim *sim, uint32_t node) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  n->nat_port = n->nat_port < NAT_PORT || n->nat_port == UINT16_MAX
                    ? NAT_PORT
                    : (uint16_t)(n->nat_port + 1);
  hs2ni_trace(sim, HS2N_SIM_ADDRESS, node, HS2N_SIM_ALL, n->nat_port, 0,
              "by NAT");
}

void hs2n_sim_move(struct hs2n_sim *sim, uint32_t node) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  n->move++;
  n->nat_port = HS2N_SIM_PORT;
  hs2ni_addrs_refresh(sim, n->key_of);
  hs2ni_trace(sim, HS2N_SIM_ADDRESS, node, HS2N_SIM_ALL, HS2N_SIM_PORT, n->move,
              "moved");
}

void hs2n_sim_set_ports(struct hs2n_sim *sim, uint32_t node,
                        const struct hs2n_sim_port *up,
                        const struct hs2n_sim_port *down) {
  const struct hs2n_sim_port open = {0};

  for (uint32_t i = 0; i < sim->n; i++) {
    if (node == HS2N_SIM_ALL || node == i) {
      sim->nodes[i].up = (struct hs2ni_port){.p = up == NULL ? open : *up};
      sim->nodes[i].down =
          (struct hs2ni_port){.p = down == NULL ? open : *down};
    }
  }
  hs2ni_trace(sim, HS2N_SIM_NET, node, HS2N_SIM_ALL, 0, 0, "ports");
}

/* ---- memory
 * ------------------------------------------------------------------------------
 */

void hs2n_sim_fail_alloc(struct hs2n_sim *sim, uint32_t node, uint32_t ppm,
                         uint64_t at) {
  struct hs2ni_sim_ledger *l = &hs2ni_sim_at(sim, node)->ledger;

  l->fail_ppm = ppm;
  l->fail_in = at;
  hs2ni_trace(sim, HS2N_SIM_NOTE, node, HS2N_SIM_ALL, ppm, at,
              "memory is short");
}
