/* recorder: records the first life of one simulated node, for a replay. */
#ifndef SIM_RECORDER_H
#define SIM_RECORDER_H

#include <hs2net/sim.h>
#include <stdbool.h>

struct recorder {
  const char *path;     /* of the recording; NULL: nothing is recorded */
  const char *identity; /* where the node's identity goes */
  uint32_t node;
  struct hs2n_sim *sim;
  struct hs2n_recording *file; /* of the first life, until recorder_close */
  bool failed;
};

/* Call as the node is made; records when it is the one, for the first time. */
void recorder_configure(struct recorder *r, uint32_t node,
                        struct hs2n_config *config);
/* Call when no node runs any more; whether all could be written. */
bool recorder_close(struct recorder *r);

#endif /* SIM_RECORDER_H */
