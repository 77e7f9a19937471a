#include "profile.h"

#include <string.h>

const struct profile profiles[] = {
    {.name = "lan",
     .text = "0.25 ms, 1 Gbit/s",
     .link = {.delay = HS2N_US(250), .jitter = HS2N_US(50)},
     .port = {.bytes_per_s = 125000000, .queue_bytes = 4u << 20},
     .rtt = HS2N_US(500)},
    {.name = "wan10",
     .text = "ten regions of three continents and beyond, 100 Mbit/s",
     .link = {.jitter = HS2N_MS(1)},
     .noise = {.loss_ppm = 1000},
     .port = {.bytes_per_s = 12500000, .queue_bytes = 2u << 20},
     .regions = true,
     .rtt = HS2N_MS(200)},
    {.name = "satellite",
     .text = "300 ms one way, 1 % loss, 20 Mbit/s",
     .link = {.delay = HS2N_MS(300), .jitter = HS2N_MS(5)},
     .noise = {.loss_ppm = 10000},
     .port = {.bytes_per_s = 2500000, .queue_bytes = 2u << 20},
     .rtt = HS2N_MS(600)},
    {.name = "lossy",
     .text = "20 ms, 3 % loss alone and 2 % in bursts, overtaking",
     .link = {.delay = HS2N_MS(20), .jitter = HS2N_MS(5), .overtake = true},
     .noise = {.loss_ppm = 30000, .burst_ppm = 2000, .burst_end_ppm = 100000},
     .rtt = HS2N_MS(50)},
    {.name = "1mbit",
     .text = "20 ms, 1 Mbit/s",
     .link = {.delay = HS2N_MS(20)},
     .port = {.bytes_per_s = 125000, .queue_bytes = 128u << 10},
     .rtt = HS2N_MS(40)},
    {.name = "mobile",
     .text = "40 ms and up to 60 more, 2 % loss, 10 Mbit/s",
     .link = {.delay = HS2N_MS(40), .jitter = HS2N_MS(60), .overtake = true},
     .noise = {.loss_ppm = 5000, .burst_ppm = 1000, .burst_end_ppm = 70000},
     .port = {.bytes_per_s = 1250000, .queue_bytes = 512u << 10},
     .rtt = HS2N_MS(140)},
};
const size_t profiles_n = sizeof(profiles) / sizeof(profiles[0]);

/* Round-trip times in ms as public clouds publish them, rounded: Virginia,
 * Oregon, Sao Paulo, Ireland, Frankfurt, Bahrain, Mumbai, Singapore, Tokyo,
 * Sydney. */
#define REGIONS 10
static const uint16_t region_rtt_ms[REGIONS][REGIONS] = {
    {1, 67, 114, 68, 90, 175, 190, 220, 155, 200},
    {67, 1, 175, 125, 145, 225, 215, 165, 97, 140},
    {114, 175, 1, 178, 203, 290, 300, 325, 255, 310},
    {68, 125, 178, 1, 25, 100, 122, 175, 205, 255},
    {90, 145, 203, 25, 1, 85, 110, 160, 225, 250},
    {175, 225, 290, 100, 85, 1, 36, 90, 155, 180},
    {190, 215, 300, 122, 110, 36, 1, 60, 125, 150},
    {220, 165, 325, 175, 160, 90, 60, 1, 70, 92},
    {155, 97, 255, 205, 225, 155, 125, 70, 1, 103},
    {200, 140, 310, 255, 250, 180, 150, 92, 103, 1},
};

const struct profile *profile_find(const char *name) {
  for (size_t i = 0; i < profiles_n; i++) {
    if (strcmp(profiles[i].name, name) == 0) {
      return &profiles[i];
    }
  }
  return NULL;
}

static int set_regions(const struct profile *p, struct hs2n_sim *sim) {
  hs2n_time rtt[REGIONS * REGIONS];

  for (size_t i = 0; i < REGIONS * REGIONS; i++) {
    rtt[i] = HS2N_MS(region_rtt_ms[i / REGIONS][i % REGIONS]);
  }
  return hs2n_sim_set_regions(sim, rtt, REGIONS, p->link.jitter);
}

bool profile_apply(const struct profile *p, struct hs2n_sim *sim) {
  const struct hs2n_sim_port *const port =
      p->port.bytes_per_s == 0 ? NULL : &p->port;
  const int err =
      p->regions ? set_regions(p, sim)
                 : hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &p->link);

  hs2n_sim_set_ports(sim, HS2N_SIM_ALL, port, port);
  return err == HS2N_OK && hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL,
                                              &p->noise) == HS2N_OK;
}
