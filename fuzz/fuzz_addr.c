/* Parses arbitrary text as an address: what is read is written in a form that
 * means the same and is written again unchanged. */
#include "base/addr.h"

#include <hs2net/error.h>
#include <hs2net/node.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  char *text;
  char written[HS2N_ADDR_TEXT_MAX];
  char again[HS2N_ADDR_TEXT_MAX];
  struct hs2n_addr addr;
  struct hs2n_addr reread;

  if (len > TEXT_MAX) {
    return 0;
  }
  /* As long as the text, so that a sanitizer sees reads behind its end. */
  text = malloc(len + 1);
  expect(text != NULL);
  memcpy(text, data, len);
  text[len] = '\0';
  if (hs2n_addr_parse(text, &addr) == HS2N_OK) {
    hs2n_addr_text(&addr, written);
    expect(strlen(written) < HS2N_ADDR_TEXT_MAX);
    expect(hs2n_addr_parse(written, &reread) == HS2N_OK);
    expect(hs2ni_addr_equal(&addr, &reread));
    expect(strcmp(written, hs2n_addr_text(&reread, again)) == 0);
  }
  free(text);
  return 0;
}
