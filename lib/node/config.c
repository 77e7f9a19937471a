#include "node/config.h"

#include "base/sized.h"
#include "pack/pack.h"

#include <hs2net/error.h>
#include <string.h>

#define UDP_PAYLOAD_MIN 1200u /* RFC 9000, 14.1 */
#define UDP_PAYLOAD_MAX 65507u

void hs2n_config_default(struct hs2n_config *out) {
  *out = (struct hs2n_config){
      .struct_size = sizeof(*out),
      .mem = hs2n_mem_libc(),
      .congestion = HS2N_CONGESTION_BBR,
  };
}

static int bad(const char **out_field, const char *field) {
  *out_field = field;
  return HS2N_ERR_INVALID;
}

static int take_limits(struct hs2ni_config *c, const char **out_field) {
  int rv;

  if (c->given.limits == NULL) {
    hs2n_limits_default(&c->limits);
    return HS2N_OK;
  }
  rv = hs2ni_sized_copy(&c->limits, sizeof(c->limits), sizeof(size_t),
                        c->given.limits);
  if (rv != HS2N_OK) {
    *out_field = "limits.struct_size";
    return rv;
  }
  c->limits.struct_size = sizeof(c->limits);
  return hs2n_limits_check(&c->limits, out_field);
}

static int take_consensus(struct hs2ni_config *c, const char **out_field) {
  if (c->given.consensus == NULL) {
    return HS2N_OK;
  }
  *out_field = "consensus.struct_size";
  return hs2ni_sized_copy(&c->consensus, sizeof(c->consensus), sizeof(size_t),
                          c->given.consensus);
}

/* Names that may stand in a TLS server name and in a file name. */
static bool chain_char(char ch) {
  return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' ||
         ch == '.';
}

static int take_chain_id(struct hs2ni_config *c, const char **out_field) {
  size_t len = 0;

  if (c->given.chain_id == NULL) {
    return bad(out_field, "chain_id");
  }
  while (len <= HS2N_CHAIN_ID_MAX && c->given.chain_id[len] != '\0') {
    if (!chain_char(c->given.chain_id[len])) {
      return bad(out_field, "chain_id");
    }
    len++;
  }
  if (len == 0 || len > HS2N_CHAIN_ID_MAX) {
    return bad(out_field, "chain_id");
  }
  memcpy(c->chain_id, c->given.chain_id, len + 1);
  return HS2N_OK;
}

static bool may_compress(const struct hs2n_type *type) {
  if (type->compression == HS2N_COMPRESSION_NONE) {
    return true;
  }
  return (type->flags & HS2N_TYPE_SECRET) == 0 &&
         (unsigned)type->compression <= HS2N_COMPRESSION_ZSTD &&
         (hs2ni_pack_built() & HS2NI_PACK_BIT(type->compression)) != 0;
}

/* Who signed a message, or what it asks or answers, is no part of its content;
 * and what it asks or answers is not signed with it. */
static bool good_flags(const struct hs2n_type *type) {
  const uint32_t known =
      HS2N_TYPE_SECRET | HS2N_TYPE_SIGNED | HS2N_TYPE_BY_CONTENT;

  const uint32_t special = HS2N_TYPE_SIGNED | HS2N_TYPE_BY_CONTENT;

  if ((type->flags & special) == special ||
      ((type->flags & special) != 0 && type->role != HS2N_ROLE_MESSAGE)) {
    return false;
  }
  return (type->flags & ~known) == 0;
}

static int check_type(const struct hs2n_type *type, uint64_t *seen,
                      const char **out_field) {
  if (type->id >= HS2N_TYPES_MAX || (*seen >> type->id & 1u) != 0) {
    return bad(out_field, "types.id");
  }
  *seen |= (uint64_t)1 << type->id;
  if ((unsigned)type->lane >= HS2N_LANES) {
    return bad(out_field, "types.lane");
  }
  if (type->size_max > HS2N_BODY_MAX) {
    return bad(out_field, "types.size_max");
  }
  if (!good_flags(type)) {
    return bad(out_field, "types.flags");
  }
  return may_compress(type) ? HS2N_OK : bad(out_field, "types.compression");
}

static const struct hs2n_type *find_type(const struct hs2ni_config *c,
                                         uint8_t id) {
  for (size_t i = 0; i < c->given.types_n; i++) {
    if (c->types[i].id == id) {
      return &c->types[i];
    }
  }
  return NULL;
}

/* A request has a response, and both fit the budget of requests: so one may
 * always be asked when no other is open. */
static int check_role(const struct hs2ni_config *c,
                      const struct hs2n_type *type, const char **out_field) {
  const struct hs2n_type *response;

  if ((unsigned)type->role > HS2N_ROLE_RESPONSE) {
    return bad(out_field, "types.role");
  }
  if (type->role != HS2N_ROLE_REQUEST) {
    return type->response == 0 ? HS2N_OK : bad(out_field, "types.response");
  }
  response = find_type(c, type->response);
  if (response == NULL || response->role != HS2N_ROLE_RESPONSE) {
    return bad(out_field, "types.response");
  }
  if ((uint64_t)type->size_max + response->size_max >
      c->limits.requests_bytes_max) {
    return bad(out_field, "limits.requests_bytes_max");
  }
  return HS2N_OK;
}

static int take_types(struct hs2ni_config *c, const char **out_field) {
  uint64_t seen = 0;

  if (c->given.types_n > HS2N_TYPES_MAX ||
      (c->given.types_n > 0 && c->given.types == NULL)) {
    return bad(out_field, "types_n");
  }
  for (size_t i = 0; i < c->given.types_n; i++) {
    const int rv = check_type(&c->given.types[i], &seen, out_field);

    if (rv != HS2N_OK) {
      return rv;
    }
    c->types[i] = c->given.types[i];
  }
  for (size_t i = 0; i < c->given.types_n; i++) {
    const int rv = check_role(c, &c->types[i], out_field);

    if (rv != HS2N_OK) {
      return rv;
    }
  }
  return HS2N_OK;
}

/* What leaves a node for a TCP socket leaves the machine when the system says
 * so: no rate can be promised. */
static int check_transport(const struct hs2n_config *g,
                           const char **out_field) {
  if ((unsigned)g->transport > HS2N_TRANSPORT_TCP) {
    return bad(out_field, "transport");
  }
  if (g->transport == HS2N_TRANSPORT_TCP && g->uplink_bits_per_s != 0) {
    return bad(out_field, "uplink_bits_per_s");
  }
  return HS2N_OK;
}

static int check_given(const struct hs2n_config *g, const char **out_field) {
  if (g->mem == NULL || g->mem->alloc == NULL || g->mem->release == NULL) {
    return bad(out_field, "mem");
  }
  if (g->identity == NULL) {
    return bad(out_field, "identity");
  }
  if (g->incarnation == 0) {
    return bad(out_field, "incarnation");
  }
  if (g->rand == NULL) {
    return bad(out_field, "rand");
  }
  if (g->local.family != HS2N_FAMILY_IPV4 &&
      g->local.family != HS2N_FAMILY_IPV6) {
    return bad(out_field, "local");
  }
  if ((unsigned)g->congestion > HS2N_CONGESTION_CUBIC) {
    return bad(out_field, "congestion");
  }
  if (g->udp_payload_max != 0 && (g->udp_payload_max < UDP_PAYLOAD_MIN ||
                                  g->udp_payload_max > UDP_PAYLOAD_MAX)) {
    return bad(out_field, "udp_payload_max");
  }
  return check_transport(g, out_field);
}

int hs2ni_config_take(struct hs2ni_config *out,
                      const struct hs2n_config *config,
                      const char **out_field) {
  static int (*const steps[])(struct hs2ni_config *, const char **) = {
      take_limits, take_consensus, take_chain_id, take_types};
  int rv;

  *out_field = "struct_size";
  memset(out, 0, sizeof(*out));
  rv =
      hs2ni_sized_copy(&out->given, sizeof(out->given), sizeof(size_t), config);
  if (rv == HS2N_OK) {
    rv = check_given(&out->given, out_field);
  }
  for (size_t i = 0; rv == HS2N_OK && i < sizeof(steps) / sizeof(steps[0]);
       i++) {
    rv = steps[i](out, out_field);
  }
  if (rv == HS2N_OK) {
    out->given.limits = &out->limits;
    out->given.consensus = &out->consensus;
    out->given.chain_id = out->chain_id;
    out->given.types = out->types;
    *out_field = NULL;
  }
  return rv;
}
