/* Bodies made smaller and whole again, and what a hostile peer might send in
 * place of them. */
#include "base/rng.h"
#include "pack/pack.h"
#include "tap.h"
#include "test_mem.h"

#include <stdlib.h>

#define LONG_LEN (1u << 20)

struct bench {
  struct test_mem mem;
  struct hs2ni_env env;
  struct hs2ni_pack *pack;
};

static void start(struct bench *b) {
  test_mem_init(&b->mem, 0);
  b->env = (struct hs2ni_env){.mem = &b->mem.mem};
  if (hs2ni_pack_new(&b->pack, &b->env, hs2ni_pack_built()) != HS2N_OK) {
    abort();
  }
}

static void stop(struct bench *b) {
  hs2ni_pack_free(b->pack);
  CHECK_EQ(b->mem.live_bytes, 0);
}

/* What runs the case for each codec of the build. */
static void each(void (*fn)(struct bench *, enum hs2n_compression)) {
  for (int c = HS2N_COMPRESSION_LZ4; c <= HS2N_COMPRESSION_ZSTD; c++) {
    if ((hs2ni_pack_built() & HS2NI_PACK_BIT(c)) != 0) {
      struct bench b;

      start(&b);
      fn(&b, (enum hs2n_compression)c);
      stop(&b);
    }
  }
}

/* Words of a few kinds with noise between them, like transactions. */
static void fill(uint8_t *data, size_t len, uint64_t seed,
                 uint32_t noise_percent) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, seed);
  for (size_t i = 0; i < len; i++) {
    const uint64_t r = hs2ni_rng_next(&rng);

    data[i] = r % 100 < noise_percent ? (uint8_t)(r >> 32)
                                      : (uint8_t)("transfer"[i % 8]);
  }
}

static size_t deflate(struct bench *b, enum hs2n_compression codec,
                      const uint8_t *raw, size_t len, uint8_t **out) {
  *out = malloc(hs2ni_pack_room(len));
  return hs2ni_pack_deflate(b->pack, codec, (struct hs2n_span){raw, len}, *out);
}

static void round_trip(struct bench *b, enum hs2n_compression codec) {
  for (uint64_t seed = 0; seed < 60; seed++) {
    const size_t len = 1 + (size_t)(seed * seed * 97 % 70000);
    uint8_t *raw = malloc(len), *again = malloc(len), *packed;
    size_t n;

    fill(raw, len, seed, (uint32_t)(seed % 7 * 10));
    n = deflate(b, codec, raw, len, &packed);
    CHECK(n <= hs2ni_pack_room(len));
    if (n > 0) {
      CHECK(hs2ni_pack_inflate(b->pack, codec, (struct hs2n_span){packed, n},
                               again, len));
      CHECK_MEM(again, raw, len);
    }
    CHECK(n > 0 || len < 200 || seed % 7 > 2);
    free(raw);
    free(again);
    free(packed);
  }
}

static void what_was_packed_comes_out_again(void) {
  each(round_trip);
}

static void noise(struct bench *b, enum hs2n_compression codec) {
  uint8_t *raw = malloc(LONG_LEN), *packed;

  fill(raw, LONG_LEN, 1, 100);
  CHECK(!hs2ni_pack_worth(b->pack, codec, (struct hs2n_span){raw, LONG_LEN}));
  CHECK_EQ(deflate(b, codec, raw, LONG_LEN, &packed), 0);
  free(packed);
  /* The sample is of the middle: a head of zeros does not mislead. */
  memset(raw, 0, LONG_LEN / 4);
  CHECK(!hs2ni_pack_worth(b->pack, codec, (struct hs2n_span){raw, LONG_LEN}));
  fill(raw, LONG_LEN, 1, 20);
  CHECK(hs2ni_pack_worth(b->pack, codec, (struct hs2n_span){raw, LONG_LEN}));
  CHECK(!hs2ni_pack_worth(b->pack, codec,
                          (struct hs2n_span){raw, HS2NI_PACK_MIN - 1}));
  CHECK(hs2ni_pack_worth(b->pack, codec,
                         (struct hs2n_span){raw, HS2NI_PACK_MIN}));
  CHECK(!hs2ni_pack_worth(b->pack, HS2N_COMPRESSION_NONE,
                          (struct hs2n_span){raw, LONG_LEN}));
  free(raw);
}

static void what_does_not_save_a_tenth_is_left_alone(void) {
  each(noise);
}

/* Neither a part of it, nor a wrong length: exactly that or nothing.  The
 * output ends where the memory does, so a sanitizer sees a byte too many. */
static void parts(struct bench *b, enum hs2n_compression codec) {
  enum { LEN = 3000 };
  uint8_t raw[LEN], *packed;
  size_t n;

  fill(raw, LEN, 3, 20);
  n = deflate(b, codec, raw, LEN, &packed);
  REQUIRE(n > 0);
  for (size_t cut = 0; cut < n; cut++) {
    uint8_t *part = malloc(cut + 1), *out = malloc(LEN);

    memcpy(part, packed, cut);
    CHECK(!hs2ni_pack_inflate(b->pack, codec, (struct hs2n_span){part, cut},
                              out, LEN));
    free(part);
    free(out);
  }
  for (size_t len = 0; len < LEN + 500; len += 7) {
    uint8_t *out = malloc(len + 1);

    CHECK_EQ(hs2ni_pack_inflate(b->pack, codec, (struct hs2n_span){packed, n},
                                out, len),
             len == LEN);
    free(out);
  }
  free(packed);
}

static void a_part_or_another_length_is_refused(void) {
  each(parts);
}

static void garbled(struct bench *b, enum hs2n_compression codec) {
  enum { LEN = 3000 };
  uint8_t raw[LEN], *packed;
  struct hs2ni_rng rng;
  uint32_t refused = 0;
  size_t n;

  hs2ni_rng_seed(&rng, 9);
  fill(raw, LEN, 3, 20);
  n = deflate(b, codec, raw, LEN, &packed);
  REQUIRE(n > 0);
  for (int i = 0; i < 3000; i++) {
    uint8_t *bad = malloc(n), *out = malloc(LEN);

    memcpy(bad, packed, n);
    bad[hs2ni_rng_next(&rng) % n] ^= (uint8_t)(1 + hs2ni_rng_next(&rng) % 255);
    refused += !hs2ni_pack_inflate(b->pack, codec, (struct hs2n_span){bad, n},
                                   out, LEN);
    free(bad);
    free(out);
  }
  CHECK(refused > 100);
  free(packed);
}

static void garbled_bytes_do_no_harm(void) {
  each(garbled);
}

/* LZ4 can't get below 1 in 255, so a small block that claims much is refused
 * by that alone. */
static void a_small_block_that_claims_much_is_refused_unread(void) {
  static const uint8_t block[100];
  const struct hs2n_span packed = {block, sizeof(block)};

  CHECK(!hs2ni_pack_claim(HS2N_COMPRESSION_LZ4, packed, 64u << 20));
  CHECK(hs2ni_pack_claim(HS2N_COMPRESSION_LZ4, packed, 20000));
  CHECK(!hs2ni_pack_claim(HS2N_COMPRESSION_ZSTD, packed, 64u << 20));
  CHECK(!hs2ni_pack_claim(HS2N_COMPRESSION_NONE, packed, sizeof(block)));
}

/* A frame of run-length blocks: four bytes for each 128 KiB. */
static size_t zstd_bomb(uint8_t *out, uint32_t says, uint32_t blocks) {
  static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0};
  size_t n = sizeof(magic);

  memcpy(out, magic, n);
  for (int i = 0; i < 4; i++) {
    out[n++] = (uint8_t)(says >> (8 * i));
  }
  for (uint32_t i = 0; i < blocks; i++) {
    const uint32_t head = (131072u << 3) | 1u << 1 | (i + 1 == blocks);

    out[n++] = (uint8_t)head;
    out[n++] = (uint8_t)(head >> 8);
    out[n++] = (uint8_t)(head >> 16);
    out[n++] = 0;
  }
  return n;
}

/* covers: H17 */
static void a_zstd_bomb_gets_no_more_room_than_it_claimed(void) {
  uint8_t *bomb = malloc(4096), *out = malloc(64u << 20);
  struct bench b;
  size_t n;

  start(&b);
  /* 2 KiB for 64 MiB, and honest about it: so it is for the caller to say
   * whether that much is welcome. */
  n = zstd_bomb(bomb, 64u << 20, 512);
  CHECK(hs2ni_pack_inflate(b.pack, HS2N_COMPRESSION_ZSTD,
                           (struct hs2n_span){bomb, n}, out, 64u << 20));
  /* To any other length it is refused before a byte is written. */
  memset(out, 7, 1000);
  CHECK(!hs2ni_pack_inflate(b.pack, HS2N_COMPRESSION_ZSTD,
                            (struct hs2n_span){bomb, n}, out, 1000));
  CHECK_EQ(out[0], 7);
  free(out);
  /* It claims 1,000 bytes, and goes on: the memory ends there. */
  out = malloc(1000);
  n = zstd_bomb(bomb, 1000, 512);
  CHECK(!hs2ni_pack_inflate(b.pack, HS2N_COMPRESSION_ZSTD,
                            (struct hs2n_span){bomb, n}, out, 1000));
  /* It claims more than comes. */
  free(out);
  out = malloc(256u << 10);
  n = zstd_bomb(bomb, 256u << 10, 1);
  CHECK(!hs2ni_pack_inflate(b.pack, HS2N_COMPRESSION_ZSTD,
                            (struct hs2n_span){bomb, n}, out, 256u << 10));
  /* A second frame behind the first. */
  n = zstd_bomb(bomb, 131072, 1);
  n += zstd_bomb(bomb + n, 131072, 1);
  CHECK(!hs2ni_pack_inflate(b.pack, HS2N_COMPRESSION_ZSTD,
                            (struct hs2n_span){bomb, n}, out, 131072));
  free(out);
  free(bomb);
  stop(&b);
}

static void it_says_what_memory_it_takes(void) {
  for (uint32_t codecs = 0; codecs <= hs2ni_pack_built(); codecs += 2) {
    struct test_mem mem;
    struct hs2ni_env env = {.mem = &mem.mem};
    struct hs2ni_pack *pack;

    test_mem_init(&mem, 0);
    if (codecs != 0) {
      CHECK_EQ(hs2ni_pack_new(&pack, &env, codecs), HS2N_OK);
      CHECK_EQ(mem.live_bytes, hs2ni_pack_footprint(codecs));
      hs2ni_pack_free(pack);
    } else {
      CHECK_EQ(hs2ni_pack_footprint(0), 0);
    }
    CHECK_EQ(mem.live_bytes, 0);
  }
}

static void any_allocation_may_fail(void) {
  for (uint64_t at = 1;; at++) {
    struct test_mem mem;
    struct hs2ni_env env = {.mem = &mem.mem};
    struct hs2ni_pack *pack;
    int err;

    test_mem_init(&mem, at);
    err = hs2ni_pack_new(&pack, &env, hs2ni_pack_built());
    if (err == HS2N_OK) {
      hs2ni_pack_free(pack);
      CHECK(at > 2);
      CHECK_EQ(mem.live_bytes, 0);
      return;
    }
    CHECK_EQ(err, HS2N_ERR_NO_MEMORY);
    CHECK_EQ(mem.live_bytes, 0);
  }
}

/* The codecs work in what they were given. */
static void packing_allocates_nothing(struct bench *b,
                                      enum hs2n_compression codec) {
  uint8_t *raw = malloc(LONG_LEN), *again = malloc(LONG_LEN), *packed;
  const uint64_t before = b->mem.requests;
  size_t n;

  fill(raw, LONG_LEN, 5, 30);
  CHECK(hs2ni_pack_worth(b->pack, codec, (struct hs2n_span){raw, LONG_LEN}));
  n = deflate(b, codec, raw, LONG_LEN, &packed);
  CHECK(hs2ni_pack_inflate(b->pack, codec, (struct hs2n_span){packed, n}, again,
                           LONG_LEN));
  CHECK_EQ(b->mem.requests, before);
  free(raw);
  free(again);
  free(packed);
}

static void the_codecs_allocate_nothing(void) {
  each(packing_allocates_nothing);
}

int main(void) {
  RUN(what_was_packed_comes_out_again);
  RUN(what_does_not_save_a_tenth_is_left_alone);
  RUN(a_part_or_another_length_is_refused);
  RUN(garbled_bytes_do_no_harm);
  RUN(a_small_block_that_claims_much_is_refused_unread);
  if ((hs2ni_pack_built() & HS2NI_PACK_BIT(HS2N_COMPRESSION_ZSTD)) != 0) {
    RUN(a_zstd_bomb_gets_no_more_room_than_it_claimed);
  } else {
    SKIP(a_zstd_bomb_gets_no_more_room_than_it_claimed, "no Zstandard");
  }
  RUN(it_says_what_memory_it_takes);
  RUN(any_allocation_may_fail);
  RUN(the_codecs_allocate_nothing);
  return tap_done();
}
