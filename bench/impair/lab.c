#include "lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETWORK 0x0a4d0000u /* 10.77.0.0/24 */
#define NETMASK 0xffffff00u
#define MTU 1500
#define DEVICE "hs0"
#define QUEUE_PACKETS                                     \
  5000 /* kernel to here; what waits long waits in a line \
        */

#define PACKET_MAX 2048 /* >= MTU */
#define READ_MAX 64     /* packets of one node before others have their turn */
#define IPV4_LEN 20
#define DESTINATION_AT 16

/* Out of the way of the numbers that a command gets. */
#define FD_MIN 200

static int out_of_the_way(int fd) {
  int moved = -1;

  if (fd >= 0) {
    moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
    close(fd);
  }
  return moved;
}

/* ---- the inside of a namespace ------------------------------------------- */

static void name_device(struct ifreq *request, const char *device) {
  memset(request, 0, sizeof(*request));
  (void)snprintf(request->ifr_name, IFNAMSIZ, "%s", device);
}

static bool set_address(int fd, unsigned long what, uint32_t address) {
  struct ifreq request;
  const struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_addr = {htonl(address)}};

  name_device(&request, DEVICE);
  memcpy(&request.ifr_addr, &in, sizeof(in));
  return ioctl(fd, what, &request) == 0;
}

static bool set_number(int fd, unsigned long what, int number) {
  struct ifreq request;

  name_device(&request, DEVICE);
  request.ifr_mtu = number; /* ifr_qlen is in the same place */
  return ioctl(fd, what, &request) == 0;
}

static bool bring_up(int fd, const char *device) {
  struct ifreq request;

  name_device(&request, device);
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) {
    return false;
  }
  request.ifr_flags = (short)(request.ifr_flags | IFF_UP | IFF_RUNNING);
  return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static bool configure(uint32_t i) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool ok;

  if (fd < 0) {
    return false;
  }
  ok = set_address(fd, SIOCSIFADDR, NETWORK + i + 1) &&
       set_address(fd, SIOCSIFNETMASK, NETMASK) &&
       set_number(fd, SIOCSIFMTU, MTU) &&
       set_number(fd, SIOCSIFTXQLEN, QUEUE_PACKETS) && bring_up(fd, DEVICE) &&
       bring_up(fd, "lo");
  close(fd);
  return ok;
}

static int open_device(void) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request;

  name_device(&request, DEVICE);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) != 0) {
    close(fd);
    return -1;
  }
  return out_of_the_way(fd);
}

static const char *make_node(struct lab *lab, uint32_t i) {
  if (unshare(CLONE_NEWNET) != 0) {
    return "a new network namespace";
  }
  lab->namespaces[i] =
      out_of_the_way(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  lab->devices[i] = open_device();
  if (lab->namespaces[i] < 0 || lab->devices[i] < 0) {
    return "a TUN device";
  }
  return configure(i) ? NULL : "the address of a TUN device";
}

/* ---- life ---------------------------------------------------------------- */

static const char *make_nodes(struct lab *lab) {
  const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  const char *wrong = home < 0 ? "/proc/self/ns/net" : NULL;
  int err;

  for (uint32_t i = 0; wrong == NULL && i < lab->nodes; i++) {
    wrong = make_node(lab, i);
  }
  err = errno;
  if (home >= 0 && setns(home, CLONE_NEWNET) != 0 && wrong == NULL) {
    wrong = "the way back to our namespace";
    err = errno;
  }
  if (home >= 0) {
    close(home);
  }
  errno = err;
  return wrong;
}

const char *lab_open(struct lab *lab, uint32_t nodes, uint64_t seed) {
  *lab = (struct lab){.nodes = nodes};
  for (uint32_t i = 0; i < nodes; i++) {
    lab->namespaces[i] = lab->devices[i] = -1;
  }
  lab->lines = calloc((size_t)nodes * nodes, sizeof(*lab->lines));
  if (lab->lines == NULL) {
    return "memory";
  }
  for (uint32_t i = 0; i < nodes * nodes; i++) {
    line_init(&lab->lines[i], (seed << 16) + i);
  }
  return make_nodes(lab);
}

void lab_close(struct lab *lab) {
  for (uint32_t i = 0; i < lab->nodes; i++) {
    if (lab->devices[i] >= 0) {
      close(lab->devices[i]);
    }
    if (lab->namespaces[i] >= 0) {
      close(lab->namespaces[i]);
    }
  }
  for (uint32_t i = 0; lab->lines != NULL && i < lab->nodes * lab->nodes; i++) {
    line_fini(&lab->lines[i]);
  }
  free(lab->lines);
  *lab = (struct lab){.nodes = 0};
}

/* ---- packets ------------------------------------------------------------- */

/* The node that a packet is for, or nodes: none. */
static uint32_t receiver(const struct lab *lab, const uint8_t *packet,
                         size_t len) {
  uint32_t address;

  if (len < IPV4_LEN || packet[0] >> 4 != 4) {
    return lab->nodes;
  }
  memcpy(&address, packet + DESTINATION_AT, sizeof(address));
  address = ntohl(address) - NETWORK - 1;
  return address < lab->nodes ? address : lab->nodes;
}

void lab_read(struct lab *lab, uint32_t i, uint64_t now) {
  uint8_t packet[PACKET_MAX];

  for (unsigned k = 0; k < READ_MAX; k++) {
    const ssize_t len = read(lab->devices[i], packet, sizeof(packet));
    uint32_t to;

    if (len <= 0) {
      return;
    }
    to = receiver(lab, packet, (size_t)len);
    if (to < lab->nodes) {
      line_put(&lab->lines[i * lab->nodes + to], packet, (size_t)len, now);
    }
  }
}

uint64_t lab_deliver(struct lab *lab, uint64_t now) {
  uint64_t due = UINT64_MAX;

  for (uint32_t i = 0; i < lab->nodes * lab->nodes; i++) {
    struct line *const line = &lab->lines[i];
    struct line_packet p;

    while (line_take(line, now, &p)) {
      /* What the kernel has no room for is lost, as on a real machine. */
      if (write(lab->devices[i % lab->nodes], p.bytes, p.len) < 0) {
        line->counters.overflow++;
      }
      free(p.bytes);
    }
    due = line_due(line) < due ? line_due(line) : due;
  }
  return due;
}
