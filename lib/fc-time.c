/* Clocks and waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fc-private.h"

FC_HOT uint64_t
fc_now (clockid_t clock)
{
  struct timespec now;

  clock_gettime (clock, &now);
  return (uint64_t) now.tv_sec * FC_NS_PER_S + (uint64_t) now.tv_nsec;
}

FC_HOT uint64_t
fc_deadline (int64_t timeout)
{
  uint64_t now = fc_now (CLOCK_MONOTONIC);

  if (timeout < 0 || (uint64_t) timeout > (uint64_t) INT64_MAX - now)
    return INT64_MAX;
  return now + (uint64_t) timeout;
}

FC_HOT uint64_t
fc_until (uint64_t until, uint64_t limit)
{
  uint64_t latest = fc_now (CLOCK_MONOTONIC) + limit;

  return until < latest ? until : latest;
}

void
fc_pause (uint64_t ns)
{
  uint64_t end = fc_until (INT64_MAX, ns);
  struct timespec until;

  until.tv_sec = (time_t) (end / FC_NS_PER_S);
  until.tv_nsec = (long) (end % FC_NS_PER_S);
  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL)
         == EINTR)
    ;
}

/* Time namespaces --------------------------------------------------------- */

static bool
is_link_to (const char *path, const char *other)
{
  char a[64] = "", b[64] = "";

  return readlink (path, a, sizeof a - 1) > 0
         && readlink (other, b, sizeof b - 1) > 0 && strcmp (a, b) == 0;
}

int64_t
fc_clock_offset (void)
{
  int fd = open ("/proc/self/timens_offsets", O_RDONLY | O_CLOEXEC);
  long long seconds = 0;
  long ns = 0;
  char text[128];
  ssize_t got;

  if (fd < 0) /* a kernel without them */
    return 0;
  got = read (fd, text, sizeof text - 1);
  close (fd);
  text[got > 0 ? got : 0] = '\0';
  if (sscanf (text, "monotonic %lld %ld", &seconds, &ns) != 2
      || (seconds == 0 && ns == 0))
    return 0;
  /* The file tells of the namespace that children get. A process that made
   * one for them, a container's manager say, is not in it itself. */
  if (!is_link_to ("/proc/self/ns/time", "/proc/self/ns/time_for_children"))
    return 0;
  return seconds * FC_NS_PER_S + ns;
}

/* What was before a clock began is at its 0. */
static uint64_t
add (uint64_t time, int64_t offset)
{
  if (offset < 0 && time < (uint64_t) -offset)
    return 0;
  return time + (uint64_t) offset;
}

FC_HOT uint64_t
fc_time_here (uint64_t machine, int64_t offset)
{
  return add (machine, offset);
}

FC_HOT uint64_t
fc_time_of_machine (uint64_t here, int64_t offset)
{
  return add (here, -offset);
}
