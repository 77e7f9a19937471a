/* Reads arbitrary text as an identity: what is read is written in the one
 * form that reads back as the same key. */
/* covers: H77 */
#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

static void check_identity(const struct hs2n_identity *identity) {
  const struct hs2n_key key = hs2n_identity_key(identity);
  char text[HS2N_IDENTITY_PEM_MAX];
  const int len = hs2n_identity_to_pem(identity, text, sizeof(text));
  const struct hs2n_span pem = {(const uint8_t *)text, (size_t)len};
  struct hs2n_identity *again = NULL;
  struct hs2n_key key_again;

  expect(len > 0 && strlen(text) == (size_t)len);
  expect(hs2n_identity_from_pem(&again, hs2n_mem_libc(), pem) == HS2N_OK);
  key_again = hs2n_identity_key(again);
  expect(memcmp(key.bytes, key_again.bytes, HS2N_KEY_LEN) == 0);
  hs2n_identity_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  const struct hs2n_span in = {data, len};
  struct hs2n_identity *identity = NULL;
  const int err = hs2n_identity_from_pem(&identity, hs2n_mem_libc(), in);

  if (err == HS2N_OK) {
    check_identity(identity);
    hs2n_identity_free(identity);
    return 0;
  }
  expect(identity == NULL);
  expect(err == HS2N_ERR_TRUNCATED || err == HS2N_ERR_MALFORMED ||
         err == HS2N_ERR_BAD_KEY || err == HS2N_ERR_TOO_BIG);
  return 0;
}
