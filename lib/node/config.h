/* config: takes and checks what hs2n_node_new is given. */
#ifndef HS2NI_NODE_CONFIG_H
#define HS2NI_NODE_CONFIG_H

#include <hs2net/node.h>

/* A configuration with everything copied that the caller may take back. */
struct hs2ni_config {
  struct hs2n_config given; /* its limits, consensus and types lead below */
  struct hs2n_limits limits;
  struct hs2n_consensus consensus;
  struct hs2n_type types[HS2N_TYPES_MAX];
  char chain_id[HS2N_CHAIN_ID_MAX + 1];
};

/* Copies and checks.  Returns HS2N_OK, HS2N_ERR_INVALID or HS2N_ERR_VERSION
 * with *out_field naming the field; *out is unspecified then and must not
 * move otherwise. */
HS2N_MUST_CHECK int hs2ni_config_take(struct hs2ni_config *out,
                                      const struct hs2n_config *config,
                                      const char **out_field);

#endif /* HS2NI_NODE_CONFIG_H */
