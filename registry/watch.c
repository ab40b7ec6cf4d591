/* framecache: what comes and goes in a slot directory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>

#include "store.h"
#include "watch.h"

#define RING ".ring"

/* A monitor of a path that does not exist would look for it every few seconds
 * only; so where there is no directory, the one that it will be made in is
 * watched. */
struct _FcrWatch
{
  gchar *path;
  GFile *file;
  FcrWatchFunc func;
  gpointer user_data;
  GFileMonitor *monitor;
  gboolean of_parent; /* what MONITOR watches */
  gboolean warned;    /* that there is none */
  dev_t device;       /* the directory that it watches; inode 0: none */
  ino_t inode;
};

static void
tell (FcrWatch *watch, GFile *file)
{
  g_autofree gchar *base = file != NULL ? g_file_get_basename (file) : NULL;

  if (base == NULL || !g_str_has_suffix (base, RING))
    return;
  base[strlen (base) - strlen (RING)] = '\0';
  if (fcr_is_name (base))
    watch->func (base, watch->user_data);
}

static void
changed (GFileMonitor *monitor, GFile *file, GFile *other,
         GFileMonitorEvent event, gpointer user_data)
{
  FcrWatch *watch = user_data;

  if (watch->of_parent)
    {
      if (g_file_equal (file, watch->file)
          || (other != NULL && g_file_equal (other, watch->file)))
        fcr_watch_check (watch);
      return;
    }
  /* What is only written into is looked at once a second anyway. */
  if (event == G_FILE_MONITOR_EVENT_CHANGED)
    return;
  if (g_file_equal (file, watch->file))
    {
      fcr_watch_check (watch);
      return;
    }
  tell (watch, file);
  tell (watch, other);
}

static void
drop_monitor (FcrWatch *watch)
{
  if (watch->monitor == NULL)
    return;
  g_signal_handlers_disconnect_by_data (watch->monitor, watch);
  g_file_monitor_cancel (watch->monitor);
  g_clear_object (&watch->monitor);
}

static void
set_monitor (FcrWatch *watch, GFile *directory, gboolean of_parent)
{
  g_autoptr (GError) error = NULL;

  drop_monitor (watch);
  watch->of_parent = of_parent;
  watch->monitor = g_file_monitor_directory (
      directory, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);
  if (watch->monitor != NULL)
    g_signal_connect (watch->monitor, "changed", G_CALLBACK (changed), watch);
  else if (!watch->warned)
    g_warning ("can not watch %s, which is looked through once a second "
               "instead: %s; raise fs.inotify.max_user_instances",
               watch->path, error->message);
  watch->warned = watch->monitor == NULL;
}

void
fcr_watch_check (FcrWatch *watch)
{
  g_autoptr (GFile) parent = NULL;
  gboolean was = watch->inode != 0, same;
  struct stat st;

  if (stat (watch->path, &st) == 0 && S_ISDIR (st.st_mode))
    {
      same = was && st.st_dev == watch->device && st.st_ino == watch->inode;
      if (same && watch->monitor != NULL)
        return;
      watch->device = st.st_dev;
      watch->inode = st.st_ino;
      set_monitor (watch, watch->file, FALSE);
      if (!same)
        watch->func (NULL, watch->user_data);
      return;
    }
  watch->inode = 0;
  if (was || watch->monitor == NULL)
    {
      drop_monitor (watch);
      parent = g_file_get_parent (watch->file);
      if (parent != NULL && g_file_query_exists (parent, NULL))
        set_monitor (watch, parent, TRUE);
    }
  if (was)
    watch->func (NULL, watch->user_data);
}

FcrWatch *
fcr_watch_new (const gchar *path, FcrWatchFunc func, gpointer user_data)
{
  FcrWatch *watch = g_new0 (FcrWatch, 1);

  watch->path = g_strdup (path);
  watch->file = g_file_new_for_path (path);
  watch->func = func;
  watch->user_data = user_data;
  fcr_watch_check (watch);
  return watch;
}

void
fcr_watch_free (FcrWatch *watch)
{
  if (watch == NULL)
    return;
  drop_monitor (watch);
  g_object_unref (watch->file);
  g_free (watch->path);
  g_free (watch);
}

gboolean
fcr_watch_is_told (FcrWatch *watch)
{
  return watch->monitor != NULL;
}
