/* framecache: what bounds the memory of slots here
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_ROOM_H
#define FCCTL_ROOM_H

#include <glib.h>

G_BEGIN_DECLS

/* The file system that a directory is in, or will be when it is made. */
typedef struct
{
  gchar *mount; /* where it is mounted */
  gboolean tmpfs;
  guint64 size; /* bytes; 0 where it has no bound of its own */
  guint64 free; /* bytes for this user */
} FcctlFs;

/* FALSE where that can not be seen. */
gboolean fcctl_fs (const gchar *directory, FcctlFs *fs);
void fcctl_fs_clear (FcctlFs *fs);

/* The memory limit that leaves this process least, of its control groups
 * (version 2). Shared memory counts in the group of who touches it first: the
 * writer. */
typedef struct
{
  gchar *file; /* its memory.max */
  guint64 max; /* bytes */
  guint64 left;
} FcctlCgroup;

/* FALSE where there is no limit. */
gboolean fcctl_cgroup (FcctlCgroup *cgroup);
void fcctl_cgroup_clear (FcctlCgroup *cgroup);

/* Bytes that the machine can still give: MemAvailable and free swap, or
 * G_MAXUINT64 where it does not say. */
guint64 fcctl_memory_left (void);

G_END_DECLS

#endif /* FCCTL_ROOM_H */
