#include <hs2net/msg.h>

const char *hs2n_outcome_name(enum hs2n_outcome outcome) {
  switch (outcome) {
  case HS2N_DONE_ACKED:
    return "ACKED";
  case HS2N_DONE_QUORUM:
    return "QUORUM";
  case HS2N_DONE_EXPIRED:
    return "EXPIRED";
  case HS2N_DONE_CANCELLED:
    return "CANCELLED";
  case HS2N_DONE_REFUSED:
    return "REFUSED";
  case HS2N_DONE_PEER_GONE:
    return "PEER_GONE";
  }
  return "?";
}

const char *hs2n_lane_name(enum hs2n_lane lane) {
  switch (lane) {
  case HS2N_LANE_CONTROL:
    return "CONTROL";
  case HS2N_LANE_VOTE:
    return "VOTE";
  case HS2N_LANE_CERT:
    return "CERT";
  case HS2N_LANE_PROPOSAL:
    return "PROPOSAL";
  case HS2N_LANE_SYNC:
    return "SYNC";
  case HS2N_LANE_BULK:
    return "BULK";
  }
  return "?";
}
