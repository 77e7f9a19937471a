/* identity: who signs in tests. */
#ifndef MSG_IDENTITY_H
#define MSG_IDENTITY_H

#include <hs2net/identity.h>

#define WORLD_CHAIN "world"

/* The identity of a place, the same each time; to be freed. */
struct hs2n_identity *world_identity(uint32_t place);

#endif /* MSG_IDENTITY_H */
