#include "pack/pack.h"

#include "pack/codec.h"

#include <assert.h>

#define LZ4_BIT HS2NI_PACK_BIT(HS2N_COMPRESSION_LZ4)
#define ZSTD_BIT HS2NI_PACK_BIT(HS2N_COMPRESSION_ZSTD)

/* NULL: not of the set that it was made for. */
struct hs2ni_pack {
  struct hs2ni_env *env;
  void *lz4;
  void *zstd_deflate;
  void *zstd_inflate;
  uint8_t sample[HS2NI_PACK_SAMPLE];
};

uint32_t hs2ni_pack_built(void) {
  return LZ4_BIT | (hs2ni_zstd_built() ? ZSTD_BIT : 0);
}

int hs2ni_pack_new(struct hs2ni_pack **out, struct hs2ni_env *env,
                   uint32_t codecs) {
  struct hs2ni_pack *p = hs2ni_alloc(env, sizeof(*p));
  bool whole = true;

  assert((codecs & ~hs2ni_pack_built()) == 0);
  if (p == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  p->env = env;
  if ((codecs & LZ4_BIT) != 0) {
    p->lz4 = hs2ni_alloc(env, hs2ni_lz4_state_len());
    whole = p->lz4 != NULL;
  }
  if ((codecs & ZSTD_BIT) != 0) {
    p->zstd_deflate = hs2ni_alloc(env, hs2ni_zstd_deflate_state_len());
    p->zstd_inflate = hs2ni_alloc(env, hs2ni_zstd_inflate_state_len());
    whole = whole && p->zstd_deflate != NULL && p->zstd_inflate != NULL;
  }
  if (!whole) {
    hs2ni_pack_free(p);
    return HS2N_ERR_NO_MEMORY;
  }
  *out = p;
  return HS2N_OK;
}

void hs2ni_pack_free(struct hs2ni_pack *pack) {
  struct hs2ni_env *env;

  if (pack == NULL) {
    return;
  }
  env = pack->env;
  hs2ni_free(env, pack->lz4, hs2ni_lz4_state_len());
  hs2ni_free(env, pack->zstd_deflate, hs2ni_zstd_deflate_state_len());
  hs2ni_free(env, pack->zstd_inflate, hs2ni_zstd_inflate_state_len());
  hs2ni_free(env, pack, sizeof(*pack));
}

uint64_t hs2ni_pack_footprint(uint32_t codecs) {
  uint64_t sum = 0;

  if ((codecs & LZ4_BIT) != 0) {
    sum += hs2ni_lz4_state_len();
  }
  if ((codecs & ZSTD_BIT) != 0) {
    sum += hs2ni_zstd_deflate_state_len() + hs2ni_zstd_inflate_state_len();
  }
  return sum == 0 ? 0 : sum + sizeof(struct hs2ni_pack);
}

/* ---- deflating ------------------------------------------------------------
 */

size_t hs2ni_pack_room(size_t len) {
  return len - len / 10;
}

size_t hs2ni_pack_deflate(struct hs2ni_pack *pack, enum hs2n_compression codec,
                          struct hs2n_span raw, uint8_t *out) {
  const size_t room = hs2ni_pack_room(raw.len);

  assert(raw.len > 0);
  switch (codec) {
  case HS2N_COMPRESSION_NONE:
    break;
  case HS2N_COMPRESSION_LZ4:
    assert(pack->lz4 != NULL);
    return hs2ni_lz4_deflate(pack->lz4, raw, out, room);
  case HS2N_COMPRESSION_ZSTD:
    assert(pack->zstd_deflate != NULL);
    return hs2ni_zstd_deflate(pack->zstd_deflate, raw, out, room);
  }
  return 0;
}

bool hs2ni_pack_worth(struct hs2ni_pack *pack, enum hs2n_compression codec,
                      struct hs2n_span raw) {
  struct hs2n_span sample;

  if (raw.len < HS2NI_PACK_MIN || codec == HS2N_COMPRESSION_NONE) {
    return false;
  }
  if (raw.len < 4 * (size_t)HS2NI_PACK_SAMPLE) {
    return true; /* trying the whole costs little more */
  }
  sample = (struct hs2n_span){raw.data + (raw.len - HS2NI_PACK_SAMPLE) / 2,
                              HS2NI_PACK_SAMPLE};
  return hs2ni_pack_deflate(pack, codec, sample, pack->sample) > 0;
}

/* ---- inflating ------------------------------------------------------------
 */

bool hs2ni_pack_claim(enum hs2n_compression codec, struct hs2n_span packed,
                      size_t raw_len) {
  switch (codec) {
  case HS2N_COMPRESSION_NONE:
    break;
  case HS2N_COMPRESSION_LZ4:
    return hs2ni_lz4_claim(packed, raw_len);
  case HS2N_COMPRESSION_ZSTD:
    return hs2ni_zstd_claim(packed, raw_len);
  }
  return false;
}

bool hs2ni_pack_inflate(struct hs2ni_pack *pack, enum hs2n_compression codec,
                        struct hs2n_span packed, uint8_t *out, size_t raw_len) {
  if (packed.len == 0 || raw_len == 0 ||
      !hs2ni_pack_claim(codec, packed, raw_len)) {
    return false;
  }
  switch (codec) {
  case HS2N_COMPRESSION_NONE:
    break;
  case HS2N_COMPRESSION_LZ4:
    return hs2ni_lz4_inflate(packed, out, raw_len);
  case HS2N_COMPRESSION_ZSTD:
    assert(pack->zstd_inflate != NULL);
    return hs2ni_zstd_inflate(pack->zstd_inflate, packed, out, raw_len);
  }
  return false;
}
