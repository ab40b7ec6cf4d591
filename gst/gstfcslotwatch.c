/* framecache: what comes and goes in the slot directories
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * By inotify, asleep while nothing happens. It does not see a file system that
 * is mounted over a directory, another directory that a symbolic link in the
 * path comes to lead to, nor that a parent of a directory is renamed.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "fc.h"
#include "gstfcslotwatch.h"

#define SELF (IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
/* Rings come by a rename; a writer's life shows as fc_slot_dirs () says. */
#define IN_DIRECTORY                                                           \
  (IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_CLOSE_WRITE | SELF)
/* Where the directory is still missing. */
#define ABOVE (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | SELF)

#define SUFFIX ".ring"

/* The kernel tells of a file's closing before it drops the file's locks, and
 * those are what a writer's life is read from: such a file is looked at once
 * more, this much later. */
#define LOOK_AGAIN (500 * G_TIME_SPAN_MILLISECOND)

typedef struct
{
  gchar *path;
  int wd;      /* its own, or that of the nearest parent that is there */
  gchar *next; /* the name that is missing in that parent; NULL: none is */
} Directory;

struct _GstFcSlotWatch
{
  int inotify;
  int quit;
  GPtrArray *directories;
  GThread *thread;
  GstFcSlotWatchFunc func;
  gpointer user_data;

  /* What the events read so far are about. */
  gboolean all;
  GHashTable *names;
  GHashTable *again; /* name to when, a gint64 */
};

/* Directories ---------------------------------------------------------- */

static void
directory_free (gpointer data)
{
  Directory *self = data;

  g_free (self->path);
  g_free (self->next);
  g_free (self);
}

/* Watch PATH or what is above it. *NEXT is the part of PATH below that. */
static int
watch_nearest (int inotify, const gchar *path, gchar **next)
{
  gchar *at = g_strdup (path);
  int wd = inotify_add_watch (inotify, at, IN_DIRECTORY);

  *next = NULL;
  while (wd < 0 && !g_str_equal (at, "/") && !g_str_equal (at, "."))
    {
      gchar *parent = g_path_get_dirname (at);

      g_free (*next);
      *next = g_path_get_basename (at);
      g_free (at);
      at = parent;
      wd = inotify_add_watch (inotify, at, ABOVE);
    }
  g_free (at);
  return wd;
}

static void
unwatch (GstFcSlotWatch *self, int wd)
{
  guint i;

  for (i = 0; i < self->directories->len; i++)
    if (((Directory *) self->directories->pdata[i])->wd == wd)
      return;
  if (wd >= 0)
    (void) inotify_rm_watch (self->inotify, wd);
}

/* What was missing may have been made between the look at it and the watch
 * above it: look until twice the same is found. */
static void
directory_watch (GstFcSlotWatch *self, Directory *directory)
{
  int before;

  do
    {
      before = directory->wd;
      g_free (directory->next);
      directory->wd
          = watch_nearest (self->inotify, directory->path, &directory->next);
      if (before != directory->wd)
        unwatch (self, before);
    }
  while (directory->next != NULL && directory->wd != before);
}

static int
add_directory (const char *path, void *user_data)
{
  GstFcSlotWatch *self = user_data;
  Directory *directory = g_new0 (Directory, 1);

  directory->path = g_strdup (path);
  directory->wd = -1;
  g_ptr_array_add (self->directories, directory);
  directory_watch (self, directory);
  return directory->wd < 0 ? -1 : 0;
}

/* Events --------------------------------------------------------------- */

static void
look_again (GstFcSlotWatch *self, const gchar *name)
{
  gint64 *when = g_new (gint64, 1);

  *when = g_get_monotonic_time () + LOOK_AGAIN;
  g_hash_table_replace (self->again, g_strdup (name), when);
}

static void
ring_event (GstFcSlotWatch *self, guint32 mask, const gchar *file)
{
  gchar *slot;

  if (!g_str_has_suffix (file, SUFFIX))
    return;
  slot = g_strndup (file, strlen (file) - strlen (SUFFIX));
  if (mask & IN_CLOSE_WRITE)
    look_again (self, slot);
  g_hash_table_add (self->names, slot);
}

static void
directory_event (GstFcSlotWatch *self, Directory *directory, guint32 mask,
                 const gchar *file)
{
  gboolean itself = file[0] == '\0';

  if (!itself && directory->next == NULL)
    {
      ring_event (self, mask, file);
      return;
    }
  if (!itself && !g_str_equal (file, directory->next))
    return;
  if (mask & (IN_MOVE_SELF | IN_IGNORED))
    {
      int gone = directory->wd;

      directory->wd = -1;
      unwatch (self, gone);
    }
  directory_watch (self, directory);
  self->all = TRUE;
}

static void
handle_event (GstFcSlotWatch *self, const struct inotify_event *event,
              const gchar *file)
{
  guint i;

  if (event->mask & IN_Q_OVERFLOW)
    self->all = TRUE;
  for (i = 0; i < self->directories->len; i++)
    {
      Directory *directory = self->directories->pdata[i];

      if (event->mask & IN_Q_OVERFLOW)
        directory_watch (self, directory);
      else if (directory->wd == event->wd)
        directory_event (self, directory, event->mask, file);
    }
}

static void
read_events (GstFcSlotWatch *self)
{
  union
  {
    struct inotify_event align;
    gchar bytes[4096];
  } events;
  gssize n, at;

  while ((n = read (self->inotify, events.bytes, sizeof (events.bytes))) > 0)
    for (at = 0; at < n;)
      {
        const struct inotify_event *event
            = (const struct inotify_event *) (events.bytes + at);

        handle_event (self, event, event->len > 0 ? event->name : "");
        at += (gssize) (sizeof (*event) + event->len);
      }
}

/* The thread ----------------------------------------------------------- */

/* Take those whose time has come; how long until the next one's, ms, or -1. */
static int
take_due (GstFcSlotWatch *self)
{
  gint64 now = g_get_monotonic_time (), first = -1;
  gpointer name, when;
  GHashTableIter iter;

  g_hash_table_iter_init (&iter, self->again);
  while (g_hash_table_iter_next (&iter, &name, &when))
    {
      gint64 left = *(gint64 *) when - now;

      if (left > 0)
        {
          first = first < 0 ? left : MIN (first, left);
          continue;
        }
      g_hash_table_add (self->names, g_strdup (name));
      g_hash_table_iter_remove (&iter);
    }
  return first < 0 ? -1 : (int) (first / G_TIME_SPAN_MILLISECOND) + 1;
}

static void
tell (GstFcSlotWatch *self)
{
  GHashTable *names = g_steal_pointer (&self->names);
  GHashTableIter iter;
  gpointer name;

  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (self->all)
    self->func (NULL, self->user_data);
  g_hash_table_iter_init (&iter, names);
  while (!self->all && g_hash_table_iter_next (&iter, &name, NULL))
    self->func (name, self->user_data);
  self->all = FALSE;
  g_hash_table_unref (names);
}

static gpointer
watch_thread (gpointer user_data)
{
  GstFcSlotWatch *self = user_data;
  struct pollfd fds[] = { { .fd = self->inotify, .events = POLLIN },
                          { .fd = self->quit, .events = POLLIN } };

  for (;;)
    {
      int timeout = take_due (self);

      tell (self);
      if (poll (fds, G_N_ELEMENTS (fds), timeout) < 0 && errno != EINTR)
        return NULL;
      if (fds[1].revents != 0)
        return NULL;
      read_events (self);
    }
}

GstFcSlotWatch *
gst_fc_slot_watch_new (void)
{
  GstFcSlotWatch *self = g_new0 (GstFcSlotWatch, 1);

  self->inotify = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  self->quit = eventfd (0, EFD_CLOEXEC);
  self->directories = g_ptr_array_new_with_free_func (directory_free);
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->again = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (self->inotify < 0 || self->quit < 0
      || fc_slot_dirs (NULL, add_directory, self) < 0)
    {
      int err = errno;

      gst_fc_slot_watch_free (self);
      errno = err;
      return NULL;
    }
  return self;
}

void
gst_fc_slot_watch_start (GstFcSlotWatch *self, GstFcSlotWatchFunc func,
                         gpointer user_data)
{
  self->func = func;
  self->user_data = user_data;
  self->thread = g_thread_new ("fc-slot-watch", watch_thread, self);
}

void
gst_fc_slot_watch_free (GstFcSlotWatch *self)
{
  if (self == NULL)
    return;
  if (self->thread != NULL)
    {
      (void) eventfd_write (self->quit, 1);
      g_thread_join (self->thread);
    }
  if (self->inotify >= 0)
    close (self->inotify);
  if (self->quit >= 0)
    close (self->quit);
  g_ptr_array_unref (self->directories);
  g_hash_table_unref (self->names);
  g_hash_table_unref (self->again);
  g_free (self);
}
