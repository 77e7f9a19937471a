/* A user's test: a cut link in a simulated world, with pkg-config only. */
#include <hs2net/sim.h>
#include <stdio.h>

int main(void) {
  struct hs2n_sim_config config;
  struct hs2n_sim *sim = NULL;
  int bad = 1;

  hs2n_sim_config_default(&config, 4, 7);
  if (hs2n_sim_new(&sim, &config) != HS2N_OK) {
    return 1;
  }
  if (hs2n_sim_start_all(sim) && hs2n_sim_run(sim, HS2N_S(1))) {
    hs2n_sim_cut(sim, 0, HS2N_SIM_ALL, true);
    hs2n_sim_run(sim, HS2N_S(30));
    hs2n_sim_heal(sim);
    bad = !hs2n_sim_settle(sim, HS2N_S(40));
  }
  printf("%s\n",
         bad && hs2n_sim_failure(sim) ? hs2n_sim_failure(sim) : "settled");
  hs2n_sim_free(sim);
  return bad;
}
