#include "base/addr.h"
#include "base/rng.h"
#include "tap.h"

#include <hs2net/error.h>
#include <hs2net/node.h>

/* Parses and writes back. */
static const char *again(const char *text, char out[HS2N_ADDR_TEXT_MAX]) {
  struct hs2n_addr addr;

  return hs2n_addr_parse(text, &addr) == HS2N_OK ? hs2n_addr_text(&addr, out)
                                                 : "malformed";
}

static void reads_and_writes_both_families(void) {
  struct hs2n_addr addr;

  CHECK_EQ(hs2n_addr_parse("192.0.2.1:7000", &addr), HS2N_OK);
  CHECK_EQ(addr.family, HS2N_FAMILY_IPV4);
  CHECK_MEM(addr.ip, "\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
  CHECK_EQ(addr.port, 7000);
  CHECK_EQ(addr.scope, 0);
  CHECK_EQ(hs2n_addr_parse("[2001:db8::1%2]:65535", &addr), HS2N_OK);
  CHECK_EQ(addr.family, HS2N_FAMILY_IPV6);
  CHECK_MEM(addr.ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
  CHECK_EQ(addr.port, 65535);
  CHECK_EQ(addr.scope, 2);
}

/* The examples of RFC 5952, sections 4 and 5, and the corners of "::". */
static void writes_the_one_recommended_form(void) {
  static const struct {
    const char *in;
    const char *want;
  } cases[] = {
      {"0.0.0.0:0", "0.0.0.0:0"},
      {"255.255.255.255:65535", "255.255.255.255:65535"},
      {"[::]:1", "[::]:1"},
      {"[0:0:0:0:0:0:0:1]:1", "[::1]:1"},
      {"[1::]:1", "[1::]:1"},
      {"[2001:DB8::1]:1", "[2001:db8::1]:1"},
      {"[2001:0db8::0001]:1", "[2001:db8::1]:1"},
      {"[2001:db8:0:0:0:0:2:1]:1", "[2001:db8::2:1]:1"},
      {"[2001:db8:0:1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"},
      {"[2001:0:0:1:0:0:0:1]:1", "[2001:0:0:1::1]:1"},
      {"[2001:db8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1"},
      {"[2001:db8::1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"},
      {"[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1"},
      {"[::2:3:4:5:6:7:8]:1", "[0:2:3:4:5:6:7:8]:1"},
      {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1"},
      {"[::ffff:c000:201]:1", "[::ffff:192.0.2.1]:1"},
      {"[64:ff9b::192.0.2.33]:1", "[64:ff9b::c000:221]:1"},
      {"[1:2:3:4:5:6:1.2.3.4]:1", "[1:2:3:4:5:6:102:304]:1"},
      {"[::1.2.3.4]:1", "[::102:304]:1"},
      {"[1::2:1.2.3.4]:1", "[1::2:102:304]:1"},
      {"[fe80::1%4294967295]:1", "[fe80::1%4294967295]:1"},
      {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535"},
  };
  char text[HS2N_ADDR_TEXT_MAX];

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    CHECK_TEXT(again(cases[i].in, text), cases[i].want);
  }
}

static void refuses_everything_else(void) {
  static const char *const cases[] = {
      "",
      ":",
      "1",
      "example.org:7000",
      "1.2.3.4",
      "1.2.3.4:",
      "1.2.3.4:65536",
      "1.2.3.4:00",
      "1.2.3.4:01",
      "1.2.3.4:1 ",
      " 1.2.3.4:1",
      "1.2.3.4:+1",
      "1.2.3.4:-1",
      "1.2.3.4:99999999999999999999999",
      "1.2.3:1",
      "1.2.3.4.5:1",
      "1.2.3.256:1",
      "1.2.3.04:1",
      "1..2.3:1",
      "[1.2.3.4]:1",
      "::1:1",
      "[::1]",
      "[::1]1",
      "[::1:1",
      "[]:1",
      "[:]:1",
      "[:1]:1",
      "[1:]:1",
      "[:::]:1",
      "[1:::2]:1",
      "[1::2::3]:1",
      "[1:2:3:4:5:6:7]:1",
      "[1:2:3:4:5:6:7:8:9]:1",
      "[1:2:3:4:5:6:7:8::]:1",
      "[1:2:3:4::5:6:7:8]:1",
      "[::1:2:3:4:5:6:7:8]:1",
      "[12345::]:1",
      "[g::]:1",
      "[::1.2.3]:1",
      "[::1.2.3.4:5]:1",
      "[1.2.3.4::]:1",
      "[1:1.2.3.4::]:1",
      "[1:2:3:4:5:6:7:1.2.3.4]:1",
      "[1:2:3:4:5:6::1.2.3.4]:1",
      "[::1%]:1",
      "[::1%0]:1",
      "[::1%eth0]:1",
      "[::1%01]:1",
      "[::1%4294967296]:1",
      "[::1]:1]",
  };
  struct hs2n_addr addr = {.port = 99};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    if (hs2n_addr_parse(cases[i], &addr) != HS2N_ERR_MALFORMED) {
      printf("# accepted: %s\n", cases[i]);
      CHECK(false);
    }
  }
  CHECK_EQ(addr.port, 99); /* untouched on error */
}

/* No prefix but one that ends in the port's digits is an address. */
static void every_prefix_is_refused(void) {
  static const char text[] = "[2001:db8::192.0.2.1%7]:8";
  char prefix[sizeof(text)];
  struct hs2n_addr addr;

  for (size_t len = 0; len < sizeof(text) - 1; len++) {
    memcpy(prefix, text, len);
    prefix[len] = '\0';
    CHECK_EQ(hs2n_addr_parse(prefix, &addr), HS2N_ERR_MALFORMED);
  }
  CHECK_EQ(hs2n_addr_parse(text, &addr), HS2N_OK);
}

static void any_address_survives_a_round_trip(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 4);
  for (int i = 0; i < 20000; i++) {
    struct hs2n_addr addr = {.family = HS2N_FAMILY_IPV6};
    struct hs2n_addr got;
    char text[HS2N_ADDR_TEXT_MAX];

    addr.port = (uint16_t)hs2ni_rng_next(&rng);
    if (hs2ni_rng_below(&rng, 4) == 0) {
      addr.family = HS2N_FAMILY_IPV4;
    } else {
      addr.scope = (uint32_t)hs2ni_rng_below(&rng, 3);
    }
    for (size_t k = 0; k < hs2ni_addr_ip_len(addr.family); k++) {
      /* Many zeros, so that "::" has to choose. */
      addr.ip[k] =
          hs2ni_rng_below(&rng, 3) == 0 ? (uint8_t)hs2ni_rng_next(&rng) : 0;
    }
    REQUIRE(hs2n_addr_parse(hs2n_addr_text(&addr, text), &got) == HS2N_OK);
    CHECK(hs2ni_addr_equal(&addr, &got));
  }
}

static void equal_looks_at_every_part(void) {
  struct hs2n_addr a;
  struct hs2n_addr b;
  char text[HS2N_ADDR_TEXT_MAX];

  CHECK_EQ(hs2n_addr_parse("[fe80::1%1]:1", &a), HS2N_OK);
  b = a;
  CHECK(hs2ni_addr_equal(&a, &b));
  b.scope = 2;
  CHECK(!hs2ni_addr_equal(&a, &b));
  b = a;
  b.port = 2;
  CHECK(!hs2ni_addr_equal(&a, &b));
  b = a;
  b.ip[15] = 2;
  CHECK(!hs2ni_addr_equal(&a, &b));
  b = a;
  b.family = HS2N_FAMILY_IPV4;
  CHECK(!hs2ni_addr_equal(&a, &b));
  b = a = (struct hs2n_addr){.family = HS2N_FAMILY_NONE};
  CHECK(hs2ni_addr_equal(&a, &b));
  CHECK_TEXT(hs2n_addr_text(&a, text), "none");
}

int main(void) {
  RUN(reads_and_writes_both_families);
  RUN(writes_the_one_recommended_form);
  RUN(refuses_everything_else);
  RUN(every_prefix_is_refused);
  RUN(any_address_survives_a_round_trip);
  RUN(equal_looks_at_every_part);
  return tap_done();
}
