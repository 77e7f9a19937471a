/* profile: networks that replicas live on. */
#ifndef SIM_PROFILE_H
#define SIM_PROFILE_H

#include <hs2net/sim.h>
#include <stdbool.h>

struct profile {
  const char *name;
  const char *text;
  struct hs2n_sim_link link;
  struct hs2n_sim_noise noise;
  struct hs2n_sim_port port; /* up and down alike; rate 0: no limit */
  bool regions;              /* ten of them, in place of link.delay */
  hs2n_time rtt;             /* of a usual pair, to measure time-outs by */
};

extern const struct profile profiles[];
extern const size_t profiles_n;

const struct profile *profile_find(const char *name); /* or NULL */
/* False when memory is out. */
bool profile_apply(const struct profile *p, struct hs2n_sim *sim);

#endif /* SIM_PROFILE_H */
