/* over: a node on a link of the caller's choice.
 *
 * Nothing above link.h knows which link it speaks over; hs2n_node_new takes
 * the one that the configuration says.  Tests take one in memory. */
#ifndef HS2NI_NODE_OVER_H
#define HS2NI_NODE_OVER_H

#include "link/link.h"
#include "tls/tls.h"

#include <hs2net/node.h>

/* What a node has for its link.  All but config outlives the link. */
struct hs2ni_link_parts {
  struct hs2ni_env *env;
  struct hs2ni_tls *tls;
  const struct hs2n_config *config;
  const struct hs2ni_link_user *user;
  void *user_ctx; /* ctx of on_accept */
};

/* Returns HS2N_OK or an error of hs2n_node_new. */
typedef int (*hs2ni_link_fn)(void *ctx, const struct hs2ni_link_parts *parts,
                             struct hs2ni_link **out_link);

/* As hs2n_node_new, over the link that make makes. */
HS2N_MUST_CHECK int hs2ni_node_new_over(struct hs2n_node **out_node,
                                        const struct hs2n_config *config,
                                        hs2n_time now, const char **out_field,
                                        hs2ni_link_fn make, void *ctx);

#endif /* HS2NI_NODE_OVER_H */
