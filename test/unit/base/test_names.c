#include "tap.h"

#include <hs2net/error.h>
#include <hs2net/msg.h>

static void every_error_has_a_text_and_its_name(void) {
  CHECK_TEXT(hs2n_err_text(HS2N_OK), "ok");
  CHECK_TEXT(hs2n_err_name(HS2N_OK), "HS2N_OK");
  CHECK_TEXT(hs2n_err_text(HS2N_ERR_FULL), "budget used up, wait for WRITABLE");
#define X(name, value, text)              \
  CHECK_TEXT(hs2n_err_text(value), text); \
  CHECK_TEXT(hs2n_err_name(value), #name);
  HS2N_ERR_LIST(X)
#undef X
}

static void errors_of_three_kinds_stay_in_their_ranges(void) {
  static const int values[] = {
#define X(name, value, text) value,
    HS2N_ERR_LIST(X)
#undef X
  };
  const size_t n = sizeof(values) / sizeof(values[0]);

  for (size_t i = 0; i < n; i++) {
    CHECK(values[i] < 0 && values[i] > -300);
    for (size_t k = 0; k < i; k++) {
      CHECK(values[k] != values[i]);
    }
  }
}

static void every_reason_has_a_text(void) {
#define X(name, value, text) CHECK_TEXT(hs2n_reason_text(value), text);
  HS2N_REASON_LIST(X)
#undef X
}

static void unknown_values_have_a_text_too(void) {
  CHECK_TEXT(hs2n_err_text(1), "unknown error");
  CHECK_TEXT(hs2n_err_text(INT32_MIN), "unknown error");
  CHECK_TEXT(hs2n_err_name(-99), "HS2N_ERR_?");
  CHECK_TEXT(hs2n_reason_text(0x3f), "unknown reason");
  CHECK_TEXT(hs2n_reason_text(UINT32_MAX), "unknown reason");
  CHECK_TEXT(hs2n_lane_name((enum hs2n_lane)HS2N_LANES), "?");
  CHECK_TEXT(hs2n_outcome_name((enum hs2n_outcome)0), "?");
}

static void lanes_and_outcomes_are_named_after_their_constants(void) {
  static const char *const lanes[HS2N_LANES] = {"CONTROL",  "VOTE", "CERT",
                                                "PROPOSAL", "SYNC", "BULK"};
  static const char *const outcomes[] = {"ACKED",     "QUORUM",  "EXPIRED",
                                         "CANCELLED", "REFUSED", "PEER_GONE"};

  for (int i = 0; i < HS2N_LANES; i++) {
    CHECK_TEXT(hs2n_lane_name((enum hs2n_lane)i), lanes[i]);
  }
  for (int i = 0; i < 6; i++) {
    CHECK_TEXT(hs2n_outcome_name((enum hs2n_outcome)(HS2N_DONE_ACKED + i)),
               outcomes[i]);
  }
}

int main(void) {
  RUN(every_error_has_a_text_and_its_name);
  RUN(errors_of_three_kinds_stay_in_their_ranges);
  RUN(every_reason_has_a_text);
  RUN(unknown_values_have_a_text_too);
  RUN(lanes_and_outcomes_are_named_after_their_constants);
  return tap_done();
}
