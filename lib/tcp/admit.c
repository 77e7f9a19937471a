#include "tcp/endpoint.h"

/* TCP has proved the address, so who asks too often can be told apart. */
static bool may_come(struct hs2ni_tcp *ep, const struct hs2n_addr *remote) {
  const struct hs2n_limits *l = &ep->env->limits;

  return ep->half_open < l->half_open_max && ep->conns.count < ep->conns_max &&
         hs2ni_rate_take(&hs2ni_source_of(&ep->sources, remote)->proved,
                         ep->env->now, l->new_per_source_per_s,
                         l->new_per_source_burst);
}

static void refuse(struct hs2ni_tcp *ep, uint64_t pipe) {
  const uint32_t at =
      (ep->refused_first + ep->refused_n) % HS2NI_TCP_ACCEPTS_MAX;

  ep->env->stats.inbound_limited++;
  if (ep->refused_n < HS2NI_TCP_ACCEPTS_MAX) {
    ep->refused[at] = pipe;
    ep->refused_n++;
  }
}

bool hs2ni_tcp_refused_take(struct hs2ni_tcp *ep, uint64_t *out_pipe) {
  if (ep->refused_n == 0) {
    return false;
  }
  *out_pipe = ep->refused[ep->refused_first];
  ep->refused_first = (ep->refused_first + 1) % HS2NI_TCP_ACCEPTS_MAX;
  ep->refused_n--;
  return true;
}

void hs2ni_tcp_admit(struct hs2ni_tcp *ep, const struct hs2n_rx *rx) {
  struct hs2ni_tcp_conn *c;

  if (!may_come(ep, &rx->remote) ||
      hs2ni_tcp_conn_new(&c, ep, rx->pipe, &rx->remote, HS2NI_TLS_SERVER) !=
          HS2N_OK) {
    refuse(ep, rx->pipe);
    return;
  }
  c->half_open = true;
  ep->half_open++;
}
