/* record: the flight recorder's view of a node, see <hs2net/record.h>.  Each
 * function writes one record, or nothing when nobody records. */
#ifndef HS2NI_NODE_RECORD_H
#define HS2NI_NODE_RECORD_H

#include "node/config.h"

#include <hs2net/hs2net.h>
#include <hs2net/record.h>

/* Begins, if the configuration asks for it. */
void hs2ni_record_node(struct hs2n_node *node, const struct hs2ni_config *c,
                       hs2n_time now);
/* A source of randomness that writes down what the application's gives;
 * user_data is the node. */
int hs2ni_record_rand(void *user_data, uint8_t *out, size_t len);

void hs2ni_record_recv(const struct hs2n_node *node, const struct hs2n_rx *rx,
                       size_t n, hs2n_time now, uint64_t posts);
void hs2ni_record_tick(const struct hs2n_node *node, hs2n_time now,
                       uint64_t posts);
void hs2ni_record_poll(const struct hs2n_node *node, const struct hs2n_tx *tx,
                       size_t n, hs2n_time now);
/* Of poll_tx: tx holds what was written. */
void hs2ni_record_written(const struct hs2n_node *node,
                          const struct hs2n_tx *tx, size_t written);
void hs2ni_record_left(const struct hs2n_node *node);

void hs2ni_record_members(const struct hs2n_node *node, uint64_t epoch,
                          const struct hs2n_member *members, size_t n,
                          uint64_t drop_below);
void hs2ni_record_send(const struct hs2n_node *node, const struct hs2n_dst *dst,
                       const struct hs2n_msg *msg, bool tagged);
void hs2ni_record_request(const struct hs2n_node *node,
                          const struct hs2n_dst *any_of,
                          const struct hs2n_msg *msg, bool tagged);
void hs2ni_record_respond(const struct hs2n_node *node, struct hs2n_req req,
                          uint32_t status, const struct hs2n_buf *body);
void hs2ni_record_cancel(const struct hs2n_node *node, struct hs2n_tag tag);
void hs2ni_record_enter_view(const struct hs2n_node *node, uint64_t view,
                             const struct hs2n_peer *leaders, size_t n);
void hs2ni_record_judge(const struct hs2n_node *node, struct hs2n_peer from,
                        struct hs2n_msg_id id, enum hs2n_verdict verdict,
                        uint64_t cost_ns);
void hs2ni_record_stop(const struct hs2n_node *node, hs2n_time now);
/* Returns err, so that a call can end with it. */
int hs2ni_record_return(const struct hs2n_node *node, int err, uint64_t tag);

/* Also of requests and responses.  Numbers the body, too. */
void hs2ni_record_on_message(struct hs2n_node *node, struct hs2n_peer from,
                             struct hs2n_msg_id id, const struct hs2n_msg *msg);
void hs2ni_record_on_done(const struct hs2n_node *node, struct hs2n_tag tag,
                          enum hs2n_outcome outcome);
void hs2ni_record_on_peer(const struct hs2n_node *node, struct hs2n_peer peer,
                          enum hs2n_peer_state state, enum hs2n_reason reason);
void hs2ni_record_verdict(const struct hs2n_node *node,
                          enum hs2n_verdict verdict, struct hs2n_buf *body);
void hs2ni_record_post(const struct hs2n_node *node);

#endif /* HS2NI_NODE_RECORD_H */
