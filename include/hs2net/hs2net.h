/* hs2net.h: everything, for programs that do not care. */
#ifndef HS2N_HS2NET_H
#define HS2N_HS2NET_H

#include <hs2net/api.h>
#include <hs2net/consensus.h>
#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <hs2net/io.h>
#include <hs2net/limits.h>
#include <hs2net/mem.h>
#include <hs2net/msg.h>
#include <hs2net/node.h>
#include <hs2net/record.h>
#include <hs2net/types.h>

#endif /* HS2N_HS2NET_H */
