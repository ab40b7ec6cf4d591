/* The stress of slots: where they live, and how full that is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static void
map_id (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  (void) !write (fd, text, strlen (text));
  close (fd);
}

/* By root, or in a user namespace of one's own. */
static bool
unshare_mounts (void)
{
  uid_t uid = geteuid ();
  gid_t gid = getegid ();
  char text[40];

  if (unshare (uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
    return false;
  if (uid != 0)
    {
      map_id ("/proc/self/setgroups", "deny");
      snprintf (text, sizeof text, "%u %u 1", uid, uid);
      map_id ("/proc/self/uid_map", text);
      snprintf (text, sizeof text, "%u %u 1", gid, gid);
      map_id ("/proc/self/gid_map", text);
    }
  return mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

void
make_tmpfs (void)
{
  char text[64];

  if (!unshare_mounts ())
    {
      perror ("skipped: --tmpfs takes a mount namespace, and that root or user "
              "namespaces");
      rmdir (options.dir);
      exit (EXIT_SKIP);
    }
  snprintf (text, sizeof text, "mode=0755,size=%um", options.tmpfs);
  if (mount ("tmpfs", options.dir, "tmpfs", 0, text) < 0)
    {
      perror (options.dir);
      exit (1);
    }
}

uint64_t
bytes_used (void)
{
  struct statvfs vfs;

  if (statvfs (options.dir, &vfs) < 0)
    return 0;
  return (uint64_t) (vfs.f_blocks - vfs.f_bfree) * vfs.f_frsize;
}

void
fill_space (int *fd)
{
  struct statvfs vfs;
  char path[256];

  if (*fd >= 0)
    {
      close (*fd);
      *fd = -1;
      return;
    }
  snprintf (path, sizeof path, "%s/filler", options.dir);
  *fd = open (path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  unlink (path);
  if (*fd < 0 || statvfs (options.dir, &vfs) < 0)
    return;
  count (FILLINGS, 1);
  for (uint64_t left = (uint64_t) vfs.f_bavail * vfs.f_frsize; left >= 4096;
       left /= 2)
    {
      struct stat st;

      if (fstat (*fd, &st) == 0)
        (void) !posix_fallocate (*fd, st.st_size, (off_t) left);
    }
}

unsigned
count_files (void)
{
  DIR *dir = opendir (options.dir);
  struct dirent *entry;
  unsigned files = 0;

  while (dir && (entry = readdir (dir)))
    if (strstr (entry->d_name, options.slot))
      {
        size_t length = strlen (entry->d_name);

        if (length < 5 || strcmp (entry->d_name + length - 5, ".lock"))
          files++;
      }
  if (dir)
    closedir (dir);
  return files;
}
