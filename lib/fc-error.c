/* Sentences for errors, lines for logs, and time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <string.h>

#include "fc-private.h"

static _Thread_local char detail[1024];

const char *
fc_error_detail (void)
{
  return detail;
}

const char *
fc_version (void)
{
  return FC_VERSION;
}

int
fc_fail (int error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vsnprintf (detail, sizeof detail, format, args);
  va_end (args);
  return error;
}

void
fc_log (const fc_log_t *log, fc_log_level_t level, const char *format, ...)
{
  char line[1024];
  va_list args;

  if (log->func == NULL)
    return;
  va_start (args, format);
  vsnprintf (line, sizeof line, format, args);
  va_end (args);
  log->func (level, line, log->data);
}

int
fc_check_struct (const char *what, uint32_t struct_size, size_t known)
{
  if (struct_size == known)
    return 0;
  return fc_fail (-EINVAL,
                  "%s: struct_size is %u, this library knows %zu bytes; "
                  "begin with the struct's _INIT macro",
                  what, struct_size, known);
}

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
