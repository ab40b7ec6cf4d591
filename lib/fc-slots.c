/* Which slots there are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc-consumer.h"

/* Walking ------------------------------------------------------------------ */

int
fc_by_name (const void *a, const void *b)
{
  const fc_found_t *x = a, *y = b;
  int r = strcmp (x->name, y->name);

  return r != 0 ? r : (int) x->dir - (int) y->dir;
}

/* Add the slots of one directory: those that have a ring and, with LEFT, those
 * of which anything else is there. */
static int
names_add (fc_names_t *names, const fc_dir_t *dir, unsigned n, bool left)
{
  int fd = FC_RETRY (openat (dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR *stream = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *file;
  int r = 0;

  if (stream == NULL)
    {
      r = fc_fail (-errno, "can not list %s: %s", dir->path, strerror (errno));
      if (fd >= 0)
        close (fd);
      return r;
    }
  while ((file = readdir (stream)) != NULL)
    {
      fc_found_t found = { .dir = n };
      fc_found_t *grown;

      if (left)
        found.left_over = fc_is_leftover_name (file->d_name, found.name,
                                               &found.table, &found.id);
      if (!found.left_over && !fc_is_ring_name (file->d_name, found.name)
          && !(left && fc_is_lock_name (file->d_name, found.name)))
        continue;
      grown = realloc (names->item, (names->n + 1) * sizeof found);
      if (grown == NULL)
        {
          r = fc_fail (-ENOMEM, "out of memory");
          break;
        }
      names->item = grown;
      names->item[names->n++] = found;
    }
  closedir (stream);
  return r;
}

int
fc_names_collect (fc_names_t *names, const char *dir, bool left)
{
  fc_dir_t candidate;
  int r = 0, failed = 0;

  for (unsigned n = 0; (r = fc_dir_candidate (&candidate, dir, n)) != -ERANGE;
       n++)
    {
      if (r == 0 && candidate.fd < 0)
        continue;
      if (r == 0)
        r = names_add (names, &candidate, n, left);
      fc_dir_close (&candidate);
      if (fc_is_system_error (r))
        return r;
      if (r < 0)
        failed = r;
    }
  if (names->n > 0)
    qsort (names->item, names->n, sizeof *names->item, fc_by_name);
  return names->n > 0 ? 0 : failed;
}

int
fc_slot_list (const char *dir, fc_slot_func_t func, void *user_data)
{
  fc_names_t names = { NULL, 0 };
  int r = fc_names_collect (&names, dir, false);

  for (size_t i = 0; r == 0 && i < names.n; i++)
    {
      fc_slot_stat_t stat = { .struct_size = sizeof stat };

      /* The first directory's is the one that a consumer would get. */
      if (i > 0 && strcmp (names.item[i].name, names.item[i - 1].name) == 0)
        continue;
      r = fc_stat_in (dir, names.item[i].dir, names.item[i].name, &stat);
      if (r == 0)
        r = func (&stat, user_data);
      else if (!fc_is_system_error (r))
        r = 0;
    }
  free (names.item);
  return r;
}
