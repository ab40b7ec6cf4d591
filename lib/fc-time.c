/* Clocks and waits.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-private.h"

uint64_t
fc_now (clockid_t clock)
{
  struct timespec now;

  clock_gettime (clock, &now);
  return (uint64_t) now.tv_sec * FC_NS_PER_S + (uint64_t) now.tv_nsec;
}

uint64_t
fc_deadline (int64_t timeout)
{
  uint64_t now = fc_now (CLOCK_MONOTONIC);

  if (timeout < 0 || (uint64_t) timeout > (uint64_t) INT64_MAX - now)
    return INT64_MAX;
  return now + (uint64_t) timeout;
}

struct timespec
fc_until (uint64_t until, uint64_t limit)
{
  uint64_t latest = fc_now (CLOCK_MONOTONIC) + limit;
  struct timespec at;

  if (until > latest)
    until = latest;
  at.tv_sec = (time_t) (until / FC_NS_PER_S);
  at.tv_nsec = (long) (until % FC_NS_PER_S);
  return at;
}

int
fc_sem_wait (sem_t *sem, const struct timespec *until)
{
#ifdef __GLIBC__
  return sem_clockwait (sem, CLOCK_MONOTONIC, until);
#else
  /* musl has none. All waits are short, so that what a step of the wall clock
   * adds to one of them ends with the next post. */
  struct timespec now, at;

  clock_gettime (CLOCK_MONOTONIC, &now);
  clock_gettime (CLOCK_REALTIME, &at);
  at.tv_sec += until->tv_sec - now.tv_sec;
  at.tv_nsec += until->tv_nsec - now.tv_nsec;
  if (at.tv_nsec < 0)
    {
      at.tv_nsec += FC_NS_PER_S;
      at.tv_sec--;
    }
  else if (at.tv_nsec >= FC_NS_PER_S)
    {
      at.tv_nsec -= FC_NS_PER_S;
      at.tv_sec++;
    }
  return sem_timedwait (sem, &at);
#endif
}
