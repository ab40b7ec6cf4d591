/* Locks: on a slot, and on bytes of its files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-private.h"

#define LOCK_TRIES 50
#define LOCK_PAUSE_NS (2 * FC_NS_PER_S / 1000)

void
fc_slot_remove_lock (const fc_dir_t *dir, const char *slot)
{
  char name[FC_FILE_MAX];
  struct stat st;

  fc_ring_name (name, slot);
  if (fstatat (dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
    return;
  fc_lock_name (name, slot);
  unlinkat (dir->fd, name, 0);
}

int
fc_lock_bytes (int fd, off_t start, off_t length)
{
  struct flock lock = {
    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length
  };

  if (FC_RETRY (fcntl (fd, F_OFD_SETLK, &lock)) == 0)
    return 0;
  return errno == EACCES ? -EAGAIN : -errno;
}

void
fc_unlock_bytes (int fd, off_t start, off_t length)
{
  struct flock lock = {
    .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length
  };

  (void) FC_RETRY (fcntl (fd, F_OFD_SETLK, &lock));
}

bool
fc_is_locked (int fd, off_t start, off_t length)
{
  /* Asked as a reader, so that other readers' locks do not look like a
   * writer. */
  struct flock lock = {
    .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length
  };

  return fcntl (fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int
lock_patiently (int fd)
{
  int r = fc_lock_bytes (fd, 0, 1);

  for (int tries = 0; r == -EAGAIN && tries < LOCK_TRIES; tries++)
    {
      fc_pause (LOCK_PAUSE_NS);
      r = fc_lock_bytes (fd, 0, 1);
    }
  return r;
}

/* Whether whoever had the lock before took its file away with the slot. */
static bool
was_removed (int fd)
{
  struct stat st;

  return fstat (fd, &st) == 0 && st.st_nlink == 0;
}

static int
open_lock (const fc_dir_t *dir, const char *slot)
{
  char name[FC_FILE_MAX];
  struct stat st;
  int fd;

  fc_lock_name (name, slot);
  do
    {
      fd = fc_file_open (dir, name, O_RDWR, &st);
      if (fd == -ENOENT)
        fd = fc_file_create (dir, name, FC_SHARE_USER);
    }
  while (fd == -EEXIST); /* somebody else made it in between */
  if (fd == -EACCES && fstatat (dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
    (void) fc_check_own (dir, slot, -1, &st);
  return fd;
}

int
fc_slot_lock (const fc_dir_t *dir, const char *slot, bool patient)
{
  int fd, r;

  do
    {
      fd = open_lock (dir, slot);
      if (fd < 0)
        return fd;
      r = patient ? lock_patiently (fd) : fc_lock_bytes (fd, 0, 1);
      if (r == 0 && !was_removed (fd))
        return fd;
      close (fd);
    }
  while (r == 0);
  return fc_fail (r == -EAGAIN ? -EBUSY : r, "can not lock %s/%s.lock: %s",
                  dir->path, slot, strerror (-r));
}

int
fc_slot_lock_own (const fc_dir_t *dir, const char *slot, uid_t owner)
{
  struct stat st;
  int fd, r = -EACCES;

  for (int tries = 0; tries < 2; tries++)
    {
      fd = fc_slot_lock (dir, slot, true);
      if (fd < 0 || fstat (fd, &st) < 0
          || (owner != geteuid () && st.st_uid == owner))
        return fd;
      r = fc_check_own (dir, slot, fd, &st);
      if (r == 0)
        return fd;
      /* Its owner can take it away while it is held, and let a second writer
       * in. Whoever may, as root, does so before. */
      fc_slot_remove_lock (dir, slot);
      close (fd);
    }
  return r;
}
