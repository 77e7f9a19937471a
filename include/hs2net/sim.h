/* sim.h: N real nodes in one process on virtual time, for tests of what is
 * built on hs2net and of hs2net itself.
 *
 * Each node is the one that runs in production: its transport, TLS, messages
 * and committees.  Only what is around it is made up: the network, the clock,
 * the disk and the randomness.  Nothing sleeps: a run jumps from one event
 * to the next.  A run is a function of its seed: hs2n_sim_hash of two runs of
 * one seed is equal, so a failing seed is a test.
 *
 * A scenario is a page of C that reads as a story:
 *
 *   hs2n_sim_config_default(&config, 4, seed);
 *   if (hs2n_sim_new(&sim, &config) == HS2N_OK && hs2n_sim_start_all(sim)) {
 *     hs2n_sim_run(sim, HS2N_S(1));
 *     hs2n_sim_cut(sim, 0, HS2N_SIM_ALL, true);
 *     hs2n_sim_run(sim, HS2N_S(30));
 *     hs2n_sim_heal(sim);
 *     hs2n_sim_settle(sim, HS2N_S(10));
 *   }
 *   if (hs2n_sim_failure(sim) != NULL) { ... its text and trace ... }
 *   hs2n_sim_free(sim);
 *
 * This is a library of its own, libhs2net-sim, so that no production program
 * carries it.  One thread owns a simulation.  Chances are in parts per
 * million (ppm), times in ns of virtual time unless they are said to be a
 * node's own clock.  Functions that change the world must not be called from
 * an upcall of a node; hs2n_sim_at defers them. */
#ifndef HS2N_SIM_H
#define HS2N_SIM_H

#include <hs2net/sim_check.h>
#include <hs2net/sim_fault.h>
#include <hs2net/sim_story.h>
#include <hs2net/sim_world.h>

#endif /* HS2N_SIM_H */
