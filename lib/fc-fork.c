/* A handle in a child that fork () made: there it is only a copy, which is let
 * go of without touching what is the parent's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/mman.h>
#include <unistd.h>

#include "fc-private.h"

#define MARK_SIZE sizeof (uint32_t)

uint32_t *
fc_mark_new (void)
{
  uint32_t *mark = mmap (NULL, MARK_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (mark == MAP_FAILED)
    return NULL;
  /* Not by the process's number: a child may have its parent's, in a pid
   * namespace. And asking for it costs a system call, this does not. */
  if (madvise (mark, MARK_SIZE, MADV_WIPEONFORK) < 0)
    {
      munmap (mark, MARK_SIZE);
      return NULL;
    }
  *mark = 1;
  return mark;
}

void
fc_mark_free (uint32_t *mark)
{
  if (mark != NULL)
    munmap (mark, MARK_SIZE);
}

void
fc_close_copy (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}
