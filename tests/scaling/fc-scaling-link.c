/* A link with faults, between two network interfaces of one namespace: what
 * comes in on one goes out on the other, later, or not at all. It stands in
 * for netem where the kernel has none, and unlike that knows to the packet
 * what it dropped. Of one direction each, packets keep their order, but for
 * those that are picked to overtake.
 *
 * Commands, a line each, on standard input:
 *   delay MS | loss PERCENT | overtake PERCENT | break | mend
 *   count      prints "forwarded N dropped N broken N overran N bytes N"
 * The end of the input ends it. Packets other than IPv4's (who has which
 * address) are never dropped by chance: the link is what is looked at.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000LL
#define SEC 1000000000LL
#define QUEUE_MAX (64u << 20) /* bytes on the way, of one direction */
#define BURST 64              /* packets taken of one side at a time */

/* What Linux says of a packet that it has not finished (sums, segments) comes
 * before it, and goes back to Linux as it came. */
typedef struct packet
{
  struct packet *next;
  int64_t due; /* monotonic, ns */
  size_t size;
  uint8_t bytes[];
} packet_t;

typedef struct
{
  int in, out;
  packet_t *first, **last;
  size_t queued;
} direction_t;

typedef struct
{
  direction_t way[2];
  int64_t delay;
  double loss, overtake; /* of 1 */
  bool broken;
  uint64_t random;
  uint64_t forwarded, dropped, lost_broken, overran, bytes;
} faulty_link_t;

static int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

static void
fail (const char *what)
{
  fprintf (stderr, "fc-scaling-link: %s: %s\n", what, strerror (errno));
  exit (1);
}

/* SplitMix64: the same seed, the same choices. */
static bool
chance (faulty_link_t *link, double probability)
{
  uint64_t z = link->random += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return (double) (z >> 11) * 0x1p-53 < probability;
}

static int
open_side (const char *name)
{
  struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                 .sll_protocol = htons (ETH_P_ALL),
                                 .sll_ifindex = (int) if_nametoindex (name) };
  struct packet_mreq all
      = { .mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
  int one = 1, room = 32 << 20, fd;

  if (address.sll_ifindex == 0)
    fail (name);
  fd = socket (AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    fail ("socket (AF_PACKET)");
  if (setsockopt (fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0
      || setsockopt (fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one)
             < 0
      || setsockopt (fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all)
             < 0)
    fail ("setsockopt (SOL_PACKET)");
  /* As much as this user may have; what overruns it is counted. */
  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  if (bind (fd, (struct sockaddr *) &address, sizeof address) < 0)
    fail ("bind");
  return fd;
}

static bool
is_ipv4 (const uint8_t *bytes, size_t size)
{
  const size_t type = sizeof (struct virtio_net_hdr) + 12;

  return size > type + 2 && bytes[type] == 0x08 && bytes[type + 1] == 0x00;
}

static void
append (faulty_link_t *link, direction_t *way, const uint8_t *bytes,
        size_t size)
{
  packet_t *packet = NULL;
  bool ahead;

  if (way->queued + size <= QUEUE_MAX)
    packet = malloc (sizeof *packet + size);
  if (packet == NULL)
    {
      link->overran++;
      return;
    }
  ahead = way->first != NULL && chance (link, link->overtake);
  packet->due = now_ns () + (ahead ? 0 : link->delay);
  packet->size = size;
  memcpy (packet->bytes, bytes, size);
  packet->next = ahead ? way->first : NULL;
  if (ahead)
    way->first = packet;
  else
    {
      *way->last = packet;
      way->last = &packet->next;
    }
  way->queued += size;
}

static void
take (faulty_link_t *link, direction_t *way)
{
  static uint8_t bytes[sizeof (struct virtio_net_hdr) + 65536 + 64];

  for (int n = 0; n < BURST; n++)
    {
      ssize_t size = recv (way->in, bytes, sizeof bytes, 0);

      if (size < 0)
        return;
      if (link->broken)
        link->lost_broken++;
      else if (is_ipv4 (bytes, (size_t) size) && chance (link, link->loss))
        link->dropped++;
      else
        append (link, way, bytes, (size_t) size);
    }
}

static void
deliver (faulty_link_t *link, direction_t *way, int64_t now)
{
  while (way->first != NULL && way->first->due <= now)
    {
      packet_t *packet = way->first;

      way->first = packet->next;
      if (way->first == NULL)
        way->last = &way->first;
      way->queued -= packet->size;
      if (send (way->out, packet->bytes, packet->size, 0) < 0)
        link->overran++;
      else
        {
          link->forwarded++;
          link->bytes += packet->size - sizeof (struct virtio_net_hdr);
        }
      free (packet);
    }
}

/* Those that came faster than they were taken. */
static uint64_t
overruns (const faulty_link_t *link)
{
  uint64_t total = 0;

  for (int i = 0; i < 2; i++)
    {
      struct tpacket_stats stats = { 0 };
      socklen_t size = sizeof stats;

      if (getsockopt (link->way[i].in, SOL_PACKET, PACKET_STATISTICS, &stats,
                      &size)
          == 0)
        total += stats.tp_drops;
    }
  return total;
}

static void
obey (faulty_link_t *link, const char *line)
{
  double value;

  if (sscanf (line, "delay %lf", &value) == 1)
    link->delay = (int64_t) (value * MS);
  else if (sscanf (line, "loss %lf", &value) == 1)
    link->loss = value / 100;
  else if (sscanf (line, "overtake %lf", &value) == 1)
    link->overtake = value / 100;
  else if (strcmp (line, "break") == 0 || strcmp (line, "mend") == 0)
    link->broken = line[0] == 'b';
  else if (strcmp (line, "count") != 0)
    fprintf (stderr, "fc-scaling-link: no such command: %s\n", line);
  link->overran += overruns (link);
  printf ("forwarded %" PRIu64 " dropped %" PRIu64 " broken %" PRIu64
          " overran %" PRIu64 " bytes %" PRIu64 "\n",
          link->forwarded, link->dropped, link->lost_broken, link->overran,
          link->bytes);
  fflush (stdout);
}

/* Returns whether there will be more commands. */
static bool
listen_to (faulty_link_t *link)
{
  static char line[64];
  static size_t length;
  char c;

  while (read (STDIN_FILENO, &c, 1) == 1)
    {
      if (c != '\n' && length < sizeof line - 1)
        {
          line[length++] = c;
          continue;
        }
      line[length] = '\0';
      length = 0;
      obey (link, line);
      return true;
    }
  return false;
}

static void
run (faulty_link_t *link)
{
  struct pollfd fds[3] = { { .fd = STDIN_FILENO, .events = POLLIN },
                           { .fd = link->way[0].in, .events = POLLIN },
                           { .fd = link->way[1].in, .events = POLLIN } };
  bool going = true;

  while (going)
    {
      int64_t now = now_ns (), wait = SEC;
      struct timespec timeout = { 0, 0 };

      for (int i = 0; i < 2; i++)
        if (link->way[i].first != NULL && link->way[i].first->due - now < wait)
          wait = link->way[i].first->due - now;
      if (wait > 0)
        timeout = (struct timespec){ wait / SEC, wait % SEC };
      if (ppoll (fds, 3, &timeout, NULL) < 0 && errno != EINTR)
        fail ("ppoll");
      for (int i = 0; i < 2; i++)
        {
          take (link, &link->way[i]);
          deliver (link, &link->way[i], now_ns ());
        }
      if (fds[0].revents != 0)
        going = listen_to (link);
    }
}

int
main (int argc, char **argv)
{
  faulty_link_t link = { .random = 1 };

  if (argc != 3 && argc != 4)
    {
      fprintf (stderr, "usage: fc-scaling-link INTERFACE INTERFACE [SEED]\n"
                       "  SEED  of what is dropped, a whole number (1)\n");
      return 2;
    }
  if (argc == 4)
    link.random = strtoull (argv[3], NULL, 10);
  for (int i = 0; i < 2; i++)
    link.way[i].last = &link.way[i].first;
  link.way[0].in = link.way[1].out = open_side (argv[1]);
  link.way[1].in = link.way[0].out = open_side (argv[2]);
  puts ("ready");
  fflush (stdout);
  run (&link);
  return 0;
}
