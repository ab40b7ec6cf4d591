/* framecache: what bounds the memory of slots here
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "room.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#define CGROUPS "/sys/fs/cgroup"

/* File systems ------------------------------------------------------------ */

/* DIRECTORY, or what it will be made in. */
static gchar *
existing (const gchar *directory)
{
  gchar *path = g_canonicalize_filename (directory, NULL);

  while (!g_file_test (path, G_FILE_TEST_EXISTS) && !g_str_equal (path, "/"))
    {
      gchar *parent = g_path_get_dirname (path);

      g_free (path);
      path = parent;
    }
  return path;
}

/* The topmost directory on the way to PATH that is on the same device. */
static gchar *
mount_of (const gchar *path)
{
  g_autofree gchar *mount = g_strdup (path);
  struct stat here, above;

  if (stat (mount, &here) < 0)
    return NULL;
  while (!g_str_equal (mount, "/"))
    {
      g_autofree gchar *parent = g_path_get_dirname (mount);

      if (stat (parent, &above) < 0 || above.st_dev != here.st_dev)
        break;
      g_free (mount);
      mount = g_steal_pointer (&parent);
    }
  return g_steal_pointer (&mount);
}

gboolean
fcctl_fs (const gchar *directory, FcctlFs *fs)
{
  g_autofree gchar *path = existing (directory);
  struct statvfs vfs;
  struct statfs type;

  if (statvfs (path, &vfs) < 0 || statfs (path, &type) < 0)
    return FALSE;
  fs->mount = mount_of (path);
  fs->tmpfs = type.f_type == TMPFS_MAGIC;
  fs->size = (guint64) vfs.f_blocks * vfs.f_frsize;
  fs->free = (guint64) vfs.f_bavail * vfs.f_frsize;
  return fs->mount != NULL;
}

void
fcctl_fs_clear (FcctlFs *fs)
{
  g_clear_pointer (&fs->mount, g_free);
}

/* Control groups ---------------------------------------------------------- */

/* The number behind KEY on a line of its own, or where KEY is NULL the only
 * one. */
static gboolean
read_number (const gchar *folder, const gchar *file, const gchar *key,
             guint64 *value)
{
  g_autofree gchar *path = g_build_filename (folder, file, NULL);
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      const gchar *number = lines[i];

      if (key != NULL)
        {
          if (!g_str_has_prefix (number, key) || number[strlen (key)] != ' ')
            continue;
          number += strlen (key) + 1;
        }
      return g_ascii_string_to_unsigned (number, 10, 0, G_MAXUINT64, value,
                                         NULL);
    }
  return FALSE;
}

/* The group of this process, below CGROUPS; NULL where there is none, or it is
 * not to be seen from here. */
static gchar *
own_group (void)
{
  g_autofree gchar *text = NULL;
  gchar *path;

  if (!g_file_get_contents ("/proc/self/cgroup", &text, NULL, NULL))
    return NULL;
  path = g_str_has_prefix (text, "0::") ? text : strstr (text, "\n0::");
  if (path == NULL)
    return NULL;
  path = strchr (path, ':') + 2;
  path[strcspn (path, "\n")] = '\0';
  if (strstr (path, "/..") != NULL)
    return NULL;
  return g_build_filename (CGROUPS, path, NULL);
}

static void
look_at_group (const gchar *folder, FcctlCgroup *least)
{
  guint64 max, used, cache = 0;

  if (!read_number (folder, "memory.max", NULL, &max)
      || !read_number (folder, "memory.current", NULL, &used))
    return;
  /* What was read from files counts too, and makes room when asked to. */
  read_number (folder, "memory.stat", "inactive_file", &cache);
  used -= MIN (used, cache);
  if (least->file != NULL && max - MIN (max, used) >= least->left)
    return;
  g_free (least->file);
  least->file = g_build_filename (folder, "memory.max", NULL);
  least->max = max;
  least->left = max - MIN (max, used);
}

gboolean
fcctl_cgroup (FcctlCgroup *cgroup)
{
  g_autofree gchar *folder = own_group ();

  *cgroup = (FcctlCgroup){ 0 };
  while (folder != NULL && g_str_has_prefix (folder, CGROUPS))
    {
      gchar *parent = g_path_get_dirname (folder);

      look_at_group (folder, cgroup);
      g_free (folder);
      folder = parent;
    }
  return cgroup->file != NULL;
}

void
fcctl_cgroup_clear (FcctlCgroup *cgroup)
{
  g_clear_pointer (&cgroup->file, g_free);
}

/* The machine ------------------------------------------------------------- */

guint64
fcctl_memory_left (void)
{
  g_autofree gchar *text = NULL;
  guint64 kib = 0;
  const gchar *at;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL))
    return G_MAXUINT64;
  at = strstr (text, "MemAvailable:");
  if (at == NULL)
    return G_MAXUINT64;
  kib = g_ascii_strtoull (at + strlen ("MemAvailable:"), NULL, 10);
  at = strstr (text, "SwapFree:");
  if (at != NULL)
    kib += g_ascii_strtoull (at + strlen ("SwapFree:"), NULL, 10);
  return kib * 1024;
}
