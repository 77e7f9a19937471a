/* The inflater: what comes out has the length that was asked for and no byte
 * more, or nothing does, and what was packed here comes out as it was. */
#include "pack/pack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define RAW_MAX (1u << 20)

static void expect(int good) {
  if (!good) {
    abort();
  }
}

static void inflate(struct hs2ni_pack *pack, enum hs2n_compression codec,
                    struct hs2n_span packed, size_t raw_len) {
  /* The memory ends with the output, for a sanitizer to see. */
  uint8_t *out = malloc(raw_len + 1);

  expect(out != NULL);
  out[raw_len] = 0x5a;
  (void)hs2ni_pack_inflate(pack, codec, packed, out, raw_len);
  expect(out[raw_len] == 0x5a);
  free(out);
}

static void round_trip(struct hs2ni_pack *pack, enum hs2n_compression codec,
                       struct hs2n_span raw) {
  uint8_t *packed = malloc(hs2ni_pack_room(raw.len)), *out = malloc(raw.len);
  size_t n;

  expect(packed != NULL && out != NULL);
  n = hs2ni_pack_deflate(pack, codec, raw, packed);
  expect(n <= hs2ni_pack_room(raw.len));
  if (n > 0) {
    expect(hs2ni_pack_inflate(pack, codec, (struct hs2n_span){packed, n}, out,
                              raw.len));
    expect(memcmp(out, raw.data, raw.len) == 0);
  }
  free(packed);
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct hs2ni_env env = {.mem = hs2n_mem_libc()};
  struct hs2ni_pack *pack;
  enum hs2n_compression codec;
  struct hs2n_span rest;

  if (len < 5) {
    return 0;
  }
  codec = data[0] % 2 == 0 ? HS2N_COMPRESSION_LZ4 : HS2N_COMPRESSION_ZSTD;
  if ((hs2ni_pack_built() & HS2NI_PACK_BIT(codec)) == 0) {
    return 0;
  }
  expect(hs2ni_pack_new(&pack, &env, HS2NI_PACK_BIT(codec)) == HS2N_OK);
  rest = (struct hs2n_span){data + 4, len - 4};
  if (data[0] & 2) {
    round_trip(pack, codec, rest);
  } else {
    inflate(pack, codec, rest,
            (data[1] | (size_t)data[2] << 8 | (size_t)data[3] << 16) % RAW_MAX);
  }
  hs2ni_pack_free(pack);
  return 0;
}
