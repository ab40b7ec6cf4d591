/* Whose a file is, to a process that may not know every user by a number.
 *
 * A user namespace has numbers for some users; all others look like one in it,
 * the overflow user (65534, "nobody"), and so may this process itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fc-private.h"

#define OVERFLOW_ID 65534
#define ALL_IDS 4294967295u

bool
fc_is_own (int fd, uid_t uid)
{
  int flags;

  if (uid != geteuid ())
    return false;
  /* The kernel is not taken in by numbers, and lets a file's owner alone set
   * this. To those who read these files it makes no difference. */
  flags = fcntl (fd, F_GETFL);
  return flags >= 0 && fcntl (fd, F_SETFL, flags | O_NOATIME) == 0;
}

static bool
read_text (const char *path, char *text, size_t capacity)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t got;

  if (fd < 0)
    return false;
  got = read (fd, text, capacity - 1);
  close (fd);
  text[got > 0 ? got : 0] = '\0';
  return got > 0;
}

/* What can not be read counts for the worst. */
static bool
is_overflow (uint32_t number, const char *overflow, const char *map)
{
  unsigned inside, outside, count;
  char text[256];

  if (number
      != (read_text (overflow, text, sizeof text) ? strtoul (text, NULL, 10)
                                                  : OVERFLOW_ID))
    return false;
  return !read_text (map, text, sizeof text)
         || sscanf (text, "%u %u %u", &inside, &outside, &count) != 3
         || count != ALL_IDS;
}

bool
fc_is_unknown_user (uid_t uid)
{
  return is_overflow (uid, "/proc/sys/kernel/overflowuid",
                      "/proc/self/uid_map");
}

bool
fc_is_unknown_group (gid_t gid)
{
  return is_overflow (gid, "/proc/sys/kernel/overflowgid",
                      "/proc/self/gid_map");
}

const char *
fc_user_note (uid_t uid)
{
  return fc_is_unknown_user (uid)
             ? " (who may be any that this user namespace does not know)"
             : "";
}
