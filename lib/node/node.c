#include "node/inside.h"
#include "node/over.h"

#include <assert.h>
#include <string.h>

/* ---- birth --------------------------------------------------------------- */

static void init_env(struct hs2n_node *node, const struct hs2ni_config *c,
                     hs2n_time now) {
  struct hs2ni_env *env = &node->env;

  env->mem = &node->ledger.mem;
  env->now = now;
  env->limits = c->limits;
  env->uplink = hs2ni_uplink_of(c->given.uplink_bits_per_s);
  env->stats.struct_size = sizeof(env->stats);
  env->rand = c->given.rand;
  env->rand_data = c->given.rand_data;
  env->log = c->given.log;
  env->log_data = c->given.log_data;
  hs2ni_rng_seed(&env->rng, c->given.seed);
}

static void copy_config(struct hs2n_node *node, const struct hs2ni_config *c) {
  node->consensus = c->consensus;
  node->incarnation = c->given.incarnation;
  node->local = c->given.local;
  node->types_n = c->given.types_n;
  memcpy(node->types, c->types, sizeof(node->types));
  memcpy(node->chain_id, c->chain_id, sizeof(node->chain_id));
}

static bool all_zero(const uint8_t *bytes, size_t len) {
  uint8_t sum = 0;

  for (size_t i = 0; i < len; i++) {
    sum |= bytes[i];
  }
  return sum == 0;
}

static int make_quic(void *ctx, const struct hs2ni_link_parts *parts,
                     struct hs2ni_link **out_link) {
  const struct hs2n_config *c = parts->config;
  struct hs2ni_quic_config quic = {
      .env = parts->env,
      .tls = parts->tls,
      .user = parts->user,
      .user_ctx = parts->user_ctx,
      .local = c->local,
      .congestion = c->congestion,
      .udp_payload_max = c->udp_payload_max,
  };

  (void)ctx;
  memcpy(quic.reset_key, c->reset_key, sizeof(quic.reset_key));
  if (all_zero(quic.reset_key, sizeof(quic.reset_key)) &&
      parts->env->rand(parts->env->rand_data, quic.reset_key,
                       sizeof(quic.reset_key)) != 0) {
    return HS2N_ERR_RANDOM;
  }
  return hs2ni_quic_new(out_link, &quic);
}

static int make_tcp(void *ctx, const struct hs2ni_link_parts *parts,
                    struct hs2ni_link **out_link) {
  const struct hs2ni_tcp_config tcp = {
      .env = parts->env,
      .tls = parts->tls,
      .user = parts->user,
      .user_ctx = parts->user_ctx,
  };

  (void)ctx;
  return hs2ni_tcp_new(out_link, &tcp);
}

/* Over what the configuration says. */
static int make_chosen(void *ctx, const struct hs2ni_link_parts *parts,
                       struct hs2ni_link **out_link) {
  return parts->config->transport == HS2N_TRANSPORT_TCP
             ? make_tcp(ctx, parts, out_link)
             : make_quic(ctx, parts, out_link);
}

/* Makes a node's link. */
struct maker {
  hs2ni_link_fn make;
  void *ctx;
};

static int make_link(struct hs2n_node *node, const struct hs2n_config *c,
                     const struct maker *maker) {
  const struct hs2ni_link_parts parts = {
      .env = &node->env,
      .tls = node->tls,
      .config = c,
      .user = &hs2ni_session_link_user,
      .user_ctx = node,
  };
  const int err = maker->make(maker->ctx, &parts, &node->link);

  if (err == HS2N_OK) {
    hs2ni_peers_link(node->peers, node->link);
  }
  return err;
}

static int make_tls(struct hs2n_node *node, const struct hs2n_config *c) {
  const struct hs2ni_tls_config tls = {
      .env = &node->env,
      .identity = c->identity,
      .chain_id = node->chain_id,
      .unix_time_s = c->unix_time_s,
  };

  return hs2ni_tls_new(&node->tls, &tls);
}

static int make_peers(struct hs2n_node *node, const struct hs2n_config *c) {
  const struct hs2ni_peers_config peers = {
      .env = &node->env,
      .key = hs2n_identity_key(c->identity),
      .user = &hs2ni_session_peers_user,
      .user_ctx = node,
  };

  return hs2ni_peers_new(&node->peers, &peers);
}

/* A clock before 1970 is none. */
static uint64_t unix_ms(const struct hs2n_config *c) {
  return c->unix_time_s < 0 ? 0 : (uint64_t)c->unix_time_s * 1000;
}

static int make_parts(struct hs2n_node *node, const struct hs2n_config *c,
                      const struct maker *maker) {
  int err = hs2ni_posts_init(&node->posts, &node->env);

  if (err == HS2N_OK) {
    err = make_tls(node, c);
  }
  if (err == HS2N_OK) {
    err = hs2ni_msgs_new(&node->msgs, &node->env, node->types, node->types_n);
  }
  if (err == HS2N_OK) {
    hs2ni_msgs_sign(node->msgs, c->identity, node->chain_id);
    hs2ni_msgs_beat(node->msgs, node->incarnation, unix_ms(c));
  }
  if (err == HS2N_OK) {
    err = make_peers(node, c);
  }
  if (err == HS2N_OK) {
    err = hs2ni_cast_new(&node->cast, &node->env, node->peers, node->msgs);
  }
  return err == HS2N_OK ? make_link(node, c, maker) : err;
}

static int make_node(struct hs2n_node **out_node, const struct hs2ni_config *c,
                     uint64_t max_bytes, hs2n_time now,
                     const struct maker *maker) {
  const struct hs2n_mem *mem = c->given.mem;
  struct hs2n_node *node = mem->alloc(mem->user_data, sizeof(*node));
  int err;

  if (node == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  hs2ni_ledger_init(&node->ledger, mem, max_bytes);
  node->ledger.live_bytes = sizeof(*node);
  node->ledger.asked = 1;
  node->ledger.recorder = &node->env.recorder;
  init_env(node, c, now);
  copy_config(node, c);
  hs2ni_record_node(node, c, now);
  err = make_parts(node, &c->given, maker);
  if (err != HS2N_OK) {
    hs2n_node_free(node);
    return err;
  }
  *out_node = node;
  return HS2N_OK;
}

int hs2ni_node_new_over(struct hs2n_node **out_node,
                        const struct hs2n_config *config, hs2n_time now,
                        const char **out_field, hs2ni_link_fn make, void *ctx) {
  const struct maker maker = {make, ctx};
  struct hs2n_memory memory = {.struct_size = sizeof(memory)};
  struct hs2ni_config c;
  const char *field;
  const int err = hs2ni_config_take(&c, config, &field);

  if (err != HS2N_OK) {
    if (out_field != NULL && field != NULL) {
      *out_field = field;
    }
    return err;
  }
  hs2n_limits_memory(&c.limits, c.types, c.given.types_n, &memory);
  if (c.limits.memory_max_bytes != 0 &&
      memory.total_bytes > c.limits.memory_max_bytes) {
    return HS2N_ERR_TOO_BIG;
  }
  return make_node(out_node, &c, memory.total_bytes, now, &maker);
}

int hs2n_node_new(struct hs2n_node **out_node, const struct hs2n_config *config,
                  hs2n_time now, const char **out_field) {
  return hs2ni_node_new_over(out_node, config, now, out_field, make_chosen,
                             NULL);
}

/* ---- death --------------------------------------------------------------- */

void hs2n_node_free(struct hs2n_node *node) {
  const struct hs2n_mem *mem;

  if (node == NULL) {
    return;
  }
  assert(!node->entered);
  mem = node->ledger.inner;
  if (node->peers != NULL) {
    hs2ni_free_channels(node);
  }
  hs2ni_cast_free(node->cast);
  hs2ni_peers_free(node->peers);
  if (node->link != NULL) {
    node->link->ops->free(node->link);
  }
  hs2ni_msgs_free(node->msgs);
  hs2ni_tls_free(node->tls);
  hs2ni_posts_fini(&node->posts, &node->env);
  mem->release(mem->user_data, node, sizeof(*node));
}
