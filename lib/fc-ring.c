/* Opening a ring's files as they were found, and sweeping up after a crash.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fc-private.h"

static int
ring_check (fc_ring_file_t *ring)
{
  int r;

  memset (&ring->header, 0, sizeof ring->header);
  /* Read, not mapped: nothing of a file that may be anything is touched
   * before it is known to be a ring. */
  if ((uint64_t) ring->st.st_size < sizeof ring->header)
    return fc_fail (-EPROTO,
                    "%s is not a framecache ring: %llu bytes, a header alone "
                    "has %zu; remove it, or use another slot name",
                    ring->path, (unsigned long long) ring->st.st_size,
                    sizeof ring->header);
  r = fc_pread (ring->fd, &ring->header, sizeof ring->header, 0, ring->path);
  if (r < 0)
    return r;
  return fc_check_ring_header (&ring->header, (uint64_t) ring->st.st_size,
                               ring->path, &ring->geo);
}

int
fc_ring_open (fc_ring_file_t *ring, const fc_dir_t *dir, const char *slot,
              int flags)
{
  char name[FC_FILE_MAX];
  int r;

  fc_ring_name (name, slot);
  snprintf (ring->path, sizeof ring->path, "%s/%s", dir->path, name);
  ring->fd = fc_file_open (dir, name, flags, &ring->st);
  if (ring->fd < 0)
    return ring->fd;
  r = ring_check (ring);
  if (r < 0)
    fc_ring_close (ring);
  return r;
}

int
fc_ring_from_fd (fc_ring_file_t *ring, int fd)
{
  int r;

  snprintf (ring->path, sizeof ring->path, "ring descriptor %d", fd);
  ring->fd = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  if (ring->fd < 0)
    return fc_fail (-errno, "ring_fd %d: %s", fd, strerror (errno));
  if (fstat (ring->fd, &ring->st) < 0 || !S_ISREG (ring->st.st_mode))
    r = fc_fail (-EPROTO, "%s is not a regular file", ring->path);
  else
    r = ring_check (ring);
  if (r < 0)
    fc_ring_close (ring);
  return r;
}

void
fc_ring_close (fc_ring_file_t *ring)
{
  if (ring->fd >= 0)
    close (ring->fd);
  ring->fd = -1;
}

static int
table_copy (fc_table_t *table, int fd, const fc_ring_file_t *ring,
            const char *path)
{
  void *base = malloc ((size_t) ring->geo.table_size);

  if (base == NULL)
    return fc_fail (-ENOMEM, "out of memory");
  fc_table_init (table, fd, base, &ring->geo);
  table->copied = true;
  return fc_table_reread (table, (size_t) table->size, path);
}

/* Takes FD. */
static int
table_take (fc_table_t *table, int fd, const struct stat *st,
            const fc_ring_file_t *ring, const char *path, bool writable)
{
  fc_table_header_t header;
  int r = 0;

  table->fd = fd;
  if (st->st_uid != ring->st.st_uid)
    r = fc_fail (-EPROTO,
                 "%s belongs to user %u, its ring to user %u: not its table",
                 path, (unsigned) st->st_uid, (unsigned) ring->st.st_uid);
  if (r == 0)
    r = fc_pread (fd, &header, sizeof header, 0, path);
  if (r == 0)
    r = fc_check_table_header (&header, &ring->geo, ring->header.id,
                               (uint64_t) st->st_size, path);
  if (r == 0 && !writable)
    r = table_copy (table, fd, ring, path);
  else if (r == 0)
    {
      fc_table_init (table, fd, fc_map (fd, ring->geo.table_size, true, path),
                     &ring->geo);
      r = table->base == NULL ? -ENOMEM : 0;
    }
  if (r < 0)
    fc_table_close (table);
  return r;
}

int
fc_table_open (fc_table_t *table, const fc_ring_file_t *ring,
               const fc_dir_t *dir, const char *slot, int flags)
{
  char name[FC_FILE_MAX];
  char path[FC_PATH_MAX];
  struct stat st;
  int fd;

  table->base = NULL;
  table->copied = false;
  table->fd = -1;
  fc_table_name (name, slot, ring->header.id);
  snprintf (path, sizeof path, "%s/%s", dir->path, name);
  fd = fc_file_open (dir, name, flags, &st);
  if (fd < 0)
    return fd;
  return table_take (table, fd, &st, ring, path, flags == O_RDWR);
}

int
fc_table_from_fd (fc_table_t *table, const fc_ring_file_t *ring, int fd)
{
  char path[64];
  struct stat st;
  int own = fcntl (fd, F_DUPFD_CLOEXEC, 0);

  table->base = NULL;
  table->copied = false;
  table->fd = -1;
  if (own < 0)
    return fc_fail (-errno, "table_fd %d: %s", fd, strerror (errno));
  snprintf (path, sizeof path, "table descriptor %d", fd);
  if (fstat (own, &st) < 0 || !S_ISREG (st.st_mode))
    {
      close (own);
      return fc_fail (-EPROTO, "%s is not a regular file", path);
    }
  return table_take (table, own, &st, ring, path, true);
}

bool
fc_find_table (const fc_dir_t *dir, const char *slot, uint64_t *id)
{
  fc_ring_file_t ring;
  int r = fc_ring_open (&ring, dir, slot, O_RDONLY);

  *id = 0;
  if (r < 0)
    return r == -ENOENT || r == -EPROTO;
  *id = ring.header.id;
  fc_ring_close (&ring);
  return true;
}

static int
remove_table (const fc_dir_t *dir, const char *slot, uint64_t id)
{
  char name[FC_FILE_MAX];

  fc_table_name (name, slot, id);
  return unlinkat (dir->fd, name, 0) == 0;
}

/* With NAMED the caller has the slot's lock, and all goes but the table that a
 * ring names. Without, a writer may be giving a ring its name: that ring's
 * table goes only where its temporary was there to be removed, so that it can
 * not get its name any more. */
static int
sweep (const fc_dir_t *dir, const char *slot, const uint64_t *named)
{
  int fd = FC_RETRY (openat (dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR *stream = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *file;
  int swept = 0;

  if (stream == NULL)
    {
      if (fd >= 0)
        close (fd);
      return 0;
    }
  while ((file = readdir (stream)) != NULL)
    {
      char of[FC_NAME_MAX + 1];
      bool table;
      uint64_t id;

      if (!fc_is_leftover_name (file->d_name, of, &table, &id)
          || strcmp (of, slot) != 0
          || (table && (named == NULL || id == *named))
          || unlinkat (dir->fd, file->d_name, 0) < 0)
        continue;
      swept++;
      if (named == NULL)
        swept += remove_table (dir, slot, id);
    }
  closedir (stream);
  return swept;
}

int
fc_sweep (const fc_dir_t *dir, const char *slot)
{
  uint64_t named;

  return sweep (dir, slot, fc_find_table (dir, slot, &named) ? &named : NULL);
}

void
fc_sweep_without_lock (const fc_dir_t *dir, const char *slot, uint64_t gone)
{
  if (gone != 0)
    (void) remove_table (dir, slot, gone);
  (void) sweep (dir, slot, NULL);
}

uint64_t
fc_random (void)
{
  uint64_t value = 0;

  while (value == 0)
    if (getrandom (&value, sizeof value, 0) != sizeof value)
      value = fc_now (CLOCK_MONOTONIC) ^ (uint64_t) getpid () << 48;
  return value;
}
