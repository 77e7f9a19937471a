#include "base/sized.h"
#include "tap.h"

#include <hs2net/error.h>
#include <stddef.h>

struct options {
  size_t struct_size;
  int first;
  int second; /* came later */
};

static const size_t oldest = offsetof(struct options, second);

static void old_caller_lacks_new_fields(void) {
  const struct options in = {.struct_size = oldest, .first = 1, .second = 2};
  struct options out;

  CHECK_EQ(hs2ni_sized_copy(&out, sizeof(out), oldest, &in), HS2N_OK);
  CHECK_EQ(out.first, 1);
  CHECK_EQ(out.second, 0);
}

static void newer_caller_may_not_use_what_we_lack(void) {
  struct {
    struct options known;
    int future;
  } in = {.known = {.struct_size = sizeof(in), .first = 1}};
  struct options out;

  CHECK_EQ(hs2ni_sized_copy(&out, sizeof(out), oldest, &in), HS2N_OK);
  in.future = 1;
  CHECK_EQ(hs2ni_sized_copy(&out, sizeof(out), oldest, &in), HS2N_ERR_VERSION);
}

static void too_short_is_refused(void) {
  const struct options in = {.struct_size = oldest - 1};
  struct options out = {.first = 7};

  CHECK_EQ(hs2ni_sized_copy(&out, sizeof(out), oldest, &in), HS2N_ERR_INVALID);
  CHECK_EQ(out.first, 7);
}

int main(void) {
  RUN(old_caller_lacks_new_fields);
  RUN(newer_caller_may_not_use_what_we_lack);
  RUN(too_short_is_refused);
  return tap_done();
}
